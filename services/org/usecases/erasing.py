"""The end of the time of grace: reminders, the order to erase, the confirmations, and the receipt of it all."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import orjson
import structlog

from services.org.rules import closing as rules
from services.org.store import closures, organizations
from services.org.usecases.admins_mail import tell_admins
from services.org.usecases.holding import Held, holding
from shared.auth import private_key
from shared.db import EVERY_ORG, Tx
from shared.erasure import Erasing, begin_erasing
from shared.events import audit, billing, courier, identity, sharing
from shared.events.courier import MailRequested
from shared.events.org import OrganizationErased, OrganizationErasureStarted
from shared.fields import Nothing
from shared.service import Ctx

log = structlog.get_logger()

AT_ONCE = 100
RECEIPT = b"tenantry erasure receipt\n"

Confirmation = (
    identity.OrganizationErased
    | sharing.OrganizationErased
    | billing.OrganizationErased
    | audit.OrganizationErased
    | courier.OrganizationErased
)


async def mind_closures(ctx: Ctx) -> None:
    """The job: reminds, and when the grace is over asks every service to erase, again and again until all have confirmed."""
    async with ctx.read(EVERY_ORG) as read:
        due = await closures.due(read, ctx.now, AT_ONCE)
    for org_id in due:
        own = Ctx(ctx.env, replace(ctx.actor, org_id=org_id), correlation_id=ctx.correlation_id)
        try:
            async with own.finishing(), own.tx() as tx, holding(own, tx, org_id) as held:
                await _do_what_is_due(own, held)
        except Exception:
            log.exception("a closed organization isn't minded", org_id=org_id)


async def _do_what_is_due(ctx: Ctx, held: Held) -> None:
    closure, facts = await closures.find(held.tx, held.id), held.facts
    if closure is None or facts.closed_at is None or facts.erased_at is None or closure.next_at > ctx.now:
        return
    if ctx.now < facts.erased_at:
        reminders = closure.reminders
        while rules.next_at(facts.erased_at, reminders) <= ctx.now:
            reminders += 1
        await closures.note_reminder(held.tx, held.id, reminders, rules.next_at(facts.erased_at, reminders))
        await tell_admins(held.tx, facts, "organization_erased_soon", erased_at=facts.erased_at.isoformat())
        return
    await closures.note_asked(held.tx, held.id, ctx.now, ctx.now + rules.ASK_AGAIN)
    await held.tx.emit(OrganizationErasureStarted(org_id=held.id, closed_at=facts.closed_at))


async def note_confirmation(ctx: Ctx, told: Confirmation) -> None:
    """A service holds nothing of the organization any more. After the last of them org erases what it holds itself."""
    assert ctx.cause is not None
    async with ctx.tx() as tx:
        if await organizations.lock(tx, told.org_id) is None:
            return
        await closures.confirm(tx, told.org_id, ctx.cause.source, told.rows, ctx.now)
        if set(rules.CONFIRMING) <= set(await closures.confirmed(tx, told.org_id)):
            await begin_erasing(ctx, tx, told.org_id)


async def write_receipt(ctx: Ctx, tx: Tx, org_id: str) -> bool:
    """Sends who closed the organization what was erased where, signed: the last that is said of it."""
    closure, facts = await closures.find(tx, org_id), await organizations.find(tx, org_id)
    if closure is None or facts is None:
        return True
    rows = dict(await closures.confirmed(tx, org_id))
    rows["org"] = int(await closures.erased_here(tx, org_id))
    receipt = {"org_id": org_id, "closed_at": facts.closed_at, "erased_at": ctx.now, "rows": rows}
    text = orjson.dumps(receipt, option=orjson.OPT_SORT_KEYS)
    key = private_key(ctx.env.settings.secrets.signing[ctx.env.service.name])
    await tx.emit(
        MailRequested(
            about=closure.closed_by,
            to=closure.email,
            template="organization_erased",
            reader=closure.closed_by,
            values={
                "name": closure.name,
                "organization": facts.name,
                "erased_at": ctx.now.isoformat(),
                "rows": ", ".join(f"{service} {rows[service]}" for service in sorted(rows)),
                "receipt": text.decode(),
                "signature": base64.urlsafe_b64encode(key.sign(RECEIPT + text)).decode().rstrip("="),
            },
        )
    )
    return True


async def list_closures(ctx: Ctx, _: Nothing) -> list[dict[str, object]]:
    """For the operator: `[{"org_id", "closed_at", "erased_at", "asked_at", "confirmed", "awaited"}]`, at most 500."""
    async with ctx.read(EVERY_ORG) as read:
        rows = await closures.under_way(read, 500)
    return [
        {
            "org_id": row["org_id"],
            **{name: row[name].isoformat() if row[name] else None for name in ("closed_at", "erased_at", "asked_at")},
            "confirmed": row["confirmed"],
            "awaited": [one for one in rules.CONFIRMING if row["asked_at"] and one not in row["confirmed"]],
        }
        for row in rows
    ]


async def addresses_of(ctx: Ctx, tx: Tx, user_id: str) -> Sequence[str]:
    """Where invitations went whose people had no account yet."""
    async with ctx.tx(EVERY_ORG):
        return await organizations.addresses_of(tx, user_id)


ERASING = Erasing(
    OrganizationErased,
    last=write_receipt,
    addresses=addresses_of,
    until_last=frozenset({"closures", "erasure_confirmations", "organizations"}),
)
