"""What is done with dashboards, links and embed secrets, with what the organization pays, and with its webhooks."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex
from typing import Any

import aiohttp
import asyncpg
import jwt

from shared.cli.demo.api import until
from shared.db import EVERY_ORG
from tests.billing.stripe_server import StripeServer
from tests.system.days.acting import Acting
from tests.system.whole import Cast, WholeProduct, a_cast, a_told_webhook

HIDDEN = "a password for the wall"


async def a_day_of_sharing(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    admin = Acting(product, cast.admin)
    await dashboards(admin, cast)
    await decisions(admin, cast)
    await links(admin)
    await embed_secrets(admin)
    await admin.do("POST", "/v1/audit-exports", {})
    await admin.do("POST", "/v1/access-reviews", {"dashboard_id": "board-1"})


async def dashboards(me: Acting, cast: Cast) -> None:
    board, group = "/v1/dashboards/board-1", (await me.do("POST", "/v1/groups", {"name": "Readers"}))["id"]
    await me.do("POST", "/v1/dashboards", {"id": "board-1", "title": "Revenue", "parameters": ["region"]})
    await me.do("PATCH", board, {"title": "Revenue by region"})
    wanted = {"mode": "all_users", "group_ids": []}
    await me.do("POST", f"{board}/sharing-preview", wanted)
    await me.do("PUT", f"{board}/sharing", wanted)
    await me.do("DELETE", f"{board}/sharing")
    await me.do("PUT", f"/v1/groups/{group}/dashboards/board-1", {})
    await me.do("DELETE", f"/v1/groups/{group}/dashboards/board-1")
    await me.do("POST", "/v1/dashboards", {"id": "board-2", "title": "Cost"})
    await me.do("POST", "/v1/dashboards/board-2/transfer", {"owner_id": cast.analyst.user_id})
    handed = {"owner_id": cast.admin.user_id}
    await me.do("POST", f"/v1/users/{cast.analyst.user_id}/dashboard-transfer", handed)
    await me.do("DELETE", "/v1/dashboards/board-2")


async def decisions(me: Acting, cast: Cast) -> None:
    subject, action = {"type": "user", "id": cast.viewer.user_id}, {"name": "dashboard.view"}
    resource = {"type": "dashboard", "id": "board-1"}
    one = {"subject": subject, "action": action, "resource": resource}
    await me.do("POST", "/access/v1/evaluation", one)
    await me.do("POST", "/access/v1/evaluations", {"evaluations": [one]})
    await me.do("POST", "/access/v1/search/action", {"subject": subject, "resource": resource})
    await me.do("POST", "/access/v1/search/resource", {**one, "resource": {"type": "dashboard"}})
    await me.do("POST", "/access/v1/search/subject", {**one, "subject": {"type": "user"}})
    await me.do("POST", "/v1/access-explanations", {"dashboard_id": "board-1"})


async def links(me: Acting) -> None:
    await me.do("POST", "/v1/links/policy-preview", {"longest_days": 90})
    await me.do("PATCH", "/v1/links/policy", {"longest_days": 90})
    link = await me.do("POST", "/v1/dashboards/board-1/links", {"name": "Wall", "password": HIDDEN})
    path = f"/v1/links/{link['id']}"
    await me.do("PATCH", path, {"name": "Wall in the hall"})
    shown = {"sharing_token": link["token"], "password": HIDDEN}
    await me.anyone("POST", "/v1/shared/board-1/unlocks", shown)
    await me.do("POST", f"{path}/token-rotations")
    await me.do("POST", "/v1/links/suspension")
    await me.do("DELETE", "/v1/links/suspension")
    await me.do("POST", "/v1/links/bulk-actions", {"action": "pause", "link_ids": [link["id"]]})
    another = await me.do("POST", "/v1/dashboards/board-1/links", {"name": "Wall of old", "password": HIDDEN})
    await me.do("POST", "/v1/links/bulk-actions", {"action": "remove", "link_ids": [another["id"]]})
    await me.do("DELETE", path)


async def embed_secrets(me: Acting) -> None:
    (first,) = (await me.sees("/v1/embed-secrets"))["data"]
    secret = (await me.do("POST", f"/v1/embed-secrets/{first['id']}/reveal"))["secret"]
    token = jwt.encode({"sharing_token": "x"}, secret, algorithm="HS256")
    await me.do("POST", "/v1/embed-token-inspections", {"token": token})
    await me.do("POST", "/v1/embed-secrets", {})
    await me.do("POST", f"/v1/embed-secrets/{first['id']}/revocation")


async def a_day_of_paying(product: WholeProduct, stripe: StripeServer) -> None:
    cast = await a_cast(product.gateway)
    admin = Acting(product, cast.admin)
    address = {"company": "Cast AG", "address": ["Seestrasse 1", "8002 Zürich"], "country": "CH"}
    await admin.do("PUT", "/v1/billing-details", {**address, "email": cast.admin.email})
    page = (await admin.do("POST", "/v1/payment-method-sessions", {"purpose": "add"}))["url"]
    await told_by_stripe(product, stripe, stripe.completes_setup(page.rpartition("/")[2]))
    await changes_plan(admin, "business")
    await changes_plan(admin, "pro")
    await admin.do("DELETE", "/v1/subscription/changes/scheduled")


async def told_by_stripe(product: WholeProduct, stripe: StripeServer, event: dict[str, Any]) -> None:
    body, signature = stripe.signed(event)
    headers = {"Stripe-Signature": signature, "Content-Type": "application/json"}
    url = f"{product.gateway.url}/v1/webhooks/stripe"
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 204, await answer.text()


async def changes_plan(me: Acting, plan: str) -> None:
    async def confirm() -> Any:
        preview = await me.do("POST", "/v1/subscription/change-previews", {"plan": plan})
        wanted = {"plan": plan, "fingerprint": preview["fingerprint"]}
        return await me.person.write(
            "POST", "/v1/subscription/changes", wanted, headers={"Idempotency-Key": token_hex(8)}
        )

    await until(confirm, lambda reply: reply.status == 201)


async def a_day_of_webhooks(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    me = Acting(product, cast.admin)
    began = product.clock.now() - timedelta(hours=1)
    webhook, _ = await a_told_webhook(cast)
    path = f"/v1/webhooks/{webhook}"
    await me.do("PATCH", path, {"description": "Ours", "enabled": False})
    (delivery,) = (await me.sees(f"{path}/deliveries"))["data"]
    await me.do("PATCH", path, {"enabled": True})
    await me.do("POST", f"{path}/secret-rotations")
    await me.do("POST", f"{path}/tests")
    await given_up(product, webhook)
    await me.do("POST", f"{path}/deliveries/{delivery['id']}/retries")
    await given_up(product, webhook)
    await me.do("POST", f"{path}/retries", {"since": began.isoformat()})
    await me.do("DELETE", path)
    org_id = (await me.sees("/v1/me"))["organization"]["id"]
    await in_courier(
        product,
        "insert into dead_addresses values ($1, 'nobody@dead.example', '5.1.1', 'no such user', now(), now() + interval '7 days')",
        org_id,
    )
    await me.do("DELETE", "/v1/undeliverable-addresses/nobody@dead.example")


async def given_up(product: WholeProduct, webhook: str) -> None:
    """As if three days of attempts were over."""
    await in_courier(product, "update webhook_deliveries set state = 'failed' where webhook_id = $1", webhook)


async def in_courier(product: WholeProduct, sql: str, *values: Any) -> None:
    connection = await asyncpg.connect(product.settings.database_urls["courier"])
    try:
        await connection.execute("select set_config('tenantry.org_id', $1, false)", EVERY_ORG)
        await connection.execute(sql, *values)
    finally:
        await connection.close()
