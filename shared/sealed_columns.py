"""Where a service keeps sealed secrets, and sealing them anew after a new master key, so that the old one can be taken away."""

# ruff: noqa: S608 - only declared names of tables and columns are put into statements; values are always bound
from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from cryptography.exceptions import InvalidTag

from shared.db import EVERY_ORG, Row, Tx
from shared.sealing import LostKey, Sealer

if TYPE_CHECKING:
    from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 1000


@dataclass(frozen=True)
class SealedColumn:
    """A column of sealed secrets. `key` names the row's primary key; `place` tells from a row what its secret is bound to."""

    table: str
    column: str
    key: tuple[str, ...]
    place: Callable[[Row], tuple[str, ...]]


def sealing_anew(columns: Sequence[SealedColumn]) -> Callable[[Ctx], Awaitable[None]]:
    """A job for these columns: some rows at a time, until none is left that another key has sealed."""

    async def seal_anew(ctx: Ctx) -> None:
        """Seals with the first master key what others have sealed."""
        sealer = Sealer(ctx.env.settings.secrets.master)
        async with ctx.tx(EVERY_ORG) as tx:
            for column in columns:
                await _seal_anew(tx, sealer, column)

    return seal_anew


async def _seal_anew(tx: Tx, sealer: Sealer, of: SealedColumn) -> None:
    """Rows that don't open are passed over, so that however many there are, those behind them have their turn."""
    done, after = 0, None
    while done < AT_ONCE:
        rows = await _rows_after(tx, sealer, of, after)
        for row in rows:
            done += await _seal_row_anew(tx, sealer, of, row)
        if len(rows) < AT_ONCE:
            return
        after = rows[-1]


async def _rows_after(tx: Tx, sealer: Sealer, of: SealedColumn, after: Row | None) -> list[Row]:
    names = ", ".join(of.key)
    places = ", ".join(f"${place}" for place in range(3, 3 + len(of.key)))
    behind = "" if after is None else f" and ({names}) > ({places})"
    return await tx.rows(
        f"select {names}, {of.column} as sealed from {of.table} where {of.column} is not null"
        f" and exists (select from unnest($1::bytea[]) as head where position(head in {of.column}) = 1){behind}"
        f" order by {names} limit $2 for update skip locked",
        list(sealer.heads_of_others),
        AT_ONCE,
        *(after[name] for name in of.key if after is not None),
    )


async def _seal_row_anew(tx: Tx, sealer: Sealer, of: SealedColumn, row: Row) -> bool:
    try:
        plain = sealer.open(bytes(row["sealed"]), *of.place(row))
    except (LostKey, InvalidTag):
        log.error("a sealed secret can't be opened", table=of.table, column=of.column)
        return False
    same_row = " and ".join(f"{name} = ${place}" for place, name in enumerate(of.key, 2))
    anew = sealer.seal(plain, *of.place(row))
    await tx.run(f"update {of.table} set {of.column} = $1 where {same_row}", anew, *(row[name] for name in of.key))
    return True
