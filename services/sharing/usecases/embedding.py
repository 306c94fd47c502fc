"""A link's door: the analytics product shows it what a viewer brought, and learns whether to open, with which filters, and how.

Whatever is wrong, the viewer hears the same; the organization finds the reason in its log. Every answer is made from what holds now.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Annotated, Any, Literal

import jwt
from pydantic import ConfigDict, Field

from services.sharing.rules import embed_secrets, embed_tokens
from services.sharing.rules import links as rules
from services.sharing.rules.access import Plan
from services.sharing.rules.embed_tokens import Refused
from services.sharing.store import access as reading
from services.sharing.store import closing, links, secrets
from services.sharing.store import embedding as store
from services.sharing.usecases.embed_secrets import opened_secret
from services.sharing.usecases.links import TOKEN
from services.sharing.usecases.opened import opened
from shared.db import EVERY_ORG, Read, Tx
from shared.errors import Problem
from shared.events.sharing import EmbedTokenRefused
from shared.fields import ForeignId, Message, View
from shared.ids import new_id
from shared.links import link_token, read_link_token
from shared.metrics import LINKS_ASKED
from shared.service import Ctx

UNLOCKED_FOR = timedelta(hours=12)
GUESSES = ((10, timedelta(minutes=15)), (300, timedelta(hours=1)))
EVERYBODY = "*"
KEPT_FOR = timedelta(days=30)

Given = str | list[str] | None


class ResolveLink(Message):
    """What a viewer's address holds. Everything else in it is asked for as a filter."""

    model_config = ConfigDict(extra="allow")

    shared_dashboard_id: ForeignId
    sharingToken: Annotated[Given, Field(description="The link's token.")] = None
    sharingSecret: Annotated[Given, Field(description="An embed token, when the link requires one.")] = None
    unlock: Annotated[Given, Field(description="From `POST …/unlocks`, when the link has a password.")] = None


class UnlockLink(Message):
    shared_dashboard_id: ForeignId
    sharing_token: Annotated[str, Field(max_length=500)]
    password: Annotated[str, Field(min_length=1, max_length=256)]


class Display(View):
    tv_mode: bool
    dark_mode: bool
    toolbar: bool
    csv: bool
    excel: bool


class SharedDashboard(View):
    """Open: show this. `filters` apply on top of the dashboard's defaults; those in `locked` can't be changed by the viewer.

    `frame_ancestors` goes into the page's Content-Security-Policy. `expires_at` is the last moment that is known now: ask again whenever
    the page is loaded, for everything can end sooner.
    """

    verdict: Literal["open"] = "open"
    dashboard_id: str
    report_id: str | None
    filters: Mapping[str, str | Sequence[str]]
    locked: tuple[str, ...]
    interactive: bool
    display: Display
    frame_ancestors: str
    expires_at: datetime | None


class Unlocked(View):
    unlock: str
    expires_at: datetime


@dataclass(frozen=True)
class Door:
    """A link that exists, as it stands now."""

    org_id: str
    kept: links.Kept
    plan: Plan | None
    token: str
    closed: bool = False


async def resolve_link(ctx: Ctx, asked: ResolveLink) -> SharedDashboard | Problem:
    """Whether a sharing link opens for whoever brings this, and what it shows then: for the analytics product, on each load of a page."""
    org_id, version = await _named(ctx, asked.sharingToken)
    if org_id is None:
        return refused()
    async with ctx.tx(org_id) as tx:
        door = await _door(ctx, tx, org_id, asked.sharingToken)
        if door is None:
            return refused()
        secret_id: str | None = None
        fixed: dict[str, str | Sequence[str]] = {}
        ends: datetime | None = None
        try:
            _check_door(ctx, door, asked.shared_dashboard_id, version)
            if door.kept.link.terms.requires_secret or asked.sharingSecret is not None:
                secret_id, fixed, ends = await judged(ctx, tx, org_id, door, asked.sharingSecret)
        except Refused as why:
            return await _refuse(ctx, tx, door, why)
        if door.kept.password_hash is not None and not _is_unlocked(ctx, door, asked.unlock):
            return Problem("password_required")
        link_id = door.kept.link.link_id
        if secret_id is not None:
            await secrets.count_use(tx, org_id, secret_id, link_id, asked.shared_dashboard_id, ctx.now)
        await store.count_opening(tx, org_id, link_id, ctx.now)
    LINKS_ASKED.labels("open").inc()
    return _shown(door, fixed, asked.model_extra or {}, ends)


