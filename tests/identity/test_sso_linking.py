"""An account that was there before its organization's provider: nothing ties the two before its person has proven all there is to prove."""

from __future__ import annotations

from typing import Any

import pytest

from shared.auth import Actor
from shared.events import Envelope
from shared.events.courier import MailRequested
from shared.events.identity import SessionStarted
from shared.events.identity_sso import SsoUserArrived
from shared.events.org import MemberRemoved
from shared.ids import new_id
from tests.identity.factors import answers, sets_up_totp, time_passes
from tests.identity.people import PASSWORD, Someone, link_of, mails, member, somebody
from tests.identity.provider import Provider
from tests.identity.sso_house import SsoHouse, joins, linked, shows, sso_house
from tests.world import Reply, World

ORG = Actor("service", service="org")


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture
async def open_house(world: World, provider: Provider) -> SsoHouse:
    """One whose people may use their passwords, too."""
    house = await (await sso_house(world, provider)).set_up()
    (await house.ask("PUT", "/v1/sso-enforcement", {"enforced": False}, headers={"If-Match": "*"})).ok()
    return house


async def arrived(world: World, someone: Someone) -> list[Envelope]:
    return [told for told in await world.said("identity", SsoUserArrived) if told.subject == someone.user_id]


async def began(world: World, someone: Someone) -> list[Envelope]:
    return [told for told in await world.said("identity", SessionStarted) if told.subject == someone.user_id]


async def asked_of(house: SsoHouse, subject: str, email: str) -> dict[str, Any]:
    """What a first sign-in at the provider asks of the account's person."""
    proof: dict[str, Any] = (await house.signs_in(subject, email)).ok()["account_proof"]
    return proof


async def provisioned(world: World, org_id: str, email: str) -> Someone:
    """An account that an organization's provider opened, without a password."""
    body = {"org_id": org_id, "email": email, "name": "Pia Provided"}
    made = (await world.ask("identity", "POST", "/internal/provisioned-accounts", body, actor=ORG)).ok()
    return Someone(world, made["user_id"], email)


async def mail_to_confirm(world: World, email: str) -> list[MailRequested]:
    return [mail for mail in await mails(world) if mail.to == email and mail.template == "sso_link"]


async def confirms(world: World, token: str) -> Reply:
    return await world.ask("identity", "POST", "/v1/auth/sso/link-confirmations", {"token": token})


async def test_nothing_is_linked_and_nobody_arrives_before_the_second_factor(
    world: World, open_house: SsoHouse
) -> None:
    kim = await somebody(world, f"kim@{open_house.domain}")
    phone = await sets_up_totp(world, await kim.comes())
    before = len(await began(world, kim))
    asked = (await open_house.signs_in("kim-at-idp", kim.email)).ok()
    assert (asked["arriving"], asked["challenge"]) == (True, None)
    challenge = (await shows(world, asked["account_proof"], password=PASSWORD)).ok()["challenge"]
    assert (await answers(world, challenge, totp=phone.wrong())).code == "invalid_code"
    assert (await linked(world, kim), await arrived(world, kim)) == ([], [])
    assert len(await began(world, kim)) == before
    assert (await answers(world, challenge, totp=phone.code())).status == 201
    assert [told.data["opened"] for told in await linked(world, kim)] == [False]
    assert [told.data["org_id"] for told in await arrived(world, kim)] == [open_house.org_id]


async def test_who_was_linked_before_arrives_only_after_the_second_factor(world: World, open_house: SsoHouse) -> None:
    lee = await somebody(world, f"lee@{open_house.domain}")
    await joins(world, open_house.org_id, lee, "viewer")
    phone = await sets_up_totp(world, await lee.comes())
    first = (await open_house.links("lee-at-idp", lee.email)).ok()["challenge"]
    (await answers(world, first, totp=phone.code())).ok()
    time_passes(world)
    gone = MemberRemoved(org_id=open_house.org_id, member=member(world, lee.user_id, "removed"))
    await world.hear("org", gone)
    challenge = (await open_house.signs_in("lee-at-idp", lee.email)).ok()["challenge"]
    assert await arrived(world, lee) == []
    (await answers(world, challenge, totp=phone.code())).ok()
    assert len(await arrived(world, lee)) == 1


async def test_a_proof_is_good_for_the_one_subject_that_it_was_asked_for(world: World, house: SsoHouse) -> None:
    max_ = await somebody(world, f"max@{house.domain}")
    eves = await asked_of(house, "eve-with-his-address", max_.email)
    his = await asked_of(house, "max-at-idp", max_.email)
    crossed = await shows(world, {"id": eves["id"], "token": his["token"]}, password=PASSWORD)
    assert crossed.code == "challenge_ended"
    (await shows(world, his, password=PASSWORD)).ok()
    late = await shows(world, eves, password=PASSWORD)
    assert late.code == "sso_refused", "the account belongs to another subject by now"
    assert len(await linked(world, max_)) == 1
    assert (await house.signs_in("eve-with-his-address", max_.email)).code == "sso_refused"


