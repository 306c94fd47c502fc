"""How often links were opened, day by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

from shared.db import Read, Tx

OPENED = """
select l.link_id, n.day, n.opens
from links l join dashboards d on d.org_id = l.org_id and d.dashboard_id = l.dashboard_id
left join link_days n on n.org_id = l.org_id and n.link_id = l.link_id and n.day >= $4
where l.org_id = $1 and l.link_id = any($2) and ($3::text is null or d.owner_id = $3)
"""


async def opened(
    read: Read, org_id: str, link_ids: Sequence[str], owner_id: str | None, since: date
) -> dict[str, dict[date, int]]:
    """Those of the links that there are (on dashboards of `owner_id`, unless that is None), each with the days on which it was opened."""
    found: dict[str, dict[date, int]] = defaultdict(dict)
    for row in await read.rows(OPENED, org_id, list(link_ids), owner_id, since):
        found[row["link_id"]] |= {row["day"]: row["opens"]} if row["day"] is not None else {}
    return found


async def purge(tx: Tx, before: date) -> None:
    await tx.run("delete from link_days where day < $1", before)