async def unlock_link(ctx: Ctx, asked: UnlockLink) -> Unlocked | Problem:
    """Takes a link's password, and gives what opens the link for twelve hours without asking again."""
    org_id, version = await _named(ctx, asked.sharing_token)
    if org_id is None:
        return refused()
    async with ctx.read(org_id) as read:
        door = await _door(ctx, read, org_id, asked.sharing_token)
    if door is None:
        return refused()
    why: Refused | None = None
    try:
        _check_door(ctx, door, asked.shared_dashboard_id, version)
    except Refused as found:
        why = found
    if why is None:
        with opened(ctx).hasher.place() as hasher:
            await _pay(ctx, door)
            if not await hasher.verify(door.kept.password_hash, asked.password):
                why = Refused("wrong_password", "link", "The password was wrong.")
    async with ctx.tx(org_id) as tx:
        if why is not None:
            return await _refuse(ctx, tx, door, why)
        for source in _sources(ctx):
            await store.give_back_guess(tx, org_id, door.kept.link.link_id, source)
    until = ctx.now + UNLOCKED_FOR
    claims = _unlocking(door) | {"exp": int(until.timestamp())}
    return Unlocked(unlock=jwt.encode(claims, _unlock_key(ctx), algorithm="HS256"), expires_at=until)


async def judged(
    ctx: Ctx, read: Read, org_id: str, door: Door | None, token: Given
) -> tuple[str, dict[str, str | Sequence[str]], datetime]:
    """An embed token at this link: which secret signed it, what it fixes, and until when. Raises `Refused`."""
    if token is None:
        raise Refused("no_token", "form", "The link requires an embed token, and none came.")
    if not isinstance(token, str):
        raise Refused("malformed", "form", "The address holds more than one embed token.")
    ring = await secrets.ring(read, org_id)
    found = embed_tokens.verified(token, _opened(ctx, ring), ctx.now)
    try:
        ends = embed_tokens.check_time(found.claims, ctx.now)
        embed_tokens.check_link(found.claims, door.token if door else "")
        if door is None:
            raise Refused("other_link", "link", "Its `sharing_token` is no link's of this organization.")
        fixed = embed_tokens.fixed_parameters(found.claims, door.kept.link.terms, door.kept.parameters, door.plan)
    except Refused as why:
        raise Refused(why.reason, why.step, why.detail, found.secret_id) from None
    return found.secret_id, fixed, ends


def refused() -> Problem:
    """The one answer to everything that doesn't open."""
    return Problem("link_refused")


async def forget_refusals(ctx: Ctx) -> None:
    """Refusals are kept for 30 days."""
    async with ctx.tx() as tx:
        await store.purge(tx, ctx.now - KEPT_FOR, ctx.now - GUESSES[1][1])


async def _named(ctx: Ctx, token: Given) -> tuple[str | None, int]:
    """Whose link a token was made for; nobody's when it wasn't made here."""
    named = read_link_token(opened(ctx).link_tokens, TOKEN, token) if isinstance(token, str) else None
    if named is None:
        return None, 0
    async with ctx.env.database.read(EVERY_ORG) as read:
        return await store.org_of_link(read, named[0]), named[1]


async def _door(ctx: Ctx, read: Read, org_id: str, token: Given) -> Door | None:
    key = opened(ctx).link_tokens
    named = read_link_token(key, TOKEN, token) if isinstance(token, str) else None
    kept = await links.link(read, org_id, named[0]) if named else None
    if kept is None:
        return None
    _, plan = await reading.standing(read, org_id, "")
    token = link_token(key, TOKEN, kept.link.link_id, kept.link.token_version)
    return Door(org_id, kept, plan, token, await closing.is_closed(read, org_id))


def _check_door(ctx: Ctx, door: Door, dashboard_id: str, version: int) -> None:
    """All that is asked of a link before anybody's embed token is looked at."""
    link, kept = door.kept.link, door.kept
    if door.closed:
        raise Refused("organization_closed", "link", "The organization is closed.")
    if dashboard_id != link.dashboard_id:
        raise Refused("other_dashboard", "link", "The link belongs to another dashboard.")
    if version != link.token_version:
        raise Refused("old_token", "link", "The link has a new token since.")
    state = rules.state(link, door.plan, kept.switched_off, kept.policy, kept.token_at, ctx.now)
    if kept.switch_on or state != "open":
        state = "switched_off" if kept.switch_on else state
        raise Refused(f"link_{state}", "link", f"The link is {state.replace('_', ' ')}.")
    if gone := rules.undeclared(link.terms.frozen_filters, kept.parameters):
        raise Refused(
            "filter_gone", "link", f"The dashboard no longer declares {', '.join(gone)}, which the link is frozen at."
        )
    if not rules.lets_in(link.terms.networks, ctx.request.source_ip):
        raise Refused("network", "link", "The address isn't on the link's list.")


