"""API keys as an Admin keeps them, and what identity says of them to the gateway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.usecases.api_key_endings import tell_of_endings
from shared.api_keys import ALPHABET, new_token, read_token, scopes_of
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events import Envelope, Event
from shared.events.billing import EntitlementsChanged
from shared.events.courier import MailRequested
from shared.events.identity import (
    ActionRefused,
    ApiKeyChanged,
    ApiKeyCreated,
    ApiKeyExpired,
    ApiKeyRevoked,
    ApiKeyRotated,
    ApiKeysResumed,
    ApiKeysSuspended,
)
from shared.events.org import MemberRoleChanged, Organization, OrganizationCreated
from shared.ids import new_id
from tests.identity.people import GATEWAY, Someone, joins, mails, member, somebody
from tests.org.house import PLANS, plan
from tests.world import Reply, World, an_admin

KEYS = "/v1/api-keys"


@dataclass
class Office:
    """An organization with one Admin."""

    world: World
    admin: Actor
    version: int = 0

    @property
    def org_id(self) -> str:
        return self.admin.org()

    async def on_plan(self, name: str) -> None:
        self.version += 1
        told = plan(self.version, name, *PLANS[name])
        await self.world.hear("billing", EntitlementsChanged(org_id=self.org_id, entitlements=told))

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        return await self.world.ask("identity", method, path, body, **{"actor": self.admin, **options})

    async def key(self, **changes: Any) -> Any:
        wanted = {"name": "Nightly sync", "access": "manage", "areas": ["users", "groups"], **changes}
        return (await self.ask("POST", KEYS, wanted)).ok()

    async def standing(self, token: str, source: str | None = "198.51.100.4") -> Any:
        asked = {"token": token, "source_ip": source}
        return (await self.world.ask("identity", "POST", "/internal/api-key-standings", asked, actor=GATEWAY)).ok()

    async def said(self, event: type[Event]) -> list[Envelope]:
        return [told for told in await self.world.said("identity", event) if told.subject == self.org_id]

    async def mailed(self) -> list[MailRequested]:
        return [mail for mail in await mails(self.world) if mail.about == self.org_id]

    async def listed(self) -> list[Any]:
        return list((await self.ask("GET", KEYS)).ok()["data"])


@pytest.fixture(scope="module")
def world(one_world: World) -> World:
    return one_world


@pytest.fixture(scope="module")
async def ada(world: World) -> Someone:
    return await somebody(world, language="de")


@pytest.fixture
async def office(world: World, ada: Someone) -> Office:
    org_id = new_id("org")
    state = Organization(name="Northwind", location="eu", contact_email="ana@example.com", product_mails=False)
    await world.hear("org", OrganizationCreated(org_id=org_id, organization=state, created_by=ada.user_id))
    await joins(world, org_id, ada.user_id)
    office = Office(world, replace(an_admin(org_id), user_id=ada.user_id))
    await office.on_plan("pro")
    return office


async def test_a_key_is_shown_once_and_only_its_digest_is_kept(office: Office) -> None:
    made = await office.key(expires_at=None)
    assert made["token"].startswith("tky_")
    assert made["token"].endswith(made["hint"])
    assert (made["scopes"], made["state"], made["created_by"]) == (
        ["groups:view", "groups:manage", "users:view", "users:manage"],
        "active",
        office.admin.user_id,
    )
    read = (await office.ask("GET", f"{KEYS}/{made['id']}")).ok()
    assert read == {name: value for name, value in made.items() if name != "token"}
    assert await office.listed() == [read]
    secret = made["token"][30:-6].encode()
    for table in ("api_keys", "outbox", "idempotent_requests"):
        async with office.world.started["identity"].env.database.read(EVERY_ORG) as look:
            rows = await look.rows(f"select {table}::text as row from {table}")
        assert all(secret not in row["row"].encode() for row in rows)


async def test_who_makes_a_key_is_on_record_and_all_admins_are_told(office: Office) -> None:
    made = await office.key()
    (told,) = await office.said(ApiKeyCreated)
    assert (told.subject, told.org_id, told.actor_id) == (office.org_id, office.org_id, office.admin.user_id)
    assert made["token"] not in orjson.dumps(told.data).decode()
    mail = (await office.mailed())[-1]
    assert (mail.template, mail.language, mail.values["key"]) == ("api_key_created", "de", "Nightly sync")
    assert made["token"] not in mail.model_dump_json()


async def test_identity_says_whose_a_token_is_what_it_may_and_notes_that_it_was_used(office: Office) -> None:
    made = await office.key(access="view", areas=["users", "audit"])
    said = await office.standing(made["token"])
    assert (said["key_id"], said["org_id"], said["scopes"], said["refused"]) == (
        made["id"],
        office.org_id,
        ["audit:view", "users:view"],
        None,
    )
    assert said["api_version"] == "2026-11-01"
    read = (await office.ask("GET", f"{KEYS}/{made['id']}")).ok()
    assert (read["last_used_at"] is not None, read["last_used_ip"]) == (True, "198.51.100.4")
    assert read["expires_at"] == made["expires_at"], "in 90 days when nobody said when"
    await office.standing(made["token"], "198.51.100.5")
    assert (await office.ask("GET", f"{KEYS}/{made['id']}")).ok()["last_used_ip"] == "198.51.100.4", "once a minute"


async def test_what_is_no_token_of_a_key_is_unknown_whatever_it_looks_like(office: Office) -> None:
    made = await office.key()
    unknown = {"key_id": None, "refused": "unknown"}
    for token in ("tky_", "x", new_token(made["id"]), new_token(new_id("key")), made["token"][:-1] + "_"):
        assert {name: (await office.standing(token))[name] for name in unknown} == unknown, token


async def test_a_revoked_key_is_unknown_from_that_moment(office: Office) -> None:
    made = await office.key()
    assert (await office.ask("DELETE", f"{KEYS}/{made['id']}")).status == 204
    assert (await office.standing(made["token"]))["refused"] == "unknown"
    assert (await office.ask("DELETE", f"{KEYS}/{made['id']}")).code == "not_found"
    (told,) = await office.said(ApiKeyRevoked)
    assert told.data["key"]["key_id"] == made["id"]


async def test_whoever_shows_a_key_that_is_over_is_told_of_once_with_the_reason(office: Office) -> None:
    soon = (office.world.clock.now() + timedelta(days=1)).isoformat()
    rotated, revoked, expiring = await office.key(), await office.key(), await office.key(expires_at=soon)
    await office.ask("POST", f"{KEYS}/{rotated['id']}/rotations", {"overlap_hours": 0})
    await office.ask("DELETE", f"{KEYS}/{revoked['id']}")
    office.world.clock.advance(timedelta(days=1))
    for _ in range(3):
        for key in (rotated, revoked, expiring):
            assert (await office.standing(key["token"]))["refused"] in ("unknown", "expired")
        await office.standing(new_token(revoked["id"]))
        await office.standing(new_token(rotated["id"]))
    used = await office.key()
    await office.on_plan("free")
    assert (await office.standing(used["token"]))["refused"] == "suspended"
    told = {(one.data["key_id"], one.data["because"]) for one in await office.said(ActionRefused)}
    assert told == {(rotated["id"], "replaced"), (revoked["id"], "revoked"), (expiring["id"], "expired")} | {
        (used["id"], "suspended")
    }
    assert len(await office.said(ActionRefused)) == len(told), "each once"
    (one,) = [one for one in await office.said(ActionRefused) if one.data["because"] == "revoked"]
    assert (one.actor_id, one.source_ip, one.data["times"]) == (revoked["id"], "198.51.100.4", 1)
    assert (one.data["action"], one.data["role"], one.data["user_id"]) == ("api_keys.use", None, None)


async def test_a_rotated_key_has_two_tokens_for_as_long_as_was_said(office: Office) -> None:
    first = await office.key()
    second = (await office.ask("POST", f"{KEYS}/{first['id']}/rotations", {"overlap_hours": 2})).ok()
    assert second["token"] != first["token"]
    assert [(await office.standing(one["token"]))["refused"] for one in (first, second)] == [None, None]
    assert (await office.standing(first["token"]))["ends_at"] == second["previous_token_until"]
    office.world.clock.advance(timedelta(hours=2))
    assert [(await office.standing(one["token"]))["refused"] for one in (first, second)] == ["unknown", None]
    third = (await office.ask("POST", f"{KEYS}/{first['id']}/rotations", {"overlap_hours": 0})).ok()
    assert [(await office.standing(one["token"]))["refused"] for one in (second, third)] == ["unknown", None]
    assert len(await office.said(ApiKeyRotated)) == 2


async def test_a_plan_without_keys_stops_them_all_and_brings_them_back_as_they_were(office: Office) -> None:
    made = await office.key()
    before = (await office.ask("GET", f"{KEYS}/{made['id']}")).ok()
    await office.on_plan("free")
    assert (await office.standing(made["token"]))["refused"] == "suspended"
    (listed,) = await office.listed()
    assert (listed["state"], listed["suspended"]["plan"]) == ("suspended", "free")
    refused = await office.ask("POST", KEYS, {"name": "Another", "access": "view", "areas": ["users"]})
    assert (refused.status, refused.code, refused.json["meta"]["plan"]) == (403, "plan_required", "pro")
    rotated = (await office.ask("POST", f"{KEYS}/{made['id']}/rotations", {"overlap_hours": 0})).ok()
    await office.on_plan("business")
    assert (await office.standing(rotated["token"]))["refused"] is None
    after = (await office.ask("GET", f"{KEYS}/{made['id']}")).ok()
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {"hint", "last_used_at", "last_used_ip"}
    assert [e.data["key_ids"] for kind in (ApiKeysSuspended, ApiKeysResumed) for e in await office.said(kind)] == [
        [made["id"]]
    ] * 2


async def test_revoking_is_never_stopped_by_the_plan(office: Office) -> None:
    made = await office.key()
    await office.on_plan("free")
    assert (await office.ask("DELETE", f"{KEYS}/{made['id']}")).status == 204


async def test_admins_are_warned_a_week_before_a_key_ends_and_told_by_an_event_that_it_has(office: Office) -> None:
    made = await office.key(expires_at=(office.world.clock.now() + timedelta(days=10)).isoformat())
    await office.key(name="For ever", expires_at=None)
    await endings(office)
    assert not [m for m in await office.mailed() if m.template == "api_key_expiring"]
    office.world.clock.advance(timedelta(days=4))
    await endings(office)
    await endings(office)
    assert len([m for m in await office.mailed() if m.template == "api_key_expiring"]) == 1
    office.world.clock.advance(timedelta(days=7))
    await endings(office)
    await endings(office)
    assert (await office.standing(made["token"]))["refused"] == "expired"
    assert [e.data["key"]["key_id"] for e in await office.said(ApiKeyExpired)] == [made["id"]]
    assert [key["state"] for key in await office.listed()] == ["active", "expired"]


async def test_another_name_and_version_are_changes_and_nothing_else_can_be(office: Office) -> None:
    made = await office.key()
    reply = await office.ask("PATCH", f"{KEYS}/{made['id']}", {"name": "Payroll"}, headers={"If-Match": '"1"'})
    assert (reply.ok()["name"], reply.headers["etag"].startswith('"2-')) == ("Payroll", True)
    assert (await office.ask("PATCH", f"{KEYS}/{made['id']}", {"name": "X"}, headers={"If-Match": '"1"'})).status == 412
    assert (await office.ask("PATCH", f"{KEYS}/{made['id']}", {"name": "Payroll"})).ok()["name"] == "Payroll"
    (told,) = await office.said(ApiKeyChanged)
    assert told.data["previous"] == {"name": "Nightly sync"}
    for change in ({"areas": ["audit"]}, {"access": "view"}, {"expires_at": None}, {"api_version": "1999-01-01"}):
        assert (await office.ask("PATCH", f"{KEYS}/{made['id']}", change)).code == "invalid", change


@pytest.mark.parametrize(
    "wanted",
    [
        {"areas": []},
        {"areas": ["everything"]},
        {"access": "own"},
        {"access": "manage", "areas": ["audit"]},
        {"name": " "},
        {"name": "x" * 81},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"api_version": "2020-01-01"},
        {"token": "tky_mine"},
    ],
)
async def test_a_key_for_what_there_is_not_is_refused(office: Office, wanted: dict[str, Any]) -> None:
    asked = {"name": "Key", "access": "view", "areas": ["users"], **wanted}
    assert (await office.ask("POST", KEYS, asked)).code == "invalid"


async def test_it_takes_a_fresh_proof_and_an_admin_at_this_moment(office: Office) -> None:
    wanted = {"name": "Key", "access": "view", "areas": ["users"]}
    stale = replace(office.admin, auth_time=office.admin.auth_time - 3600)
    assert (await office.ask("POST", KEYS, wanted, actor=stale)).code == "insufficient_user_authentication"
    made = await office.key()
    rotation = await office.ask("POST", f"{KEYS}/{made['id']}/rotations", {}, actor=stale)
    assert rotation.code == "insufficient_user_authentication"
    gone = member(office.world, office.admin.person()).model_copy(update={"role": "viewer", "effective_role": "viewer"})
    await office.world.hear("org", MemberRoleChanged(org_id=office.org_id, member=gone, previous_role="admin"))
    assert (await office.ask("POST", KEYS, wanted)).code == "forbidden"


async def test_a_key_of_another_organization_is_as_unknown_as_none(office: Office) -> None:
    made = await office.key()
    stranger = replace(office.admin, org_id=new_id("org"))
    for method, path in (("GET", ""), ("DELETE", ""), ("PATCH", ""), ("POST", "/rotations")):
        foreign = await office.ask(
            method, f"{KEYS}/{made['id']}{path}", {} if method != "GET" else None, actor=stranger
        )
        absent = await office.ask(
            method, f"{KEYS}/{new_id('key')}{path}", {} if method != "GET" else None, actor=stranger
        )
        assert (foreign.status, foreign.code) == (absent.status, absent.code) == (404, "not_found")
    assert (await office.ask("GET", KEYS, actor=stranger)).ok()["data"] == []


async def test_org_hears_which_keys_that_arent_over_somebody_made_and_of_no_other_organization(office: Office) -> None:
    await office.on_plan("business")
    made = await office.key(name="Nightly sync")
    await office.standing(made["token"])
    ends = office.world.clock.now() + timedelta(minutes=1)
    await office.key(name="Short", expires_at=ends.isoformat())
    assert (await office.ask("DELETE", f"{KEYS}/{(await office.key())['id']}")).status == 204
    provider = (await office.ask("POST", "/v1/scim-tokens", {"name": "Okta"})).ok()

    async def keys(org_id: str, user_id: str) -> list[tuple[str, str, str, bool]]:
        path = f"/internal/organizations/{org_id}/keys-made-by/{user_id}"
        told = (await office.world.ask("identity", "GET", path, actor=Actor("service", service="org"))).ok()["keys"]
        return [(one["kind"], one["name"], one["key_id"], one["last_used_at"] is not None) for one in told]

    sync = ("api_key", "Nightly sync", made["id"], True)
    okta = ("scim_token", "Okta", provider["id"], False)
    short = ("api_key", "Short")
    found = await keys(office.org_id, office.admin.person())
    assert (found[0], found[1], found[2][:2]) == (sync, okta, short)
    office.world.clock.advance(timedelta(minutes=2))
    assert await keys(office.org_id, office.admin.person()) == [sync, okta]
    assert await keys(office.org_id, new_id("usr")) == []
    assert await keys(new_id("org"), office.admin.person()) == []


async def test_there_are_at_most_a_hundred(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.identity.usecases.api_keys.MOST_KEYS", 2)
    await office.key()
    await office.key()
    reply = await office.ask("POST", KEYS, {"name": "Key", "access": "view", "areas": ["users"]})
    assert (reply.code, reply.json["meta"]["limit"]) == ("conflict", 2)


@given(st.integers(0, 79), st.sampled_from(ALPHABET))
def test_one_wrong_letter_is_found_without_asking(place: int, letter: str) -> None:
    token = new_token(new_id("key"))
    place %= len(token)
    changed = token[:place] + letter + token[place + 1 :]
    assert (read_token(changed) is not None) == (changed == token)


def test_managing_includes_looking_and_what_can_only_be_looked_at_stays_so() -> None:
    assert scopes_of("view", ["users", "audit"]) == ("audit:view", "users:view")
    assert scopes_of("manage", ["users", "audit"]) == ("audit:view", "users:view", "users:manage")


async def endings(office: Office) -> None:
    await office.world.run("identity", tell_of_endings)
    await office.world.settle()
