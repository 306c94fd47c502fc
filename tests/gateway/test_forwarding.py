"""What travels through the gateway, what doesn't, and where to."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from services.gateway import forwarding
from services.gateway.app import service as gateway_service
from shared.errors import Problem
from shared.routing import RouteTable
from shared.web.client import Answer, Client, DeadlineExceeded
from tests.gateway.standins import RAW, House, a_house, play, seen, somebody
from tests.world import Databases

CLAIMS = {
    "X-User-Id": "usr_evil",
    "X-Org-Id": "org_evil",
    "X-Forwarded-User": "root",
    "Tenantry-Source-Ip": "6.6.6.6",
    "Tenantry-Actor": "admin",
    "X-Forwarded-For": "6.6.6.6",
    "X-Real-IP": "6.6.6.6",
    "Forwarded": "for=6.6.6.6",
    "Cookie": "other=1",
    "Request-Id": "chosen-by-client",
    "Connection": "keep-alive, X-Secret",
    "X-HTTP-Method-Override": "DELETE",
    "Transfer-Encoding-X": "chunked",
}
TRAVELS = {
    b"accept",
    b"authorization",
    b"content-length",
    b"content-type",
    b"host",
    b"idempotency-key",
    b"if-match",
    b"if-none-match",
    b"request-id",
    b"tenantry-after",
    b"tenantry-source-ip",
    b"traceparent",
    b"user-agent",
}


async def test_only_named_headers_travel_and_no_claim_of_a_client_does(house: House) -> None:
    named = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Idempotency-Key": "k",
        "If-Match": '"1"',
        "If-None-Match": '"2"',
        "Tenantry-After": "nonsense",
        "User-Agent": "tests",
    }
    trace = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    reply = await house.ask("POST", "/v1/raw", {**CLAIMS, **named, **trace}, {"a": 1})
    assert reply.status == 201
    method, path, headers, body = house.arrived[-1]
    assert (method, path, body) == ("POST", "/v1/raw", b'{"a":1}')
    got = {name.lower(): value.decode() for name, value in headers}
    assert len(got) == len(headers)
    assert set(got) == TRAVELS
    assert {name: got[name.lower().encode()] for name in named} == named
    assert got[b"traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "nobody records it"
    assert got[b"tenantry-source-ip"] == "127.0.0.1"
    assert got[b"request-id"] == reply.headers["request-id"] != "chosen-by-client"
    assert (
        house.settings.secrets.keyring("billing").verify(got[b"authorization"].removeprefix("Bearer ")).kind
        == "anonymous"
    )


@pytest.mark.parametrize("said", ["", "00-1-1-01", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"])
async def test_what_is_no_traceparent_does_not_travel(house: House, said: str) -> None:
    assert (await house.ask("GET", "/v1/raw/x", {"traceparent": said})).status == 200
    _, _, headers, _ = house.arrived[-1]
    assert "traceparent" not in {name.lower().decode() for name, _ in headers}


async def test_only_named_headers_come_back_and_only_identity_sets_cookies(house: House) -> None:
    reply = await house.ask("GET", "/v1/raw/x")
    assert reply.headers["etag"] == '"7"'
    assert reply.headers["tenantry-change"] == "evt_x"
    assert reply.headers["location"] == "/v1/raw/x"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert not {"x-powered-by", "x-user-id", "set-cookie", "server"} & reply.headers.keys()
    signed_in = await house.ask("POST", "/v1/auth/sessions", body={"text": "x"})
    assert signed_in.headers["set-cookie"].startswith("__Host-session=")
    echoed = await house.ask("GET", "/v1/open")
    assert "set-cookie" not in echoed.headers
    assert echoed.headers["link"] == '<?cursor=abc>; rel="next"'


async def test_who_calls_comes_from_the_credential_alone(house: House) -> None:
    ana, eve = somebody(house.people), somebody(house.people, "viewer")
    claims = {**CLAIMS, "X-User-Id": ana.user_id, "X-Org-Id": ana.org_id or "", "X-Role": "admin"}
    actor = seen(house, await house.ask("GET", "/v1/echo/x", {**claims, **eve.bearer}))
    assert (actor.user_id, actor.org_id, actor.role, actor.session_id) == (
        eve.user_id,
        eve.org_id,
        "viewer",
        eve.session_id,
    )


async def test_bytes_of_bodies_and_queries_arrive_as_they_were_sent(house: House) -> None:
    body = bytes(range(256)) * 10
    reply = await house.ask("POST", "/v1/raw?a=%20b&a=%2Fc&x", {"Content-Type": "application/octet-stream"}, raw=body)
    assert reply.body == body
    assert house.arrived[-1][1] == "/v1/raw?a=%20b&a=%2Fc&x"


async def test_paths_arrive_in_the_one_spelling_that_was_routed(house: House) -> None:
    await house.ask("GET", "/v1/%72aw/na%6De%C3%A9")
    assert house.arrived[-1][1] == "/v1/raw/name%C3%A9"


@pytest.mark.parametrize(
    "path",
    [
        "/internal/inner",
        "/internal/sessions/ses_x",
        "/internal/capabilities",
        "/internal/changes/evt_00000000000000000000000000",
        "/Internal/inner",
        "/v1/../internal/inner",
        "/v1/%2e%2e/internal/inner",
        "/v1/./echo/x",
        "//internal/inner",
        "/v1//echo/x",
        "/v1/echo%2fx",
        "/v1/raw/..%2f..%2finternal%2finner",
        "/v1/raw/%2e%2e",
        "/v1/raw/a%00",
        "/v1/raw/a%5cb",
        "/v1/raw/a;b=/internal/inner",
        "/v1/raw/%252e%252e",
        "/v1/raw/%c0%ae%c0%ae",
        "/V1/ECHO/x",
        "/v1/open/",
        "/v1",
    ],
)
async def test_path_tricks_reach_nobody(house: House, path: str) -> None:
    ana = somebody(house.people)
    before = len(house.arrived)
    reply = await house.ask("GET", path, ana.bearer)
    assert (reply.status, reply.code) in {(404, "not_found"), (400, "malformed_request")}
    assert len(house.arrived) == before


@pytest.mark.parametrize(
    "target", [b"http://evil.example/internal/inner", b"*", b"internal/inner", b"/v1/raw/x?\xff", b"/v1/raw/x?a#b"]
)
async def test_odd_request_targets_reach_nobody(house: House, target: bytes) -> None:
    before = len(house.arrived)
    answer = await house.raw(b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
    assert re.match(rb"HTTP/1\.[01] (400|404) ", answer), answer
    assert len(house.arrived) == before


async def test_every_operation_of_the_document_goes_to_its_service_and_nothing_else_does(house: House) -> None:
    documented = (await house.ask("GET", "/openapi.json")).ok()["paths"]
    services = [gateway_service, *play(house.people), RAW]
    public = {(r.method, r.path): s.name for s in services for r in s.routes if not r.path.startswith("/internal/")}
    said = {
        (m.upper(), path): o["x-tenantry"]["service"]
        for path, methods in documented.items()
        for m, o in methods.items()
    }
    assert said == public
    table: RouteTable[object] = house_table(house)
    for method, path in public:
        (operation, own), _ = table.find(method, re.sub(r"{\w+}", "some-id", path))  # type: ignore[misc]
        assert operation.service == public[method, path]
        assert (own is not None) == (operation.service == "gateway")
    for service in services:
        for route in service.routes:
            if route.path.startswith("/internal/"):
                with pytest.raises(Problem, match="not_found"):
                    table.find(route.method, re.sub(r"{\w+}", "some-id", route.path))


def house_table(house: House) -> RouteTable[object]:
    gate = house.running.listening._gate
    return gate._handler.__self__._table  # type: ignore[attr-defined,no-any-return]


async def test_other_methods_are_named_and_head_is_get_without_body(house: House) -> None:
    refused = await house.ask("DELETE", "/v1/open")
    assert (refused.status, refused.code, refused.headers["allow"]) == (405, "method_not_allowed", "GET, POST")
    assert (await house.ask("OPTIONS", "/v1/open")).status == 405
    assert (await house.ask("HEAD", "/v1/raw/x")).body == b""
    assert house.arrived[-1][0] == "HEAD"


async def test_no_other_origin_is_let_in(house: House) -> None:
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for reply in (await house.ask("OPTIONS", "/v1/open", preflight), await house.ask("GET", "/v1/open", preflight)):
        assert not [name for name in reply.headers if name.startswith("access-control")]


async def test_bodies_are_as_large_as_their_route_allows(house: House) -> None:
    mebibyte = b"x" * 1024 * 1024
    kind = {"Content-Type": "text/csv"}
    assert (await house.ask("POST", "/v1/raw", kind, raw=mebibyte)).status == 201
    assert (await house.ask("POST", "/v1/raw", kind, raw=mebibyte + b"x")).code == "body_too_large"
    assert (await house.ask("POST", "/v1/raw/csv", kind, raw=mebibyte * 10)).status == 201
    too_large = await house.raw(b"POST /v1/raw/csv HTTP/1.1\r\nHost: x\r\nContent-Length: 10485761\r\n\r\n")
    assert b" 413 " in too_large.split(b"\r\n")[0]
    assert (await house.ask("GET", "/v1/raw/" + "x" * 9000)).code == "url_too_long"


async def test_a_body_without_length_is_cut_off_at_the_limit(house: House) -> None:
    before = len(house.arrived)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    answer = await house.raw(
        b"POST /v1/raw HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 17 + b"0\r\n\r\n"
    )
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert len(house.arrived) == before


async def test_strangers_who_are_too_many_are_held_a_moment_and_nobody_else_is(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[float] = []

    async def hold(seconds: float) -> None:
        held.append(seconds)

    monkeypatch.setattr(forwarding, "sleep", hold)
    crowded = await house.ask("POST", "/v1/auth/sessions", body={"text": "crowd"})
    assert (crowded.status, crowded.code, crowded.headers["retry-after"]) == (503, "overloaded", "2")
    (seconds,) = held
    assert forwarding.HELD_SECONDS[0] <= seconds <= forwarding.HELD_SECONDS[1]
    assert (await house.ask("POST", "/v1/auth/sessions", body={"text": "x"})).status == 200
    assert (await house.ask("GET", "/v1/echo/x", somebody(house.people).bearer)).status == 200
    assert len(held) == 1


async def test_who_asked_a_service_that_took_too_long_is_told_when_to_come_again(
    own_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = Client.send

    async def late(self: Client, method: str, path: str, *asked: Any, deadline: float) -> Answer:
        if path == "/v1/heard" and self is not own_house.client:
            raise DeadlineExceeded("sharing didn't answer")
        return await send(self, method, path, *asked, deadline=deadline)

    monkeypatch.setattr(Client, "send", late)
    reply = await own_house.ask("GET", "/v1/heard", somebody(own_house.people).bearer)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (504, "deadline_exceeded", "2")


async def test_a_service_that_is_away_is_named_as_away(own_house: House) -> None:
    await own_house.world.started["sharing"].listening.close()  # type: ignore[union-attr]
    ana = somebody(own_house.people)
    reply = await own_house.ask("GET", "/v1/heard", ana.bearer)
    assert (reply.status, reply.code) == (503, "unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert (await own_house.ask("GET", "/v1/echo/x", ana.bearer)).status == 200


async def test_requests_under_way_are_finished_when_the_gateway_stops(own_house: House) -> None:
    ana = somebody(own_house.people)
    held = own_house.people.hold_back("session")
    under_way = asyncio.create_task(own_house.ask("GET", "/v1/echo/x", ana.bearer))
    await held.wait()
    draining = asyncio.create_task(own_house.running.listening.drain(10))
    await asyncio.sleep(0)
    own_house.people.let_go("session")
    reply = await under_way
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    await draining


async def test_a_forwarded_address_counts_only_behind_a_trusted_proxy(databases: Databases, tmp_path: Path) -> None:
    async with a_house(databases, tmp_path, trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")) as house:
        for forwarded, believed in [
            ("203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9, 10.1.1.1", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9:4711", "203.0.113.9"),
            ("[2001:db8::1]:4711, 10.1.1.1:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("203.0.113.9,,", "203.0.113.9"),
            ("10.1.1.1", "10.1.1.1"),
            ("", "127.0.0.1"),
        ]:
            reply = await house.ask("GET", "/v1/open", {"X-Forwarded-For": forwarded})
            assert reply.ok()["ip"] == believed, forwarded


async def test_whom_a_trusted_proxy_names_unreadably_is_unknown_and_never_the_proxy(
    databases: Databases, tmp_path: Path
) -> None:
    async with a_house(databases, tmp_path, trusted_proxies=("127.0.0.0/8", "10.0.0.0/8")) as house:
        for forwarded in (
            "6.6.6.6, nonsense",
            "unknown",
            "203.0.113.9, _hidden, 10.1.1.1",
            "203.0.113.9, [10.1.1.1",
            "203.0.113.9, 10.1.1.1:80:80",
        ):
            reply = await house.ask("GET", "/v1/open", {"X-Forwarded-For": forwarded})
            assert not reply.ok()["ip"], forwarded


async def test_nobody_else_than_the_trusted_proxies_may_name_an_address(databases: Databases, tmp_path: Path) -> None:
    async with a_house(databases, tmp_path, trusted_proxies=("10.0.0.0/8",)) as house:
        for forwarded in ("203.0.113.9", "10.1.1.1", "203.0.113.9, 10.1.1.1"):
            reply = await house.ask("GET", "/v1/open", {"X-Forwarded-For": forwarded})
            assert reply.ok()["ip"] == "127.0.0.1", forwarded
