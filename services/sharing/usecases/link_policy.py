"""The organization's link policy: set by Admins on any plan, and held by every link at every opening."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from services.sharing.rules import links as rules
from services.sharing.rules.link_policy import LinkPolicy
from services.sharing.store import link_policies as store
from services.sharing.usecases.asking import asker
from shared.events import sharing as said
from shared.fields import Message, Nothing, Versioned, View
from shared.service import Ctx

LONGEST_DAYS = 3650
SHOWN_BY_NAME = 50


class LinkPolicyView(Versioned):
    """`links_allowed`: whether any link opens. `password_required`: whether those without a password do.

    `longest_days`: for how long a link opens after it got the token that it has; null for as long as it says itself.
    """

    links_allowed: bool
    password_required: bool
    longest_days: int | None
    changed_by: str | None
    changed_at: datetime | None


class ChangeLinkPolicy(Message):
    """A merge patch: what isn't named stays as it is."""

    links_allowed: bool = Field(default_factory=bool)
    password_required: bool = Field(default_factory=bool)
    longest_days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] | None = None


class AffectedLink(View):
    """A link, and what becomes of it; `ends_at` is when it would stop to open."""

    id: str
    name: str
    dashboard_id: str
    dashboard_title: str
    effect: Literal["closes", "opens", "ends_sooner"]
    ends_at: datetime | None


class LinkPolicyEffects(View):
    """How many links another policy would close at once, open again, or let end sooner than now; `links` are the first 50 of each."""

    closing: int
    opening: int
    ending_sooner: int
    links: list[AffectedLink]


async def preview_link_policy(ctx: Ctx, wanted: ChangeLinkPolicy) -> LinkPolicyEffects:
    """What a change of the policy would do to the links that there are; nothing is changed."""
    async with ctx.read() as read:
        asking = await asker(ctx, read)
        rules.check_admin(asking.person)
        policy = _changed((await store.one(read, asking.org_id)).policy, wanted)
        found = await store.affected(read, asking.org_id, policy, asking.plan, ctx.now, SHOWN_BY_NAME)
    counts = {row["effect"]: row["alike"] for row in found}
    return LinkPolicyEffects(
        closing=counts.get("closes", 0),
        opening=counts.get("opens", 0),
        ending_sooner=counts.get("ends_sooner", 0),
        links=[
            AffectedLink(
                id=row["link_id"],
                name=row["name"],
                dashboard_id=row["dashboard_id"],
                dashboard_title=row["title"],
                effect=row["effect"],
                ends_at=row["ends_later"],
            )
            for row in found
        ],
    )


async def read_link_policy(ctx: Ctx, _: Nothing) -> LinkPolicyView:
    """What the organization allows of its sharing links."""
    async with ctx.read() as read:
        return _view(await store.one(read, ctx.actor.org()))


async def change_link_policy(ctx: Ctx, wanted: ChangeLinkPolicy) -> LinkPolicyView:
    """Changes what the organization allows of its sharing links, at once and for those that there are too; possible on any plan.

    No link is rewritten by it: one that the policy closes says `not_allowed`, and opens again as it was when the policy lets it.
    """
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        rules.check_admin(asking.person)
        before = await store.hold(tx, asking.org_id, to_change=True)
        ctx.check_version(before.version, before.changed_by, before.changed_at)
        policy = _changed(before.policy, wanted)
        if policy == before.policy:
            return _view(before)
        after = store.Kept(policy, before.version + 1, asking.person.user_id, ctx.now)
        await store.keep(tx, asking.org_id, after)
        await tx.emit(
            said.LinkPolicyChanged(
                org_id=asking.org_id,
                policy=said.LinkPolicy(**asdict(policy)),
                previous=said.LinkPolicy(**asdict(before.policy)),
            )
        )
        return _view(after)


def _changed(policy: LinkPolicy, wanted: ChangeLinkPolicy) -> LinkPolicy:
    return LinkPolicy(**asdict(policy) | {name: getattr(wanted, name) for name in wanted.model_fields_set})


def _view(kept: store.Kept) -> LinkPolicyView:
    return LinkPolicyView(
        **asdict(kept.policy), version=kept.version, changed_by=kept.changed_by, changed_at=kept.changed_at
    )
