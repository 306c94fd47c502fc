"""How events become entries: in the transaction that takes them from the inbox, so each is there exactly once."""

from __future__ import annotations

from services.audit import store
from services.audit.rules import entries as rules
from shared.events import Envelope
from shared.events.billing import EntitlementsChanged
from shared.service import Ctx


async def record(ctx: Ctx, heard: Envelope) -> None:
    """Keeps an event for its organization; a person's own event for every organization that they were a member of when it happened, whichever news comes first.

    What a person did in one organization (a session there) is kept for that one alone: it is none of the others' business. A person without organization has a chain of their own, under their id, so that nothing is forgotten.
    """
    if not rules.is_recorded(heard):
        return
    fact = rules.fact_of(heard)
    person = rules.person_in(heard)
    async with ctx.tx() as tx:
        if heard.org_id is not None:
            if person is not None:
                await store.keep_person(tx, heard.org_id, person, heard.time)
            await store.append(tx, heard.org_id, fact)
            return
        where = rules.organization_in(heard)
        for org_id in (
            [where] if where else await store.organizations_of(tx, heard.subject, heard.time) or [heard.subject]
        ):
            await store.append(tx, org_id, fact)


async def keep_retention(ctx: Ctx, heard: EntitlementsChanged) -> None:
    """The plan decides how far back the log is shown."""
    async with ctx.tx() as tx:
        await store.keep_retention(tx, heard.org_id, heard.entitlements.version, heard.entitlements.audit_days)
