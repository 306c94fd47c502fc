"""Who may do what: every route × every kind of person and of API key, compared with tables that are written by hand.

Writes carry an unknown field, so that whoever passes authorization is stopped by validation, and nothing changes.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import asyncpg
import pytest
import yaml

from shared.api_keys import PROVISIONING, Area, scopes_of
from shared.cli.demo.api import Person, until
from shared.ids import new_operation_id
from tests.system.whole import Cast, WholeProduct, a_cast, a_told_webhook

TABLE: dict[str, str] = yaml.safe_load((Path(__file__).parent / "authorization.yaml").read_text())
SCOPES: dict[str, str] = yaml.safe_load((Path(__file__).parent / "key_scopes.yaml").read_text())
KEYS: dict[str, dict[str, Any]] = {
    "looking": {"access": "view", "areas": sorted(get_args(Area))},
    "managing": {"access": "manage", "areas": sorted(get_args(Area))},
    "narrow": {"access": "view", "areas": ["billing"]},
}
WHO = {
    "anyone": {"anonymous", "admin", "analyst", "viewer"},
    "person": {"admin", "analyst", "viewer"},
    "member": {"admin", "analyst", "viewer"},
    "analyst": {"admin", "analyst"},
    "admin": {"admin"},
    "nobody": set(),
}


@dataclass
class Stage:
    cast: Cast
    other: Cast
    ids: dict[str, str]
    document: dict[str, Any]
    product: WholeProduct
    keys: dict[str, str]


@pytest.fixture(scope="module")
async def stage(product: WholeProduct) -> Stage:
    cast, other = await a_cast(product.gateway), await a_cast(product.gateway)
    admin = cast.admin
    group = (await admin.write("POST", "/v1/groups", {"name": "Matrix"})).ok()
    invitation = (
        await admin.write(
            "POST",
            "/v1/invitations",
            {"email": f"guest@{admin.email.partition('@')[2]}", "role": "viewer", "group_ids": []},
        )
    ).ok()
    (
        await admin.write(
            "POST", "/v1/dashboards", {"id": "dsh-matrix", "title": "Matrix"}, after=admin.last_change[-1]
        )
    ).ok()
    shared = await admin.ask("GET", "/v1/dashboards/dsh-matrix/sharing")
    (
        await admin.write(
            "PUT",
            "/v1/dashboards/dsh-matrix/sharing",
            {"mode": "all_users", "group_ids": []},
            headers={"If-Match": shared.headers["etag"]},
        )
    ).ok()
    link = (await admin.write("POST", "/v1/dashboards/dsh-matrix/links", {"name": "Matrix"})).ok()
    await buys(admin, "business")
    entries = (await admin.ask("GET", "/v1/audit-entries")).ok()["data"]
    webhook, delivery = await a_told_webhook(cast)
    organization = (await admin.ask("GET", "/v1/organization")).ok()
    await waits_for_approval(product, organization["id"], cast.viewer.user_id)
    connection = {"name": "Matrix", "protocol": "oidc"}
    connection = (await admin.write("POST", "/v1/sso-connections", connection, after=admin.last_change[-1])).ok()
    ids = {
        "connection_id": connection["id"],
        "webhook_id": webhook,
        "delivery_id": delivery,
        "user_id": cast.viewer.user_id,
        "group_id": group["id"],
        "acceptance_id": (await admin.ask("GET", "/v1/legal/acceptances")).ok()["data"][0]["id"],
        "document_id": "terms",
        "country": "CH",
        "name": "User",
        "schema_id": "urn:ietf:params:scim:schemas:core:2.0:User",
        "domain_id": (await admin.ask("GET", "/v1/domains")).ok()["data"][0]["id"],
        "invitation_id": invitation["id"],
        "dashboard_id": "dsh-matrix",
        "link_id": link["id"],
        "shared_dashboard_id": "dsh-matrix",
        "secret_id": (await admin.ask("GET", "/v1/embed-secrets")).ok()["data"][0]["id"],
        "event_id": admin.last_change[-1],
        "entry_id": entries[0]["id"],
        "invoice_id": (await admin.ask("GET", "/v1/invoices")).ok()["data"][0]["id"],
        "session_id": "current",
        "passkey_id": "psk_" + "0" * 26,
        "challenge_id": "chl_" + "0" * 26,
        "signup_id": "sgn_" + "0" * 26,
        "token": "tms_inv00000000000000000000000000-" + "A" * 43,
        "id": cast.admin.user_id,
        "type": "org.member.joined.v1",
        "code": "not_found",
        "template": "invitation",
        "address": "nobody@dead.example",
        "language": "en",
        "operation_id": new_operation_id("org"),
    }
    keys = {name: (await admin.write("POST", "/v1/api-keys", {"name": name, **may})).ok() for name, may in KEYS.items()}
    ids["key_id"] = keys["narrow"]["id"]
    provider = (await admin.write("POST", "/v1/scim-tokens", {"name": "Matrix"})).ok()
    ids["token_id"] = provider["id"]
    sent = {"Authorization": f"Bearer {provider['token']}"}
    provided = await product.gateway.send("POST", "/scim/v2/Groups", {"displayName": "Provided"}, sent)
    ids["provided_group_id"] = provided.ok()["id"]
    tokens = {name: key["token"] for name, key in (keys | {"provider": provider}).items()}
    return Stage(cast, other, ids, (await product.gateway.send("GET", "/openapi.json")).ok(), product, tokens)


async def waits_for_approval(product: WholeProduct, org_id: str, user_id: str) -> None:
    """As if this person had arrived from a provider: no provider is here that could say so."""
    org = await asyncpg.connect(product.settings.database_urls["org"])
    try:
        async with org.transaction():
            await org.execute("select set_config('tenantry.org_id', $1, true)", org_id)
            await org.execute(
                "insert into approvals (org_id, user_id, role, group_ids, connection_id, reason, requested_at)"
                " values ($1, $2, 'viewer', '{}', '', 'approval', now())",
                org_id,
                user_id,
            )
    finally:
        await org.close()


async def buys(admin: Person, plan: str) -> None:
    """Confirms a preview; what still arrives from elsewhere may have made it an old one."""

    async def confirm() -> Any:
        preview = await admin.ask("POST", "/v1/subscription/change-previews", {"plan": plan})
        wanted = {"plan": plan, "fingerprint": preview.ok()["fingerprint"]}
        key = {"Idempotency-Key": secrets.token_hex(8)}
        return await admin.write("POST", "/v1/subscription/changes", wanted, headers=key)

    await until(confirm, lambda reply: reply.status == 201)


def test_every_route_is_in_the_table_and_nothing_else_is(stage: Stage) -> None:
    routes = {f"{method.upper()} {path}" for path, methods in stage.document["paths"].items() for method in methods}
    assert routes == set(TABLE)


def test_the_document_says_what_the_table_says(stage: Stage) -> None:
    for path, methods in stage.document["paths"].items():
        for method, operation in methods.items():
            roles = operation["x-tenantry"]["roles"]
            told = {"anyone": "anyone", "person": "person"}.get(roles if isinstance(roles, str) else "")
            told = told or {3: "member", 2: "analyst", 1: "admin", 0: "nobody"}[len(roles)]
            assert told == TABLE[f"{method.upper()} {path}"], f"{method} {path}"
            assert operation["x-tenantry"].get("key") == SCOPES.get(f"{method.upper()} {path}"), f"{method} {path}"


LINK_WITHOUT_TOKEN = ("GET /v1/shared/{shared_dashboard_id}", "link_refused")


@pytest.mark.parametrize("route", sorted(TABLE))
async def test_only_whom_the_table_names_gets_past_authorization(stage: Stage, route: str) -> None:
    method, path = route.split(" ")
    ids = stage.ids | ({"group_id": stage.ids["provided_group_id"]} if path.startswith("/scim/") else {})
    target = re.sub(r"{(\w+)}", lambda found: ids[found[1]], path)
    allowed = WHO[TABLE[route]]
    people: dict[str, Person | None] = {
        "anonymous": None,
        "admin": stage.cast.admin,
        "analyst": stage.cast.analyst,
        "viewer": stage.cast.viewer,
    }
    for kind, person in people.items():
        reply = await probe(stage, method, target, person)
        if kind in allowed:
            assert reply.status != 401 or (route, reply.code) == LINK_WITHOUT_TOKEN, f"{kind}: {reply}"
            assert not refused_for_role(reply), f"{kind}: {reply}"
        elif kind == "anonymous":
            assert reply.status == 401, f"{kind}: {reply}"
        else:
            assert refused_for_role(reply), f"{kind}: {reply}"
        assert reply.status < 500, f"{kind}: {reply}"
    if TABLE[route] != "anyone":
        await check_keys(stage, route, method, target)
        gone = await probe(stage, method, target, stage.cast.deactivated)
        assert gone.status == 401, f"deactivated: {gone}"
        assert is_scim_error(gone) or gone.code == "session_ended", f"deactivated: {gone}"


# What isn't a thing of one organization; all other parameters are, so a new kind of id is tried without anybody thinking of it.
OF_NO_ORGANIZATION = frozenset(
    [
        "address",
        "challenge_id",
        "code",
        "country",
        "document_id",
        "id",
        "language",
        "name",
        "operation_id",
        "passkey_id",
        "schema_id",
        "session_id",
        "shared_dashboard_id",
        "signup_id",
        "template",
        "token",
        "type",
    ]
)


def names_a_thing_of_an_organization(route: str) -> bool:
    """SCIM's routes are for a provider's token alone: its own tests try another organization's."""
    named = set(re.findall(r"{(\w+)}", route)) - OF_NO_ORGANIZATION
    return bool(named) and TABLE[route] != "anyone" and not route.split()[1].startswith("/scim/")


