"""What a hostile provider, browser or address gets from single sign-on: nothing, and an Admin can read why."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.identity.rules import flows
from shared.events.identity import SessionStarted
from shared.outbound import Policy
from tests.identity.provider import CLIENT, Provider, ec_key, providing, public, rsa_key
from tests.identity.sso_house import BYSTANDER, Browser, SsoHouse, identity_reaching, sso_house
from tests.world import Databases, World, world_of

HOUR = 3600


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture(scope="module")
async def provider(world: World) -> AsyncIterator[Provider]:
    async with providing(lambda: world.clock.now().timestamp()) as provider:
        yield provider


@pytest.fixture(scope="module")
async def active(world: World, provider: Provider) -> SsoHouse:
    house = await sso_house(world, provider)
    return await house.set_up()


@pytest.fixture
def house(active: SsoHouse) -> SsoHouse:
    """The same house, whose provider is itself again."""
    fresh = Provider(url=active.provider.url)
    for name in ("keys", "signs_with", "alg", "changes", "document", "userinfo", "down", "raw_token"):
        setattr(active.provider, name, getattr(fresh, name))
    return active


async def refused(house: SsoHouse, **claims: Any) -> str:
    """The step at which a sign-in with these claims ends; nobody comes in."""
    before = len(await house.world.said("identity", SessionStarted))
    browser, back = await house.goes("eve", f"eve@{house.domain}", **claims)
    step = parse_qs(urlsplit(back.headers["location"]).query).get("failed", ["none"])[0]
    finished = await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})
    assert finished.code == "challenge_ended"
    assert len(await house.world.said("identity", SessionStarted)) == before
    last = (await house.attempts())[0]
    assert last["step"] == step
    assert last["cause"]
    return step


@pytest.mark.parametrize(
    ("claims", "step"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "client-2"}, "audience"),
        ({"aud": ["client-2"]}, "audience"),
        ({"aud": None}, "claims"),
        ({"aud": [CLIENT[0], "client-2"]}, "audience"),
        ({"azp": "client-2"}, "audience"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": None}, "claims"),
        ({"sub": None}, "claims"),
        ({"sub": ""}, "claims"),
        ({"sub": "x" * 256}, "claims"),
        ({"exp": None}, "claims"),
        ({"exp": "soon"}, "claims"),
        ({"exp": float(10**308) * 10}, "claims"),
        ({"iat": True}, "claims"),
        ({"email": "eve@evil.example"}, "domain"),
        ({"email": "no address"}, "email"),
        ({"email": ["boss@x.example"]}, "email"),
        ({"email_verified": False}, "email"),
        ({"email_verified": "false"}, "email"),
        ({"at_hash": "AAAA"}, "signature"),
    ],
)
async def test_an_id_token_that_is_wrong_in_one_respect_is_worth_nothing(
    house: SsoHouse, claims: dict[str, Any], step: str
) -> None:
    house.provider.changes = claims
    assert await refused(house) in {step, "signature" if claims.get("exp") == float("inf") else step}


@pytest.mark.parametrize(("offset", "step"), [(-61, "expiry"), (-HOUR, "expiry")])
async def test_an_expired_one_neither(house: SsoHouse, offset: int, step: str) -> None:
    now = int(house.world.clock.now().timestamp())
    house.provider.changes = {"exp": now + offset}
    assert await refused(house) == step
    house.provider.changes = {"iat": now + HOUR}
    assert await refused(house) == "expiry"
    house.provider.changes = {"nbf": now + HOUR}
    assert await refused(house) == "expiry"


def unsigned(claims: dict[str, Any], provider: Provider) -> str:
    return jwt.encode(claims, None, algorithm="none")


def by_public_key(claims: dict[str, Any], provider: Provider) -> str:
    """HS256 with the provider's public key as the secret, which everybody has."""
    pem = (
        rsa_key().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    head = _part({"alg": "HS256", "kid": "k1"})
    signed = f"{head}.{_part(claims)}"
    mac = hmac.digest(pem, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def by_another_key(claims: dict[str, Any], provider: Provider) -> str:
    return jwt.encode(claims, rsa_key(1), algorithm="RS256", headers={"kid": "k1"})


def by_a_key_of_its_own(claims: dict[str, Any], provider: Provider) -> str:
    own = {"kid": "k1", "jwk": public(rsa_key(1), "k1", "RS256"), "jku": "https://evil.example/keys"}
    return jwt.encode(claims, rsa_key(1), algorithm="RS256", headers=own)


def by_rs512(claims: dict[str, Any], provider: Provider) -> str:
    return jwt.encode(claims, rsa_key(), algorithm="RS512", headers={"kid": "k1"})


def with_crit(claims: dict[str, Any], provider: Provider) -> str:
    return jwt.encode(claims, rsa_key(), algorithm="RS256", headers={"kid": "k1", "crit": ["b64"], "b64": True})


def by_the_wrong_kind_of_key(claims: dict[str, Any], provider: Provider) -> str:
    return jwt.encode(claims, ec_key(), algorithm="ES256", headers={"kid": "k1"})


def changed_afterwards(claims: dict[str, Any], provider: Provider) -> str:
    head, _, signature = provider.signed(claims).split(".")
    return f"{head}.{_part({**claims, 'sub': 'the-boss'})}.{signature}"


def no_token_at_all(claims: dict[str, Any], provider: Provider) -> str:
    return "not.a.token"


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        by_public_key,
        by_another_key,
        by_a_key_of_its_own,
        by_rs512,
        with_crit,
        by_the_wrong_kind_of_key,
        changed_afterwards,
        no_token_at_all,
    ],
)
async def test_a_forged_signature_is_none(house: SsoHouse, forge: Callable[..., str]) -> None:
    real = house.provider.signed
    house.provider.signed = lambda claims: forge(claims, Real(real))  # type: ignore[method-assign]
    try:
        assert await refused(house) == "signature"
    finally:
        house.provider.signed = real  # type: ignore[method-assign]


