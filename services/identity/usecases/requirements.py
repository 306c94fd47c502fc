"""Organizations that require a second factor: who has none yet, and what happens when it is due."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.identity.store import accounts, projections, requirements
from services.identity.store.requirements import Listed, Reminder
from services.identity.usecases.second_factors import Told, mail_to
from shared.db import Tx
from shared.events.identity import SessionEnded
from shared.fields import View
from shared.paging import Cursors, ListQuery, Page
from shared.service import Ctx

AT_ONCE = 500
PERSON = "usr_[0-9a-hjkmnp-tv-z]{26}"


class ListRoster(ListQuery):
    """Active members; `two_factor` narrows it to those who have a second factor, or haven't."""

    two_factor: bool | None = None
    user_ids: Annotated[
        str | None,
        StringConstraints(pattern=rf"^{PERSON}(,{PERSON}){{0,99}}$"),
        Field(description="Only these of them: up to 100 ids, with commas between."),
    ] = None


class RosterEntry(View):
    """`id` is the person's."""

    id: str
    name: str
    email: str
    two_factor: bool


async def list_roster(ctx: Ctx, query: ListRoster) -> Page[RosterEntry]:
    """Which members have a second factor, and which haven't."""
    cursors = Cursors(ctx.env.settings.secrets.bytes("cursors"))
    position = cursors.read(query)
    wanted = query.user_ids.split(",") if query.user_ids else None
    async with ctx.read() as read:
        rows, total = await requirements.roster(
            read, ctx.actor.org(), query.two_factor, wanted, position[0] if position else "", query.limit + 1
        )
    return cursors.page([_entry(row) for row in rows], query, lambda entry: [entry.id], total)


def _entry(listed: Listed) -> RosterEntry:
    return RosterEntry(id=listed.user_id, name=listed.name, email=listed.email, two_factor=listed.two_factor)


async def require_two_factor(ctx: Ctx) -> None:
    """Reminds of deadlines, and ends the sessions of who let one pass: signing in asks to set a second factor up."""
    async with ctx.tx() as tx:
        for session in await requirements.end_sessions(tx, ctx.now, AT_ONCE):
            await tx.emit(
                SessionEnded(
                    user_id=session.user_id,
                    session_id=session.session_id,
                    org_id=session.org_id,
                    reason="two_factor_required",
                )
            )
        for reminder in await requirements.remind(tx, ctx.now, AT_ONCE):
            await _mail(tx, reminder)


async def _mail(tx: Tx, reminder: Reminder) -> None:
    account = await accounts.by_id(tx, reminder.user_id)
    if account is not None:
        name = await projections.organization_name(tx, reminder.org_id) or ""
        values = {"organization": name, "due_at": reminder.due_at.isoformat()}
        template: Told = "two_factor_due" if reminder.stage == "due" else "two_factor_required"
        await tx.emit(mail_to(account, template, **values))