def _opened(ctx: Ctx, ring: Sequence[secrets.KeptSecret]) -> Iterator[tuple[embed_secrets.Secret, str]]:
    """Secrets one by one, those that are valid first. A dead one that can't be read explains nothing, and stops nobody."""
    alive = [kept for kept in ring if embed_secrets.is_alive(kept.life, ctx.now)]
    for kept in alive:
        yield kept.life, opened_secret(ctx, kept)
    for kept in ring:
        if kept not in alive:
            try:
                yield kept.life, opened_secret(ctx, kept)
            except Problem:
                continue


async def _refuse(ctx: Ctx, tx: Tx, door: Door, why: Refused) -> Problem:
    link = door.kept.link
    LINKS_ASKED.labels(why.reason).inc()
    is_first = await store.keep_refusal(
        tx,
        door.org_id,
        new_id("ref", now=ctx.now.timestamp()),
        ctx.now,
        link_id=link.link_id,
        dashboard_id=link.dashboard_id,
        reason=why.reason,
        detail=why.detail,
        secret_id=why.secret_id,
        source_ip=ctx.request.source_ip or None,
    )
    if is_first:
        await tx.emit(
            EmbedTokenRefused(
                org_id=door.org_id, link_id=link.link_id, dashboard_id=link.dashboard_id, reason=why.reason
            )
        )
    return refused()


def _shown(
    door: Door, fixed: dict[str, str | Sequence[str]], asked: Mapping[str, Any], ends: datetime | None
) -> SharedDashboard:
    link, terms = door.kept.link, door.kept.link.terms
    applied, locked = embed_tokens.filters(terms, fixed, asked, door.kept.parameters)
    link_ends = door.kept.policy.ends_at(terms.expires_at, door.kept.token_at)
    moments = [moment for moment in (ends, link_ends) if moment is not None]
    return SharedDashboard(
        dashboard_id=link.dashboard_id,
        report_id=link.report_id,
        filters=applied,
        locked=locked,
        interactive=terms.allow_parameters,
        display=Display(**{name: getattr(terms, name) for name in Display.model_fields}),
        frame_ancestors=" ".join(terms.origins) or "'none'",
        expires_at=min(moments, default=None),
    )


def _is_unlocked(ctx: Ctx, door: Door, unlock: Given) -> bool:
    """An unlock is good for one link, one token and one password of it."""
    if not isinstance(unlock, str):
        return False
    try:
        claims = jwt.decode(
            unlock, _unlock_key(ctx), algorithms=["HS256"], options={"require": ["exp"], "verify_exp": False}
        )
    except jwt.PyJWTError:
        return False
    known = _unlocking(door)
    return {name: claims.get(name) for name in known} == known and ctx.now.timestamp() < claims["exp"]


def _unlocking(door: Door) -> dict[str, Any]:
    link = door.kept.link
    return {"link": link.link_id, "token": link.token_version, "password": door.kept.password_version}


def _unlock_key(ctx: Ctx) -> bytes:
    return hmac.digest(opened(ctx).link_tokens, b"link unlocks", hashlib.sha256)


async def _pay(ctx: Ctx, door: Door) -> None:
    """Counts a guess before it is looked at, in a transaction of its own: per address, and per link from everywhere.

    Who knows the password gets back their own and no more: else every viewer would open the door anew to whoever guesses.
    """
    async with ctx.env.database.tx(door.org_id, ctx.say) as tx:
        for source, (most, window) in zip(_sources(ctx), GUESSES, strict=True):
            guesses, since = await store.count_guess(tx, door.org_id, door.kept.link.link_id, source, ctx.now, window)
            if guesses > most:
                wait = since + window - ctx.now
                raise Problem("rate_limited", retry_after=max(1, int(wait.total_seconds())))


def _sources(ctx: Ctx) -> tuple[str, str]:
    """An IPv6 client owns its whole /64."""
    text = ctx.request.source_ip or ""
    return (str(ip_network((text, 64), strict=False)) if ":" in text else text), EVERYBODY