class Real:
    """The provider as it signs by itself."""

    def __init__(self, signed: Callable[[dict[str, Any]], str]) -> None:
        self.signed = signed


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
async def test_a_key_too_short_is_none(house: SsoHouse) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    house.provider.keys = {"weak": weak}
    house.provider.signs_with = "weak"
    house.world.started["identity"].env.own.providers.keys.forget()
    assert await refused(house) == "signature"
    assert house.provider.key_sets_served, "it was looked at"


async def test_new_keys_are_fetched_when_one_is_unknown_but_not_more_than_once_a_minute(house: SsoHouse) -> None:
    keys = house.world.started["identity"].env.own.providers.keys
    moment = [keys.monotonic() + 10_000.0]
    real, keys.monotonic = keys.monotonic, lambda: moment[0]
    try:
        (await house.signs_in("kim", f"kim@{house.domain}")).ok()
        served = house.provider.key_sets_served
        house.provider.keys = {"k2": rsa_key(2)}
        house.provider.signs_with = "k2"
        for _ in range(3):
            assert await refused(house) == "signature"
        assert house.provider.key_sets_served == served, "within the minute it isn't asked again"
        moment[0] += 61
        (await house.signs_in("kim", f"kim@{house.domain}")).ok()
        assert house.provider.key_sets_served == served + 1
        (await house.signs_in("kim", f"kim@{house.domain}")).ok()
        assert house.provider.key_sets_served == served + 1, "and what is known isn't fetched"
        house.provider.keys = {"k3": ec_key()}
        house.provider.signs_with, house.provider.alg = "k3", "ES256"
        moment[0] += 61
        (await house.signs_in("kim", f"kim@{house.domain}")).ok()
    finally:
        keys.monotonic = real
        keys.forget()


async def test_a_token_without_address_is_completed_by_userinfo_of_the_same_subject_alone(house: SsoHouse) -> None:
    house.provider.changes = {"email": None}
    house.provider.userinfo = {"sub": "the-boss", "email": house.boss.email}
    assert await refused(house) == "claims"
    house.provider.userinfo = {"sub": "lea", "email": f"lea@{house.domain}", "email_verified": True}
    assert (await house.signs_in("lea", None)).status == 201


