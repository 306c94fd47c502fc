"""What the organization takes from what its identity provider describes, checked as if a person had typed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from scim2_models import Group

from services.org.rules.scim import refused
from shared.errors import Problem
from shared.fields import Email, Name, faults_of


@dataclass(frozen=True)
class Facts:
    """What the organization takes from a user that its identity provider describes. The rest is kept and shown as it came."""

    user_name: str
    email: str
    name: str
    external_id: str | None
    active: bool | None


def facts_of(user: Any) -> Facts:
    user_name = (user.user_name or "").strip()
    if not user_name:
        raise refused("invalidValue", "userName is required.", "user_name_missing")
    emails = [one for one in user.emails or () if one.value]
    best = sorted(emails, key=lambda one: (not one.primary, one.type != "work"))
    address = best[0].value if best else user_name
    name = user.name
    spoken = " ".join(part for part in ((name.given_name, name.family_name) if name else ()) if part)
    candidates = (user.display_name, name.formatted if name else None, spoken, user_name.partition("@")[0])
    return Facts(
        user_name=_checked(Name, user_name, "userName"),
        email=_checked(Email, str(address), "emails"),
        name=_checked(Name, next(text for text in candidates if text and text.strip()), "displayName"),
        external_id=user.external_id,
        active=user.active,
    )


def group_name(group: Group) -> str:
    name = _checked(Name, group.display_name or "", "displayName")
    if len(name) > 80:
        raise refused("invalidValue", "displayName has at most 80 letters.", "display_name_too_long")
    return name


def _checked(kind: Any, text: str, attribute: str) -> str:
    try:
        return str(TypeAdapter(kind).validate_python(text))
    except ValidationError as wrong:
        faults = faults_of(wrong, f"/{attribute}")[:1]
        raise Problem("scim_refused", errors=faults, meta={"scim_type": "invalidValue"}) from None
