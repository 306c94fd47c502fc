"""An identity provider at work, through the gateway and every service: it lets people in, and has them out at once."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from shared.cli.demo.api import PASSWORD, Gateway, Person, Reply, until
from shared.db import EVERY_ORG
from tests.system.whole import Cast, WholeProduct, a_cast


@pytest.fixture(scope="module")
async def cast(product: WholeProduct) -> Cast:
    cast = await a_cast(product.gateway)
    await prove(product, cast)
    return cast


async def prove(product: WholeProduct, cast: Cast) -> None:
    """The organization's domain, as DNS would."""
    connection = await asyncpg.connect(product.settings.database_urls["org"])
    try:
        await connection.execute("select set_config('tenantry.org_id', $1, false)", EVERY_ORG)
        await connection.execute(
            "update domains set status = 'verified', verified_at = now(), next_check_at = now() + interval '30 days' where name = $1",
            cast.admin.email.partition("@")[2],
        )
    finally:
        await connection.close()


async def test_a_provisioned_person_signs_in_and_is_out_at_once_when_the_provider_says_so(cast: Cast) -> None:
    gateway, domain = cast.admin.gateway, cast.admin.email.partition("@")[2]
    token = (await cast.admin.write("POST", "/v1/scim-tokens", {"name": "Okta"}, after=cast.trial)).ok()

    async def scim(method: str, path: str, body: Any = None) -> Reply:
        sent = {"Authorization": f"Bearer {token['token']}", "Content-Type": "application/scim+json"}
        return await gateway.send(method, f"/scim/v2{path}", body, sent)

    email = f"pia@{domain}"
    made = (await scim("POST", "/Users", {"userName": email, "displayName": "Pia Provided"})).ok()
    group = (await scim("POST", "/Groups", {"displayName": "Provided", "members": [{"value": made["id"]}]})).ok()
    pia = await with_password(gateway, email)
    me = await until(lambda: pia.ask("GET", "/v1/me", after=""), lambda reply: reply.status == 200)
    assert me.ok()["user"]["id"] == made["id"]
    off = {"Operations": [{"op": "Replace", "path": "active", "value": "False"}]}
    assert (await scim("PATCH", f"/Users/{made['id']}", off)).ok()["active"] is False
    await until(lambda: pia.ask("GET", "/v1/me", after=""), lambda reply: reply.status == 401)
    on = {"Operations": [{"op": "Replace", "path": "active", "value": "True"}]}
    assert (await scim("PATCH", f"/Users/{made['id']}", on)).ok()["active"] is True
    assert (await pia.ask("GET", "/v1/me", after="")).status == 401, "what has ended doesn't come back"
    by_hand = await cast.admin.ask("DELETE", f"/v1/groups/{group['id']}")
    assert by_hand.code == "managed_by_provider"
    nowhere = await scim("GET", "/Nowhere")
    assert (nowhere.status, nowhere.headers["content-type"]) == (404, "application/scim+json")
    for path in ("/v1/users", "/v1/groups", "/v1/me", "/v1/api-keys"):
        sent = {"Authorization": f"Bearer {token['token']}"}
        assert (await gateway.send("GET", path, None, sent)).status == 403
    key = (await cast.admin.write("POST", "/v1/api-keys", {"name": "K", "access": "manage", "areas": ["users"]})).ok()
    refused = await gateway.send("GET", "/scim/v2/Users", None, {"Authorization": f"Bearer {key['token']}"})
    assert (refused.status, refused.json["status"]) == (403, "403")
    assert (await cast.admin.write("DELETE", f"/v1/scim-tokens/{token['id']}")).status == 204
    gone = await until(lambda: scim("GET", "/Users"), lambda reply: reply.status == 401)
    assert gone.json["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]


async def with_password(gateway: Gateway, email: str) -> Person:
    """Sets the first password, by mail."""
    (await gateway.send("POST", "/v1/auth/password-resets", {"email": email})).ok()
    token = await gateway.mailed_token(email, "new password")
    done = await gateway.send("PUT", f"/v1/auth/password-resets/{token}", {"new_password": PASSWORD})
    assert done.status == 204
    person = Person(gateway, email, "Pia Provided")
    signed_in = (await gateway.send("POST", "/v1/auth/sessions", {"email": email, "password": PASSWORD})).ok()
    person.token = signed_in["access_token"]
    return person
