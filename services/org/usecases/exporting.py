"""The organization's users as a file for a spreadsheet, written page by page."""

from __future__ import annotations

from typing import Any, Literal, cast

from services.org import rules
from services.org.rules import Role
from services.org.store import groups, members, organizations
from services.org.store.members import Wanted
from services.org.usecases.user_filters import LastActive, TwoFactor, narrowed
from services.org.usecases.users import Search, views
from shared.events.org import ExportBegun
from shared.fields import Message
from shared.ids import GroupId
from shared.operations import Accepted, Operation, Piece, Progress, begin
from shared.service import Ctx
from shared.spreadsheets import csv_lines

PAGE = 500
HEAD = ("name", "email", "role", "effective_role", "status", "joined_at", "deactivated_at", "last_active_at", "groups")
Standing = Literal["active", "inactive"]


class ExportUsers(Message):
    """Filtered as the list of users is; without `status` both active and inactive users are in it."""

    status: Standing | None = None
    q: Search | None = None
    role: Role | None = None
    group_id: GroupId | None = None
    two_factor: TwoFactor | None = None
    last_active: LastActive | None = None


async def export_users(ctx: Ctx, wanted: ExportUsers) -> Accepted:
    """Writes the users into a CSV file, by name; cells that a spreadsheet would take for a formula are quoted."""
    async with ctx.tx() as tx:
        overlay = await organizations.overlay_of(tx, ctx.actor.org())
        statuses: list[Standing] = [wanted.status] if wanted.status else ["active", "inactive"]
        if wanted.group_id:
            await groups.one(tx, ctx.actor.org(), wanted.group_id)
            rules.check_may_have_groups(overlay.plan)
        given = wanted.model_dump(exclude={"status"}) | {"statuses": statuses}
        total = 0
        for status in statuses:
            asked = await _asked(ctx, tx, given, status, overlay)
            total += await members.counted(tx, ctx.actor.org(), asked, rules.MOST_MEMBERS)
        begun = await begin(ctx, tx, EXPORT, given, total)
        narrowed = wanted.model_dump(exclude_none=True)
        await tx.emit(ExportBegun(org_id=ctx.actor.org(), operation_id=begun.body.id, of="users", filter=narrowed))
        return begun


async def write_a_page(ctx: Ctx, piece: Piece) -> Progress:
    """The next users of the file; after the active ones the inactive ones."""
    which, after = piece.memory.get("which", 0), piece.memory.get("after")
    async with ctx.tx() as tx:
        overlay = await organizations.overlay_of(tx, piece.org_id)
        asked = await _asked(ctx, tx, piece.input, piece.input["statuses"][which], overlay)
        found = await members.listed(tx, piece.org_id, asked, after, PAGE)
        shown = await views(tx, piece.org_id, overlay, found)
    lines = [
        (
            user.name,
            user.email,
            user.role,
            user.effective_role,
            user.status,
            user.joined_at.isoformat(),
            user.deactivated_at.isoformat() if user.deactivated_at else None,
            user.last_active_at.isoformat() if user.last_active_at else None,
            " | ".join(group.name for group in user.groups if group.kind == "custom"),
        )
        for user in shown
    ]
    done = piece.done + len(found)
    more = len(found) == PAGE
    memory = {"which": which if more else which + 1}
    if more:
        memory["after"] = list(members.position(asked, found[-1]))
    over = memory["which"] == len(piece.input["statuses"])
    return Progress(
        done=done,
        memory=memory,
        content=csv_lines(lines if piece.memory else [HEAD, *lines]),
        result={"users": done} if over else None,
    )


async def _asked(ctx: Ctx, read: Any, given: Any, status: str, overlay: rules.Overlay) -> Wanted:
    group = await groups.find(read, ctx.actor.org(), given["group_id"]) if given["group_id"] else None
    wanted = Wanted(
        status=cast(rules.Status, status),
        q=given["q"],
        role=given["role"],
        in_group=(given["group_id"], group.kind if group else "custom") if given["group_id"] else None,
        slotless=overlay.slotless,
    )
    two_factor, last_active = given.get("two_factor"), given.get("last_active")
    return await narrowed(read, ctx.actor.org(), wanted, two_factor, last_active, ctx.now)


EXPORT = Operation("users.export", write_a_page, media="text/csv", file_name="users.csv")
