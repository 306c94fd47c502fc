"""What the gateway answers itself: who am I, what may I do, how far a change has come, and the published documents."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import orjson
import pytest
from openapi_spec_validator import validate

from services.gateway.usecases.documents import EMBED_SAMPLES
from shared.errors import KINDS
from shared.ids import new_event_id, new_id, new_operation_id
from shared.published import published_documents
from tests.gateway.standins import House, somebody


async def test_me_tells_person_session_organizations_and_no_csrf_token_to_tokens(house: House) -> None:
    ana = somebody(house.people, "analyst")
    ana.membership["effective_role"] = "viewer"
    ana.membership["organizations"].append(
        {"org_id": new_id("org"), "name": "Other", "role": "viewer", "status": "inactive"}
    )
    me = (await house.ask("GET", "/v1/me", ana.bearer)).ok()
    assert me == {
        "user": {"id": ana.user_id, "email": "ana@example.com", "name": "Ana"},
        "session": {"id": ana.session_id, "amr": ["pwd"], "proven_at": me["session"]["proven_at"]},
        "organization": {
            "id": ana.org_id,
            "name": "Acme",
            "role": "analyst",
            "effective_role": "viewer",
            "closed": False,
        },
        "organizations": [
            {"id": ana.org_id, "name": "Acme", "role": "analyst", "status": "active", "closed": False},
            {
                "id": me["organizations"][1]["id"],
                "name": "Other",
                "role": "viewer",
                "status": "inactive",
                "closed": False,
            },
        ],
        "csrf_token": None,
    }


async def test_me_without_organization_says_so_and_strangers_are_refused(house: House) -> None:
    ana = somebody(house.people, org_id=None)
    me = (await house.ask("GET", "/v1/me", ana.bearer)).ok()
    assert (me["organization"], me["organizations"]) == (None, [])
    assert (await house.ask("GET", "/v1/me")).status == 401
    assert (await house.ask("GET", "/v1/me?x=1", ana.bearer)).code == "invalid"


async def test_capabilities_of_all_services_are_merged(house: House) -> None:
    ana, ben = somebody(house.people), somebody(house.people, "viewer")
    all_of_ana = await capabilities(house, ana.bearer)
    assert all_of_ana == {
        "changes.read": None,
        "events.read": None,
        "identity.rule": None,
        "me.read": None,
        "operations.read": None,
        "org.rule": None,
        "sharing.rule": None,
    }
    of_ben = await capabilities(house, ben.bearer)
    assert of_ben["org.rule"] == of_ben["sharing.rule"] == {
        "kind": "role", "code": None, "roles": None, "plan": None, "limit": None, "used": None, "detail": "Admins only",
    }  # fmt: skip
    assert of_ben["me.read"] is None
    assert of_ben["events.read"]["detail"] == "Only for the role admin."


async def capabilities(house: House, headers: dict[str, str]) -> dict[str, Any]:
    answer = (await house.ask("GET", "/v1/me/capabilities", headers)).ok()["capabilities"]
    assert [one["action"] for one in answer] == sorted(one["action"] for one in answer)
    assert all((one["because"] is None) == one["allowed"] for one in answer)
    return {one["action"]: one["because"] for one in answer}


async def test_capabilities_are_asked_at_the_same_time_and_a_service_that_is_away_is_named(own_house: House) -> None:
    ana = somebody(own_house.people)
    kinds = [f"capabilities of {name}" for name in ("identity", "org", "sharing")]
    held = [own_house.people.hold_back(kind) for kind in kinds]
    asking = asyncio.create_task(own_house.ask("GET", "/v1/me/capabilities", ana.bearer))
    async with asyncio.timeout(60):
        await asyncio.gather(*(one.wait() for one in held))
    for kind in kinds:
        own_house.people.let_go(kind)
    (await asking).ok()
    own_house.people.away.add("capabilities of sharing")
    ben = somebody(own_house.people)
    reply = await own_house.ask("GET", "/v1/me/capabilities", ben.bearer)
    assert (reply.status, reply.code, reply.json["meta"]) == (
        503,
        "unavailable",
        {"because": "no_capabilities", "service": "sharing"},
    )


# Changes


async def test_a_change_tells_who_said_it_and_who_has_applied_it(house: House) -> None:
    ana = somebody(house.people)
    written = await house.ask("POST", "/v1/notes", ana.bearer, {"text": "hello"})
    await house.world.settle()
    change = (await house.ask("GET", f"/v1/changes/{written.change}", ana.bearer)).ok()
    assert (change["id"], change["type"]) == (written.change, "org.note.written.v1")
    assert change["said_at"] <= change["published_at"]
    (subscriber,) = change["subscribers"]
    assert (subscriber["service"], subscriber["state"]) == ("sharing", "applied")
    assert subscriber["applied_at"] is not None


async def test_a_change_that_has_not_arrived_everywhere_is_waiting_there_and_a_service_away_is_unknown(
    own_house: House,
) -> None:
    ana = somebody(own_house.people)
    sharing = own_house.world.started["sharing"]
    await sharing.inbox.stop()
    written = await own_house.ask("POST", "/v1/notes", ana.bearer, {"text": "hello"})
    path = f"/v1/changes/{written.change}"
    waiting = (await own_house.ask("GET", path, ana.bearer)).ok()
    assert waiting["subscribers"] == [{"service": "sharing", "state": "waiting", "applied_at": None}]
    await sharing.listening.close()  # type: ignore[union-attr]
    unknown = (await own_house.ask("GET", path, ana.bearer)).ok()
    assert unknown["subscribers"] == [{"service": "sharing", "state": "unknown", "applied_at": None}]
    await own_house.world.started["org"].listening.close()  # type: ignore[union-attr]
    assert (await own_house.ask("GET", path, ana.bearer)).code == "unavailable"


async def test_a_change_of_another_organization_answers_like_one_that_does_not_exist(house: House) -> None:
    ana, eve, nobody = somebody(house.people), somebody(house.people), somebody(house.people, org_id=None)
    written = await house.ask("POST", "/v1/notes", ana.bearer, {"text": "secret"})
    for stranger in (eve, nobody):
        foreign = await house.ask("GET", f"/v1/changes/{written.change}", stranger.bearer)
        missing = await house.ask("GET", f"/v1/changes/{new_event_id('org')}", stranger.bearer)
        assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
        assert {**foreign.json, "instance": ""} == {**missing.json, "instance": ""}
    assert (await house.ask("GET", f"/v1/changes/{written.change}")).status == 401
    assert (await house.ask("GET", "/v1/changes/evt_x", ana.bearer)).code == "invalid"


# Documents


async def test_the_published_documents_are_served_as_they_are(house: House) -> None:
    document = (await house.ask("GET", "/openapi.json")).ok()
    validate(document)
    assert {"/v1/me", "/v1/echo/{thing_id}", "/docs"} <= document["paths"].keys()
    assert document["paths"]["/docs"]["get"]["responses"]["200"]["content"].keys() == {"text/html"}
    assert (await house.ask("GET", "/asyncapi.json")).ok()["channels"].keys() == {"org.note.written.v1"}
    for name in ("org.note.written.v1", "org.note.written.v1.json"):
        assert (await house.ask("GET", f"/schemas/events/{name}")).ok()["title"] == "org.note.written.v1"
    assert (await house.ask("GET", "/schemas/events/org.note.unknown.v1.json")).code == "not_found"


async def test_documents_are_not_sent_twice(house: House) -> None:
    first = await house.ask("GET", "/openapi.json")
    again = await house.ask("GET", "/openapi.json", {"If-None-Match": first.headers["etag"]})
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])


class Page(HTMLParser):
    """Tags that must be balanced, ids, and what a page would load."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        self.tags.append(tag)
        self.ids += [facts["id"]] if facts.get("id") else []  # type: ignore[list-item]
        self.links += [facts["href"]] if facts.get("href") else []  # type: ignore[list-item]
        assert not {"src", "style"} & facts.keys()
        assert not [name for name in facts if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/events", "/problems/not_found"])
async def test_pages_are_self_contained_and_locked_down(house: House, path: str) -> None:
    reply = await house.ask("GET", path, {"Accept": "text/html,*/*;q=0.8"})
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]{44}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        policy,
    )
    assert (reply.headers["x-content-type-options"], reply.headers["referrer-policy"]) == ("nosniff", "no-referrer")
    (style,) = re.findall(r"<style>(.*?)</style>", reply.body.decode(), re.DOTALL)
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    page = Page(reply.body.decode())
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(page.tags)
    assert len(page.ids) == len(set(page.ids))
    within = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert within <= set(page.ids)


