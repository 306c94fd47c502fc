"""Single sign-on by SAML 2.0: set up, verified, signed in by from both sides, and everything that is refused on the way."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.metadata import read_certificate
from services.identity.usecases.housekeeping import forget_the_past
from services.identity.usecases.saml_metadata_again import read_metadata_again
from shared.db import Row
from shared.events.identity_sso import SsoConnectionChanged, SsoSignInFailed
from tests.identity.people import mails, sign_in
from tests.identity.provider import Provider
from tests.identity.saml_documents import PROVIDER, Signer, answer, encoded, rsa_signer, signer_at
from tests.identity.saml_encryption import with_encrypted
from tests.identity.saml_house import SamlHouse, metadata_of, request_in
from tests.identity.saml_provider import SamlProvider, saml_provider
from tests.identity.serving import serving
from tests.identity.sso_house import BYSTANDER, IDENTITY, Browser, sso_house
from tests.world import Databases, Reply, World, world_of

PAGE = "/console/sign-in/sso"


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture
async def house(world: World, signer: Signer) -> SamlHouse:
    return SamlHouse.of(await sso_house(world, Provider()), signer)


def failure(location: str) -> str:
    """The step that a browser is told of."""
    parts = urlsplit(location)
    assert parts.path == PAGE, location
    assert parse_qs(parts.query)["trace"]
    return parse_qs(parts.query)["failed"][0]


async def test_an_admin_sets_it_up_by_a_file_and_a_new_person_comes_in(world: World, house: SamlHouse) -> None:
    made = await house.begins(provider="okta")
    assert made["service_provider"]["entity_id"].endswith(f"/v1/auth/sso/{made['id']}/metadata")
    assert (await house.ask("POST", house.path("/verification"))).json["meta"]["because"] == "not_configured"
    imported = (await house.imports()).ok()
    assert (imported["issuer"], imported["sso_url"]) == (PROVIDER, "https://idp.test/sso")
    assert [one["subject"] for one in imported["certificates"]] == ["CN=idp.test"]
    assert not imported["allow_idp_initiated"]
    assert (await house.verifies()).headers["location"].endswith(f"/console/sso/{house.connection}?verified=true")
    assert (await house.ask("POST", house.path("/activation"))).ok()["status"] == "active"

    signed_in = (await house.signs_in("", f"Ivy@{house.domain}")).ok()
    assert signed_in["arriving"]
    again = (await house.signs_in("", f"ivy@{house.domain}", attributes={"firstname": "Other"})).ok()
    assert again["access_token"]
    assert (await sign_in(world, house.boss.email)).code == "invalid_credentials", "a password is no use there any more"
    done, *_ = await house.attempts()
    assert (done["step"], done["email"], done["claims"]) == ("done", f"i…@{house.domain}", {"attributes": "firstname"})


async def test_our_metadata_is_there_before_the_providers(world: World, house: SamlHouse) -> None:
    made = await house.begins()
    shown = await world.ask("identity", "GET", f"/v1/auth/sso/{house.connection}/metadata")
    assert (shown.status, shown.headers["content-type"]) == (200, "application/samlmetadata+xml")
    root = etree.fromstring(shown.body)
    assert root.get("entityID") == made["service_provider"]["entity_id"]
    acs = root.find(".//md:AssertionConsumerService", NAMESPACES)
    assert acs is not None
    assert acs.get("Location") == made["service_provider"]["acs_url"]
    assert (
        read_certificate(root.findtext(".//ds:X509Certificate", "", NAMESPACES)).subject == "CN=Tenantry single sign-on"
    )
    other = await house.begins(protocol="oidc")
    for unknown in (other["id"], "sso_00000000000000000000000000"):
        assert (await world.ask("identity", "GET", f"/v1/auth/sso/{unknown}/metadata")).status == 404
        assert (
            await world.ask(
                "identity",
                "POST",
                f"/v1/auth/sso/{unknown}/acs",
                raw=b"SAMLResponse=x",
                headers={"Content-Type": "application/x-www-form-urlencoded"},
            )
        ).status == 404


async def test_metadata_comes_from_an_address_as_well(house: SamlHouse) -> None:
    async def publish(_: web.Request) -> web.Response:
        return web.Response(text=metadata_of(house.signer))

    app = web.Application()
    app.router.add_get("/metadata", publish)
    async with serving(app) as there:
        await house.begins()
        sent = {"saml": {"url": f"{there}/metadata"}}
        imported = (await house.ask("PUT", house.path("/metadata"), sent)).ok()
        assert (imported["issuer"], imported["metadata_url"]) == (PROVIDER, sent["saml"]["url"])
        missing = await house.ask("PUT", house.path("/metadata"), {"saml": {"url": f"{there}/other"}})
        assert (missing.status, missing.json["errors"][0]["pointer"]) == (422, "/saml/url")
        private = await house.ask("PUT", house.path("/metadata"), {"saml": {"url": "http://169.254.169.254/metadata"}})
        assert private.json["errors"][0]["code"] == "unreachable"


async def test_metadata_that_can_not_be_used_is_refused_with_the_reason(house: SamlHouse) -> None:
    await house.begins()
    refused = await house.imports(document="<html/>")
    assert refused.json["errors"][0]["pointer"] == "/saml/document"
    assert "isn't SAML metadata" in str(refused.json["errors"])
    hostile = await house.imports(document='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')
    assert (hostile.status, "document type" in str(hostile.json)) == (422, True)
    both = await house.imports(url="https://idp.test/metadata")
    assert both.json["errors"][0]["pointer"] == "/saml"
    wrong = await house.ask("PUT", house.path("/metadata"), {"oidc": {"issuer": "https://idp.test", "client_id": "x"}})
    assert wrong.status == 422


async def test_certificates_overlap_while_a_provider_changes_over(house: SamlHouse) -> None:
    await house.set_up()
    now = house.world.clock.now()
    coming = Signer.make(rsa_signer("next").key, now, now + timedelta(days=600))
    (await house.ask("PATCH", house.path(), {"allow_idp_initiated": True})).ok()
    both = (await house.imports(document=metadata_of(coming), keep_certificates=True)).ok()
    assert len(both["certificates"]) == 2
    assert (both["status"], both["allow_idp_initiated"]) == ("active", True), "nobody is interrupted, nothing is lost"
    (await house.signs_in("", f"ivy@{house.domain}")).ok()
    old, house.signer = house.signer, coming
    (await house.signs_in("", f"ivy@{house.domain}")).ok()
    assert len((await house.imports()).ok()["certificates"]) == 1
    house.signer = old
    _, back = await house.goes("", f"ivy@{house.domain}")
    assert failure(back.headers["location"]) == "signature"


async def test_another_provider_is_refused_while_people_sign_in_by_this_one(house: SamlHouse) -> None:
    await house.set_up()
    other = metadata_of(house.signer, entity_id="https://other.test")
    assert (await house.imports(document=other)).json["meta"]["because"] == "active"
    (await house.ask("POST", house.path("/deactivation"))).ok()
    assert (await house.imports(document=other)).ok()["status"] == "draft", "to be verified again"


async def test_requests_are_signed_where_the_provider_wants_it(house: SamlHouse) -> None:
    await house.begins()
    (await house.imports(document=metadata_of(house.signer, wants_signed=True))).ok()
    assert "verified=true" in (await house.verifies()).headers["location"]
    (await house.ask("POST", house.path("/activation"))).ok()
    url = await house.leaves(Browser(house.world))
    assert {"SAMLRequest", "SigAlg", "Signature"} == set(parse_qs(urlsplit(url).query))
    assert (await house.imports()).ok()["sign_requests"], "as before"
    unsigned = (await house.imports(sign_requests=False)).ok()
    assert (unsigned["status"], unsigned["sign_requests"]) == ("active", False)
    assert set(parse_qs(urlsplit(await house.leaves(Browser(house.world))).query)) == {"SAMLRequest"}


async def test_an_answer_counts_once_and_in_the_browser_that_asked(world: World, house: SamlHouse) -> None:
    await house.set_up()
    browser, thief = Browser(world), Browser(world)
    form = await house.responds(await house.leaves(browser), f"ivy@{house.domain}", {})
    await house.leaves(thief)
    stolen = await house.posts(thief, form)
    assert failure(stolen.headers["location"]) == "request"
    assert failure((await house.posts(Browser(world), form)).headers["location"]) == "request"
    kept = Browser(world, browser.cookie)
    first = await house.posts(browser, form)
    assert first.headers["location"].endswith(PAGE)
    assert failure((await house.posts(kept, form)).headers["location"]) == "browser"
    assert (await Browser(world, browser.cookie).ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).status == 201
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).status == 401


async def test_of_many_copies_of_one_assertion_one_counts(world: World, house: SamlHouse) -> None:
    await house.set_up()
    (await house.ask("PATCH", house.path(), {"allow_idp_initiated": True})).ok()
    posted = {"SAMLResponse": encoded(answer(house.said(f"ivy@{house.domain}", None), signer=house.signer))}
    replies = await asyncio.gather(*[house.posts(Browser(world), posted) for _ in range(10)])
    places = [reply.headers["location"] for reply in replies]
    assert sum(place.endswith(PAGE) for place in places) == 1
    assert {failure(place) for place in places if not place.endswith(PAGE)} == {"replay"}


async def test_a_sign_in_that_begins_at_the_provider_comes_in_where_it_is_allowed(
    world: World, house: SamlHouse
) -> None:
    await house.set_up()
    told = house.said(f"ivy@{house.domain}", None)
    posted = {"SAMLResponse": encoded(answer(told, signer=house.signer)), "RelayState": "/console/users"}
    browser = Browser(world)
    assert failure((await house.posts(browser, posted)).headers["location"]) == "request"
    assert (await house.attempts())[0][
        "cause"
    ] == "the sign-in began at the provider, which this connection doesn't allow"
    (await house.ask("PATCH", house.path(), {"allow_idp_initiated": True})).ok()
    arrived = await house.posts(browser, posted)
    assert arrived.headers["location"].endswith(PAGE)
    signed_in = (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()
    assert signed_in["return_to"] == "/console/users"


@pytest.mark.parametrize(
    "relay_state",
    ["https://evil.test/", "//evil.test", "/\\evil.test", "/console/..//evil.test", "/v1/me", "", "/console/\r\nX: y"],
)
async def test_relay_state_leads_nowhere_but_into_the_console(world: World, house: SamlHouse, relay_state: str) -> None:
    await house.set_up()
    (await house.ask("PATCH", house.path(), {"allow_idp_initiated": True})).ok()
    posted = {
        "SAMLResponse": encoded(answer(house.said(f"ivy@{house.domain}", None), signer=house.signer)),
        "RelayState": relay_state,
    }
    browser = Browser(world)
    await house.posts(browser, posted)
    signed_in = (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()
    assert signed_in["return_to"] == "/console/"


async def test_what_fails_is_told_to_the_admins_and_strangers_can_not_fill_the_list(
    world: World, house: SamlHouse
) -> None:
    await house.set_up()
    before = len(await house.attempts())
    for junk in ("", "PHg+", encoded(answer(house.said("eve@evil.test", None), signer=rsa_signer("a stranger's")))):
        await house.posts(Browser(world), {"SAMLResponse": junk})
    assert len(await house.attempts()) == before
    browser = Browser(world)
    url = await house.leaves(browser)
    back = await house.returns(browser, url, "", f"ivy@{house.domain}", {"audience": "https://other.test"})
    assert failure(back.headers["location"]) == "audience"
    newest, *_ = await house.attempts()
    assert (newest["step"], newest["purpose"]) == ("audience", "sign_in")
    assert newest["cause"] == "the assertion is for another audience (entity ID) than this connection's"
    assert (await world.said("identity", SsoSignInFailed))[-1].data["step"] == "audience"


async def test_only_addresses_of_the_connections_domains_come_in(house: SamlHouse) -> None:
    await house.set_up()
    _, back = await house.goes("", "ivy@elsewhere.example")
    assert failure(back.headers["location"]) == "domain"
    _, nameless = await house.goes("", "u-4711", format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")
    assert failure(nameless.headers["location"]) == "email"


async def test_a_fresh_proof_makes_the_provider_ask_again(world: World, house: SamlHouse) -> None:
    await house.set_up()
    (await house.links("", house.boss.email)).ok()
    browser = Browser(world)
    begun = await browser.ask("POST", "/v1/auth/sso/proofs", {}, actor=house.admin)
    url = begun.ok()["url"]
    assert request_in(url).get("ForceAuthn") == "true"
    stale = await house.returns(
        Browser(world, browser.cookie),
        url,
        "",
        house.boss.email,
        {"issued": timedelta(minutes=-3), "begins": timedelta(minutes=-4)},
    )
    assert "failed=freshness" in stale.headers["location"]
    fresh = await house.returns(browser, url, "", house.boss.email)
    assert fresh.headers["location"].endswith("/console/sign-in/proof")
    assert (await browser.ask("POST", "/v1/auth/reauthentications", {"sso": True}, actor=house.admin)).status == 200


async def rows(world: World, house: SamlHouse, table: str) -> list[Row]:
    async with world.started["identity"].env.database.read("*") as read:
        return await read.rows(f"select * from {table} where connection_id = $1", house.connection)


async def test_what_was_used_is_forgotten_when_it_would_not_be_taken_any_more(world: World, house: SamlHouse) -> None:
    await house.set_up()
    await world.run("identity", forget_the_past)
    assert len(await rows(world, house, "saml_assertions")) == 1
    world.clock.advance(timedelta(minutes=7))
    await world.run("identity", forget_the_past)
    assert not await rows(world, house, "saml_assertions")


async def test_a_connections_key_is_sealed_and_goes_with_it(world: World, house: SamlHouse) -> None:
    await house.begins()
    (key,) = await rows(world, house, "saml_keys")
    assert b"PRIVATE KEY" not in key["sealed"]
    assert (await house.ask("DELETE", house.path())).status == 204
    assert not await rows(world, house, "saml_keys")


class RealHouse(SamlHouse):
    """Its provider is one that others wrote."""

    real: SamlProvider

    async def responds(self, url: str, email: str | None, changes: object) -> dict[str, str]:
        form = await self.real.sign_in(url, email or "", sign="both")
        assert form.action == self.us["acs_url"]
        return form.fields


async def test_a_provider_that_others_wrote_signs_people_in_with_requests_that_we_signed(
    databases: Databases, tmp_path: Path
) -> None:
    async with world_of([IDENTITY, BYSTANDER], databases, tmp_path) as world:
        signer = signer_at(world.clock.now())
        house = RealHouse.of(await sso_house(world, Provider()), signer)
        assert isinstance(house, RealHouse)
        await house.begins(provider="generic")
        ours = etree.fromstring((await world.ask("identity", "GET", f"/v1/auth/sso/{house.connection}/metadata")).body)
        certificate = read_certificate(ours.findtext(".//ds:X509Certificate", "", NAMESPACES)).pem
        with saml_provider(signer, house.us["entity_id"], house.us["acs_url"], certificate) as house.real:
            document = (await house.real.metadata()).decode()
            imported = await house.imports(document=document, sign_requests=True)
            assert imported.ok()["issuer"] == "urn:idp.test"
            assert "verified=true" in (await house.verifies()).headers["location"]
            (await house.ask("POST", house.path("/activation"))).ok()
            (await house.signs_in("", f"ivy@{house.domain}")).ok()
            (await house.ask("PATCH", house.path(), {"allow_idp_initiated": True})).ok()
            form = await house.real.begin(f"ivy@{house.domain}")
            assert (await house.posts(Browser(world), form.fields)).headers["location"].endswith(PAGE)


async def test_a_person_comes_in_by_an_assertion_that_was_encrypted_for_our_metadatas_certificate(
    world: World, house: SamlHouse
) -> None:
    await house.set_up()
    assert (await house.ask("GET", house.path())).ok()["encrypt_assertions"] is False
    (await house.ask("PATCH", house.path(), {"encrypt_assertions": True})).ok()
    ours = (await world.ask("identity", "GET", f"/v1/auth/sso/{house.connection}/metadata")).body
    wanted = etree.fromstring(ours).findall(".//md:KeyDescriptor[@use='encryption']", NAMESPACES)
    assert [len(one.findall("md:EncryptionMethod", NAMESPACES)) for one in wanted] == [5]
    text = wanted[0].findtext(".//ds:X509Certificate", None, NAMESPACES)
    certificate = x509.load_der_x509_certificate(base64.b64decode(text or ""))
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    browser = Browser(world)
    told = house.said(f"ivy@{house.domain}", request_in(await house.leaves(browser)).get("ID"))
    response = with_encrypted(answer(told, signer=house.signer), key)
    back = await house.posts(browser, {"SAMLResponse": encoded(response)})
    assert back.headers["location"].endswith(PAGE)
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()["access_token"]
    stranger = with_encrypted(answer(told, signer=house.signer), rsa_signer("else").key.public_key())  # type: ignore[arg-type]
    assert (
        failure((await house.posts(browser, {"SAMLResponse": encoded(stranger)})).headers["location"]) == "encryption"
    )


@dataclass
class Published:
    """What stands at the address of a provider's metadata."""

    url: str = ""
    text: str = ""

    async def answer(self, _: web.Request) -> web.Response:
        return (
            web.Response(text=self.text, content_type="application/samlmetadata+xml")
            if self.text
            else web.Response(status=500)
        )


