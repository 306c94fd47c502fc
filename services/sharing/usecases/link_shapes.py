"""How links look: what is asked about them, and what is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from services.sharing.rules import links as rules
from services.sharing.rules.access import Plan
from services.sharing.rules.explanation import Cause
from services.sharing.rules.links import State, Terms
from services.sharing.store import links as store
from shared.capabilities import Suspension
from shared.events import sharing as said
from shared.fields import Composed, ForeignId, Message, Moment, Name, Paragraph, Versioned, View
from shared.ids import LinkId
from shared.paging import ListQuery

Network = Annotated[str, StringConstraints(max_length=60), AfterValidator(rules.network)]
Origin = Annotated[str, StringConstraints(max_length=300), AfterValidator(rules.origin)]
Networks = Annotated[
    list[Network], Field(max_length=100, description="Addresses and networks, IPv4 and IPv6; empty: from everywhere.")
]
Origins = Annotated[list[Origin], Field(max_length=50, description="Sites that may show it in a frame; empty: none.")]
Password = Annotated[str, StringConstraints(min_length=8, max_length=256)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Filters = Annotated[
    dict[Name, Value | Annotated[list[Value], Field(min_length=1, max_length=500)]],
    Field(
        min_length=1, max_length=100, description="Values per parameter; `aggregation` and `timerange` are plain text."
    ),
]
FLAGS = ("requires_secret", "allow_parameters", "tv_mode", "dark_mode", "toolbar", "csv", "excel")


class CreateLink(Message):
    """`frozen_filters`: leave it out to follow the dashboard's defaults. `report_id`: for a single report of the dashboard."""

    dashboard_id: ForeignId
    report_id: ForeignId | None = None
    name: Name
    description: Paragraph = ""
    expires_at: Moment | None = None
    password: Password | None = None
    networks: Networks = Field(default_factory=list)
    origins: Origins = Field(default_factory=list)
    requires_secret: bool = False
    allow_parameters: bool = False
    tv_mode: bool = False
    dark_mode: bool = False
    toolbar: bool = True
    csv: bool = False
    excel: bool = False
    frozen_filters: Filters | None = None


class ChangeLink(Message):
    """What is left out stays. `expires_at`, `password` and `frozen_filters` can be null: without."""

    link_id: LinkId
    name: Name | None = None
    description: Paragraph | None = None
    expires_at: Moment | None = None
    password: Password | None = None
    networks: Networks | None = None
    origins: Origins | None = None
    requires_secret: bool | None = None
    allow_parameters: bool | None = None
    tv_mode: bool | None = None
    dark_mode: bool | None = None
    toolbar: bool | None = None
    csv: bool | None = None
    excel: bool | None = None
    frozen_filters: Filters | None = None
    paused: bool | None = None

    @model_validator(mode="after")
    def _some_can_be_without(self) -> ChangeLink:
        for name in self.model_fields_set - {"expires_at", "password", "frozen_filters"}:
            if getattr(self, name) is None:
                raise ValueError(f"{name} can't be null")
        return self


class WhichLink(Message):
    link_id: LinkId


class ListLinks(ListQuery):
    dashboard_id: ForeignId | None = None
    q: Annotated[
        str | None,
        Field(max_length=200, description="Part of the name or of the dashboard's title, regardless of case."),
    ] = None
    state: Annotated[State | None, Field(description="Only those in this state.")] = None
    creator_left: Annotated[bool, Field(description="Only those whose maker is no longer an active member.")] = False
    unrestricted: Annotated[
        bool,
        Field(description="Only those without password, networks and embed token: whoever has the address gets in."),
    ] = False
    unused_days: Annotated[
        int | None, Field(ge=1, le=3650, description="Only those that nobody has opened for so many days.")
    ] = None


class Creator(View):
    """Who made a link; `active` is false when they are no longer an active member: somebody should look at what they left open."""

    user_id: str
    name: str | None
    active: bool


class Link(Composed):
    """A sharing link. `state` says whether it opens now; `suspended` since when the plan stands in the way. `owner_id` is whose dashboard it is.

    `ends_at`: when it stops to open, by `expires_at` or the organization's link policy, whichever is first.
    """

    id: str
    dashboard_id: str
    dashboard_title: str
    owner_id: str
    report_id: str | None
    name: str
    description: str
    state: State
    suspended: Suspension | None
    creator: Creator
    expires_at: datetime | None
    ends_at: datetime | None
    has_password: bool
    networks: tuple[str, ...]
    origins: tuple[str, ...]
    requires_secret: bool
    allow_parameters: bool
    tv_mode: bool
    dark_mode: bool
    toolbar: bool
    csv: bool
    excel: bool
    frozen_filters: Mapping[str, str | Sequence[str]] | None
    paused: bool
    token_at: datetime
    opens: int
    last_opened_at: datetime | None
    created_at: datetime
    updated_at: datetime


class LinkWithToken(Link):
    """A link and its `sharingToken`, which is for the owner of the dashboard alone: null for everybody else.

    `url` is the address to pass on: the page of the analytics product that the operator named, with the token; null where none is named.
    """

    token: str | None
    url: str | None


class LinksSwitch(Versioned):
    """Whether all links of the organization are switched off."""

    suspended: bool
    since: datetime | None
    by: str | None


def told(link: rules.Link) -> said.Link:
    """A link as events tell it."""
    terms = link.terms
    lists = {"networks": list(terms.networks), "origins": list(terms.origins)}
    plain = {
        name: getattr(terms, name) for name in said.Link.model_fields if hasattr(terms, name) and name not in lists
    }
    return said.Link(
        link_id=link.link_id,
        dashboard_id=link.dashboard_id,
        report_id=link.report_id,
        created_by=link.created_by,
        token_version=link.token_version,
        **plain,
        **lists,
    )


def view(kept: store.Kept, plan: Plan | None, cause: Cause, now: datetime) -> dict[str, Any]:
    """The fields of a link as its owner and Admins see it."""
    link, terms = kept.link, kept.link.terms
    state = rules.state(link, plan, kept.switched_off, kept.policy, kept.token_at, now)
    lacking = rules.lacking(terms, plan) is not None
    return {
        "version": kept.version,
        "id": link.link_id,
        "dashboard_id": link.dashboard_id,
        "dashboard_title": kept.board.title,
        "owner_id": kept.board.owner_id,
        "report_id": link.report_id,
        "state": state,
        "suspended": Suspension(plan=plan.plan if plan else None, since=cause.at) if lacking else None,
        "creator": Creator(user_id=link.created_by, name=kept.creator_name, active=kept.creator_active),
        **{name: getattr(terms, name) for name in Terms.__dataclass_fields__},
        "ends_at": kept.policy.ends_at(terms.expires_at, kept.token_at),
        "token_at": kept.token_at,
        "opens": kept.opens,
        "last_opened_at": kept.last_opened_at,
        "created_at": kept.created_at,
        "updated_at": kept.updated_at,
    }
