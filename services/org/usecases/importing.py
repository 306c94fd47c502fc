"""Inviting everybody on a list: a CSV of up to 10,000 rows, judged and sent piece by piece, every row answered in a file."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import StringConstraints

from services.org import rules
from services.org.store import groups
from services.org.usecases.desk import Invite, row_of
from services.org.usecases.holding import Held, administering
from services.org.usecases.invitations import invite_rows
from shared.errors import Problem, invalid
from shared.fields import Message
from shared.operations import Accepted, Operation, Piece, Progress, begin
from shared.service import Ctx
from shared.spreadsheets import csv_lines, read_csv

MOST_ROWS = 10_000
ROWS_AT_ONCE = 200
COLUMNS = ("email", "role", "groups")
HEAD = ("row", "email", "outcome", "code", "detail")


class ImportInvitations(Message):
    """A CSV with the columns `email`, `role` and `groups` (names, with `|` between), or addresses alone, without a head.

    Who has no role becomes a Viewer. A row with more cells than there are columns is refused.
    """

    csv: Annotated[str, StringConstraints(min_length=1, max_length=2_000_000)]


async def import_invitations(ctx: Ctx, wanted: ImportInvitations) -> Accepted:
    """Invites everybody on a list of up to 10,000 rows; the operation's file answers every row, refused ones too, by its number in a spreadsheet."""
    rows = rows_of(wanted.csv)
    async with administering(ctx, "invitations.manage") as held:
        return await begin(ctx, held.tx, IMPORT, {"rows": rows}, len(rows))


def rows_of(text: str) -> list[dict[str, str]]:
    """What a CSV asks for, row by row, by column; `row` is its number in a spreadsheet, where a head is the first."""
    try:
        found = read_csv(text, MOST_ROWS + 1)
    except csv.Error:
        raise invalid("/csv", "unreadable", "This isn't a CSV.") from None
    head = [cell.casefold().replace("e-mail", "email") for cell in found[0][1]] if found else []
    if "email" in head:
        if unknown := [name for name in head if name not in COLUMNS]:
            raise invalid(
                "/csv",
                "unknown_column",
                f"There is no column {unknown[0]!r}: {', '.join(COLUMNS)}.",
                column=unknown[0],
                columns=list(COLUMNS),
            )
        found = found[1:]
    else:
        head = ["email"]
    if not found:
        raise invalid("/csv", "no_rows", "There is no row in it.")
    if len(found) > MOST_ROWS:
        raise invalid("/csv", "too_many_rows", f"At most {MOST_ROWS} rows.", limit=MOST_ROWS)
    if any("\x00" in cell for _, row in found for cell in row):
        raise invalid("/csv", "nul", "must not contain a NUL character")
    return [{"row": str(number)} | _by_column(head, row) for number, row in found]


def _by_column(head: Sequence[str], row: Sequence[str]) -> dict[str, str]:
    """`beyond` is what stands behind the last column."""
    beyond = ", ".join(cell for cell in row[len(head) :] if cell)
    return dict(zip(head, row, strict=False)) | ({"beyond": beyond} if beyond else {})


async def invite_a_piece(ctx: Ctx, piece: Piece) -> Progress:
    """Invites some rows, as long as who asked is still an Admin."""
    rows: Sequence[Mapping[str, str]] = piece.input["rows"][piece.done : piece.done + ROWS_AT_ONCE]
    async with administering(ctx, "invitations.manage") as held:
        named = await _groups_by_name(held, rows)
        wanted = [_wanted(piece.done + place, row, named) for place, row in enumerate(rows)]
        outcomes = await invite_rows(ctx, held, wanted)
    refused = piece.memory.get("refused", 0) + sum(isinstance(one, Problem) for one in outcomes)
    done = piece.done + len(rows)
    lines = [_line(row, one) for row, one in zip(rows, outcomes, strict=True)]
    over = done >= len(piece.input["rows"])
    return Progress(
        done=done,
        memory={"refused": refused},
        content=csv_lines(lines if piece.done else [HEAD, *lines]),
        result={"created": done - refused, "refused": refused} if over else None,
    )


async def _groups_by_name(held: Held, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    if not any(row.get("groups") for row in rows):
        return {}
    found = [*await groups.custom(held.tx, held.id), *await groups.built_in(held.tx, held.id)]
    return {rules.group_key_of(group.name): group.group_id for group in found}


def _wanted(place: int, row: Mapping[str, str], named: Mapping[str, str]) -> Invite | Problem:
    if beyond := row.get("beyond"):
        return invalid(f"/rows/{place}", "beyond_columns", f"There is no column for {beyond}.", cells=beyond)
    cell = row.get("groups", "")
    names = [name.strip() for name in cell.split("|") if name.strip()]
    if rules.group_key_of(cell) in named:  # a name may have a | of its own
        names = [cell]
    for name in names:
        if rules.group_key_of(name) not in named:
            return invalid(f"/rows/{place}/groups", "unknown_group", f"There is no group {name}.", name=name)
    return row_of(
        f"/rows/{place}",
        {
            "email": row.get("email", ""),
            "role": row.get("role", "").casefold() or "viewer",
            "group_ids": [named[rules.group_key_of(name)] for name in names],
        },
    )


def _line(row: Mapping[str, str], outcome: rules.Invitation | Problem) -> tuple[Any, ...]:
    number = row.get("row", "")  # unknown of a list that an older version began
    if isinstance(outcome, Problem):
        detail = outcome.errors[0].detail if outcome.errors else outcome.detail or outcome.kind.title
        return number, row.get("email", ""), "refused", outcome.code, detail
    return number, outcome.email, "invited", "", ""


IMPORT = Operation("invitations.import", invite_a_piece, media="text/csv", file_name="invitations.csv")
