"""How far this service's picture of members, groups and plans can be behind: signs of life, and what waits to be applied."""

from __future__ import annotations

from collections.abc import Sequence

from shared.db import Read

SILENT = """
select source from unnest($1::text[]) as source left join inbox_probes using (source)
where heard_at is null or heard_at < clock_timestamp() - make_interval(secs => $2)
"""
BEHIND = """
select distinct subject from inbox
where state in ('waiting', 'dead') and source = any($1::text[]) and received_at < clock_timestamp() - make_interval(secs => $2)
"""
APPLIED = """
select case when exists (select from inbox where source = $1 and subject = $2 and state in ('waiting', 'dead')) then -1
    else coalesce((select sequence from inbox_cursors where source = $1 and subject = $2), 0) end
"""


async def silent(read: Read, sources: Sequence[str], seconds: float) -> list[str]:
    """The sources of which no sign of life came that long."""
    return [row["source"] for row in await read.rows(SILENT, list(sources), seconds)]


async def behind(read: Read, sources: Sequence[str], seconds: float) -> frozenset[str]:
    """The organizations of which something arrived that long ago and isn't applied: it fails, or is dead."""
    return frozenset(row["subject"] for row in await read.rows(BEHIND, list(sources), seconds))


async def applied(read: Read, source: str, org_id: str) -> int:
    """Up to which of its events about an organization everything is applied; -1 while something waits."""
    sequence: int = await read.value(APPLIED, source, org_id)
    return sequence
