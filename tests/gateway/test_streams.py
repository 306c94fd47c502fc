"""What happened in an organization, page by page and as it happens; and streams that end when they must."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from services.gateway.streams import MOST_PER_PERSON
from services.gateway.usecases.events import COMMENT_SECONDS
from tests.gateway.standins import House, Somebody, somebody


async def written(house: House, ana: Somebody, *texts: str) -> None:
    for text in texts:
        (await house.ask("POST", "/v1/notes", ana.bearer, {"text": text})).ok()


def texts(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["text"] for event in events]


@asynccontextmanager
async def followed(house: House, path: str, headers: Mapping[str, str]) -> AsyncIterator[AsyncIterator[dict[str, str]]]:
    """The server-sent events of a stream, as they come."""
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    async with asyncio.timeout(30), house.client.stream("GET", path, pairs, deadline=10) as answer:
        assert answer.status == 200
        assert answer.header(b"content-type") == b"text/event-stream"
        assert answer.header(b"x-content-type-options") == b"nosniff"

        async def events() -> AsyncIterator[dict[str, str]]:
            buffer = b""
            async for piece in answer:
                buffer += piece
                while b"\n\n" in buffer:
                    whole, _, buffer = buffer.partition(b"\n\n")
                    yield dict(line.split(": ", 1) for line in whole.decode().splitlines() if not line.startswith(":"))

        yield events()


async def test_events_are_read_page_by_page_each_once_and_in_order(house: House) -> None:
    ana = somebody(house.people)
    await written(house, ana, *(f"note {number}" for number in range(7)))
    found, after, more = [], "", True
    while more:
        page = (await house.ask("GET", f"/v1/events?limit=3&after={after}", ana.bearer)).ok()
        found += page["data"]
        after, more = page["next"], page["more"]
    assert texts(found) == [f"note {number}" for number in range(7)]
    assert {event["type"] for event in found} == {"org.note.written.v1"}
    assert {event["subject"] for event in found} == {ana.org_id}
    nothing = (await house.ask("GET", f"/v1/events?after={after}", ana.bearer)).ok()
    assert nothing == {"data": [], "next": after, "more": False}
    await written(house, ana, "later")
    assert texts((await house.ask("GET", f"/v1/events?after={after}", ana.bearer)).ok()["data"]) == ["later"]


async def test_events_are_read_from_the_newest_back_each_once(house: House) -> None:
    ana = somebody(house.people)
    await written(house, ana, *(f"note {number}" for number in range(7)))
    found, after, more = [], "", True
    while more:
        page = (await house.ask("GET", f"/v1/events?order=newest&limit=3&after={after}", ana.bearer)).ok()
        found += page["data"]
        after, more = page["next"], page["more"]
        await written(house, ana, "meanwhile")
    assert texts(found) == [f"note {number}" for number in range(6, -1, -1)]
    over = (await house.ask("GET", f"/v1/events?order=newest&after={after}", ana.bearer)).ok()
    assert over == {"data": [], "next": after, "more": False}
    nowhere = (await house.ask("GET", "/v1/events?order=newest&after=nobody-5", ana.bearer)).ok()
    assert (nowhere["data"], nowhere["more"]) == ([], False)
    assert (await house.ask("GET", "/v1/events?order=sideways", ana.bearer)).code == "invalid"


async def test_only_the_types_that_were_asked_for_are_told(house: House) -> None:
    ana = somebody(house.people)
    await written(house, ana, "one")
    for types, told in (
        ("org.note", 1),
        ("org.note.written.v1", 1),
        ("billing,org", 1),
        ("org.not", 0),
        ("billing", 0),
    ):
        page = (await house.ask("GET", f"/v1/events?types={types}", ana.bearer)).ok()
        assert (len(page["data"]), page["next"]) == (told, "org-1"), types


async def test_nobody_reads_events_of_another_organization_and_only_admins_their_own(house: House) -> None:
    ana, eve, nobody = somebody(house.people), somebody(house.people), somebody(house.people, org_id=None)
    ben = somebody(house.people, org_id=ana.org_id, role="analyst")
    await written(house, ana, "mine")
    for after in ("", "org-0"):
        assert (await house.ask("GET", f"/v1/events?after={after}", eve.bearer)).ok()["data"] == []
    for path in ("/v1/events", "/v1/event-stream"):
        assert (await house.ask("GET", path)).status == 401
        for refused in (ben, nobody):
            reply = await house.ask("GET", path, refused.bearer)
            assert (reply.status, reply.code) == (403, "forbidden")
    assert reply.json["meta"]["roles"] == ["admin"]


@pytest.mark.parametrize("after", ["x", "org", "org-", "org--1", "org-1.", "org-99999999999999999", "ORG-1"])
async def test_a_place_that_nobody_was_given_is_refused(house: House, after: str) -> None:
    ana = somebody(house.people)
    assert (await house.ask("GET", f"/v1/events?after={after}", ana.bearer)).code == "invalid"
    assert (await house.ask("GET", "/v1/event-stream", {**ana.bearer, "Last-Event-ID": after})).code == "invalid"


async def test_a_stream_tells_what_happens_from_now_on_and_goes_on_where_it_broke_off(house: House) -> None:
    ana = somebody(house.people)
    await written(house, ana, "before")
    async with followed(house, "/v1/event-stream", ana.bearer) as events:
        place = (await anext(events))["id"]
        await written(house, ana, "one", "two")
        one, two = await anext(events), await anext(events)
    assert (place, one["id"], two["id"]) == ("org-1", "org-2", "org-3")
    assert one["event"] == "org.note.written.v1"
    assert texts([orjson.loads(one["data"]), orjson.loads(two["data"])]) == ["one", "two"]
    await written(house, ana, "missed")
    async with followed(house, "/v1/event-stream", {**ana.bearer, "Last-Event-ID": two["id"]}) as events:
        await anext(events)
        assert texts([orjson.loads((await anext(events))["data"])]) == ["missed"]


async def test_a_stream_ends_when_its_reader_may_no_longer_see_it(own_house: House) -> None:
    ana = somebody(own_house.people)
    async with followed(own_house, "/v1/event-stream", ana.bearer) as events:
        await anext(events)
        ana.session["live"] = False
        own_house.ears.mute("identity", "org")
        own_house.watch.offset += 60
        (end,) = [event async for event in events]
    assert (end["event"], orjson.loads(end["data"])["code"]) == ("end", "session_ended")


async def test_a_stream_ends_when_the_gateway_stops(own_house: House) -> None:
    ana = somebody(own_house.people)
    async with followed(own_house, "/v1/event-stream", ana.bearer) as events:
        await anext(events)
        stopping = asyncio.create_task(own_house.running.listening.drain(60))
        assert [event async for event in events] == []
        async with asyncio.timeout(60):
            await stopping


async def test_one_person_has_only_so_many_streams_and_gets_them_back(house: House) -> None:
    """At once: who opens page after page isn't refused for those that they have left."""
    ana = somebody(house.people)
    async with asyncio.timeout(30):
        async with asyncio.TaskGroup() as group:
            opened = asyncio.Semaphore(0)
            enough = asyncio.Event()

            async def follow() -> None:
                async with followed(house, "/v1/event-stream", ana.bearer) as events:
                    await anext(events)
                    opened.release()
                    await enough.wait()

            for _ in range(MOST_PER_PERSON):
                group.create_task(follow())
            for _ in range(MOST_PER_PERSON):
                await opened.acquire()
            refused = await house.ask("GET", "/v1/event-stream", ana.bearer)
            assert (refused.status, refused.code) == (429, "rate_limited")
            enough.set()
        async with asyncio.timeout(COMMENT_SECONDS / 2):
            while True:
                async with followed_if_free(house, ana) as free:
                    if free:
                        return
                await asyncio.sleep(0.05)


@asynccontextmanager
async def followed_if_free(house: House, ana: Somebody) -> AsyncIterator[bool]:
    pairs = [(name.encode(), value.encode()) for name, value in ana.bearer.items()]
    async with house.client.stream("GET", "/v1/event-stream", pairs, deadline=10) as answer:
        yield answer.status == 200


async def test_long_work_is_followed_as_it_goes_on(house: House) -> None:
    ana = somebody(house.people)
    begun = (await house.ask("POST", "/v1/notes/batches", ana.bearer, {"texts": ["one", "two", "three", "four"]})).ok()
    headers = {**ana.bearer, "Accept": "text/event-stream"}
    async with followed(house, f"/v1/operations/{begun['id']}", headers) as events:
        told = [orjson.loads(event["data"]) async for event in events]
    assert [one["done"] for one in told] == sorted(one["done"] for one in told)
    assert (told[-1]["state"], told[-1]["done"]) == ("done", 4)
    eve = somebody(house.people)
    assert (
        await house.ask("GET", f"/v1/operations/{begun['id']}", {**eve.bearer, "Accept": "text/event-stream"})
    ).status == 404
