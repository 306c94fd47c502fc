"""Sharing links: made by the owner of a dashboard, seen by Admins in one inventory, and closed by either of them whatever the plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from services.sharing.rules import link_policy, sharing
from services.sharing.rules import links as rules
from services.sharing.rules.explanation import Cause
from services.sharing.rules.links import Terms
from services.sharing.store import access as reading
from services.sharing.store import dashboards, link_policies, plans
from services.sharing.store import links as store
from services.sharing.usecases.asking import Asker, asker, author
from services.sharing.usecases.dashboards import WhichDashboard
from services.sharing.usecases.link_shapes import (
    FLAGS,
    ChangeLink,
    CreateLink,
    Link,
    LinksSwitch,
    LinkWithToken,
    ListLinks,
    WhichLink,
    told,
    view,
)
from services.sharing.usecases.opened import opened
from shared.auth import Actor
from shared.db import Read
from shared.errors import Problem
from shared.events import sharing as said
from shared.fields import Nothing
from shared.ids import new_id
from shared.links import link_address, link_token
from shared.paging import Cursors, Page
from shared.service import Ctx

TOKEN = "sharing_link"  # noqa: S105 - what its tokens are for


async def create_link(ctx: Ctx, wanted: CreateLink) -> LinkWithToken:
    """Makes a sharing link on a dashboard of one's own; the answer has its token."""
    terms = _terms(wanted)
    async with ctx.read() as read:
        await _may_create(ctx, read, wanted, terms)
    password_hash = await _hashed(ctx, wanted.password)
    async with ctx.tx() as tx:
        asking = await _may_create(ctx, tx, wanted, terms)
        policy = (await link_policies.hold(tx, asking.org_id)).policy
        link_policy.check_allowed(policy)
        link_policy.check_set(policy, has_password=terms.has_password, expires_at=terms.expires_at, token_at=ctx.now)
        switch = await store.hold_switch(tx, asking.org_id)
        rules.check_switch(switch.on)
        rules.check_room(len(await store.links_of_dashboard(tx, asking.org_id, wanted.dashboard_id)))
        link_id = new_id("lnk", now=ctx.now.timestamp())
        link = rules.Link(
            link_id, wanted.dashboard_id, wanted.report_id, terms, asking.person.user_id, 1, switch.switched_off
        )
        await store.add_link(tx, asking.org_id, link, password_hash, ctx.now)
        await tx.emit(said.LinkCreated(org_id=asking.org_id, link=told(link)))
        return await _answer(ctx, tx, asking, link_id)


async def list_links_of_dashboard(ctx: Ctx, which: WhichDashboard) -> Page[Link]:
    """All sharing links of a dashboard, the newest first: for its owner, and for Admins who see it."""
    async with ctx.read() as read:
        asking = await asker(ctx, read)
        kept = await dashboards.dashboard(read, asking.org_id, which.dashboard_id)
        if kept is None:
            raise Problem("not_found")
        rules.check_may_close(asking.person, kept.board)
        found = await store.links_of_dashboard(read, asking.org_id, which.dashboard_id)
        cause = await _cause(read, asking.org_id)
    return Page(data=[Link(**view(one, asking.plan, cause, ctx.now)) for one in found])