async def test_an_answer_of_another_provider_is_not_this_ones(house: SsoHouse) -> None:
    browser = Browser(house.world)
    mixed = await house.returns(
        browser, await house.leaves(browser), "eve", f"eve@{house.domain}", iss="https://evil.example"
    )
    assert "failed=issuer" in mixed.headers["location"]
    right = Browser(house.world)
    good = await house.returns(right, await house.leaves(right), "kim", f"kim@{house.domain}", iss=house.provider.url)
    assert "failed" not in good.headers["location"]


async def test_an_answer_counts_once_and_so_does_what_came_of_it(house: SsoHouse) -> None:
    browser = Browser(house.world)
    url = await house.leaves(browser)
    cookie = browser.cookie
    await house.returns(browser, url, "kim", f"kim@{house.domain}")
    again = await house.returns(browser, url, "kim", f"kim@{house.domain}")
    assert "failed=browser" in again.headers["location"]
    browser.cookie = cookie
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).status == 201
    browser.cookie = cookie
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"
    assert "failed=browser" in (await house.returns(browser, url, "kim", f"kim@{house.domain}")).headers["location"]


async def test_it_counts_only_in_the_browser_that_began(house: SsoHouse) -> None:
    mine, theirs, nobody = Browser(house.world), Browser(house.world), Browser(house.world)
    url, other = await house.leaves(mine), await house.leaves(theirs)
    assert "failed=browser" in (await house.returns(theirs, url, "eve", f"eve@{house.domain}")).headers["location"]
    assert "failed=browser" in (await house.returns(nobody, url, "eve", f"eve@{house.domain}")).headers["location"]
    await house.leaves(theirs)
    swapped = house.provider.code_for(other, "eve", f"eve@{house.domain}")
    state = parse_qs(urlsplit(url).query)["state"][0]
    asked = urlencode({"code": swapped, "state": state})
    back = await mine.ask("GET", f"/v1/auth/sso/{house.connection}/callback?{asked}")
    assert "failed=exchange" in back.headers["location"], "the code was made for another verifier"
    assert (await nobody.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"


async def test_it_lasts_ten_minutes_and_what_came_of_it_five(house: SsoHouse) -> None:
    late = Browser(house.world)
    url = await house.leaves(late)
    house.world.clock.advance(flows.FLOW_LIFE)
    assert "failed=browser" in (await house.returns(late, url, "kim", f"kim@{house.domain}")).headers["location"]
    slow, back = await house.goes("kim", f"kim@{house.domain}")
    assert "failed" not in back.headers["location"]
    house.world.clock.advance(flows.RESULT_LIFE)
    assert (await slow.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"


async def test_no_cookie_can_be_made_or_changed_or_used_for_another_purpose(house: SsoHouse) -> None:
    browser = Browser(house.world)
    url = await house.leaves(browser)
    payload, _, mac = browser.cookie.partition(".")
    facts = json.loads(base64.urlsafe_b64decode(payload + "=="))
    facts["purpose"] = "verification"
    changed, other = _part(facts), mac[:-1] + ("B" if mac.endswith("A") else "A")
    for cookie in (f"{changed}.{mac}", f"{payload}.{other}", payload, f"{payload}.", "a.b", "." + mac, ""):
        forger = Browser(house.world, cookie)
        assert "failed=browser" in (await house.returns(forger, url, "eve", f"eve@{house.domain}")).headers["location"]
    begun = await browser.ask("POST", house.path("/verification"), actor=house.admin)
    await house.returns(browser, begun.ok()["url"], "the-boss", house.boss.email)
    assert (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).code == "challenge_ended"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\\/evil.example",
        "javascript:alert(1)", "data:text/html,x", "evil.example", "/%2f%2fevil.example", "/%5cevil.example", "/..//evil.example",
        "/./evil", "/../console", "/a/../b", "/a//b", "/\tevil", "/\nSet-Cookie: a=b", "/\r\nX: y", "/ a", "/@evil.example:80",
        "/http://evil.example", "/a;b", "/a#//evil", "/ä", "/\u3002evil", "/\u2215evil", "/\uff0fevil", "", "?a=b", ".evil.example",
        "@evil.example", "/a?b=//evil.example", "/a?b=https://evil", "/" + "a" * 600,
    ],
)  # fmt: skip
async def test_nobody_is_sent_anywhere_else(house: SsoHouse, elsewhere: str) -> None:
    path = f"/v1/auth/sso/{house.connection}/authorize?return_to={quote(elsewhere, safe='')}"
    reply = await Browser(house.world).ask("GET", path)
    assert (reply.status, reply.json["errors"][0]["pointer"]) == (422, "/return_to")


