"""Single sign-on by OpenID Connect: set up, verified, activated, signed in by, and switched off."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.identity.store import sso_sign_ins
from shared.events.identity import PasswordResetSent, SessionStarted, UserRegistered
from shared.events.identity_sso import (
    SsoConnectionActivated,
    SsoConnectionChanged,
    SsoConnectionsResumed,
    SsoConnectionsSuspended,
    SsoConnectionSwitchedOff,
    SsoIdentityLinked,
    SsoSignInFailed,
    SsoUserArrived,
)
from shared.ids import new_id
from tests.identity.factors import answers, sets_up_totp, time_passes
from tests.identity.people import PASSWORD, introspect, invitation, is_invited, link_of, mails, sign_in, somebody
from tests.identity.provider import Provider, providing
from tests.identity.sso_house import Browser, SsoHouse, joins, linked, shows, sso_house
from tests.identity.test_passkeys import asked_alone, has_passkey
from tests.world import World


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture
async def house(world: World, provider: Provider) -> SsoHouse:
    return await sso_house(world, provider)


async def test_an_admin_sets_it_up_and_a_new_person_comes_in(world: World, house: SsoHouse) -> None:
    made = await house.begins()
    assert (made["status"], made["frozen"], made["secret_set"]) == ("draft", False, False)
    assert made["service_provider"]["redirect_uri"].endswith(f"/v1/auth/sso/{made['id']}/callback")
    imported = (await house.imports()).ok()
    assert (imported["issuer"], imported["secret_set"]) == (house.provider.url, True)
    assert "a secret" not in str(imported)
    assert (await house.ask("POST", house.path("/activation"))).json["meta"]["because"] == "not_verified"
    assert (await house.verifies()).headers["location"].endswith(f"/console/sso/{house.connection}?verified=true")
    preview = (await house.ask("GET", house.path("/activation-preview"))).ok()
    assert (preview["people"], preview["never_signed_in"]) == (1, 0), "who verified it can come in by it"
    active = (await house.ask("POST", house.path("/activation"))).ok()
    assert active["status"] == "active"

    signed_in = (await house.signs_in("sub-1", f"ivy@{house.domain}")).ok()
    assert signed_in["arriving"]
    assert signed_in["access_token"]
    assert signed_in["return_to"] == "/console/"
    person = (await world.said("identity", UserRegistered))[-1]
    assert person.data["person"] == {"email": f"ivy@{house.domain}", "name": "Ivy Idp"}
    arrived = SsoUserArrived.read((await world.said("identity", SsoUserArrived))[-1])
    assert (arrived.org_id, arrived.new_users, arrived.default_role) == (house.org_id, "at_once", "viewer")
    assert (await world.said("identity", SessionStarted))[-1].data["amr"] == ["sso"]
    again = (await house.signs_in("sub-1", f"ivy.smith@{house.domain}")).ok()
    standing = await introspect(world, again["session_id"])
    assert standing["user_id"] == person.subject, "by the subject, whatever the address is by now"


async def test_nothing_happens_before_it_is_active(world: World, house: SsoHouse) -> None:
    await house.begins()
    (await house.imports()).ok()
    assert (await Browser(world).ask("GET", f"/v1/auth/sso/{house.connection}/authorize")).code == "not_found"
    found = await world.ask("identity", "POST", "/v1/auth/discovery", {"email": house.boss.email})
    assert found.ok() == {"method": "password", "sso": None, "password_works": True}
    assert (await sign_in(world, house.boss.email)).status == 201


async def test_once_active_passwords_of_its_domains_are_no_use(world: World, house: SsoHouse) -> None:
    await house.set_up()
    known = await world.ask("identity", "POST", "/v1/auth/discovery", {"email": house.boss.email})
    unknown = await world.ask("identity", "POST", "/v1/auth/discovery", {"email": f"nobody@{house.domain}"})
    assert known.ok()["method"] == unknown.ok()["method"] == "sso"
    assert not known.json["password_works"]
    assert known.json["sso"]["connection_id"] == house.connection
    refused = await sign_in(world, house.boss.email)
    missing = await sign_in(world, f"nobody@{house.domain}")
    assert (refused.status, refused.code) == (missing.status, missing.code) == (401, "invalid_credentials")
    wrong = await house.ask("POST", "/v1/auth/reauthentications", {"password": "Gelber Regenmantel 41"})
    assert wrong.code == "invalid_credentials", "nor do they prove anything"
    elsewhere = await somebody(world)
    assert (await sign_in(world, elsewhere.email)).status == 201

    etag = (await house.ask("GET", "/v1/sso-enforcement")).headers["etag"]
    (await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": etag})).ok()
    assert (await sign_in(world, house.boss.email)).status == 201
    both = await world.ask("identity", "POST", "/v1/auth/discovery", {"email": house.boss.email})
    assert (both.ok()["method"], both.json["password_works"]) == ("sso", True)


async def test_a_sign_in_by_password_that_waits_for_its_second_factor_goes_no_further_once_it_is_active(
    world: World, house: SsoHouse
) -> None:
    phone = await sets_up_totp(world, house.admin)
    challenge = (await sign_in(world, house.boss.email)).ok()["challenge"]
    await house.set_up()
    assert (await answers(world, challenge, totp=phone.code())).code == "sso_required"
    (await house.ask("POST", house.path("/deactivation"))).ok()
    assert (await answers(world, challenge, totp=phone.code())).status == 201, "the code wasn't looked at"


async def test_whom_a_connection_lets_in_and_as_what_is_changed_with_a_fresh_proof_alone(house: SsoHouse) -> None:
    await house.set_up()
    stale = replace(house.admin, auth_time=house.admin.auth_time - 3600)
    for change in ({"default_role": "admin"}, {"new_users": "at_once"}, {"domains": []}, {"name": "Other"}):
        refused = await house.ask("PATCH", house.path(), change, actor=stale)
        assert refused.code == "insufficient_user_authentication", change
    assert (await house.ask("PATCH", house.path(), {"name": "Other"})).ok()["name"] == "Other"


async def test_switching_it_off_gives_passwords_back_on_any_plan(world: World, house: SsoHouse) -> None:
    await house.set_up()
    await house.on_plan(False, version=2)
    assert (await world.said("identity", SsoConnectionsSuspended))[-1].data["connection_ids"] == [house.connection]
    (await house.signs_in("sub-1", f"ivy@{house.domain}")).ok()
    frozen = (await house.ask("GET", house.path())).ok()
    assert (frozen["frozen"], frozen["status"]) == (True, "active")
    for method, rest, body in (
        ("PATCH", "", {"name": "Other"}),
        ("POST", "/verification", None),
        ("PUT", "/metadata", {"oidc": {"issuer": house.provider.url, "client_id": "x"}}),
    ):
        refused = await house.ask(method, house.path(rest), body)
        assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "pro"), rest
    assert (await house.ask("POST", "/v1/sso-connections", {"name": "N", "protocol": "oidc"})).code == "plan_required"
    off = (await house.ask("POST", house.path("/deactivation"))).ok()
    assert off["status"] == "off"
    assert await world.said("identity", SsoConnectionSwitchedOff)
    assert (await sign_in(world, house.boss.email)).status == 201
    assert (await house.ask("POST", house.path("/activation"))).code == "plan_required"
    await house.on_plan(True, version=3)
    assert (await world.said("identity", SsoConnectionsResumed))[-1].data["connection_ids"] == [house.connection]
    assert (await house.ask("POST", house.path("/activation"))).ok()["status"] == "active", "as it was"
    assert (await house.ask("DELETE", house.path())).status == 204
    assert (await house.ask("GET", house.path())).status == 404


async def test_who_has_only_the_provider_sets_a_password_when_it_is_switched_off(world: World, house: SsoHouse) -> None:
    await house.set_up()
    email = f"ivy@{house.domain}"
    (await house.signs_in("sub-1", email)).ok()
    (await house.ask("POST", house.path("/deactivation"))).ok()
    assert (await sign_in(world, email, "")).code == "invalid_credentials", "no password is no empty password"
    (await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": email})).ok()
    token = link_of(world, [mail for mail in await mails(world) if mail.to == email][-1])
    reset = await world.ask(
        "identity", "PUT", f"/v1/auth/password-resets/{token}", {"new_password": "Drei blaue Fahrraeder"}
    )
    assert reset.status == 204
    assert (await sign_in(world, email, "Drei blaue Fahrraeder")).status == 201


async def test_an_existing_account_is_linked_once_and_its_person_told(world: World, house: SsoHouse) -> None:
    await house.set_up()
    ben = await somebody(world, f"ben@{house.domain}")
    await joins(world, house.org_id, ben, "analyst")
    asked = (await house.signs_in("ben-at-idp", f"Ben@{house.domain.upper()}")).ok()
    assert not asked["arriving"]
    assert {name for name, given in asked.items() if given} == {"account_proof", "return_to"}
    assert (asked["account_proof"]["ways"], asked["account_proof"]["organization"]) == (["password"], "Northwind")
    assert await linked(world, ben) == []
    wrong = await shows(world, asked["account_proof"], password="Gelber Regenmantel 42")
    assert (wrong.status, wrong.code) == (401, "invalid_credentials")
    assert await linked(world, ben) == []
    answer = (await shows(world, asked["account_proof"], password=PASSWORD)).ok()
    assert (await world.said("identity", SessionStarted))[-1].data["amr"] == ["sso", "pwd"]
    assert (await introspect(world, answer["session_id"]))["org_id"] == house.org_id
    assert [e.data["opened"] for e in await linked(world, ben)] == [False]
    assert [m.template for m in await mails(world) if m.to == ben.email][-1] == "sso_linked"
    again = (await house.signs_in("ben-at-idp", ben.email)).ok()
    assert again["access_token"], "it is asked once"
    assert (await shows(world, asked["account_proof"], password=PASSWORD)).code == "challenge_ended"
    _, back = await house.goes("somebody-else", ben.email)
    assert "failed" not in back.headers["location"]
    refused = await house.signs_in("somebody-else", ben.email)
    assert refused.code == "sso_refused", "the address alone is no second identity"
    assert (await house.ask("POST", f"/v1/users/{ben.user_id}/sso-unlinking")).status == 204
    moved = (await house.links("somebody-else", ben.email)).ok()
    assert (await introspect(world, moved["session_id"]))["user_id"] == ben.user_id


async def test_the_second_factor_is_asked_for_all_the_same(world: World, house: SsoHouse) -> None:
    phone = await sets_up_totp(world, await house.boss.comes())
    await house.set_up()
    challenged = (await house.links("the-boss", house.boss.email)).ok()
    assert challenged["access_token"] is None
    assert challenged["challenge"]["factors"] == ["totp"]
    assert (await answers(world, challenged["challenge"], totp=phone.code())).ok()["access_token"]
    assert (await world.said("identity", SessionStarted))[-1].data["amr"] == ["sso", "pwd", "otp", "mfa"]
    time_passes(world)
    again = (await house.signs_in("the-boss", house.boss.email)).ok()["challenge"]
    assert (await answers(world, again, totp=phone.code())).ok()["access_token"]
    assert (await world.said("identity", SessionStarted))[-1].data["amr"] == ["sso", "otp", "mfa"]


async def test_who_must_be_invited_isnt_let_in_uninvited(world: World, house: SsoHouse) -> None:
    await house.set_up(new_users="refused")
    email = f"ivy@{house.domain}"
    assert (await house.signs_in("sub-1", email)).code == "sso_refused"
    token = await is_invited(world, house.org_id, invitation(world, email))
    opened = await world.ask(
        "identity",
        "POST",
        f"/v1/invitation-tokens/{token}/account",
        {"name": "Ivy", "password": "Drei blaue Fahrraeder"},
    )
    assert opened.code == "sso_required"
    assert (await house.signs_in("sub-1", email)).ok()["arriving"]


async def test_an_invitation_counts_however_the_domain_is_spelt(world: World, house: SsoHouse) -> None:
    await house.proves("xn--bcher-kva.example")
    await house.set_up(new_users="refused", domains=[house.domain, "xn--bcher-kva.example"])
    assert (await house.signs_in("ivy", "Ivy@bücher.example")).code == "sso_refused"
    await is_invited(world, house.org_id, invitation(world, "Ivy@bücher.example"))
    assert (await house.signs_in("ivy", "Ivy@xn--bcher-kva.example")).ok()["arriving"]


async def test_of_domains_only_proven_ones_of_the_organization_can_be_bound(world: World, house: SsoHouse) -> None:
    for name in ("example.org", "not a domain"):
        wanted = {"name": "N", "protocol": "oidc", "domains": [name]}
        assert (await house.ask("POST", "/v1/sso-connections", wanted)).status == 422
    await house.set_up()
    other = await house.ask("POST", "/v1/sso-connections", {"name": "2", "protocol": "oidc", "domains": [house.domain]})
    second = SsoHouse(world, house.provider, house.org_id, house.domain, house.boss, house.admin, other.ok()["id"])
    (await second.imports()).ok()
    assert "verified" in (await second.verifies()).headers["location"]
    assert (await second.ask("POST", second.path("/activation"))).json["meta"]["because"] == "domain_in_use"
    await house.proves(house.domain, lapsed=True)
    found = await world.ask("identity", "POST", "/v1/auth/discovery", {"email": house.boss.email})
    assert found.ok()["method"] == "password", "whose domain it no longer is decides nothing there"
    assert (await house.signs_in("s", f"s@{house.domain}")).code == "sso_refused"
    assert (await house.ask("GET", house.path())).ok()["health"] == "domain_lost"


async def test_only_the_admins_own_address_verifies(house: SsoHouse) -> None:
    await house.begins()
    (await house.imports()).ok()
    other = await house.verifies(email=f"other@{house.domain}")
    assert "failed=person" in other.headers["location"]
    assert (await house.ask("GET", house.path())).ok()["verified_at"] is None
    last = (await house.attempts())[0]
    assert (last["purpose"], last["step"], last["email"]) == ("verification", "person", None)
    assert f"o…@{house.domain}" in last["cause"]


async def test_what_a_provider_says_after_another_took_its_place_counts_for_nothing(
    world: World, house: SsoHouse, provider: Provider
) -> None:
    await house.set_up()
    browser, provider.may_change_codes = Browser(world), asyncio.Event()
    before = len(provider.token_requests)
    coming = asyncio.create_task(
        house.returns(browser, await house.leaves(browser), "ivy", f"ivy@{house.domain}", {"sid": "s1"})
    )
    async with asyncio.timeout(60), providing(lambda: world.clock.now().timestamp()) as house.provider:
        while len(provider.token_requests) == before:
            await asyncio.sleep(0.001)
        (await house.ask("POST", house.path("/deactivation"))).ok()
        (await house.imports()).ok()
        assert "verified=true" in (await house.verifies()).headers["location"]
        (await house.ask("POST", house.path("/activation"))).ok()
        provider.may_change_codes.set()
        assert "failed=connection" in (await coming).headers["location"]
        assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"
        assert (await house.signs_in("ivy", f"ivy@{house.domain}")).status == 201


async def test_another_provider_has_to_be_verified_again(world: World, house: SsoHouse) -> None:
    await house.set_up()
    refused = await house.imports(client_id="client-2")
    assert (refused.code, refused.json["meta"]["because"]) == ("conflict", "active")
    kept = (await house.imports(client_secret="another one")).ok()
    assert kept["status"] == "active"
    assert kept["verified_at"] is not None, "a new secret is no other provider"
    assert (await world.said("identity", SsoConnectionChanged))[-1].data["changed"] == ["client_secret"]
    (await house.ask("POST", house.path("/deactivation"))).ok()
    anew = (await house.imports(client_id="client-2")).ok()
    assert (anew["status"], anew["verified_at"]) == ("draft", None)
    assert (await house.ask("POST", house.path("/activation"))).code == "conflict"


async def test_admins_are_told_of_the_activation_and_of_its_end(world: World, house: SsoHouse) -> None:
    await house.set_up()
    assert await world.said("identity", SsoConnectionActivated)
    (await house.ask("POST", house.path("/deactivation"))).ok()
    told = [mail.template for mail in await mails(world) if mail.to == house.boss.email]
    assert told[-2:] == ["sso_activated", "sso_switched_off"]


async def test_the_last_twenty_attempts_say_which_step_failed(world: World, house: SsoHouse) -> None:
    await house.set_up()
    house.provider.changes = {"aud": "client-9"}
    _, back = await house.goes("sub-1", f"ivy@{house.domain}")
    house.provider.changes = {}
    where = back.headers["location"]
    assert "/console/sign-in/sso?failed=audience&trace=" in where
    last = (await house.attempts())[0]
    assert (last["step"], last["purpose"]) == ("audience", "sign_in")
    assert where.endswith(last["trace"])
    assert last["cause"] == "the ID token is for another client"
    assert (last["cause_code"], last["cause_meta"]) == ("other_client", {"what": "ID token"})
    failed = SsoSignInFailed.read((await world.said("identity", SsoSignInFailed))[-1])
    assert (failed.org_id, failed.step) == (house.org_id, "audience")
    for _ in range(22):
        await house.goes("sub-1", f"ivy@{house.domain}")
    attempts = await house.attempts()
    assert len(attempts) == 20
    assert {one["step"] for one in attempts} == {"done"}
    assert attempts[0]["email"] == f"i…@{house.domain}"
    assert "ivy" not in str(attempts).lower()


async def test_a_fresh_proof_at_the_provider_is_as_good_as_a_password(world: World, house: SsoHouse) -> None:
    await house.set_up()
    session = (await house.links("the-boss", house.boss.email)).ok()
    world.clock.advance(timedelta(minutes=11))
    boss = await house.boss.actor(session["session_id"])
    ben = await somebody(world, f"ben@{house.domain}")
    await joins(world, house.org_id, ben, "viewer")
    browser = Browser(world)
    without = await browser.ask("POST", f"/v1/users/{ben.user_id}/two-factor-removal", {"reason": "Lost"}, actor=boss)
    assert without.code == "conflict", "he has none yet"
    await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": "*"})
    await sets_up_totp(world, await ben.comes())
    removal = (f"/v1/users/{ben.user_id}/two-factor-removal", {"reason": "Lost"})
    assert (await browser.ask("POST", *removal, actor=boss)).code == "insufficient_user_authentication"
    other_address = ("/v1/me/email-change", {"email": "boss@elsewhere.example"})
    assert (await browser.ask("PUT", *other_address, actor=boss)).code == "invalid"

    begun = (await browser.ask("POST", "/v1/auth/sso/proofs", {}, actor=boss)).ok()
    assert "prompt=login" in begun["url"]
    assert "max_age=0" in begun["url"]
    stale = {"auth_time": int(world.clock.now().timestamp()) - 600}
    back = await house.returns(browser, begun["url"], "the-boss", house.boss.email, stale)
    assert "/console/sign-in/proof?failed=freshness" in back.headers["location"]
    begun = (await browser.ask("POST", "/v1/auth/sso/proofs", {}, actor=boss)).ok()
    assert (
        "failed" not in (await house.returns(browser, begun["url"], "the-boss", house.boss.email)).headers["location"]
    )
    proven = (await browser.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=boss)).ok()
    assert proven["access_token"]
    assert (
        await browser.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=boss)
    ).code == "challenge_ended"
    assert (await browser.ask("POST", *removal, actor=boss)).status == 204
    assert (await browser.ask("PUT", *other_address, actor=boss)).code == "invalid", (
        "nobody slips away to another domain"
    )
    world.clock.advance(timedelta(minutes=6))
    late = await browser.ask("POST", "/v1/me/closure", {}, actor=boss)
    assert late.code == "insufficient_user_authentication"


async def test_somebody_elses_proof_at_the_provider_proves_nothing(world: World, house: SsoHouse) -> None:
    await house.set_up()
    session = (await house.links("the-boss", house.boss.email)).ok()
    (await house.signs_in("eve", f"eve@{house.domain}")).ok()
    boss = await house.boss.actor(session["session_id"])
    browser = Browser(world)
    begun = (await browser.ask("POST", "/v1/auth/sso/proofs", {}, actor=boss)).ok()
    await house.returns(browser, begun["url"], "eve", f"eve@{house.domain}")
    assert (await browser.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=boss)).code == "sso_refused"


async def test_whose_session_is_by_cookie_gets_both_cookies_in_one_answer(world: World, house: SsoHouse) -> None:
    await house.set_up()
    reply = await house.signs_in("sub-1", f"ivy@{house.domain}", keep="cookie")
    session, flow = reply.headers["set-cookie"].split("\n")
    assert session.startswith("__Host-session=tcs_")
    assert flow.startswith("__Host-sso=;")
    assert "Max-Age=0" in flow
    assert reply.ok()["access_token"] is None


async def test_a_foreign_connection_is_none(world: World, house: SsoHouse, provider: Provider) -> None:
    await house.begins()
    other = await sso_house(world, provider)
    for method, rest, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("PUT", "/metadata", {}),
        ("POST", "/verification", None),
        ("POST", "/activation", None),
        ("POST", "/deactivation", None),
        ("GET", "/activation-preview", None),
        ("GET", "/login-attempts", None),
    ):
        foreign = await other.ask(method, house.path(rest), body)
        missing = await other.ask(method, f"/v1/sso-connections/{new_id('sso')}{rest}", body)
        assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found"), rest
    assert (await other.ask("GET", "/v1/sso-connections")).ok()["data"] == []


async def test_the_wizard_has_its_steps_in_two_languages(house: SsoHouse) -> None:
    english = (await house.ask("GET", "/v1/sso-providers")).ok()["data"]
    german = (await house.ask("GET", "/v1/sso-providers?language=de")).ok()["data"]
    assert {(one["provider"], one["protocol"]) for one in english} == {
        (provider, protocol) for provider in ("google", "okta", "entra", "generic") for protocol in ("oidc", "saml")
    }
    assert [len(one["steps"]) for one in english] == [len(one["steps"]) for one in german]
    entra = next(one for one in english if (one["provider"], one["protocol"]) == ("entra", "saml"))
    labels = [given["label"] for step in entra["steps"] for given in step["give"]]
    assert labels[:2] == ["Identifier (Entity ID)", "Reply URL (Assertion Consumer Service URL)"]


async def test_a_passkey_alone_does_not_go_round_the_provider(world: World, house: SsoHouse) -> None:
    device, _ = await has_passkey(world, house.admin)
    await house.set_up()
    alone = await asked_alone(world)
    answered = await answers(world, alone, passkey=device.get(alone["passkey"]))
    assert answered.code == "invalid_code"
    asked = (await house.signs_in("the-boss", house.boss.email)).ok()["account_proof"]
    assert asked["ways"] == ["password", "passkey"]
    assert (await shows(world, asked, passkey=device.get(asked["passkey"]))).ok()["access_token"]
    assert (await world.said("identity", SessionStarted))[-1].data["amr"][0::2] == ["sso", "mfa"]
    challenged = (await house.signs_in("the-boss", house.boss.email)).ok()["challenge"]
    assert challenged["factors"] == ["passkey"], "it is a second factor as before"
    assert (await answers(world, challenged, passkey=device.get(challenged["passkey"]))).status == 201


async def test_who_is_new_is_written_to_in_the_language_of_their_page(world: World, house: SsoHouse) -> None:
    await house.set_up()
    browser, _ = await house.goes("ivy", f"ivy@{house.domain}")
    (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer", "language": "de"})).ok()
    assert (await world.said("identity", UserRegistered))[-1].data["language"] == "de"


async def test_many_browsers_of_somebody_new_open_one_account(world: World, house: SsoHouse) -> None:
    await house.set_up()
    browsers = [(await house.goes("ivy", f"ivy@{house.domain}"))[0] for _ in range(5)]
    finished = await asyncio.gather(*(b.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"}) for b in browsers))
    people = {(await introspect(world, reply.ok()["session_id"]))["user_id"] for reply in finished}
    assert len(people) == 1
    linked = [e for e in await world.said("identity", SsoIdentityLinked) if e.subject in people]
    assert len(linked) == 1


async def test_of_two_connections_activated_at_once_for_one_domain_one_is(world: World, house: SsoHouse) -> None:
    houses = []
    for _ in range(2):
        await house.begins()
        (await house.imports()).ok()
        await house.verifies()
        houses.append(house.path("/activation"))
    replies = await asyncio.gather(*(house.ask("POST", path) for path in houses))
    assert sorted(reply.status for reply in replies) == [200, 409]


async def test_who_is_no_admin_at_this_moment_changes_nothing(world: World, house: SsoHouse) -> None:
    await house.begins()
    (await house.imports()).ok()
    browser = Browser(world)
    begun = (await browser.ask("POST", house.path("/verification"), actor=house.admin)).ok()
    await joins(world, house.org_id, house.boss, "viewer")
    back = await house.returns(browser, begun["url"], "the-boss", house.boss.email)
    assert "failed=person" in back.headers["location"]
    for method, rest, body in (
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("POST", "/verification", None),
        ("POST", "/activation", None),
        ("POST", "/deactivation", None),
    ):
        assert (await house.ask(method, house.path(rest), body)).code == "forbidden", rest
    enforcement = await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": "*"})
    assert enforcement.code == "forbidden"


async def test_whose_account_is_closed_leaves_no_identity_behind(world: World, house: SsoHouse) -> None:
    await house.set_up()
    session = (await house.signs_in("sub-9", f"kai@{house.domain}")).ok()
    person = (await introspect(world, session["session_id"]))["user_id"]
    async with world.started["identity"].env.database.tx("*", lambda event: event) as tx:
        await sso_sign_ins.forget_person(tx, person)
        kept = await tx.value("select count(*) from sso_identities where user_id = $1", person)
    assert kept == 0


async def test_nothing_of_a_person_stays_in_what_a_browser_came_back_with(world: World, house: SsoHouse) -> None:
    await house.set_up()
    (await house.signs_in("sub-7", f"zoe@{house.domain}")).ok()
    async with world.started["identity"].env.database.read("*") as read:
        results = await read.rows("select * from sso_results")
        attempts = await read.rows("select * from sso_attempts where org_id = $1", house.org_id)
    assert "zoe" not in str([dict(row) for row in [*results, *attempts]])
    assert "sub-7" not in str([dict(row) for row in [*results, *attempts]])


async def test_an_admin_who_can_come_in_is_kept(world: World, house: SsoHouse) -> None:
    ben = await somebody(world, f"ben@{house.domain}")
    await joins(world, house.org_id, ben)
    await house.begins()
    (await house.imports()).ok()
    await house.verifies()
    house.admin = await ben.comes()
    await joins(world, house.org_id, house.boss, "viewer")
    refused = await house.ask("POST", house.path("/activation"))
    assert (refused.code, refused.json["meta"]["because"]) == ("conflict", "no_admin_has_signed_in")
    (await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": "*"})).ok()
    (await house.ask("POST", house.path("/activation"))).ok()
    enforced = {"enforced": True}
    refused = await house.ask("PUT", "/v1/sso-enforcement", enforced, headers={"If-Match": "*"})
    assert refused.json["meta"]["because"] == "no_admin_has_signed_in"
    impact = (await house.ask("GET", "/v1/sso-enforcement")).ok()["impact"]
    assert [(one["email"], one["admin"]) for one in impact["data"]] == [(ben.email, True)]
    (await house.links("ben", ben.email)).ok()
    (await house.ask("PUT", "/v1/sso-enforcement", enforced, headers={"If-Match": "*"})).ok()
    assert (await sign_in(world, ben.email)).code == "invalid_credentials"


async def test_who_comes_too_late_to_refuse_passwords_hears_who_came_first(world: World, house: SsoHouse) -> None:
    read = (await house.ask("GET", "/v1/sso-enforcement")).headers["etag"]
    (await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": read})).ok()
    late = await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": read})
    assert (late.status, late.json["meta"]["changed_by"]) == (412, house.boss.user_id)
    assert set(late.json["meta"]) == {"current_version", "changed_by", "changed_at"}


@pytest.mark.parametrize("enforced", [True, False])
async def test_an_admin_sends_no_link_for_a_password_where_the_provider_is_the_only_way_in(
    world: World, house: SsoHouse, enforced: bool
) -> None:
    await house.set_up()
    session = (await house.links("the-boss", house.boss.email)).ok()
    boss = await house.boss.actor(session["session_id"])
    ben = await somebody(world, f"ben@{house.domain}")
    await joins(world, house.org_id, ben, "viewer")
    await house.ask("PUT", "/v1/sso-enforcement", {"enforced": enforced}, headers={"If-Match": "*"})
    reply = await world.ask("identity", "POST", f"/v1/users/{ben.user_id}/password-resets", actor=boss)
    sent = [event for event in await world.said("identity", PasswordResetSent) if event.subject == ben.user_id]
    if enforced:
        assert (reply.code, reply.json["meta"]["because"], sent) == ("conflict", "single_sign_on", [])
    else:
        assert (reply.status, len(sent)) == (204, 1)