@pytest.mark.parametrize("route", sorted(filter(names_a_thing_of_an_organization, TABLE)))
async def test_ids_of_another_organization_answer_like_ids_that_do_not_exist(stage: Stage, route: str) -> None:
    method, path = route.split(" ")
    target = re.sub(r"{(\w+)}", lambda found: stage.ids[found[1]], path)
    missing = re.sub(r"{(\w+)}", lambda found: nobody_has(stage.ids[found[1]]), path)
    foreign = await probe(stage, method, target, stage.other.admin)
    absent = await probe(stage, method, missing, stage.other.admin)
    assert (foreign.status, foreign.code) == (absent.status, absent.code) == (404, "not_found")
    without = {name: value for name, value in foreign.json.items() if name != "instance"}
    assert without == {name: value for name, value in absent.json.items() if name != "instance"}


async def check_keys(stage: Stage, route: str, method: str, target: str) -> None:
    """Of three keys and a provisioning token, those get past authorization that have the route's scope. What a link is to a key, is told to none: 404."""
    for name, token in stage.keys.items():
        reply = await probe(stage, method, target, None, token)
        may = KEYS.get(name)
        scopes = {"*", *(scopes_of(may["access"], may["areas"]) if may else (PROVISIONING,))}
        stopped = refused_for_scope(reply) or (route not in SCOPES and reply.status == 404)
        assert (SCOPES.get(route) in scopes) == (not stopped), f"{name}: {reply}"
        assert reply.status != 401, f"{name}: {reply}"
        assert reply.status < 500, f"{name}: {reply}"


