"""Invitations: who is asked to join, with which role and groups, for how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from services.org import rules
from services.org.rules import Role
from services.org.store import invitations, members, organizations
from services.org.usecases.desk import Invite, InviteRow, desk_for, row_of
from services.org.usecases.holding import Held, administering, holding
from services.org.usecases.own import own
from services.org.usecases.users import Search
from shared.db import EVERY_ORG
from shared.errors import Problem
from shared.events.courier import MailLink, MailRequested
from shared.events.org import InvitationExpired, InvitationResent, InvitationRevoked, InvitationSent
from shared.fields import Message, View, canonical_email
from shared.ids import InvitationId, new_id
from shared.paging import TOTAL_CAP, ListQuery, Page
from shared.service import Ctx

ORGANIZATIONS_AT_ONCE = 50
STATUSES: Mapping[str, Sequence[str]] = {"pending": invitations.PENDING}

Outcome = rules.Invitation | Problem


class InvitationView(View):
    """`invited_by` is the Admin's user id, or that of the provisioning token. `link_version` counts the mails; only the last one's link works.

    `renewal_requested_at` is when the invited person came too late and asked for another mail.
    """

    id: str
    email: str
    role: Role
    group_ids: list[str]
    status: rules.InvitationStatus
    link_version: int
    invited_by: str
    invited_at: datetime
    sent_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    renewal_requested_at: datetime | None


class InviteMany(Message):
    """Rows to invite, or to check."""

    invitations: Annotated[list[InviteRow], Field(min_length=1, max_length=500)]


class RowResult(View):
    """Either `invitation` or `problem` (as in `application/problem+json`) is set."""

    row: int
    email: str
    invitation: InvitationView | None
    problem: dict[str, Any] | None


class BatchResult(View):
    """One result for every row, in the order of the rows."""

    created: int
    refused: int
    results: list[RowResult]


class RowCheck(View):
    """`problem` says why this row would be refused, as if all rows before it were invited."""

    row: int
    email: str
    problem: dict[str, Any] | None


class SlotsAfter(View):
    """Slots of one kind in use now, how many the rows would take, and the plan's limit."""

    used: int
    wanted: int
    limit: int | None


class BatchCheck(View):
    """What inviting these rows would do; nothing is kept and nothing is sent."""

    accepted: int
    refused: int
    results: list[RowCheck]
    author: SlotsAfter
    viewer: SlotsAfter


class ListInvitations(ListQuery):
    """`pending` means open and expired ones."""

    status: Literal["pending", "open", "expired", "accepted", "revoked"] = "pending"
    q: Search | None = None


class WhichInvitation(Message):
    invitation_id: InvitationId


async def invite(ctx: Ctx, wanted: Invite) -> InvitationView:
    """Invites one address; the mail's link works for 14 days. Takes a slot of the role's kind at once."""
    async with administering(ctx, "invitations.manage") as held:
        outcome = (await invite_rows(ctx, held, [wanted]))[0]
        if isinstance(outcome, Problem):
            raise outcome
        return _view(outcome)


async def invite_many(ctx: Ctx, wanted: InviteMany) -> BatchResult:
    """Invites up to 500 addresses; every row is answered, and rows that are refused don't hold up the others."""
    async with administering(ctx, "invitations.manage") as held:
        outcomes = await invite_rows(
            ctx,
            held,
            [row_of(f"/invitations/{place}", row.model_dump()) for place, row in enumerate(wanted.invitations)],
        )
    results = [
        RowResult(
            row=place,
            email=row.email,
            invitation=None if isinstance(outcome, Problem) else _view(outcome),
            problem=outcome.json() if isinstance(outcome, Problem) else None,
        )
        for place, (row, outcome) in enumerate(zip(wanted.invitations, outcomes, strict=True))
    ]
    refused = sum(result.problem is not None for result in results)
    return BatchResult(created=len(results) - refused, refused=refused, results=results)


async def check_invitations(ctx: Ctx, wanted: InviteMany) -> BatchCheck:
    """Judges rows while they are still typed, as inviting them at this moment would."""
    rows = [row_of(f"/invitations/{place}", row.model_dump()) for place, row in enumerate(wanted.invitations)]
    async with ctx.read() as read:
        plan = await organizations.plan(read, ctx.actor.org())
        desk = await desk_for(read, ctx.actor.org(), plan, ctx.now, rows)
    judged = [desk.judge(row) for row in rows]
    results = [
        RowCheck(row=place, email=row.email, problem=one.json() if isinstance(one, Problem) else None)
        for place, (row, one) in enumerate(zip(wanted.invitations, judged, strict=True))
    ]
    refused = sum(result.problem is not None for result in results)

    def after(kind: rules.Kind) -> SlotsAfter:
        return SlotsAfter(used=desk.used[kind] - desk.wanted[kind], wanted=desk.wanted[kind], limit=plan.limit(kind))

    return BatchCheck(
        accepted=len(results) - refused,
        refused=refused,
        results=results,
        author=after("author"),
        viewer=after("viewer"),
    )