async def test_the_pages_name_every_operation_and_every_event(house: House) -> None:
    document = (await house.ask("GET", "/openapi.json")).ok()
    text = Page((await house.ask("GET", "/docs")).body.decode()).text
    for path, methods in document["paths"].items():
        assert path in text
        for operation in methods.values():
            assert operation["summary"].replace("`", "") in text
    assert all(code in text for code in KINDS)
    events = Page((await house.ask("GET", "/docs/events")).body.decode()).text
    assert "org.note.written.v1" in events
    assert "heard by sharing" in events
    assert "said by org" in events
    assert "v1, the only version" in events
    assert '"type": "org.note.written.v1"' in events, "an example"


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        ("text/html", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("application/json", False),
        ("application/json, text/html", False),
        ("text/html;q=0.1, application/json", False),
        ("application/json;q=0.1, text/html;q=0.9", True),
        ("text/html;q=0", False),
        ("*/*", False),
        ("", False),
        ("text/html;q=7", True),
    ],
)
async def test_a_problems_page_is_html_for_people_and_json_for_programs(house: House, accept: str, html: bool) -> None:
    reply = await house.ask("GET", "/problems/last_admin", {"Accept": accept} if accept else {})
    assert reply.headers["content-type"].startswith("text/html" if html else "application/json")
    if not html:
        kind = KINDS["last_admin"]
        assert reply.ok() == {"code": "last_admin", "status": 409, "title": kind.title, "help": kind.help}