def refused_for_scope(reply: Any) -> bool:
    if is_scim_error(reply):
        return bool(reply.status == 403)
    return reply.status == 403 and reply.code == "forbidden" and reply.json["meta"]["because"] == "scope"


def is_scim_error(reply: Any) -> bool:
    return reply.status >= 400 and "scim+json" in reply.headers.get("content-type", "")


def nobody_has(known: str) -> str:
    """An id of the same form that doesn't exist."""
    return (
        known[:-4] + "".join("0" if letter != "0" else "1" for letter in known[-4:]) if "_" in known else "dsh-nobody"
    )


def refused_for_role(reply: Any) -> bool:
    if is_scim_error(reply):
        return bool(reply.status == 403)
    return reply.status == 403 and reply.code == "forbidden" and reply.json["meta"]["because"] == "role"


async def probe(stage: Stage, method: str, target: str, person: Person | None, key: str = "") -> Any:
    if target == "/v1/event-stream":
        target += "?after=nowhere"  # or it would have no end
    headers = {"If-Match": "*", "Idempotency-Key": "matrix"} if method != "GET" else {}
    if target.startswith("/scim/") and method != "GET":
        headers["If-Match"] = '"another state"'  # SCIM ignores what it doesn't know: this stops who is let in
    body = {"no_such_field": True} if method != "GET" else None
    if key:
        headers["Authorization"] = f"Bearer {key}"
    if person is None:
        return await stage.product.gateway.send(method, target, body, headers)
    return await person.ask(method, target, body, headers=headers, after="")
