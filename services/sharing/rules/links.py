"""Sharing links: what one may be, when it opens, and which changes open it to more people or more data."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Literal

from pydantic_core import PydanticCustomError

from services.sharing.rules.access import Board, Person, Plan
from services.sharing.rules.link_policy import LinkPolicy
from services.sharing.rules.sharing import check_author, check_owns, plan_required
from shared.errors import FieldError, Problem, invalid

Network = IPv4Network | IPv6Network
Filters = Mapping[str, str | Sequence[str]]
State = Literal["open", "paused", "expired", "suspended", "not_allowed", "switched_off"]

MOST_LINKS = 200
ORIGIN = re.compile(
    r"https://(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[0-9]{1,5})?"
    r"|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?"
)
PLAIN_FILTERS = frozenset({"aggregation", "timerange"})


@dataclass(frozen=True)
class Terms:
    """What a link gives, and to whom. Its token and its password stand elsewhere."""

    name: str
    description: str = ""
    expires_at: datetime | None = None
    has_password: bool = False
    networks: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    requires_secret: bool = False
    allow_parameters: bool = False
    tv_mode: bool = False
    dark_mode: bool = False
    toolbar: bool = True
    csv: bool = False
    excel: bool = False
    frozen_filters: Filters | None = None
    paused: bool = False


@dataclass(frozen=True)
class Link:
    """A link on a dashboard, or on a single report of it. `switches_seen` is how often all links had been turned off when its token was made."""

    link_id: str
    dashboard_id: str
    report_id: str | None
    terms: Terms
    created_by: str
    token_version: int
    switches_seen: int


def state(
    link: Link, plan: Plan | None, switched_off: int, policy: LinkPolicy, token_at: datetime, now: datetime
) -> State:
    """Whether a link opens now, and why not: the widest cause first. Nothing that isn't known opens it."""
    if link.switches_seen < switched_off:
        return "switched_off"
    if lacking(link.terms, plan) is not None:
        return "suspended"
    if not policy.allows(link.terms.has_password):
        return "not_allowed"
    if link.terms.paused:
        return "paused"
    ends_at = policy.ends_at(link.terms.expires_at, token_at)
    if ends_at is not None and now >= ends_at:
        return "expired"
    return "open"


def lacking(terms: Terms, plan: Plan | None) -> str | None:
    """The feature that such a link needs and the plan doesn't include."""
    if plan is None or not plan.sharing_links:
        return "sharing_links"
    if terms.allow_parameters and not plan.interactive_embedding:
        return "interactive_embedding"
    return None


def widening(before: Terms, after: Terms, *, another_password: bool = False) -> list[str]:
    """The fields whose change lets in somebody, or shows something, that wasn't before. Another password lets in whoever chose it."""
    opened = {
        "expires_at": before.expires_at is not None
        and (after.expires_at is None or after.expires_at > before.expires_at),
        "password": before.has_password and (another_password or not after.has_password),
        "networks": bool(before.networks) and not _within(after.networks, before.networks),
        "origins": not set(after.origins) <= set(before.origins),
        "requires_secret": before.requires_secret and not after.requires_secret,
        "frozen_filters": before.frozen_filters is not None
        and not narrower(after.frozen_filters, before.frozen_filters),
        "paused": before.paused and not after.paused,
    }
    opened |= {
        name: getattr(after, name) and not getattr(before, name)
        for name in ("allow_parameters", "toolbar", "csv", "excel")
    }
    return sorted(name for name, wider in opened.items() if wider)


def narrower(after: Filters | None, before: Filters) -> bool:
    """Whether every filter that was frozen still is, at no more than its values."""
    if after is None:
        return False
    return all(name in after and set(values_of(after[name])) <= set(values_of(before[name])) for name in before)


def values_of(values: str | Sequence[str]) -> Sequence[str]:
    return (values,) if isinstance(values, str) else values


def changed(before: Terms, after: Terms) -> list[str]:
    return [field.name for field in fields(Terms) if getattr(before, field.name) != getattr(after, field.name)]


def check_terms(terms: Terms, parameters: Collection[str], now: datetime, before: Terms | None = None) -> None:
    """Everything about a link that can be wrong, at once. What it had before stays whatever became of it: closing mustn't wait for a repair."""
    faults: list[FieldError] = []
    if terms.allow_parameters and not terms.requires_secret:
        faults.append(FieldError("/allow_parameters", "needs_secret", "only goes with `requires_secret`"))
    is_new_expiry = before is None or terms.expires_at != before.expires_at
    if is_new_expiry and terms.expires_at is not None and terms.expires_at <= now:
        faults.append(FieldError("/expires_at", "in_the_past", "must be in the future"))
    had = (before.frozen_filters or {}) if before is not None else {}
    for name, values in (terms.frozen_filters or {}).items():
        if had.get(name) != values and (problem := _filter_fault(name, values, parameters)):
            faults.append(FieldError(f"/frozen_filters/{_pointed(name)}", *problem))
    if faults:
        raise Problem("invalid", errors=faults)