async def test_who_has_neither_password_nor_passkey_follows_a_mailed_link(world: World, house: SsoHouse) -> None:
    pia = await provisioned(world, new_id("org"), f"pia@{house.domain}")
    asked = await asked_of(house, "pia-at-idp", pia.email)
    assert (asked["ways"], asked["passkey"]) == (["mail"], None)
    early = await shows(world, asked, mail=True)
    assert (early.code, early.json["meta"]["because"]) == ("conflict", "not_confirmed")
    assert (await shows(world, asked, password="")).code == "invalid_credentials", "no password is no empty password"
    (mail,) = await mail_to_confirm(world, pia.email)
    token = link_of(world, mail)
    for odd in ("", token[:-1], token.replace("chl", "brg")):
        assert (await confirms(world, odd)).code == "gone"
    assert (await confirms(world, token)).ok() == {"organization": "Northwind", "connection": "Northwind IdP"}
    assert (await linked(world, pia), await began(world, pia)) == ([], []), "the link itself opens nothing"
    (await shows(world, asked, mail=True)).ok()
    assert len(await linked(world, pia)) == 1
    assert (await confirms(world, token)).code == "gone"


async def test_an_account_that_the_organizations_own_provider_opened_is_linked_at_once(
    world: World, house: SsoHouse
) -> None:
    pia = await provisioned(world, house.org_id, f"pia@{house.domain}")
    assert (await house.signs_in("pia-at-idp", pia.email)).ok()["access_token"]
    assert len(await linked(world, pia)) == 1


async def test_what_an_admin_unlinks_meanwhile_is_not_linked_again(world: World, open_house: SsoHouse) -> None:
    ned = await somebody(world, f"ned@{open_house.domain}")
    await joins(world, open_house.org_id, ned, "viewer")
    phone = await sets_up_totp(world, await ned.comes())
    first = (await open_house.links("ned-at-idp", ned.email)).ok()["challenge"]
    (await answers(world, first, totp=phone.code())).ok()
    time_passes(world)
    challenge = (await open_house.signs_in("ned-at-idp", ned.email)).ok()["challenge"]
    assert (await open_house.ask("POST", f"/v1/users/{ned.user_id}/sso-unlinking")).status == 204
    assert (await answers(world, challenge, totp=phone.code())).code == "sso_refused"
    assert len(await linked(world, ned)) == 1


async def test_a_sign_in_under_way_ends_with_its_connection(world: World, open_house: SsoHouse) -> None:
    oda = await somebody(world, f"oda@{open_house.domain}")
    phone = await sets_up_totp(world, await oda.comes())
    first = await asked_of(open_house, "oda-at-idp", oda.email)
    challenge = (await open_house.links("oda-at-idp", oda.email)).ok()["challenge"]
    (await open_house.ask("POST", open_house.path("/deactivation"))).ok()
    assert (await answers(world, challenge, totp=phone.code())).code == "sso_refused"
    (await open_house.imports(client_id="client-2")).ok()
    assert (await answers(world, challenge, totp=phone.code())).code == "challenge_ended", "another provider's subject"
    assert (await shows(world, first, password=PASSWORD)).code == "challenge_ended"
    assert await linked(world, oda) == []


async def test_a_connection_that_is_removed_takes_its_sign_ins_under_way_along(world: World, house: SsoHouse) -> None:
    pat = await somebody(world, f"pat@{house.domain}")
    asked = await asked_of(house, "pat-at-idp", pat.email)
    assert (await house.ask("DELETE", house.path())).status == 204
    assert (await shows(world, asked, password=PASSWORD)).code == "challenge_ended"


async def test_five_wrong_passwords_void_it_and_no_other_endpoint_takes_it(world: World, house: SsoHouse) -> None:
    pam = await somebody(world, f"pam@{house.domain}")
    asked = await asked_of(house, "pam-at-idp", pam.email)
    assert (await answers(world, asked, totp="000000")).code == "challenge_ended"
    wrong = [await shows(world, asked, password="Gelber Regenmantel 42") for _ in range(6)]
    assert [reply.status for reply in wrong] == [401] * 5 + [429]
    assert (await shows(world, asked, password=PASSWORD)).code == "challenge_ended"
    for given in ({}, {"password": PASSWORD, "mail": True}):
        assert (await shows(world, asked, **given)).status == 422