@pytest.fixture
async def published() -> AsyncIterator[Published]:
    it, app = Published(), web.Application()
    app.router.add_get("/metadata", it.answer)
    async with serving(app) as there:
        it.url = f"{there}/metadata"
        yield it


async def reads_again(world: World, hours: int = 1) -> None:
    world.clock.advance(timedelta(hours=hours, seconds=1))
    await world.run("identity", read_metadata_again)


async def active_by_address(house: SamlHouse, published: Published) -> Reply:
    """The connection, once people sign in by what was read at the address."""
    published.text = metadata_of(house.signer)
    await house.begins()
    (await house.imports(url=published.url, document=None)).ok()
    await house.verifies()
    (await house.ask("POST", house.path("/activation"))).ok()
    return await house.ask("GET", house.path())


async def test_metadata_at_an_address_is_read_every_hour_and_what_it_names_counts_alone(
    world: World, house: SamlHouse, published: Published
) -> None:
    before = await active_by_address(house, published)
    await reads_again(world)
    same = await house.ask("GET", house.path())
    assert (same.headers["etag"], same.ok()["metadata_problem"]) == (before.headers["etag"], None)
    assert same.json["metadata_read_at"] is not None
    now = world.clock.now()
    following = signer_at(now, "next")
    published.text = metadata_of(house.signer, following)
    await reads_again(world)
    assert len((await house.ask("GET", house.path())).ok()["certificates"]) == 2
    published.text = metadata_of(following, sso="https://idp.test/elsewhere")
    await reads_again(world)
    after = (await house.ask("GET", house.path())).ok()
    assert (len(after["certificates"]), after["sso_url"]) == (1, "https://idp.test/elsewhere")
    told = [e for e in await world.said("identity", SsoConnectionChanged) if e.subject == house.org_id]
    assert [e.data["changed"] for e in told[-2:]] == [["saml"]] * 2
    assert [m.template for m in await mails(world) if m.to == house.boss.email][-2:] == ["sso_metadata_changed"] * 2
    _, back = await house.goes("", f"ivy@{house.domain}")
    assert failure(back.headers["location"]) == "signature", "the old certificate was withdrawn"
    house.signer = following
    assert (await house.signs_in("", f"ivy@{house.domain}")).ok()["access_token"]


async def test_metadata_that_cannot_be_used_changes_nothing_and_is_told(
    world: World, house: SamlHouse, published: Published
) -> None:
    before = await active_by_address(house, published)
    for text, words in (("", "status 500"), ("<html/>", "no usable metadata"), (metadata_of(house.signer, entity_id="https://evil.test"), "another provider")):  # fmt: skip
        published.text = text
        await reads_again(world)
        shown = await house.ask("GET", house.path())
        assert words in shown.ok()["metadata_problem"]
        assert shown.headers["etag"] == before.headers["etag"]
        assert [shown.json[name] for name in ("certificates", "issuer")] == [
            before.json[name] for name in ("certificates", "issuer")
        ]
    published.text = metadata_of(house.signer)
    await reads_again(world)
    assert (await house.ask("GET", house.path())).ok()["metadata_problem"] is None