def undeclared(filters: Filters | None, parameters: Collection[str]) -> list[str]:
    """The filters that the dashboard doesn't declare (any more)."""
    return [name for name in filters or {} if name not in parameters and name not in PLAIN_FILTERS]


def check_plan(terms: Terms, plan: Plan | None) -> None:
    """Setting up and widening need a plan that includes it."""
    feature = lacking(terms, plan)
    if feature is not None:
        what = {"sharing_links": "sharing links", "interactive_embedding": "links that take parameters"}[feature]
        raise plan_required(feature, what, plan)


def check_may_change(
    person: Person, board: Board, plan: Plan | None, before: Terms, after: Terms, *, another_password: bool = False
) -> None:
    """The owner may do everything that the plan includes. Closing is the owner's and every Admin's, whatever the plan."""
    if widening(before, after, another_password=another_password):
        check_owns(person, board)
        check_plan(after, plan)
    else:
        check_may_close(person, board)


def check_may_close(person: Person, board: Board) -> None:
    if board.owner_id != person.user_id and not is_admin(person):
        raise Problem("forbidden", "Only its owner and Admins may do this.", meta={"because": "ownership"})


def check_may_rotate(
    person: Person, board: Board, plan: Plan | None, link: Link, switched_off: int, *, lengthens: bool
) -> None:
    """A new token ends the old one, which is closing; where it revives a link or begins its longest time anew, it is widening."""
    if link.switches_seen < switched_off or lengthens:
        check_owns(person, board)
        check_plan(link.terms, plan)
    else:
        check_may_close(person, board)


def check_switch(on: bool) -> None:
    if on:
        raise Problem(
            "conflict",
            "All sharing links are switched off. An Admin can end that.",
            meta={"because": "switched_off"},
        )


def check_admin(person: Person) -> None:
    check_author(person)
    if not is_admin(person):
        raise Problem("forbidden", meta={"because": "role", "role": person.effective_role, "roles": ["admin"]})


def is_admin(person: Person) -> bool:
    return person.author and person.effective_role == "admin"


def check_room(count: int) -> None:
    if count >= MOST_LINKS:
        raise invalid("/dashboard_id", "too_many", f"has {MOST_LINKS} links already", limit=MOST_LINKS)


def network(text: str) -> str:
    """A network in its one spelling; IPv4 inside IPv6 as IPv4. `ValueError` in words for a person."""
    found = _network(text)
    if found is None:
        raise PydanticCustomError(
            "not_a_network", "must be an address or a network like 203.0.113.0/24 or 2001:db8::/32, without host bits"
        )
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped is not None:
        if found.prefixlen < 96:
            raise PydanticCustomError("not_a_network", "mixes IPv4 and IPv6")
        found = ip_network((found.network_address.ipv4_mapped, found.prefixlen - 96))
    return str(found)


def lets_in(networks: Sequence[str], source: str | None) -> bool:
    """Whether an address is on the list; an empty list is no list, and an unknown address is on none."""
    if not networks:
        return True
    address = _address(source)
    return address is not None and any(address in ip_network(one) for one in networks)


def origin(text: str) -> str:
    """An origin that may show a link in a frame: https, or a machine's own http for trying it out."""
    if not ORIGIN.fullmatch(text.lower()):
        raise PydanticCustomError(
            "not_an_origin", "must be an origin like https://app.example.com or https://*.example.com, without a path"
        )
    return text.lower()


def _network(text: str) -> Network | None:
    """None for what is none; and an interface (`%eth0`) is known to one machine alone."""
    try:
        return None if "%" in text else ip_network(text, strict=True)
    except ValueError:
        return None


def _within(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether every address of one list is in a network of the other; an empty list lets everybody in."""
    if not inner:
        return False
    around = [ip_network(one) for one in outer]
    return all(any(_inside(ip_network(one), wide) for wide in around) for one in inner)


def _inside(narrow: Network, wide: Network) -> bool:
    if isinstance(narrow, IPv4Network) and isinstance(wide, IPv4Network):
        return narrow.subnet_of(wide)
    if isinstance(narrow, IPv6Network) and isinstance(wide, IPv6Network):
        return narrow.subnet_of(wide)
    return False


def _address(text: str | None) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _filter_fault(name: str, values: str | Sequence[str], parameters: Collection[str]) -> tuple[str, str] | None:
    if name in PLAIN_FILTERS:
        return None if isinstance(values, str) else ("text_expected", "must be text")
    if name not in parameters:
        return "undeclared", "is no parameter of this dashboard"
    if isinstance(values, str) or not values:
        return "values_expected", "must be a list of at least one value"
    return None


def _pointed(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
