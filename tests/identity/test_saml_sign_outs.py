"""Single logout by SAML: what a provider's signed request ends, what it is answered, and the way there for who signs out here."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from services.identity.rules.saml.documents import NAMESPACES
from services.identity.rules.saml.metadata import REDIRECT, read_certificate
from services.identity.rules.saml.redirects import MORE, RSA_SHA256, address_with, read_redirect
from services.identity.rules.saml.requests import ServiceProvider
from services.identity.rules.saml.sign_outs import sign_out_response
from services.identity.rules.sso import StepFailed
from shared.auth import Actor
from shared.events.identity import SessionEnded
from shared.ids import new_id
from tests.identity.people import introspect
from tests.identity.provider import Provider
from tests.identity.saml_documents import NOW, PROVIDER, Signer, rsa_signer, settings
from tests.identity.saml_house import SamlHouse, metadata_of
from tests.identity.sso_house import sso_house
from tests.world import Reply, World

SLO = "https://idp.test/slo"
WITH_SLO = f'<SingleLogoutService Binding="{REDIRECT}" Location="{SLO}"/>'
PAGE = "/console/signed-out"


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture
async def house(world: World, signer: Signer) -> SamlHouse:
    return await in_use(SamlHouse.of(await sso_house(world, Provider()), signer), metadata_of(signer, more=WITH_SLO))


async def in_use(house: SamlHouse, document: str) -> SamlHouse:
    await house.begins()
    (await house.imports(document=document)).ok()
    assert "verified=true" in (await house.verifies()).headers["location"]
    (await house.ask("POST", house.path("/activation"))).ok()
    return house


@dataclass(frozen=True)
class Leaving:
    """A LogoutRequest. None leaves an attribute or an element out."""

    name: str | None = "ivy@northwind.test"
    sessions: tuple[str, ...] = ()
    issuer: str | None = PROVIDER
    destination: str | None = None
    request_id: str = "lo1"
    issued: str | None = ""
    until: str | None = None
    version: str = "2.0"
    more: str = ""
    tag: str = "LogoutRequest"

    def xml(self) -> bytes:
        attributes = {
            "ID": self.request_id,
            "Version": self.version,
            "IssueInstant": self.issued,
            "NotOnOrAfter": self.until,
            "Destination": self.destination,
        }
        written = "".join(f' {name}="{value}"' for name, value in attributes.items() if value is not None)
        issuer = f"<saml:Issuer>{self.issuer}</saml:Issuer>" if self.issuer is not None else ""
        name = f"<saml:NameID>{self.name}</saml:NameID>" if self.name is not None else ""
        sessions = "".join(f"<samlp:SessionIndex>{one}</samlp:SessionIndex>" for one in self.sessions)
        return (
            f'<samlp:{self.tag} xmlns:samlp="{NAMESPACES["samlp"]}" xmlns:saml="{NAMESPACES["saml"]}"{written}>'
            f"{issuer}{name}{sessions}{self.more}</samlp:{self.tag}>"
        ).encode()


def leaving(house: SamlHouse, who: str, **changes: Any) -> Leaving:
    told = Leaving(
        name=f"{who}@{house.domain}",
        destination=house.us["slo_url"],
        issued=house.world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
        request_id=f"lo{new_id('sfl')}",
    )
    return replace(told, **changes)


def query_of(document: bytes, signer: Signer | None, relay_state: str | None = None) -> str:
    key = signer.key if signer else None
    assert key is None or isinstance(key, rsa.RSAPrivateKey)
    return urlsplit(address_with("https://here.test/", "SAMLRequest", document, relay_state, key)).query


async def carries(house: SamlHouse, query: str) -> str:
    """Where the browser is sent then."""
    reply = await house.world.ask("identity", "GET", f"/v1/auth/sso/{house.connection}/slo?{query}")
    assert reply.status == 303, reply
    return reply.headers["location"]


async def tells(house: SamlHouse, told: Leaving, relay_state: str | None = None) -> str:
    return await carries(house, query_of(told.xml(), house.signer, relay_state))


def step(location: str) -> str | None:
    parts = urlsplit(location)
    assert parts.path == PAGE, location
    return parse_qs(parts.query).get("failed", [None])[0]


def carried(location: str) -> tuple[dict[str, str], etree._Element]:
    query = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    letters = query.get("SAMLResponse") or query["SAMLRequest"]
    return query, etree.fromstring(zlib.decompress(base64.b64decode(letters), -zlib.MAX_WBITS))


async def comes(house: SamlHouse, who: str, session: str = "_s1") -> str:
    done = await house.signs_in(who, f"{who}@{house.domain}", session_index=session)
    house.world.clock.advance(timedelta(seconds=1))
    return str(done.ok()["session_id"])


async def lives(house: SamlHouse, *session_ids: str) -> list[bool]:
    return [(await introspect(house.world, one))["live"] for one in session_ids]


async def test_a_signed_request_ends_what_it_names_and_is_answered_with_our_signature(
    world: World, house: SamlHouse
) -> None:
    first, second, other = await comes(house, "ivy", "_a"), await comes(house, "ivy", "_b"), await comes(house, "joe")
    told = leaving(house, "IVY", sessions=("_a", "_unknown"))
    location = await tells(house, told, "their state")
    assert await lives(house, first, second, other) == [False, True, True]
    assert location.startswith(f"{SLO}?SAMLResponse=")
    query, answer = carried(location)
    assert (query["RelayState"], answer.get("InResponseTo"), answer.get("Destination")) == (
        "their state",
        told.request_id,
        SLO,
    )
    assert answer.findtext("saml:Issuer", None, NAMESPACES) == house.us["entity_id"]
    code = answer.find("samlp:Status/samlp:StatusCode", NAMESPACES)
    assert code is not None
    assert code.get("Value") == "urn:oasis:names:tc:SAML:2.0:status:Success"
    assert await signed_by_us(house, location)
    (ended,) = [one for one in await world.said("identity", SessionEnded) if one.data["session_id"] == first]
    assert (ended.data["reason"], ended.actor_id) == ("provider_signed_out", None)
    assert step(await tells(house, told)) == "replay"
    assert (await tells(house, leaving(house, "nobody"))).startswith(SLO), "who isn't here is signed out"
    await tells(house, leaving(house, "ivy"))
    assert await lives(house, second, other) == [False, True]


async def signed_by_us(house: SamlHouse, location: str) -> bool:
    """By the key whose certificate our metadata shows."""
    reply = await house.world.ask("identity", "GET", f"/v1/auth/sso/{house.connection}/metadata")
    root = etree.fromstring(reply.body)
    place = root.find(".//md:SingleLogoutService", NAMESPACES)
    assert place is not None
    assert (place.get("Binding"), place.get("Location")) == (REDIRECT, house.us["slo_url"])
    ours = read_certificate(root.findtext(".//ds:X509Certificate", "", NAMESPACES))
    return read_redirect(urlsplit(location).query, [ours], house.world.clock.now()).is_signed


@pytest.mark.parametrize(
    ("failed", "changes"),
    [
        ("issuer", {"issuer": "https://elsewhere.example"}),
        ("issuer", {"issuer": None}),
        ("destination", {"destination": "https://elsewhere.example/slo"}),
        ("destination", {"destination": None}),
        ("expiry", {"issued": None}),
        ("expiry", {"issued": "yesterday"}),
        ("expiry", {"issued": timedelta(minutes=-7)}),
        ("expiry", {"issued": timedelta(minutes=2)}),
        ("expiry", {"until": timedelta(minutes=-2)}),
        ("subject", {"name": None}),
        ("subject", {"name": ""}),
        ("subject", {"more": "<saml:NameID>joe@northwind.test</saml:NameID>"}),
        ("subject", {"more": "<saml:EncryptedID/>"}),
        ("document", {"request_id": ""}),
        ("document", {"request_id": "l" * 257}),
        ("document", {"version": "1.1"}),
        ("document", {"tag": "AuthnRequest"}),
        ("document", {"more": "<!-- a remark -->"}),
        ("document", {"sessions": tuple(f"_{n}" for n in range(101))}),
    ],
)
async def test_what_is_not_right_in_every_respect_ends_nothing(
    house: SamlHouse, failed: str, changes: dict[str, Any]
) -> None:
    session = await comes(house, "ivy")
    now = house.world.clock.now()
    moved = {
        name: (now + value).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, timedelta) else value
        for name, value in changes.items()
    }
    assert step(await tells(house, leaving(house, "ivy", **moved))) == failed
    assert await lives(house, session) == [True]


async def test_only_a_signature_over_the_very_letters_is_the_providers_word(house: SamlHouse) -> None:
    session = await comes(house, "ivy")
    document = leaving(house, "ivy").xml()
    good = query_of(document, house.signer, "state")
    fields = dict(pair.split("=") for pair in good.split("&"))
    foreign = query_of(document, rsa_signer("a stranger's"))
    other = dict(pair.split("=") for pair in query_of(leaving(house, "joe").xml(), None).split("&"))
    weak = quote(
        RSA_SHA256.replace("xmldsig-more#rsa-sha256", "xmldsig#rsa-sha1").replace("2001/04", "2000/09"), safe=""
    )
    forged = {
        "signature": [
            query_of(document, None),
            foreign,
            good.replace("RelayState=state", "RelayState=other"),
            good.replace("&RelayState=state", ""),
            good.replace(fields["SAMLRequest"], other["SAMLRequest"]),
            good.replace(f"&Signature={fields['Signature']}", ""),
            good.replace(f"&Signature={fields['Signature']}", "&Signature=AAAA"),
            good.replace(f"&Signature={fields['Signature']}", "&Signature=%%%"),
            good.replace(fields["SigAlg"], weak),
            good.replace(f"&SigAlg={fields['SigAlg']}", ""),
            good.replace(fields["SigAlg"], quote(f"{MORE}ecdsa-sha256", safe="")),
            good.replace(fields["SigAlg"], quote(f"{MORE}hmac-sha256", safe="")),
        ],
        "document": [
            f"{good}&SAMLRequest={other['SAMLRequest']}",
            f"SAMLRequest={other['SAMLRequest']}&{good}",
            f"{good}&SAMLResponse={fields['SAMLRequest']}",
            "RelayState=x",
            "SAMLRequest=%FF",
            "SAMLRequest=!!!",
            f"SAMLRequest={quote(base64.b64encode(b'not deflated at all').decode(), safe='')}",
            f"SAMLRequest={quote(base64.b64encode(zlib.compress(bytes(9_000_000), 9)[2:-4]).decode(), safe='')}",
            f"SAMLRequest={quote(deflated(b'<!DOCTYPE x><x/>'), safe='')}",
        ],
    }
    for failed, queries in forged.items():
        for query in queries:
            location = await answered(house, query)
            assert location is None or step(location) == failed, query[:200]
    assert await lives(house, session) == [True]
    assert (await carries(house, good)).startswith(SLO), "none of it has used the right one up"
    assert await lives(house, session) == [False]


def deflated(content: bytes) -> str:
    machine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(machine.compress(content) + machine.flush()).decode()


async def answered(house: SamlHouse, query: str) -> str | None:
    """Where the browser is sent; None when the address itself was refused."""
    reply: Reply = await house.world.ask("identity", "GET", f"/v1/auth/sso/{house.connection}/slo?{query}")
    return reply.headers["location"] if reply.status == 303 else None


async def test_letters_may_be_escaped_as_the_provider_likes(house: SamlHouse) -> None:
    session = await comes(house, "ivy")
    key = house.signer.key
    assert isinstance(key, rsa.RSAPrivateKey)
    signed = f"SAMLRequest={quote(deflated(leaving(house, 'ivy').xml()), safe='').replace('%2F', '%2f').replace('%2B', '%2b')}"
    signed += f"&RelayState=a+b&SigAlg={quote(RSA_SHA256, safe=':/')}"
    signature = base64.b64encode(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    location = await carries(house, f"{signed}&Signature={quote(signature, safe='')}")
    assert carried(location)[0]["RelayState"] == "a b"
    assert await lives(house, session) == [False]


def test_a_key_on_a_curve_signs_as_xml_signature_writes_it() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    provider = settings(Signer.make(key))
    signed = f"SAMLRequest={quote(deflated(Leaving().xml()), safe='')}&SigAlg={quote(f'{MORE}ecdsa-sha256', safe='')}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    letters = base64.b64encode(r.to_bytes(32) + s.to_bytes(32)).decode()
    query = f"{signed}&Signature={quote(letters, safe='')}"
    assert read_redirect(query, provider.certificates, NOW).is_signed
    with pytest.raises(StepFailed, match="certificate"):
        read_redirect(query, provider.certificates, NOW + timedelta(days=500))
    with pytest.raises(StepFailed, match="signature"):
        read_redirect(query, settings(rsa_signer()).certificates, NOW)


async def test_a_providers_word_for_one_organization_ends_nothing_in_another(world: World, house: SamlHouse) -> None:
    neighbour = SamlHouse.of(await sso_house(world, Provider()), house.signer)
    await in_use(neighbour, metadata_of(house.signer, more=WITH_SLO))
    mine = await comes(house, "ivy")
    elsewhere = leaving(neighbour, "ivy", name=f"ivy@{house.domain}", sessions=("_s1",))
    assert (await tells(neighbour, elsewhere)).startswith(SLO)
    assert step(await carries(house, query_of(elsewhere.xml(), house.signer))) == "destination"
    assert await lives(house, mine) == [True]
    unknown = f"/v1/auth/sso/{new_id('sso')}/slo?{query_of(leaving(house, 'ivy').xml(), house.signer)}"
    assert (await world.ask("identity", "GET", unknown)).code == "not_found"


async def test_who_signs_out_here_is_sent_there_with_what_the_provider_called_them(
    world: World, house: SamlHouse
) -> None:
    session = await comes(house, "Ivy", "_a7")
    known = await introspect(world, session)
    actor = Actor("person", known["user_id"], None, None, session, ("sso",))
    there = (await world.ask("identity", "POST", "/v1/me/sign-out", actor=actor)).ok()["at_provider"]
    assert there["url"].startswith(f"{SLO}?SAMLRequest=")
    _, asked = carried(there["url"])
    name = asked.find("saml:NameID", NAMESPACES)
    assert name is not None
    assert (name.text, name.get("Format")) == (
        f"Ivy@{house.domain}",
        "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    )
    assert asked.findtext("samlp:SessionIndex", None, NAMESPACES) == "_a7"
    assert (asked.get("Destination"), asked.get("Version")) == (SLO, "2.0")
    assert await signed_by_us(house, there["url"])
    assert await lives(house, session) == [False]

    us = ServiceProvider(**{name: house.us[name] for name in ("entity_id", "acs_url", "slo_url")})
    answer = sign_out_response(us, "_x", house.us["slo_url"], asked.get("ID", ""), world.clock.now())
    answer = answer.replace(house.us["entity_id"].encode(), PROVIDER.encode())
    unsigned = urlencode({"SAMLResponse": deflated(answer)})
    assert step(await carries(house, unsigned)) is None
    refused = answer.replace(b"status:Success", b"status:Responder")
    assert step(await carries(house, urlencode({"SAMLResponse": deflated(refused)}))) == "provider"
    assert step(await carries(house, f"{unsigned}&SigAlg={quote(RSA_SHA256)}&Signature=AAAA")) == "signature"
    elsewhere = answer.replace(house.us["slo_url"].encode(), b"https://elsewhere.example/slo")
    assert step(await carries(house, urlencode({"SAMLResponse": deflated(elsewhere)}))) == "destination"


async def test_a_provider_without_a_place_for_it_still_tells_us_and_one_with_another_for_answers_is_answered_there(
    world: World, signer: Signer
) -> None:
    plain = await in_use(SamlHouse.of(await sso_house(world, Provider()), signer), metadata_of(signer))
    session = await comes(plain, "ivy")
    assert (await plain.ask("GET", plain.path())).ok()["sign_out_url"] is None
    assert step(await tells(plain, leaving(plain, "ivy"))) is None
    assert await lives(plain, session) == [False]
    for place, expected in (
        (f'ResponseLocation="{SLO}/answers" ', f"{SLO}/answers?SAMLResponse="),
        ('ResponseLocation="javascript:alert(1)" ', f"{SLO}?SAMLResponse="),
    ):
        document = metadata_of(signer, more=WITH_SLO.replace("Location=", f"{place}Location=", 1))
        (await plain.imports(document=document)).ok()
        assert (await tells(plain, leaving(plain, "ivy"))).startswith(expected)
