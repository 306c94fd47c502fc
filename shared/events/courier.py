"""What anybody may ask of courier: a mail. A task, not a fact; consumed by courier alone."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from shared.events import Event, Shape
from shared.ids import OrgId

LinkPurpose = Literal["signup", "invitation", "password_reset", "email_change", "email_change_undo"]


class MailLink(Shape):
    """The link a mail carries. Courier makes its token from this (`shared.links`), so that no event ever holds one."""

    purpose: LinkPurpose
    id: str
    version: int


class MailRequested(Event):
    """Send one mail: the template, its values, and perhaps a link. Ordered by organization or person, whoever it is about."""

    TYPE: ClassVar[str] = "courier.mail.requested.v1"
    SUBJECT: ClassVar[str] = "about"
    about: Annotated[str, StringConstraints(pattern="^(org|usr)_")]
    org_id: OrgId | None = None
    to: str
    template: Literal[
        "confirm_signup",
        "account_exists",
        "invitation",
        "dashboard_shared",
        "embed_secret_expiring",
        "trial_ending",
        "password_reset",
        "no_account",
        "password_changed",
        "confirm_email_change",
        "email_change_taken",
        "email_change_asked",
        "email_changed",
    ]
    values: dict[str, str]
    link: MailLink | None = None
    language: Literal["en", "de"] = "en"


PUBLISHED = (MailRequested,)
