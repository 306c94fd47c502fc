"""Nothing happens unlogged: whatever a request commits is said, and whatever is said is in the audit log exactly once, with its request."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from shared.events import Envelope
from shared.events.org import OrganizationCreated
from tests.silent_writes import Watched, watching
from tests.system.subscribing import until
from tests.system.whole import Cast, WholeProduct, a_cast, a_told_webhook, whole_product
from tests.world import Databases

HEARD = ("identity", "org", "sharing", "billing", "courier")
# Tables whose rows are no facts, and why nobody is told when they change.
NO_FACTS = {
    "throttles": "counts attempts, so that there can't be too many",
    "signups": "somebody typed an address that isn't confirmed yet; the account that comes of it is said",
    "challenges": "a step of signing in; the session that comes of it is said",
    "sessions": "tokens are renewed; beginning, changing and ending a session is said",
    "totp": "an app that isn't verified yet; that it is in force is said",
    "known_devices": "which devices have a budget of attempts of their own",
}


@pytest.fixture(scope="module")
async def watched(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[WholeProduct, Watched]]:
    seen = Watched()
    with watching(seen):
        async with whole_product(databases, tmp_path_factory.mktemp("audited")) as product:
            yield product, seen


async def a_busy_day(cast: Cast) -> None:
    """An Admin does some of everything that the product has."""
    admin, viewer = cast.admin, cast.viewer

    async def do(method: str, path: str, body: Any = None, **headers: str) -> Any:
        reply = await admin.write(method, path, body, headers=headers, after=admin.last_change[-1])
        return reply.ok()

    group = (await do("POST", "/v1/groups", {"name": "Finance"}))["id"]
    await do("PUT", f"/v1/groups/{group}/members/{viewer.user_id}")
    await do("PATCH", f"/v1/groups/{group}", {"name": "Treasury"})
    await do("POST", "/v1/dashboards", {"id": "dsh-1", "title": "Cash flow"})
    await do("PATCH", "/v1/dashboards/dsh-1", {"title": "Cash flow 2026"})
    sharing = {"mode": "groups", "group_ids": [group]}
    await do("PUT", "/v1/dashboards/dsh-1/sharing", sharing, **{"If-Match": "*"})
    link = (await do("POST", "/v1/dashboards/dsh-1/links", {"name": "Board"}))["id"]
    await do("DELETE", f"/v1/links/{link}")
    await a_told_webhook(cast)
    role = await admin.ask("GET", f"/v1/users/{viewer.user_id}")
    given = {"role": "analyst", "group_ids": []}
    await do("PUT", f"/v1/users/{viewer.user_id}/role-and-groups", given, **{"If-Match": role.headers["etag"]})
    invited = {"email": f"guest@{admin.email.partition('@')[2]}", "role": "viewer", "group_ids": []}
    invitation = (await do("POST", "/v1/invitations", invited))["id"]
    await do("POST", f"/v1/invitations/{invitation}/resends")
    await do("DELETE", f"/v1/invitations/{invitation}")
    await do("PATCH", "/v1/organization/preferences", {"country": "DE"}, **{"If-Match": "*"})
    preview = await do("POST", "/v1/subscription/change-previews", {"plan": "business"})
    wanted = {"plan": "business", "fingerprint": preview["fingerprint"]}
    await do("POST", "/v1/subscription/changes", wanted, **{"Idempotency-Key": secrets.token_hex(8)})
    await do("POST", f"/v1/users/{cast.deactivated.user_id}/reactivation")
    await do("DELETE", f"/v1/groups/{group}")
    await do("DELETE", "/v1/dashboards/dsh-1")
    await do("POST", "/v1/audit-exports", {})


async def facts(product: WholeProduct) -> list[Envelope]:
    """What the services have said, requests for mail and what people alone did before they were members aside."""
    found = []
    for service in HEARD:
        connection = await asyncpg.connect(product.settings.database_urls[service])
        found += [Envelope.parse(row["body"]) for row in await connection.fetch("select body from outbox")]
        await connection.close()
    return [envelope for envelope in found if not envelope.type.startswith("courier.mail.")]


async def test_every_commit_is_said_and_everything_said_is_one_entry_with_its_request(
    watched: tuple[WholeProduct, Watched],
) -> None:
    product, seen = watched
    cast = await a_cast(product.gateway)
    await a_busy_day(cast)
    refused = await cast.viewer.write("POST", "/v1/subscription/trial")
    assert refused.code == "forbidden"

    unsaid = {(route, table) for route, table in seen.silent if table not in NO_FACTS}
    assert not unsaid, "these commits changed something and said nothing"
    assert len(seen.routes) > 25, sorted(seen.routes)

    admin = cast.admin
    (await admin.ask("GET", "/v1/audit-entries", after=admin.last_change[-1])).ok()
    audit = await asyncpg.connect(product.settings.database_urls["audit"])
    await audit.execute("select set_config('tenantry.org_id', '*', false)")
    said = await facts(product)
    ids = [envelope.id for envelope in said]

    async def counted() -> Counter[tuple[str, str]]:
        rows = await audit.fetch("select org_id, event_id from audit_entries where event_id = any($1)", ids)
        return Counter((row["org_id"], row["event_id"]) for row in rows)

    async def has_come() -> bool:
        return {event_id for _, event_id in await counted()} >= set(ids)

    await until(has_come, "every event in the audit log")
    entries = await counted()
    assert set(entries.values()) == {1}
    kept = {event_id for _, event_id in entries}
    assert {envelope.type for envelope in said if envelope.id not in kept} == set()
    whole = {row["event_id"]: row for row in await audit.fetch("select * from audit_entries where org_id like 'org%'")}
    for envelope in said:
        if envelope.org_id is None:
            continue
        entry = whole[envelope.id]
        assert entry["correlation_id"], envelope.type
        assert (entry["org_id"], entry["actor_id"]) == (envelope.org_id, envelope.actor_id), envelope.type
        if envelope.actor_id == admin.user_id and envelope.actor_amr:
            assert (entry["actor_amr"], entry["source_ip"]) == (["pwd"], "127.0.0.1"), envelope.type
    # Who confirms their address founds an organization, and hasn't signed in yet.
    founding = {e.correlation_id for e in said if e.type == OrganizationCreated.TYPE}
    acted = [
        e for e in said if e.actor_id == admin.user_id and e.source != "identity" and e.correlation_id not in founding
    ]
    assert len(acted) > 25
    assert all(e.actor_amr == ("pwd",) for e in acted), [e.type for e in acted if not e.actor_amr]
    await audit.close()