async def test_where_somebody_wanted_to_go_is_told_at_the_end(house: SsoHouse) -> None:
    browser = Browser(house.world)
    url = await house.leaves(browser, return_to="/console/users?tab=pending", login_hint=f"kim@{house.domain}")
    assert parse_qs(urlsplit(url).query)["login_hint"] == [f"kim@{house.domain}"]
    await house.returns(browser, url, "kim", f"kim@{house.domain}")
    done = (await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "bearer"})).ok()
    assert done["return_to"] == "/console/users?tab=pending"


@pytest.mark.parametrize(
    ("error", "words"), [("access_denied", "assigned"), ("<script>", "answered with an error"), ("", "answered with")]
)
async def test_an_error_of_the_provider_is_told_in_our_words(house: SsoHouse, error: str, words: str) -> None:
    browser = Browser(house.world)
    url = await house.leaves(browser)
    back = await house.returns(browser, url, "eve", f"eve@{house.domain}", code=None, error=error)
    assert "failed=provider" in back.headers["location"]
    assert words in (await house.attempts())[0]["cause"]


async def test_what_else_a_provider_adds_does_no_harm(house: SsoHouse) -> None:
    browser = Browser(house.world)
    url = await house.leaves(browser)
    more = {"session_state": "x", "scope": "openid", "authuser": "0", "hd": house.domain, "connection": "x"}
    back = await house.returns(browser, url, "kim", f"kim@{house.domain}", **more)
    assert "failed" not in back.headers["location"]


async def test_a_provider_that_is_down_stops_nobody_else(house: SsoHouse) -> None:
    house.provider.down = True
    assert await refused(house) == "exchange"
    house.provider.down = False
    assert (await house.signs_in("kim", f"kim@{house.domain}")).status == 201


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"issuer": "https://evil.example"}, "issuer"),
        ({"token_endpoint": None}, "discovery"),
        ({"jwks_uri": "https://10.0.0.1/keys"}, "discovery"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "discovery"),
        ({"token_endpoint": "file:///etc/passwd"}, "discovery"),
        ({"userinfo_endpoint": "http://169.254.169.254/latest"}, "discovery"),
        ({"id_token_signing_alg_values_supported": ["HS256", "none"]}, "discovery"),
    ],
)
async def test_metadata_that_cant_be_trusted_is_refused_in_words(
    house: SsoHouse, document: dict[str, Any], code: str
) -> None:
    house.provider.document = document
    reply = await house.imports()
    assert (reply.status, reply.json["errors"][0]["code"]) == (422, code), reply.json
    assert reply.json["errors"][0]["pointer"] == "/oidc/issuer"


@pytest.mark.parametrize(
    "issuer",
    [
        "http://example.com", "https://127.0.0.1", "https://10.1.2.3", "https://[::1]", "https://169.254.169.254", "https://2130706433",
        "https://0x7f.1", "https://user:pw@example.com", "file:///etc/passwd", "https://[::ffff:10.0.0.1]", "https://localhost",
    ],
)  # fmt: skip
async def test_no_request_ever_goes_to_a_private_address(strict: World, issuer: str) -> None:
    house = await sso_house(strict, Provider())
    await house.begins()
    told = {"issuer": issuer, "client_id": "c", "client_secret": "s"}
    reply = await house.ask("PUT", house.path("/metadata"), {"oidc": told})
    assert (reply.status, reply.json["errors"][0]["code"]) == (422, "discovery"), reply.json


@pytest.fixture(scope="module")
async def strict(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Identity as it runs outside of tests."""
    services = [identity_reaching(Policy()), BYSTANDER]
    async with world_of(services, databases, tmp_path_factory.mktemp("strict")) as world:
        yield world