async def list_links(ctx: Ctx, query: ListLinks) -> Page[Link]:
    """All sharing links of the organization for an Admin, those on their own dashboards for others; the newest first."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    (after,) = cursors.read(query) or [""]
    async with ctx.read() as read:
        asking = await asker(ctx, read)
        found = await store.links(
            read,
            asking.org_id,
            store.Wanted(
                owner_id=None if rules.is_admin(asking.person) else asking.person.user_id,
                dashboard_id=query.dashboard_id,
                like=reading.containing(query.q),
                creator_left=query.creator_left,
                unrestricted=query.unrestricted,
                unused_since=ctx.now - timedelta(days=query.unused_days) if query.unused_days else None,
                state=query.state,
            ),
            asking.plan,
            ctx.now,
            after=after,
            limit=query.limit + 1,
        )
        cause = await _cause(read, asking.org_id)
    page = cursors.page(found, query, lambda kept: (kept.link.link_id,))
    return Page(data=[Link(**view(one, asking.plan, cause, ctx.now)) for one in page.data], page=page.page)


async def read_link(ctx: Ctx, which: WhichLink) -> LinkWithToken:
    """One sharing link; its token for the owner of the dashboard."""
    async with ctx.read() as read:
        if not await may_know_of_link(read, ctx.actor, which.link_id):
            raise Problem("not_found")
        return await _answer(ctx, read, await asker(ctx, read), which.link_id)


async def change_link(ctx: Ctx, wanted: ChangeLink) -> LinkWithToken:
    """Changes a link. What opens it to more people or more data is the owner's and needs the plan; closing is never refused to owner and Admins."""
    async with ctx.read() as read:
        if not await may_know_of_link(read, ctx.actor, wanted.link_id):
            raise Problem("not_found")
    another_password = "password" in wanted.model_fields_set
    password_hash = await _hashed(ctx, wanted.password)
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        kept = await store.lock_link(tx, asking.org_id, wanted.link_id)
        ctx.check_version(kept.version, kept.updated_by, kept.updated_at)
        before = kept.link.terms
        after = _changed(before, wanted)
        rules.check_may_change(asking.person, kept.board, asking.plan, before, after, another_password=another_password)
        rules.check_terms(after, kept.parameters, ctx.now, before)
        link_policy.check_set(
            (await link_policies.hold(tx, asking.org_id)).policy,
            has_password=after.has_password if another_password else None,
            expires_at=after.expires_at if after.expires_at != before.expires_at else None,
            token_at=kept.token_at,
        )
        changed = [name for name in rules.changed(before, after) if name != "has_password"]
        if another_password and (before.has_password or after.has_password):
            changed.append("password")
        if changed:
            link = replace(kept.link, terms=after)
            await store.change_link(
                tx,
                asking.org_id,
                wanted.link_id,
                after,
                asking.person.user_id,
                ctx.now,
                password=(another_password, password_hash),
            )
            event = said.LinkChanged(
                org_id=asking.org_id, link=told(link), changed=sorted(changed), previous=told(kept.link)
            )
            await tx.emit(event)
        return await _answer(ctx, tx, asking, wanted.link_id)


async def rotate_link_token(ctx: Ctx, which: WhichLink) -> LinkWithToken:
    """Gives a link a new token; the old one is dead at once. Also how a link comes back that was switched off with all others."""
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        switch = await store.hold_switch(tx, asking.org_id)
        kept = await store.lock_link(tx, asking.org_id, which.link_id)
        lengthens = kept.policy.ends_at(None, kept.token_at) is not None
        rules.check_may_rotate(
            asking.person, kept.board, asking.plan, kept.link, switch.switched_off, lengthens=lengthens
        )
        rules.check_switch(switch.on)
        ctx.check_version(kept.version, kept.updated_by, kept.updated_at)
        await store.rotate_token(tx, asking.org_id, which.link_id, switch.switched_off, asking.person.user_id, ctx.now)
        link = replace(kept.link, token_version=kept.link.token_version + 1, switches_seen=switch.switched_off)
        revived = kept.link.switches_seen < switch.switched_off
        await tx.emit(said.LinkTokenRotated(org_id=asking.org_id, link=told(link), revived=revived))
        return await _answer(ctx, tx, asking, which.link_id)


async def remove_link(ctx: Ctx, which: WhichLink) -> None:
    """Removes a link for good: its owner may, and every Admin."""
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        kept = await store.lock_link(tx, asking.org_id, which.link_id)
        rules.check_may_close(asking.person, kept.board)
        ctx.check_version(kept.version, kept.updated_by, kept.updated_at)
        await store.remove_link(tx, asking.org_id, which.link_id)
        await tx.emit(said.LinkRemoved(org_id=asking.org_id, link=told(kept.link)))


async def read_links_suspension(ctx: Ctx, _: Nothing) -> LinksSwitch:
    """Whether all sharing links of the organization are switched off."""
    async with ctx.read() as read:
        return _switch_view(await store.switch(read, ctx.actor.org()))


