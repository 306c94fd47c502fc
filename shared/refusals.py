"""What people may not do and tried all the same: the first time is told at once, what follows within the hour together when it is over.

So every refusal is told exactly once, and whoever repeats a request for ever fills no log.
"""

from __future__ import annotations

from datetime import timedelta

from shared.auth import Actor
from shared.db import EVERY_ORG, Row
from shared.events.refusals import OF_SERVICE, ActionRefused
from shared.service import Ctx, Environment, RequestFacts

WINDOW = timedelta(hours=1)
MOST_AT_ONCE = 500

COUNT = """
insert into refusals as known (org_id, actor_id, action, role, since, times, amr, source_ip, request_id)
values ($1, $2, $3, $4, $5, 1, $6, $7, $8)
on conflict (org_id, actor_id, action, role) do update
    set times = known.times + 1, amr = excluded.amr, source_ip = excluded.source_ip, request_id = excluded.request_id
returning times, since
"""
OVER = "select * from refusals where since <= $1 order by since limit $2"
FORGET = """
delete from refusals where org_id = $1 and actor_id = $2 and action = $3 and role = $4 and since = $5 returning times
"""


def event_of(env: Environment) -> type[ActionRefused] | None:
    """How this service says it, if it does."""
    event = OF_SERVICE.get(env.service.name)
    return event if event in env.service.publishes else None


async def note_refusal(env: Environment, actor: Actor, action: str, facts: RequestFacts) -> None:
    """Counts that a member was refused an action because of their role."""
    event, org_id, user_id, role = event_of(env), actor.org_id, actor.user_id, actor.role
    if event is None or org_id is None or user_id is None or role is None:
        return
    ctx = Ctx(env, actor, correlation_id=facts.id, request=facts)
    async with ctx.finishing(), ctx.tx() as tx:
        row = await tx.row(COUNT, org_id, user_id, action, role, ctx.now, list(actor.amr), facts.source_ip, facts.id)
        if row is not None and row["times"] == 1:
            await tx.emit(event(org_id=org_id, action=action, role=role, user_id=user_id, times=1, since=row["since"]))


async def tell_refusals(ctx: Ctx) -> None:
    """Tells what followed within the hour, in the name of who was refused, and forgets the count."""
    event = event_of(ctx.env)
    if event is not None:
        async with ctx.env.database.read(EVERY_ORG) as read:
            rows = await read.rows(OVER, ctx.now - WINDOW, MOST_AT_ONCE)
        for row in rows:
            await _tell(ctx.env, event, row)


async def _tell(env: Environment, event: type[ActionRefused], known: Row) -> None:
    whose = [known[name] for name in ("org_id", "actor_id", "action", "role", "since")]
    org_id, user_id, action, role, since = whose
    actor = Actor("system", user_id=user_id, org_id=org_id, amr=tuple(known["amr"]), service=env.service.name)
    facts = RequestFacts(source_ip=known["source_ip"])
    ctx = Ctx(env, actor, correlation_id=known["request_id"], request=facts)
    async with ctx.finishing(), ctx.tx() as tx:
        times = await tx.value(FORGET, *whose)
        if times is not None and times > 1:
            await tx.emit(event(org_id=org_id, action=action, role=role, user_id=user_id, times=times - 1, since=since))
