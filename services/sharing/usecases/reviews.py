"""The access review: who sees what, and why, as a file for whoever has to confirm it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from services.sharing.rules import access
from services.sharing.rules import links as rules
from services.sharing.rules.access import Board, Plan, Reach
from services.sharing.store import access as reading
from services.sharing.store import dashboards as boards
from services.sharing.store import foreseen
from services.sharing.store import reviews as store
from services.sharing.usecases.asking import asker
from shared.db import Read
from shared.errors import Problem, invalid
from shared.events.sharing import ExportBegun
from shared.fields import ForeignId, Message
from shared.ids import UserId
from shared.operations import Accepted, Operation, Piece, Progress, begin
from shared.service import Ctx
from shared.spreadsheets import csv_lines

LINES = 2000
DASHBOARDS = 100
MOST_LINES = 250_000
COLUMNS = (
    "dashboard_id", "dashboard_title", "user_id", "name", "email", "role", "effective_role", "path", "group_id", "group_name", "since", "event_id",
)  # fmt: skip
START = ("", "", "")


class ReviewAccess(Message):
    """All of the organization, or one dashboard, or one person, or both."""

    format: Literal["csv", "ndjson"] = "csv"
    dashboard_id: ForeignId | None = None
    user_id: UserId | None = None


async def review_access(ctx: Ctx, wanted: ReviewAccess) -> Accepted:
    """Writes a file of who sees which dashboard: a line for each person, dashboard and path that is open, with the event by which the dashboard
    was shared that way, or the person came into the group, and since when.

    What the plan suspends isn't open, and isn't there. A file has at most 250,000 lines.
    """
    async with ctx.tx() as tx:
        asking = await asker(ctx, tx)
        rules.check_admin(asking.person)
        if wanted.user_id is not None and not await foreseen.known(tx, asking.org_id, wanted.user_id):
            raise invalid("/user_id", "unknown_user", "was never a member of this organization")
        total = None
        if wanted.dashboard_id is None and wanted.user_id is None:
            total = await store.count_dashboards(tx, asking.org_id)
        if wanted.dashboard_id is not None and await boards.dashboard(tx, asking.org_id, wanted.dashboard_id) is None:
            raise invalid("/dashboard_id", "unknown_dashboard", "is no dashboard of this organization")
        kind = CSV if wanted.format == "csv" else NDJSON
        begun = await begin(ctx, tx, kind, wanted.model_dump(exclude={"format"}), total)
        narrowed = wanted.model_dump(exclude={"format"}, exclude_none=True)
        await tx.emit(
            ExportBegun(org_id=asking.org_id, operation_id=begun.body.id, of="access_review", filter=narrowed)
        )
        return begun


async def write_csv(ctx: Ctx, piece: Piece) -> Progress:
    """Some more lines, after those of the head."""
    lines, progress = await _next(ctx, piece)
    rows = [[line[name] for name in COLUMNS] for line in lines]
    content = csv_lines(rows if piece.memory else [list(COLUMNS), *rows])
    return Progress(progress.done, progress.total, progress.memory, content, progress.result)


async def write_ndjson(ctx: Ctx, piece: Piece) -> Progress:
    """Some more lines."""
    lines, progress = await _next(ctx, piece)
    content = b"".join(orjson.dumps(line) + b"\n" for line in lines)
    return Progress(progress.done, progress.total, progress.memory, content, progress.result)


async def _next(ctx: Ctx, piece: Piece) -> tuple[list[Mapping[str, Any]], Progress]:
    """The lines of some more dashboards. The memory says behind which dashboard, and in the next one behind which line, they begin."""
    org_id, user_id = piece.org_id, piece.input["user_id"] or ""
    behind, after = piece.memory.get("behind"), piece.memory.get("after", START)
    lines: list[Mapping[str, Any]] = []
    done = piece.done
    async with ctx.tx() as tx:
        person, plan = await reading.standing(tx, org_id, user_id)
        found = await _dashboards(tx, piece, access.reach(person, plan), behind)
        for place in found:
            dashboard_id = place[-1]
            part = await _lines(tx, org_id, dashboard_id, plan, user_id, after, LINES - len(lines))
            lines += [line for line, _ in part]
            if len(lines) >= LINES:
                after = part[-1][1]
                break
            behind, after, done = place, START, done + 1
    written = piece.memory.get("lines", 0) + len(lines)
    if written > MOST_LINES:
        raise Problem(
            "conflict",
            f"There are more than {MOST_LINES} lines: name a dashboard or a person.",
            meta={"because": "too_many_lines", "limit": MOST_LINES},
        )
    over = len(lines) < LINES and (len(found) < DASHBOARDS or piece.input["dashboard_id"] is not None)
    memory = {"behind": behind, "after": after, "lines": written}
    return lines, Progress(done, memory=memory, result={"lines": written, "dashboards": done} if over else None)


async def _dashboards(read: Read, piece: Piece, reach: Reach, behind: Sequence[str] | None) -> Sequence[Sequence[str]]:
    """The next ones, each by its place in the order: by title those that one person sees, by id those of the organization."""
    one, user_id = piece.input["dashboard_id"], piece.input["user_id"]
    if one is not None:
        return [[one]] if behind is None else []
    if user_id is not None:
        after = behind or ["", ""]
        return await reading.visible(read, piece.org_id, user_id, reach, after=after, like="", limit=DASHBOARDS)
    return [
        [found] for found in await store.dashboards_after(read, piece.org_id, behind[0] if behind else "", DASHBOARDS)
    ]


async def _lines(
    read: Read, org_id: str, dashboard_id: str, plan: Plan | None, user_id: str, after: Sequence[str], limit: int
) -> list[tuple[Mapping[str, Any], Sequence[str]]]:
    kept = await boards.dashboard(read, org_id, dashboard_id)
    if kept is None:
        return []
    board, audience = kept.board, access.audience(kept.board, plan)
    ways = await store.ways(read, org_id, board, audience, [user_id] if user_id else None, after, limit)
    return [(_line(board, way), way.place) for way in ways]


def _line(board: Board, way: store.OpenWay) -> Mapping[str, Any]:
    return {
        "dashboard_id": board.dashboard_id,
        "dashboard_title": board.title,
        "user_id": way.user_id,
        "name": way.name,
        "email": way.email,
        "role": way.role,
        "effective_role": way.effective_role,
        "path": way.path,
        "group_id": way.group_id or None,
        "group_name": way.group_name,
        "since": way.since.isoformat(),
        "event_id": way.event_id,
    }


CSV = Operation("access.review.csv", write_csv, "text/csv; charset=utf-8", "access.csv")
NDJSON = Operation("access.review.ndjson", write_ndjson, "application/x-ndjson", "access.ndjson")
OPERATIONS = (CSV, NDJSON)
