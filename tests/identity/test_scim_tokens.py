"""Tokens of identity providers, and the accounts that they provision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.api_keys import new_token
from shared.auth import Actor
from shared.events.identity import (
    ScimTokenCreated,
    ScimTokenRevoked,
    ScimTokensResumed,
    ScimTokensSuspended,
    UserNameChanged,
    UserRegistered,
)
from shared.events.org import (
    Organization,
    OrganizationClosed,
    OrganizationCreated,
    OrganizationReopened,
    ProvisionedNameChanged,
)
from shared.ids import new_id
from tests.identity.people import PASSWORD, Someone, joins, link_of, mails, sign_in, somebody
from tests.identity.test_api_keys import Office
from tests.world import Reply, World, an_admin

TOKENS = "/v1/scim-tokens"
ORG = Actor("service", service="org")


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture(scope="module")
async def ada(world: World) -> Someone:
    return await somebody(world)


@pytest.fixture
async def office(world: World, ada: Someone) -> Office:
    org_id = new_id("org")
    await joins(world, org_id, ada.user_id)
    office = Office(world, replace(an_admin(org_id), user_id=ada.user_id))
    await office.on_plan("business")
    return office


async def test_two_tokens_overlap_and_a_third_is_refused(office: Office) -> None:
    first, second = [(await office.ask("POST", TOKENS, {"name": name})).ok() for name in ("Okta", "Okta new")]
    assert first["token"].startswith("tsc_")
    for one in (first, second):
        said = await office.standing(one["token"])
        assert (said["key_id"], said["org_id"], said["scopes"], said["refused"]) == (
            one["id"],
            office.org_id,
            ["scim:provision"],
            None,
        )
    assert (await office.ask("POST", TOKENS, {"name": "Third"})).code == "conflict"
    assert (await office.ask("DELETE", f"{TOKENS}/{first['id']}")).status == 204
    assert [(await office.standing(one["token"]))["refused"] for one in (first, second)] == ["unknown", None]
    listed = (await office.ask("GET", TOKENS)).ok()["data"]
    assert [(one["name"], one["last_used_ip"], "token" in one) for one in listed] == [
        ("Okta new", "198.51.100.4", False)
    ]
    assert [e.data["name"] for e in await office.said(ScimTokenCreated)] == ["Okta", "Okta new"]
    assert [e.data["token_id"] for e in await office.said(ScimTokenRevoked)] == [first["id"]]
    assert [mail.template for mail in await office.mailed()] == ["scim_token_created"] * 2


async def test_a_lapsed_plan_stops_setting_up_and_never_the_provider(office: Office) -> None:
    token = (await office.ask("POST", TOKENS, {"name": "Entra"})).ok()
    await office.on_plan("free")
    assert (await office.standing(token["token"]))["refused"] is None
    refused = await office.ask("POST", TOKENS, {"name": "More"})
    assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "business")
    assert (await office.ask("DELETE", f"{TOKENS}/{token['id']}")).status == 204


async def test_a_closed_organizations_provider_is_refused_and_whoever_remembers_its_tokens_is_told(
    world: World, office: Office
) -> None:
    token = (await office.ask("POST", TOKENS, {"name": "Okta"})).ok()
    by, now = new_id("usr"), world.clock.now()
    state = Organization(name="Northwind", location="eu", contact_email="ada@example.com", product_mails=False)
    for org_id in (office.org_id, new_id("org")):
        await world.hear("org", OrganizationCreated(org_id=org_id, organization=state, created_by=by))
        await world.hear("org", OrganizationClosed(org_id=org_id, closed_by=by, closed_at=now, erased_at=now))
    assert (await office.standing(token["token"]))["refused"] == "organization_closed"
    await world.hear("org", OrganizationReopened(org_id=office.org_id, reopened_by=by))
    assert (await office.standing(token["token"]))["refused"] is None
    for event in (ScimTokensSuspended, ScimTokensResumed):
        said = [(e.subject, e.data["token_ids"]) for e in await world.said("identity", event)]
        assert said == [(office.org_id, [token["id"]])]


async def test_it_takes_an_admin_with_a_fresh_proof_and_a_token_of_another_organization_is_not_there(
    office: Office,
) -> None:
    stale = replace(office.admin, auth_time=office.admin.auth_time - 3600)
    assert (await office.ask("POST", TOKENS, {"name": "X"}, actor=stale)).code == "insufficient_user_authentication"
    token = (await office.ask("POST", TOKENS, {"name": "X"})).ok()
    stranger = replace(office.admin, org_id=new_id("org"))
    assert (await office.ask("DELETE", f"{TOKENS}/{token['id']}", actor=stranger)).code == "not_found"
    assert (await office.standing(new_token(token["id"])))["refused"] == "unknown"


async def provision(world: World, org_id: str, email: str, name: str = "Pia Provided") -> Reply:
    body: dict[str, Any] = {"org_id": org_id, "email": email, "name": name}
    return await world.ask("identity", "POST", "/internal/provisioned-accounts", body, actor=ORG)


async def test_an_address_without_account_gets_one_without_a_password(world: World, office: Office) -> None:
    made = (await provision(world, office.org_id, "pia@northwind.example")).ok()
    assert (made["created"], made["name"]) == (True, "Pia Provided")
    again = (await provision(world, office.org_id, "PIA@northwind.example", "Other")).ok()
    assert (again["created"], again["user_id"], again["name"]) == (False, made["user_id"], "Pia Provided")
    told = [e for e in await world.said("identity", UserRegistered) if e.subject == made["user_id"]]
    assert [e.data["signup"] for e in told] == [None]
    for password in ("", PASSWORD):
        assert (await sign_in(world, "pia@northwind.example", password)).code == "invalid_credentials"
    await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": "pia@northwind.example"})
    token = link_of(world, (await mails(world))[-1])
    reset = await world.ask("identity", "PUT", f"/v1/auth/password-resets/{token}", {"new_password": PASSWORD})
    assert reset.status == 204
    assert (await sign_in(world, "pia@northwind.example")).status == 201


async def test_whose_account_is_their_own_is_told_apart_from_whose_the_organization_opened(
    world: World, office: Office
) -> None:
    async def of_organization(org_id: str, email: str) -> bool:
        return bool((await provision(world, org_id, email)).ok()["of_organization"])

    own = await somebody(world, "olga@northwind.example")
    assert not await of_organization(office.org_id, own.email)
    for _ in range(2):
        assert await of_organization(office.org_id, "pat@northwind.example"), "also the second time"
    assert not await of_organization(new_id("org"), "pat@northwind.example"), "another one opened it"

    async def held(org_id: str) -> list[str]:
        asked = {"org_id": org_id, "emails": [own.email, "PAT@northwind.example", "nobody@northwind.example"]}
        return list((await world.ask("identity", "POST", "/internal/accounts-held", asked, actor=ORG)).ok()["emails"])

    assert await held(office.org_id) == [own.email]
    assert await held(new_id("org")) == [own.email, "pat@northwind.example"]
    await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": "pat@northwind.example"})
    token = link_of(world, (await mails(world))[-1])
    reset = await world.ask("identity", "PUT", f"/v1/auth/password-resets/{token}", {"new_password": PASSWORD})
    assert reset.status == 204
    assert not await of_organization(office.org_id, "pat@northwind.example"), "somebody has a password for it"
    assert await held(office.org_id) == [own.email, "pat@northwind.example"]


async def test_a_provider_names_only_people_whose_account_its_organization_opened(
    world: World, office: Office, ada: Someone
) -> None:
    made = (await provision(world, office.org_id, "rob@northwind.example", "Rob")).ok()
    for org_id, user_id in ((office.org_id, ada.user_id), (new_id("org"), made["user_id"])):
        await world.hear("org", ProvisionedNameChanged(org_id=org_id, user_id=user_id, name="Mallory"))
    assert await world.said("identity", UserNameChanged) == []
    await world.hear("org", ProvisionedNameChanged(org_id=office.org_id, user_id=made["user_id"], name="Robert"))
    (told,) = await world.said("identity", UserNameChanged)
    assert (told.subject, told.data["person"]["name"]) == (made["user_id"], "Robert")
