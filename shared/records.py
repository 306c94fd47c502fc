"""What a service holds of an organization, for the organization itself to take along: sets of rows, read page by page.

A set names its columns, so nothing that is secret or of no meaning outside gets into an export by being added to a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import orjson
from pydantic import Field

from shared.errors import Problem
from shared.fields import Message
from shared.ids import OrgId
from shared.service import Ctx, Route, get, service


@dataclass(frozen=True)
class Records:
    """Rows of one table. `key` orders them and is unique within an organization; `types` names the columns of it that aren't text."""

    name: str
    table: str
    columns: Sequence[str]
    key: Sequence[str]
    types: Mapping[str, str] = field(default_factory=dict)

    def page(self) -> str:
        """The statement: an organization, after a place, at most so many."""
        order = ", ".join(self.key)
        places = ", ".join(f"($2::text[])[{at}]::{self.types.get(name, 'text')}" for at, name in enumerate(self.key, 1))
        shown = ", ".join(dict.fromkeys((*self.columns, *self.key)))
        return (
            f"select to_jsonb(one) as record from (select {shown} from {self.table} where org_id = $1"  # noqa: S608
            f" and ($2::text[] is null or ({order}) > ({places})) order by {order} limit $3) as one"
        )


class WhoseRecords(Message):
    org_id: OrgId


class RecordsPage(Message):
    """`after` is the `next` of the page before, as JSON."""

    name: str
    org_id: OrgId
    after: str | None = None
    limit: Annotated[int, Field(ge=1, le=5000)] = 1000


async def count_records(ctx: Ctx, whose: WhoseRecords) -> list[dict[str, object]]:
    """`[{"name", "rows"}]`: what there is of an organization here."""
    async with ctx.read(whose.org_id) as read:
        return [
            {
                "name": one.name,
                "rows": await read.value(f"select count(*) from {one.table} where org_id = $1", whose.org_id),  # noqa: S608
            }
            for one in ctx.env.service.records
        ]


async def read_records(ctx: Ctx, wanted: RecordsPage) -> dict[str, Any]:
    """`{"rows": […], "next": […] or null}`: a page of one set."""
    found = next((one for one in ctx.env.service.records if one.name == wanted.name), None)
    if found is None:
        raise Problem("not_found")
    after = orjson.loads(wanted.after) if wanted.after else None
    async with ctx.read(wanted.org_id) as read:
        rows = [
            orjson.loads(row["record"]) for row in await read.rows(found.page(), wanted.org_id, after, wanted.limit)
        ]
    more = len(rows) == wanted.limit
    return {"rows": rows, "next": [str(rows[-1][name]) for name in found.key] if more else None}


ROUTES: tuple[Route, ...] = (
    get("/internal/organization-records", count_records, service("records.read")),
    get("/internal/organization-records/{name}", read_records, service("records.read")),
)
