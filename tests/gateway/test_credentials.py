"""What proves who calls, and what doesn't: access tokens, the console's cookie, and their confusions."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import timedelta
from typing import Any

import jwt
import orjson
import pytest

from shared.auth import Actor, private_key
from shared.config import fresh_key
from shared.ids import new_id
from shared.links import link_token
from tests.gateway.standins import PUBLIC_URL, House, Somebody, seen, somebody


async def refused(house: House, headers: dict[str, str], code: str = "unauthenticated") -> None:
    reply = await house.ask("GET", "/v1/echo/x", headers)
    assert (reply.status, reply.code) == (401, code), reply
    assert reply.headers["www-authenticate"].startswith("Bearer")
    ignored = await house.ask("GET", "/v1/open", headers)
    assert ignored.ok()["actor"]["kind"] == "anonymous", "on a route for anyone a bad credential counts for nothing"


async def test_a_good_token_names_person_session_organization_and_effective_role(house: House) -> None:
    ana = somebody(house.people, "analyst")
    ana.membership["effective_role"] = "viewer"
    actor = seen(house, await house.ask("GET", "/v1/echo/x", ana.bearer))
    assert actor == Actor("person", ana.user_id, ana.org_id, "viewer", ana.session_id, ("pwd",), actor.auth_time)
    assert abs(actor.auth_time - time.time()) < 30
    assert seen(house, await house.ask("GET", "/v1/open", ana.bearer)) == actor


async def test_without_a_credential_only_routes_for_anyone_are_served(house: House) -> None:
    reply = await house.ask("GET", "/v1/echo/x")
    assert (reply.status, reply.code, reply.headers["www-authenticate"]) == (401, "unauthenticated", "Bearer")
    assert (await house.ask("GET", "/v1/open")).ok()["actor"]["kind"] == "anonymous"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["tenantry", "other"]},
        {"aud": ["tenantry"]},
        {"aud": None},
        {"exp": None},
        {"exp": 1_700_000_000},
        {"exp": "4102444800"},
        {"exp": 1e300},
        {"exp": True},
        {"iat": None},
        {"auth_time": None},
        {"auth_time": -1},
        {"sub": None},
        {"sub": "admin"},
        {"sub": "org_00000000000000000000000000"},
        {"sid": None},
        {"sid": "../../standings/x"},
        {"org": "usr_00000000000000000000000000"},
        {"org": ""},
        {"org": 7},
        {"amr": None},
        {"amr": "pwd"},
        {"amr": [1]},
    ],
    ids=str,
)
async def test_a_token_with_any_claim_amiss_is_refused(house: House, claims: dict[str, Any]) -> None:
    ana = somebody(house.people)
    await refused(house, {"Authorization": f"Bearer {ana.token(**claims)}"})


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": "tenantry-internal+jwt"},
        {"typ": None},
        {"kid": "unknown"},
        {"kid": "../../etc/passwd"},
        {"kid": ["k1"]},
        {"crit": ["exp"]},
        {"b64": True},
        {"jku": "https://evil.example/jwks.json"},
        {"x5u": "https://evil.example/cert.pem"},
        {"cty": "JWT"},
    ],
    ids=str,
)
async def test_a_token_with_any_header_amiss_is_refused(house: House, header: dict[str, Any]) -> None:
    ana = somebody(house.people)
    signing = private_key(house.people.keys["k1"])
    heads = {"alg": "EdDSA", "typ": "at+jwt", "kid": "k1"} | header
    claims = jwt.decode(ana.token(), options={"verify_signature": False})
    parts = [orjson.dumps({n: v for n, v in heads.items() if v is not None}), orjson.dumps(claims)]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    token = b".".join([signed, base64.urlsafe_b64encode(signing.sign(signed)).rstrip(b"=")]).decode()
    if header == {"typ": None}:
        assert "typ" not in jwt.get_unverified_header(token)
    await refused(house, {"Authorization": f"Bearer {token}"})


async def test_keys_and_algorithms_cannot_be_confused(house: House) -> None:
    ana = somebody(house.people)
    good = ana.token()
    claims = jwt.decode(good, options={"verify_signature": False})
    head, body, signature = good.split(".")
    public = private_key(house.people.keys["k1"]).public_key().public_bytes_raw()
    own = private_key(fresh_key())
    none = base64.urlsafe_b64encode(orjson.dumps({"alg": "none", "typ": "at+jwt", "kid": "k1"})).decode().rstrip("=")
    mac = base64.urlsafe_b64encode(orjson.dumps({"alg": "HS256", "typ": "at+jwt", "kid": "k1"})).decode().rstrip("=")
    hmac_by_public_key = base64.urlsafe_b64encode(
        hmac.digest(public, f"{mac}.{body}".encode(), hashlib.sha256)
    ).decode()
    embedded = {"kid": "k1", "typ": "at+jwt", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}
    changed = base64.urlsafe_b64encode(orjson.dumps({**claims, "sub": new_id("usr")})).decode().rstrip("=")
    tricks = [
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{mac}.{body}.{hmac_by_public_key.rstrip('=')}",
        jwt.encode(claims, own, algorithm="EdDSA", headers={"kid": "k1", "typ": "at+jwt"}),
        jwt.encode(claims, own, algorithm="EdDSA", headers=embedded),
        f"{head}.{changed}.{signature}",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.{signature}",
        f"{head}.{body}.{signature[:-2]}",
        f"{head}.{body}.{signature}==",
        f"{head}.{body}.{signature}A",
        "x" * 5000,
        "a.b.c",
    ]
    for token in tricks:
        await refused(house, {"Authorization": f"Bearer {token}"})


async def test_tokens_of_other_kinds_are_no_access_tokens(house: House) -> None:
    ana = somebody(house.people)
    keys = house.settings.secrets
    actor = Actor("person", ana.user_id, ana.org_id, "admin", ana.session_id)
    others = [
        keys.keyring("gateway").issue(actor, "org"),
        keys.keyring("gateway").issue(actor, "gateway"),
        keys.keyring("identity").as_itself("gateway"),
        link_token(keys.bytes("links"), "invitation", new_id("inv"), 1),
        f"trt_{fresh_key()}",
        f"tky_{fresh_key()}",
        ana.cookie,
        ana.session_id,
        ana.user_id,
        jwt.encode({"sub": ana.user_id}, "s" * 32, algorithm="HS256"),
    ]
    for token in others:
        await refused(house, {"Authorization": f"Bearer {token}"})
    await refused(
        house,
        {"Cookie": f"__Host-session={ana.token()}"},
        code="session_ended" if len(ana.token()) <= 512 else "unauthenticated",
    )


@pytest.mark.parametrize("scheme", ["Basic", "bearer-ish", "Token", ""])
async def test_other_schemes_are_refused_even_beside_a_good_cookie(house: House, scheme: str) -> None:
    ana = somebody(house.people)
    await refused(house, {"Authorization": f"{scheme} {ana.token()}", "Cookie": f"__Host-session={ana.cookie}"})


async def test_two_authorizations_prove_nothing(house: House) -> None:
    ana, ben = somebody(house.people), somebody(house.people)
    lines = "".join(f"Authorization: Bearer {one.token()}\r\n" for one in (ana, ben))
    answer = await house.raw(f"GET /v1/echo/x HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    assert answer.split(b" ")[1] in (b"400", b"401")


async def test_a_token_expires_even_when_it_is_remembered(own_house: House) -> None:
    ana = somebody(own_house.people)
    bearer = ana.bearer
    assert (await own_house.ask("GET", "/v1/echo/x", bearer)).status == 200
    own_house.world.clock.advance(timedelta(seconds=301))
    assert (await own_house.ask("GET", "/v1/echo/x", bearer)).code == "unauthenticated"


async def test_new_keys_are_learnt_at_once_and_unknown_ones_asked_for_once_a_second(own_house: House) -> None:
    ana = somebody(own_house.people)
    assert (await own_house.ask("GET", "/v1/echo/x", ana.bearer)).status == 200
    own_house.people.keys["k2"] = fresh_key()
    own_house.watch.offset += 1
    assert (await own_house.ask("GET", "/v1/echo/x", {"Authorization": f"Bearer {ana.token(kid='k2')}"})).status == 200
    assert own_house.people.asked.count("jwks") == 2
    own_house.people.keys["k3"] = fresh_key()
    for _ in range(20):
        await refused(own_house, {"Authorization": f"Bearer {ana.token(header={'kid': 'k9'})}"})
    assert own_house.people.asked.count("jwks") == 2
    own_house.watch.offset += 1
    assert (await own_house.ask("GET", "/v1/echo/x", {"Authorization": f"Bearer {ana.token(kid='k3')}"})).status == 200


async def test_a_withdrawn_key_verifies_no_longer_not_even_what_is_remembered(own_house: House) -> None:
    ana = somebody(own_house.people)
    old = ana.bearer
    assert (await own_house.ask("GET", "/v1/echo/x", old)).status == 200
    own_house.people.keys = {"k2": fresh_key()}
    own_house.watch.offset += 1
    assert (await own_house.ask("GET", "/v1/echo/x", {"Authorization": f"Bearer {ana.token(kid='k2')}"})).status == 200
    assert (await own_house.ask("GET", "/v1/echo/x", old)).code == "unauthenticated"


async def test_without_identitys_keys_nobody_is_told_no(own_house: House) -> None:
    ana = somebody(own_house.people)
    own_house.people.away.add("jwks")
    reply = await own_house.ask("GET", "/v1/echo/x", ana.bearer)
    assert (reply.status, reply.code) == (503, "auth_unavailable")
    assert (await own_house.ask("GET", "/v1/open", ana.bearer)).ok()["actor"]["kind"] == "anonymous"


# The console's cookie


async def csrf_of(house: House, ana: Somebody) -> str:
    me = await house.ask("GET", "/v1/me", {"Cookie": f"a=b; __Host-session={ana.cookie}; c=d"})
    return me.ok()["csrf_token"]  # type: ignore[no-any-return]


SAME = {"Sec-Fetch-Site": "same-origin"}
OURS = {"Origin": PUBLIC_URL}


@pytest.mark.parametrize(
    ("from_where", "token", "allowed"),
    [
        (SAME, "good", True),
        (OURS, "good", True),
        ({**SAME, **OURS}, "good", True),
        ({**SAME, "Origin": "http://127.0.0.1:8080"}, "good", True),
        ({}, "good", False),
        ({"Referer": PUBLIC_URL}, "good", False),
        ({"Origin": "null"}, "good", False),
        ({"Origin": "https://evil.example"}, "good", False),
        ({"Origin": f"{PUBLIC_URL}.evil.example"}, "good", False),
        ({"Origin": PUBLIC_URL.replace("http", "https")}, "good", False),
        ({"Sec-Fetch-Site": "same-site"}, "good", False),
        ({"Sec-Fetch-Site": "cross-site"}, "good", False),
        ({"Sec-Fetch-Site": "none"}, "good", False),
        ({"Sec-Fetch-Site": "cross-site", **OURS}, "good", False),
        (SAME, None, False),
        (SAME, "", False),
        (SAME, "forged", False),
        (SAME, "ü", False),
        (SAME, "of another session", False),
        (OURS, None, False),
    ],
)
async def test_writes_with_the_cookie_need_our_origin_and_the_sessions_token(
    house: House, from_where: dict[str, str], token: str | None, allowed: bool
) -> None:
    ana, ben = somebody(house.people), somebody(house.people)
    tokens = {"good": await csrf_of(house, ana), "of another session": await csrf_of(house, ben)}
    headers = {"Cookie": f"__Host-session={ana.cookie}", **from_where}
    if token is not None:
        headers["X-CSRF-Token"] = tokens.get(token, token)
    reply = await house.ask("POST", "/v1/echo/x", headers, {"q": "1"})
    on_anyones = await house.ask("POST", "/v1/open", headers, {"q": "1"})
    if allowed:
        assert seen(house, reply).user_id == ana.user_id
        assert seen(house, on_anyones).user_id == ana.user_id
    else:
        assert (reply.status, reply.code) == (403, "csrf")
        assert seen(house, on_anyones).kind == "anonymous"


async def test_reads_with_the_cookie_need_nothing_else(house: House) -> None:
    ana = somebody(house.people)
    headers = {"Cookie": f"__Host-session={ana.cookie}", "Sec-Fetch-Site": "cross-site"}
    assert seen(house, await house.ask("GET", "/v1/echo/x", headers)).user_id == ana.user_id


async def test_writes_with_a_token_need_no_csrf_token(house: House) -> None:
    ana = somebody(house.people)
    headers = {**ana.bearer, "Origin": "https://evil.example", "Cookie": f"__Host-session={ana.cookie}"}
    assert seen(house, await house.ask("POST", "/v1/echo/x", headers, {})).user_id == ana.user_id


@pytest.mark.parametrize(
    "cookie", ["__Host-session=", "__Host-session=short", "__Host-session=" + "x" * 600, "__Host-session=ü" + "x" * 30]
)
async def test_unreadable_cookies_are_refused_without_asking(house: House, cookie: str) -> None:
    before = house.people.asked.count("cookie")
    await refused(house, {"Cookie": cookie})
    assert house.people.asked.count("cookie") == before


async def test_unknown_and_doubled_cookies_are_refused(house: House) -> None:
    ana = somebody(house.people)
    await refused(house, {"Cookie": "__Host-session=" + "x" * 43}, code="session_ended")
    await refused(house, {"Cookie": f"__Host-session={ana.cookie}; __Host-session={'x' * 43}"})


async def test_cookies_of_other_names_are_no_credential(house: House) -> None:
    ana = somebody(house.people)
    for name in ("session", "__host-session", "__Secure-session", " __Host-session2"):
        reply = await house.ask("GET", "/v1/echo/x", {"Cookie": f"{name}={ana.cookie}"})
        assert reply.headers["www-authenticate"] == "Bearer"


async def test_the_cookie_is_looked_up_once_and_remembered(house: House) -> None:
    ana = somebody(house.people)
    before = house.people.asked.count("cookie")
    for _ in range(5):
        await house.ask("GET", "/v1/echo/x", {"Cookie": f"__Host-session={ana.cookie}"})
    assert house.people.asked.count("cookie") == before + 1
