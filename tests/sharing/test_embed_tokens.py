"""Embed tokens of every hostile make, each refused alike from outside, and each named precisely to the organization."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.sharing.rules import embed_tokens as rules
from services.sharing.rules.access import Plan
from services.sharing.rules.embed_secrets import Secret
from services.sharing.rules.embed_tokens import Refused
from services.sharing.rules.links import Terms
from tests.sharing.company import Company
from tests.sharing.embedding import Embedder, shut
from tests.world import World

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)
TEXT = "golden-secret-golden-secret-golden-secret-golden-secret-golden-s"
RING = [(Secret("sec_golden", NOON - timedelta(days=30)), TEXT)]
BUSINESS = Plan("business", "Business", 20, True, True, True, True)

# Printed by programs in other languages, and kept: each must be accepted at noon of 1 March 2026, for ever.
GOLDEN = {
    "Python, PyJWT": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaGFyaW5nX3Rva2VuIjoidG1zX2dvbGRlbiIsImV4cCI6MTc3MjM2NzAwMCwiZml4ZWRfcGFyYW1ldGVycyI6eyJyZWdpb24iOlsiRVUiXX19.gpwz4DmawAiuYacqDy8SLRrqyU3cyT2Ia4wRsZAQ4W8",
    "JavaScript, Node's crypto": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaGFyaW5nX3Rva2VuIjoidG1zX2dvbGRlbiIsImZpeGVkX3BhcmFtZXRlcnMiOnsicmVnaW9uIjpbIkVVIl19LCJpYXQiOjE3NzIzNjY0MDAsImV4cCI6MTc3MjM2NzAwMH0.Nry834CYXnwkE-awD6Mk6dptX_bllTm1YVfskVqUF6s",
    "Java, javax.crypto, without typ": "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3NzIzNjcwMDAsIm5iZiI6MTc3MjM2NjQwMCwic2hhcmluZ190b2tlbiI6InRtc19nb2xkZW4iLCJmaXhlZF9wYXJhbWV0ZXJzIjp7InJlZ2lvbiI6WyJFVSJdfX0.s4DEJXINGv01YZeIHwnqRkHYNkyEqDuQOpwNJ9kdSfg",
}


def b64(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(head: str, payload: str, key: str | bytes = TEXT, digest: Any = hashlib.sha256) -> str:
    secret = key.encode() if isinstance(key, str) else key
    return f"{head}.{payload}.{b64(hmac.digest(secret, f'{head}.{payload}'.encode(), digest))}"


def golden(**claims: Any) -> str:
    given = {"sharing_token": "tms_golden", "exp": NOON.timestamp() + 600} | claims
    return signed(b64({"alg": "HS256"}), b64({name: value for name, value in given.items() if value is not None}))


def judge(token: str, now: datetime = NOON) -> str:
    """`accepted`, or the reason why not."""
    try:
        found = rules.verified(token, RING, now)
        rules.check_time(found.claims, now)
        rules.check_link(found.claims, "tms_golden")
        rules.fixed_parameters(
            found.claims, Terms("x", requires_secret=True, allow_parameters=True), {"region"}, BUSINESS
        )
    except Refused as why:
        return why.reason
    return "accepted"


@pytest.mark.parametrize("maker", sorted(GOLDEN))
def test_tokens_of_other_libraries_are_accepted(maker: str) -> None:
    assert judge(GOLDEN[maker]) == "accepted"


@pytest.mark.parametrize(
    ("claims", "verdict"),
    [
        ({}, "accepted"),
        ({"sub": "viewer-7", "extra": {"a": [1]}}, "accepted"),
        ({"exp": None}, "no_expiry"),
        ({"exp": "1772367000"}, "bad_claim"),
        ({"exp": True}, "bad_claim"),
        ({"exp": 1e300}, "bad_claim"),
        ({"exp": 10**400}, "bad_claim"),
        ({"exp": NOON.timestamp()}, "expired"),
        ({"exp": NOON.timestamp() - 1}, "expired"),
        ({"exp": NOON.timestamp() + 86400}, "accepted"),
        ({"exp": NOON.timestamp() + 86401}, "too_far"),
        ({"exp": -5}, "expired"),
        ({"nbf": NOON.timestamp() + 61}, "not_yet"),
        ({"nbf": NOON.timestamp() + 60}, "accepted"),
        ({"iat": NOON.timestamp() + 3600}, "not_yet"),
        ({"iat": "now"}, "bad_claim"),
        ({"sharing_token": None}, "no_link"),
        ({"sharing_token": ["tms_golden"]}, "no_link"),
        ({"sharing_token": "tms_other"}, "other_link"),
        ({"sharing_token": "tms_golden "}, "other_link"),
        ({"fixed_parameters": {"region": ["EU"], "timerange": "last 7 days", "aggregation": "sum"}}, "accepted"),
        ({"fixed_parameters": {}}, "accepted"),
        ({"fixed_parameters": []}, "bad_parameter"),
        ({"fixed_parameters": {"region": []}}, "bad_parameter"),
        ({"fixed_parameters": {"region": "EU"}}, "bad_parameter"),
        ({"fixed_parameters": {"region": [""]}}, "bad_parameter"),
        ({"fixed_parameters": {"region": ["EU", None]}}, "bad_parameter"),
        ({"fixed_parameters": {"region": {"EU": 1}}}, "bad_parameter"),
        ({"fixed_parameters": {"timerange": ["x"]}}, "bad_parameter"),
        ({"fixed_parameters": {"timerange": ""}}, "bad_parameter"),
        ({"fixed_parameters": {"salary": ["1"]}}, "undeclared_parameter"),
        ({"fixed_parameters": {"Region": ["EU"]}}, "undeclared_parameter"),
        ({"fixed_parameters": {"region\x00": ["EU"]}}, "undeclared_parameter"),
    ],
)  # fmt: skip
def test_claims(claims: dict[str, Any], verdict: str) -> None:
    assert judge(golden(**claims)) == verdict


def test_a_token_is_good_until_its_last_moment_and_not_at_it() -> None:
    ends = datetime.fromtimestamp(NOON.timestamp() + 600, UTC)
    assert judge(golden(), ends - TICK) == "accepted"
    assert judge(golden(), ends) == "expired"


@pytest.mark.parametrize(("after", "verdict"), [(-TICK, "accepted"), (timedelta(), "secret_expired")])
def test_an_old_secret_signs_until_its_24_hours_are_over_and_not_at_their_end(after: timedelta, verdict: str) -> None:
    ends = NOON + timedelta(hours=24)
    ring = [(Secret("sec_new", NOON), "another secret" * 4), (Secret("sec_golden", NOON, NOON, ends), TEXT)]
    now = ends + after
    token = golden(exp=now.timestamp() + 60)
    try:
        assert rules.verified(token, ring, now).secret_id == "sec_golden"
        found = "accepted"
    except Refused as why:
        found = why.reason
    assert found == verdict


def forged(make: Callable[[str, str], str]) -> str:
    return make(b64({"alg": "HS256"}), b64({"sharing_token": "tms_golden", "exp": NOON.timestamp() + 600}))


def with_header(**header: Any) -> Callable[[str, str], str]:
    return lambda _, payload: signed(b64({"alg": "HS256"} | header), payload)


def rsa_public_key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


HOSTILE: dict[str, tuple[Callable[[str, str], str], str]] = {
    "alg none": (lambda _, payload: f"{b64({'alg': 'none'})}.{payload}.", "algorithm"),
    "alg None with a signature": (lambda _, payload: signed(b64({"alg": "None"}), payload), "algorithm"),
    "alg hs256": (lambda _, payload: signed(b64({"alg": "hs256"}), payload), "algorithm"),
    "alg in a list": (lambda _, payload: signed(b64({"alg": ["HS256"]}), payload), "algorithm"),
    "no alg": (lambda _, payload: signed(b64({"typ": "JWT"}), payload), "algorithm"),
    "HS512 with the right secret": (lambda _, payload: signed(b64({"alg": "HS512"}), payload, digest=hashlib.sha512), "algorithm"),
    "RS256": (lambda _, payload: signed(b64({"alg": "RS256"}), payload), "algorithm"),
    "a public key as the secret": (lambda head, payload: signed(head, payload, rsa_public_key()), "signature"),
    "an empty secret": (lambda head, payload: signed(head, payload, ""), "signature"),
    "the secret's id as the secret": (lambda head, payload: signed(head, payload, "sec_golden"), "signature"),
    "no signature": (lambda head, payload: f"{head}.{payload}.", "signature"),
    "a signature cut short": (lambda head, payload: signed(head, payload)[:-4], "signature"),
    "another payload": (lambda head, payload: f"{head}.{b64({'sharing_token': 'x'})}.{signed(head, payload).rpartition('.')[2]}", "signature"),
    "jwk": (with_header(jwk={"kty": "oct", "k": "AAAA"}), "header"),
    "jku": (with_header(jku="https://evil.example/keys"), "header"),
    "x5u": (with_header(x5u="https://evil.example/cert"), "header"),
    "x5c": (with_header(x5c=["AAAA"]), "header"),
    "crit": (with_header(crit=["exp"]), "header"),
    "b64 false": (with_header(b64=False), "header"),
    "kid of a file": (with_header(kid="../../../../dev/null"), "unknown_key"),
    "kid with a quote": (with_header(kid="x' union select 'key"), "unknown_key"),
    "kid that is no text": (with_header(kid=7), "header"),
    "a header with alg twice": (lambda _, payload: signed(b64(b'{"alg":"HS256","alg":"none"}'), payload), "malformed"),
    "a payload with a claim twice": (lambda head, _: signed(head, b64(b'{"exp":1,"exp":1772367000}')), "malformed"),
    "NaN": (lambda head, _: signed(head, b64(b'{"exp":NaN}')), "malformed"),
    "a list as payload": (lambda head, _: signed(head, b64(b"[]")), "malformed"),
    "deep nesting": (lambda head, _: signed(head, b64(b'{"a":' + b"[" * 3000)), "malformed"),
    "half a surrogate pair": (lambda head, _: signed(head, b64(b'{"sharing_token":"\\ud800"}')), "malformed"),
    "no JSON": (lambda head, _: signed(head, "AAAA"), "malformed"),
    "two parts": (lambda head, payload: f"{head}.{payload}", "malformed"),
    "five parts, as if encrypted": (lambda head, payload: f"{head}.{payload}.a.b.c", "malformed"),
    "nothing": (lambda _head, _payload: "", "malformed"),
    "too long": (lambda head, payload: signed(head, payload) + "A" * 6000, "malformed"),
    "letters beyond ASCII": (lambda head, payload: f"{head}.{payload}.ü", "malformed"),
}  # fmt: skip


@pytest.mark.parametrize("attack", sorted(HOSTILE))
def test_hostile_tokens(attack: str) -> None:
    make, reason = HOSTILE[attack]
    assert judge(forged(make)) == reason


@pytest.fixture
async def embedder(company: Company) -> Embedder:
    return await Embedder.of(company)


async def test_from_outside_all_refusals_are_one(embedder: Embedder) -> None:
    link = await embedder.link(requires_secret=True, allow_parameters=True)
    assert (await embedder.open(link, embedder.token(link))).status == 200
    assert shut(await embedder.open(link)), "without a token"
    for name, (make, _) in HOSTILE.items():
        head, payload = b64({"alg": "HS256"}), b64(embedder.claims(link))
        assert shut(await embedder.open(link, make(head, payload))), name
    fixed: tuple[Any, ...] = ({"region": []}, {"salary": ["1"]}, {"\x00\u202e" * 100: ["1"]})
    for claims in ({"exp": 1}, {"exp": 10**400}, *({"fixed_parameters": one} for one in fixed)):
        assert shut(await embedder.open(link, embedder.token(link, **claims))), claims
    assert {
        "no_token",
        "algorithm",
        "header",
        "signature",
        "malformed",
        "unknown_key",
        "expired",
        "bad_parameter",
    } <= set(await embedder.refusals())


async def test_a_token_opens_its_own_link_alone(embedder: Embedder, world: World) -> None:
    first, second = await embedder.link(requires_secret=True), await embedder.link(requires_secret=True)
    assert shut(await embedder.open(first, embedder.token(second)))
    other = await Embedder.of(await _another(world))
    foreign = await other.link(requires_secret=True)
    assert shut(await embedder.open(first, other.token(first)))
    assert shut(await embedder.open(foreign, embedder.token(foreign)))
    assert (await embedder.open(foreign, other.token(foreign))).status == 200
    assert set(await embedder.refusals()) == {"other_link", "signature"}


async def test_a_token_whose_parameters_would_be_ignored_is_refused(embedder: Embedder) -> None:
    fixed = {"region": ["EU"]}
    for link in (await embedder.link(), await embedder.link(requires_secret=True)):
        assert shut(await embedder.open(link, embedder.token(link, fixed_parameters=fixed)))
        assert (await embedder.open(link, embedder.token(link))).status == 200
    plain = await embedder.link()
    assert shut(await embedder.open(plain, embedder.token(plain, secret="x" * 64))), "a token that comes is looked at"
    assert {"parameters_not_allowed", "signature"} == set(await embedder.refusals())


async def test_after_a_reset_both_secrets_sign_until_the_old_one_is_over(embedder: Embedder) -> None:
    company = embedder.company
    link = await embedder.link(requires_secret=True)
    new = (await company.ask("ana", "POST", "/v1/embed-secrets", {})).ok()["id"]
    secret = await Embedder.reveal(company, new)
    for kid in (None, {"kid": new}):
        assert (await embedder.open(link, embedder.token(link, secret=secret, headers=kid))).status == 200
    assert (await embedder.open(link, embedder.token(link))).status == 200
    assert shut(await embedder.open(link, embedder.token(link, headers={"kid": new}))), "kid names the other secret"
    uses = {one["id"]: one["uses"] for one in (await company.ask("ana", "GET", "/v1/embed-secrets")).ok()["data"]}
    assert uses == {new: 2, embedder.secret_id: 1}
    company.world.clock.advance(timedelta(hours=24))
    assert shut(await embedder.open(link, embedder.token(link)))
    assert (await embedder.open(link, embedder.token(link, secret=secret))).status == 200
    (await company.ask("ana", "POST", f"/v1/embed-secrets/{new}/revocation")).ok()
    assert shut(await embedder.open(link, embedder.token(link, secret=secret)))
    refusals = await embedder.refusals()
    assert refusals["secret_expired"]["secret_id"] == embedder.secret_id
    assert refusals["secret_revoked"]["secret_id"] == new


async def test_the_inspector_says_what_is_wrong_step_by_step(embedder: Embedder, world: World) -> None:
    company = embedder.company
    link = await embedder.link(requires_secret=True, allow_parameters=True)

    async def inspect(token: str, who: Company = company) -> Any:
        reply = await who.ask("ana", "POST", "/v1/embed-token-inspections", {"token": token})
        assert link["token"] not in reply.body.decode()
        return reply.ok()

    good = await inspect(
        embedder.token(link, fixed_parameters={"region": ["EU"]}, viewer="7", headers={"kid": embedder.secret_id})
    )
    assert (good["accepted"], good["reason"], good["link"]["id"]) == (True, None, link["id"])
    assert {step["passed"] for step in good["steps"]} == {True}
    assert (good["secret_id"], good["header"]["kid"], good["other_claims"]) == (
        embedder.secret_id,
        embedder.secret_id,
        ["viewer"],
    )
    far = await inspect(embedder.token(link, exp=int(world.clock.now().timestamp()) + 90_000))
    passed = {step["step"]: step["passed"] for step in far["steps"]}
    assert (far["accepted"], far["reason"]) == (False, "too_far")
    assert passed == {
        "form": True, "header": True, "signature": True, "secret": True, "claims": True, "time": False, "link": None, "parameters": None,
    }  # fmt: skip
    assert (await inspect("not a token"))["reason"] == "malformed"
    assert (await inspect(embedder.token(link, exp=10**400)))["reason"] == "bad_claim"
    assert (await inspect(jwt.encode({"sharing_token": link["token"]}, "x" * 40, algorithm="HS256")))[
        "reason"
    ] == "signature"
    stranger = await inspect(embedder.token(link), await _another(world))
    assert (stranger["reason"], stranger["link"]) == ("signature", None)
    assert (await company.ask("ben", "POST", "/v1/embed-token-inspections", {"token": "x"})).code == "forbidden"
    assert await embedder.refusals() == {}, "looking isn't opening"


async def _another(world: World) -> Company:
    company = await Company(world).found()
    await company.join(ben="analyst")
    return company