async def suspend_links(ctx: Ctx, _: Nothing) -> LinksSwitch:
    """Switches off all sharing links of the organization, for good: each that is wanted again later gets a new token."""
    return await _turn(ctx, on=True)


async def resume_links(ctx: Ctx, _: Nothing) -> None:
    """Lets links be made, and revived one by one with a new token; by itself none comes back."""
    await _turn(ctx, on=False)


async def may_know_of_link(read: Read, actor: Actor, link_id: str) -> bool:
    """Links are known to the owner of their dashboard and to Admins."""
    if actor.org_id is None or actor.user_id is None:
        return False
    kept = await store.link(read, actor.org_id, link_id)
    person, _ = await reading.standing(read, actor.org_id, actor.user_id)
    if kept is None or person is None or not person.active:
        return False
    return kept.board.owner_id == person.user_id or rules.is_admin(person)


async def _turn(ctx: Ctx, *, on: bool) -> LinksSwitch:
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        rules.check_admin(asking.person)
        switch = await store.hold_switch(tx, asking.org_id, to_change=True)
        if switch.on != on:
            await store.set_switch(tx, asking.org_id, asking.person.user_id if on else None, ctx.now)
            kind = said.LinksSuspended if on else said.LinksResumed
            await tx.emit(kind(org_id=asking.org_id, cause="switch"))
        return _switch_view(await store.switch(tx, asking.org_id))


async def _may_create(ctx: Ctx, read: Read, wanted: CreateLink, terms: Terms) -> Asker:
    asking = await author(ctx, read)
    kept = await dashboards.dashboard(read, asking.org_id, wanted.dashboard_id)
    if kept is None:
        raise Problem("not_found")
    sharing.check_owns(asking.person, kept.board)
    rules.check_plan(terms, asking.plan)
    rules.check_terms(terms, kept.parameters, ctx.now)
    return asking


async def _hashed(ctx: Ctx, password: str | None) -> str | None:
    if password is None:
        return None
    with opened(ctx).hasher.place() as hasher:
        return await hasher.hash(password)


async def _answer(ctx: Ctx, read: Read, asking: Asker, link_id: str) -> LinkWithToken:
    kept = await store.link(read, asking.org_id, link_id)
    if kept is None:
        raise Problem("not_found")
    cause = await _cause(read, asking.org_id)
    mine = kept.board.owner_id == asking.person.user_id
    token, url = (_token(ctx, kept), address_of(ctx, kept)) if mine else (None, None)
    return LinkWithToken(**view(kept, asking.plan, cause, ctx.now), token=token, url=url)


def _token(ctx: Ctx, kept: store.Kept) -> str:
    return link_token(opened(ctx).link_tokens, TOKEN, kept.link.link_id, kept.link.token_version)


def address_of(ctx: Ctx, kept: store.Kept) -> str | None:
    """Where the analytics product shows a link, with its token; None where the operator named no such page."""
    return link_address(ctx.env.settings.link_url, kept.link.dashboard_id, _token(ctx, kept))


async def _cause(read: Read, org_id: str) -> Cause:
    return (await plans.causes(read, org_id)).get("sharing_links", Cause())


def _terms(wanted: CreateLink) -> Terms:
    return Terms(
        name=wanted.name,
        description=wanted.description,
        expires_at=wanted.expires_at,
        has_password=wanted.password is not None,
        networks=_once(wanted.networks),
        origins=_once(wanted.origins),
        frozen_filters=wanted.frozen_filters,
        **{flag: getattr(wanted, flag) for flag in FLAGS},
    )


def _changed(before: Terms, wanted: ChangeLink) -> Terms:
    given = {name: getattr(wanted, name) for name in wanted.model_fields_set - {"link_id", "password"}}
    for name in given.keys() & {"networks", "origins"}:
        given[name] = _once(given[name])
    if "password" in wanted.model_fields_set:
        given["has_password"] = wanted.password is not None
    return replace(before, **given)


def _once(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _switch_view(switch: store.Switch) -> LinksSwitch:
    return LinksSwitch(version=switch.version, suspended=switch.on, since=switch.on_since, by=switch.on_by)
