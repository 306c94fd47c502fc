"""What people may not do and tried all the same: the first time is told at once, what follows within the hour together when it is over.

So every refusal is told exactly once, and whoever repeats a request for ever fills no log.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.auth import Actor
from shared.db import EVERY_ORG, Row
from shared.events.refusals import Because, Refusal
from shared.service import Ctx, Environment, RequestFacts

WINDOW = timedelta(hours=1)
MOST_AT_ONCE = 500

COUNT = """
insert into refusals as known (org_id, actor_id, action, role, because, since, times, amr, source_ip, request_id)
values ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9)
on conflict (org_id, actor_id, action, role, because) do update
    set times = known.times + 1, amr = excluded.amr, source_ip = excluded.source_ip, request_id = excluded.request_id
returning times, since
"""
OVER = "select * from refusals where since <= $1 order by since limit $2"
FORGET = """
delete from refusals where org_id = $1 and actor_id = $2 and action = $3 and role = $4 and because = $5 and since = $6
returning times
"""


def event_of(env: Environment) -> type[Refusal] | None:
    """How this service says it, if it does."""
    return next((event for event in env.service.publishes if issubclass(event, Refusal)), None)


async def note_refusal(
    env: Environment, actor: Actor, action: str, facts: RequestFacts, because: Because | None = None
) -> None:
    """Counts that a member or an API key was refused an action: because of their role and its scopes, unless another reason is given."""
    event, who = event_of(env), actor.id
    is_key = actor.kind == "key"
    if event is None or actor.org_id is None or who is None or not (is_key or actor.role):
        return
    why = because or ("scope" if is_key else "role")
    whose = (actor.org_id, who, action, actor.role or "", why)
    ctx = Ctx(env, actor, correlation_id=facts.id, request=facts)
    async with ctx.finishing(), ctx.tx() as tx:
        row = await tx.row(COUNT, *whose, ctx.now, list(actor.amr), facts.source_ip, facts.id)
        if row is not None and row["times"] == 1:
            await tx.emit(_told(event, actor, action, why, 1, row["since"]))


async def tell_refusals(ctx: Ctx) -> None:
    """Tells what followed within the hour, in the name of who was refused, and forgets the count."""
    event = event_of(ctx.env)
    if event is not None:
        async with ctx.env.database.read(EVERY_ORG) as read:
            rows = await read.rows(OVER, ctx.now - WINDOW, MOST_AT_ONCE)
        for row in rows:
            await _tell(ctx.env, event, row)


async def _tell(env: Environment, event: type[Refusal], known: Row) -> None:
    whose = [known[name] for name in ("org_id", "actor_id", "action", "role", "because", "since")]
    org_id, who, action, role, because, since = whose
    named = {"user_id": who, "role": role} if because == "role" else {"key_id": who}
    actor = Actor("system", org_id=org_id, amr=tuple(known["amr"]), service=env.service.name, **named)
    facts = RequestFacts(source_ip=known["source_ip"])
    ctx = Ctx(env, actor, correlation_id=known["request_id"], request=facts)
    async with ctx.finishing(), ctx.tx() as tx:
        times = await tx.value(FORGET, *whose)
        if times is not None and times > 1:
            await tx.emit(_told(event, actor, action, because, times - 1, since))


def _told(event: type[Refusal], actor: Actor, action: str, because: Because, times: int, since: datetime) -> Refusal:
    return event(
        org_id=actor.org(),
        action=action,
        because=because,
        role=actor.role,
        user_id=actor.user_id,
        key_id=actor.key_id,
        times=times,
        since=since,
    )