async def test_every_problem_points_to_its_page(house: House) -> None:
    refusal = await house.ask("GET", "/v1/me")
    assert (await house.ask("GET", refusal.json["type"])).ok()["code"] == refusal.code
    assert (await house.ask("GET", "/problems/no_such_code")).code == "not_found"


async def test_security_txt_names_a_contact_and_does_not_run_out(house: House) -> None:
    reply = await house.ask("GET", "/.well-known/security.txt")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in reply.body.decode().splitlines())
    assert fields["Contact"] == "mailto:security@tenantry.test"
    assert fields["Expires"] > house.world.clock.now().isoformat()


async def test_every_answer_refuses_to_be_framed_or_sniffed(house: House) -> None:
    ana = somebody(house.people)
    for method, path in (
        ("GET", "/v1/me"),
        ("GET", "/v1/open"),
        ("GET", "/nowhere"),
        ("POST", "/docs"),
        ("GET", "/openapi.json"),
    ):
        reply = await house.ask(method, path, ana.bearer)
        assert reply.headers["content-security-policy"].endswith("frame-ancestors 'none'")
        assert reply.headers["x-content-type-options"] == "nosniff"
        if reply.status >= 400:
            assert reply.headers["content-type"] == "application/problem+json"
            assert orjson.loads(reply.body)["instance"] == reply.headers["request-id"]


# Long work


async def finished(house: House, operation_id: str, headers: dict[str, str]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (now := (await house.ask("GET", f"/v1/operations/{operation_id}", headers)).ok())["finished_at"] is None:
            await asyncio.sleep(0.01)
    return now


async def test_long_work_is_followed_to_its_end_and_its_file_downloaded(house: House) -> None:
    ana = somebody(house.people)
    begun = await house.ask("POST", "/v1/notes/batches", ana.bearer, {"texts": ["one", "two", "three", "four"]})
    assert begun.status == 202
    assert begun.headers["location"] == f"/v1/operations/{begun.json['id']}"
    over = await finished(house, begun.json["id"], ana.bearer)
    assert (over["state"], over["done"], over["total"]) == ("done", 4, 4)
    file = await house.ask("GET", over["result_url"], ana.bearer)
    assert (file.status, file.body) == (200, b"one\ntwo\nthree\nfour\n")
    assert file.headers["content-type"] == "text/plain"
    assert file.headers["content-disposition"] == 'attachment; filename="notes.txt"'


async def test_long_work_is_seen_by_who_began_it_and_by_admins_of_their_organization_alone(house: House) -> None:
    ben = somebody(house.people, role="analyst")
    ana, cat = (somebody(house.people, org_id=ben.org_id, role=role) for role in ("admin", "analyst"))
    eve, nobody = somebody(house.people), somebody(house.people, org_id=None)
    begun = (await house.ask("POST", "/v1/notes/batches", ben.bearer, {"texts": ["one"]})).ok()
    over = await finished(house, begun["id"], ben.bearer)
    for path in (f"/v1/operations/{begun['id']}", over["result_url"]):
        for seeing in (ana, ben):
            assert (await house.ask("GET", path, seeing.bearer)).status == 200
        missing = await house.ask("GET", path.replace(begun["id"], new_operation_id("org")), eve.bearer)
        for stranger in (cat, eve, nobody):
            foreign = await house.ask("GET", path, stranger.bearer)
            assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
        assert (await house.ask("GET", path)).status == 401


async def test_the_programs_of_the_embedding_guide_are_answered_one_per_language(house: House) -> None:
    listed = (await house.ask("GET", "/v1/embed-samples")).ok()["data"]
    assert [one["language"] for one in listed] == ["Python", "JavaScript", "Java", "Ruby", "PHP", "Go", "C#"]
    assert listed[0] == {"language": "Python", "file": "embed_token.py", "code": "a program in Python"}
    assert published_documents().embed_samples.keys() == EMBED_SAMPLES.keys()