async def list_invitations(ctx: Ctx, query: ListInvitations) -> Page[InvitationView]:
    """Invitations, the newest first; those that still wait for somebody unless another status is asked for."""
    org_id, cursors = ctx.actor.org(), own(ctx).cursors
    statuses = STATUSES.get(query.status, (query.status,))
    async with ctx.read() as read:
        found = await invitations.listed(read, org_id, statuses, query.q, ctx.now, cursors.read(query), query.limit + 1)
        total = await invitations.counted(read, org_id, statuses, query.q, ctx.now, TOTAL_CAP)
    views = [_view(one.at(ctx.now)) for one in found]
    return cursors.page(views, query, lambda last: (last.invited_at, last.id), total)


async def resend_invitation(ctx: Ctx, which: WhichInvitation) -> InvitationView:
    """Mails a new link and renews the 14 days; earlier links are dead. Also revives an expired invitation."""
    async with administering(ctx, "invitations.manage") as held:
        found = (await invitations.one(held.tx, held.id, which.invitation_id)).at(ctx.now)
        if found.status not in ("open", "expired"):
            raise Problem(
                "conflict",
                f"This invitation was {found.status}.",
                meta={"because": f"invitation_{found.status}", "status": found.status},
            )
        email_key = canonical_email(found.email)
        rules.check_registered(email_key.rpartition("@")[2], await organizations.registered_domains(held.tx, held.id))
        if await members.known_addresses(held.tx, held.id, [email_key]):
            raise Problem("already_exists", "This person is a member already.", meta={"because": "member"})
        if found.status == "expired":
            await held.check_slot(found.role)
        renewed = await invitations.renew(
            held.tx, held.id, found.invitation_id, ctx.now, ctx.now + rules.INVITATION_LIFE
        )
        await held.tx.emit(InvitationResent(org_id=held.id, invitation=renewed.state()))
        await _mail(held, renewed)
        return _view(renewed)


async def revoke_invitation(ctx: Ctx, which: WhichInvitation) -> None:
    """Takes an invitation back: its link is dead, its slot is free. An expired one leaves the list of pending ones."""
    async with administering(ctx, "invitations.revoke") as held:
        found = await invitations.one(held.tx, held.id, which.invitation_id)
        if found.status == "accepted":
            raise Problem(
                "conflict",
                "This invitation was accepted.",
                meta={"because": "invitation_accepted", "status": "accepted"},
            )
        if found.status != "revoked":
            revoked = await invitations.revoke(held.tx, held.id, found.invitation_id, ctx.now)
            await held.tx.emit(InvitationRevoked(org_id=held.id, invitation=revoked.state()))


async def expire_invitations(ctx: Ctx) -> None:
    """The job: what is overdue has expired, and is said to have."""
    async with ctx.read(EVERY_ORG) as read:
        due = await invitations.organizations_with_due(read, ctx.now, ORGANIZATIONS_AT_ONCE)
    for org_id in due:
        async with ctx.tx(org_id) as tx, holding(ctx, tx, org_id) as held:
            await _expire_due(held)


async def invite_rows(ctx: Ctx, held: Held, rows: Sequence[Invite | Problem]) -> list[Outcome]:
    """The one way to invite: each row is let through or answered with its problem."""
    await _expire_due(held)
    desk = await desk_for(held.tx, held.id, held.plan, ctx.now, rows)
    judged = [desk.judge(row) for row in rows]
    outcomes: list[Outcome] = [one if isinstance(one, Problem) else _new(ctx, held, one) for one in judged]
    new = [outcome for outcome in outcomes if isinstance(outcome, rules.Invitation)]
    if new:
        await invitations.add(held.tx, held.id, new)
    inviter = held.acting.user_id if held.acting else None
    for invitation in new:
        await held.tx.emit(InvitationSent(org_id=held.id, invitation=invitation.state(), invited_by=inviter))
        await _mail(held, invitation)
    return outcomes


def _new(ctx: Ctx, held: Held, row: Invite) -> rules.Invitation:
    return rules.Invitation(
        invitation_id=new_id("inv"),
        email=row.email,
        role=row.role,
        group_ids=tuple(dict.fromkeys(row.group_ids)),
        status="open",
        link_version=1,
        invited_by=held.by_person,
        invited_at=ctx.now,
        sent_at=ctx.now,
        expires_at=ctx.now + rules.INVITATION_LIFE,
        accepted_at=None,
    )


async def _mail(held: Held, invitation: rules.Invitation) -> None:
    inviter = held.acting.name if held.acting else held.facts.name
    await held.tx.emit(
        MailRequested(
            about=held.id,
            org_id=held.id,
            to=invitation.email,
            template="invitation",
            values={
                "organization": held.facts.name,
                "inviter": inviter,
                "role": invitation.role,
                "expires_at": invitation.expires_at.isoformat(),
            },
            link=MailLink(purpose="invitation", id=invitation.invitation_id, version=invitation.link_version),
        )
    )


async def _expire_due(held: Held) -> None:
    for expired in await invitations.expire_due(held.tx, held.id, held.now):
        await held.tx.emit(InvitationExpired(org_id=held.id, invitation=expired.state()))


def _view(invitation: rules.Invitation) -> InvitationView:
    told = vars(invitation) | {"id": invitation.invitation_id, "group_ids": list(invitation.group_ids)}
    return InvitationView(**{name: told[name] for name in InvitationView.model_fields})
