"""What audit keeps of everything that is said, and what an Admin finds in it, on real PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from services.audit.app import service as audit
from services.courier.app import service as courier
from shared import audit_chain as rules
from shared.auth import Actor
from shared.bus import Message
from shared.db import EVERY_ORG
from shared.events import Envelope, Event
from shared.events.billing import Entitlements, EntitlementsChanged
from shared.events.courier import MailRequested
from shared.events.identity import PasswordChanged, Person, SessionEnded, SessionStarted, Signup, UserRegistered
from shared.events.org import Group, GroupCreated, GroupMemberAdded, Member, MemberJoined, MemberRemoved, MemberRenamed
from shared.events.sharing import Dashboard, DashboardRegistered
from shared.ids import new_event_id, new_id
from tests.world import Databases, World, an_admin, world_of


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([audit, courier], databases, tmp_path) as world:
        yield world


def member(actor: Actor, name: str = "Ada Byron", status: Any = "active", role: Any = "admin") -> Member:
    return Member(
        user_id=actor.person(),
        email=f"{name.split()[0].lower()}@northwind.example",
        name=name,
        role=role,
        effective_role=role,
        status=status,
        joined_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


def joined(actor: Actor, name: str = "Ada Byron") -> MemberJoined:
    return MemberJoined(org_id=actor.org(), member=member(actor, name))


def group(actor: Actor, name: str = "Finance") -> GroupCreated:
    made = Group(group_id=new_id("grp"), kind="custom", name=name, description="")
    return GroupCreated(org_id=actor.org(), group=made)


def keeps_days(actor: Actor, days: int, version: int = 1) -> EntitlementsChanged:
    granted = Entitlements(
        version=version,
        plan="pro",
        plan_name="Pro",
        author_slots=5,
        viewer_slots=None,
        share_all_analysts=True,
        custom_groups=False,
        additional_domains="none",
        single_sign_on=False,
        scim=False,
        sharing_links=False,
        interactive_embedding=False,
        api_keys=False,
        audit_days=days,
    )
    return EntitlementsChanged(org_id=actor.org(), entitlements=granted)


async def found(world: World, actor: Actor, query: str = "") -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = (await world.ask("audit", "GET", f"/v1/audit-entries{query}", actor=actor)).ok()[
        "data"
    ]
    return entries


async def exported(world: World, actor: Actor) -> list[dict[str, Any]]:
    """The whole chain as clients get it, the oldest first."""
    entries, cursor = [], ""
    while True:
        page = (await world.ask("audit", "GET", f"/v1/audit-entries?limit=200{cursor}", actor=actor)).ok()
        entries += page["data"]
        if page["page"]["next_cursor"] is None:
            return entries[::-1]
        cursor = f"&cursor={page['page']['next_cursor']}"


async def test_each_event_of_an_organization_is_one_entry_with_who_what_and_about_whom(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada), group(ada))
    made, came = await found(world, ada)
    assert (made["action"], made["target_name"], made["number"]) == ("org.group.created.v1", "Finance", 2)
    assert (came["action"], came["target_id"], came["target_name"]) == (
        "org.member.joined.v1",
        ada.user_id,
        "Ada Byron",
    )
    assert made["previous_hash"] == came["hash"]
    assert came["previous_hash"] == rules.BEGINNING
    assert made["data"]["group"]["name"] == "Finance"
    assert (made["source"], made["sequence"], made["subject"]) == ("org", 2, ada.org_id)
    alone = (await world.ask("audit", "GET", f"/v1/audit-entries/{made['id']}", actor=ada)).ok()
    assert alone == made


async def test_all_four_services_are_heard_and_requests_for_mail_are_not_kept(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada))
    await world.hear("billing", keeps_days(ada, 365))
    board = Dashboard(dashboard_id="dsh-1", title="Cash flow", owner_id=ada.person(), parameters=[])
    await world.hear("sharing", DashboardRegistered(org_id=ada.org(), dashboard=board))
    started = SessionStarted(
        user_id=ada.person(), session_id=new_id("ses"), org_id=ada.org(), amr=["pwd"], source_ip="203.0.113.9"
    )
    await world.hear("identity", started)
    await world.hear(
        "org", MailRequested(about=ada.org(), org_id=ada.org(), to="x@y.example", template="invitation", values={})
    )
    entries = await found(world, ada)
    assert {entry["source"] for entry in entries} == {"org", "billing", "sharing", "identity"}
    assert len(entries) == 4
    session = next(entry for entry in entries if entry["source"] == "identity")
    assert (session["source_ip"], session["target_id"]) == ("203.0.113.9", started.session_id)


async def test_a_persons_own_events_are_in_the_log_of_each_of_their_organizations(world: World) -> None:
    ada = an_admin()
    second, left, never = (replace(ada, org_id=new_id("org")) for _ in range(3))
    await world.hear("org", joined(ada), joined(second), joined(left))
    await world.hear("org", MemberRemoved(org_id=left.org(), member=member(left, status="removed")))
    await world.hear("identity", PasswordChanged(user_id=ada.person()))
    for actor, there in ((ada, True), (second, True), (left, False), (never, False)):
        actions = [entry["action"] for entry in await found(world, actor)]
        assert (PasswordChanged.TYPE in actions) is there
    for actor in (ada, second):
        assert rules.verify(await exported(world, actor), first_previous_hash=rules.BEGINNING).intact


async def test_what_a_person_does_in_one_organization_is_in_no_other_log(world: World) -> None:
    ada = an_admin()
    second = replace(ada, org_id=new_id("org"))
    await world.hear("org", joined(ada), joined(second))
    session_id = new_id("ses")
    ended = SessionEnded(user_id=ada.person(), session_id=session_id, org_id=ada.org(), reason="revoked_by_admin")
    await world.hear("identity", ended, PasswordChanged(user_id=ada.person()))
    here, there = [[entry["action"] for entry in await found(world, actor)] for actor in (ada, second)]
    assert (SessionEnded.TYPE in here, SessionEnded.TYPE in there) == (True, False)
    assert PasswordChanged.TYPE in there


@pytest.mark.parametrize("member_first", [False, True])
async def test_what_happens_before_there_is_an_organization_is_kept_with_the_person(
    world: World, member_first: bool
) -> None:
    """Also when the news of it comes later than that of the membership."""
    ada = an_admin()
    if member_first:
        await world.hear("org", joined(ada), at=world.clock.now() + timedelta(hours=1))
    signup = Signup(company="Northwind", location="eu", source_ip="203.0.113.9")
    registered = UserRegistered(
        user_id=ada.person(), person=Person(email="ada@northwind.example", name="Ada"), signup=signup
    )
    await world.hear("identity", registered)
    assert UserRegistered.TYPE not in [entry["action"] for entry in await found(world, ada)]
    async with world.started["audit"].env.database.read(EVERY_ORG) as read:
        row = await read.row("select * from audit_entries where org_id = $1", ada.user_id)
    assert row is not None
    assert (row["action"], row["source_ip"], row["target_name"]) == (UserRegistered.TYPE, "203.0.113.9", "Ada")


@pytest.mark.parametrize("removed_first", [False, True])
async def test_what_a_person_does_last_is_in_the_log_of_an_organization_that_they_leave_by_it(
    world: World, removed_first: bool
) -> None:
    ada = an_admin()
    leaving = MemberRemoved(org_id=ada.org(), member=member(ada, status="removed"))
    await world.hear("org", joined(ada))
    if removed_first:
        await world.hear("org", leaving, at=world.clock.now() + timedelta(hours=1))
    await world.hear("identity", PasswordChanged(user_id=ada.person()))
    if not removed_first:
        await world.hear("org", leaving)
    assert PasswordChanged.TYPE in [entry["action"] for entry in await found(world, ada)]


async def test_entries_have_the_actors_name_as_it_was_last_known_even_after_they_left(world: World) -> None:
    ada, ben = an_admin(), an_admin()
    ben = replace(ben, org_id=ada.org_id)
    await world.hear("org", joined(ada), joined(ben, "Ben O'Neil"))
    event = group(ada)
    envelope = Envelope(
        id=new_event_id("org"),
        source="org",
        type=event.TYPE,
        subject=event.subject,
        time=world.clock.now(),
        data=event.data(),
        sequence=3,
        org_id=ada.org_id,
        actor_id=ben.user_id,
    )
    await world.bus.publish([Message(event.TYPE, envelope.body())])
    world._sequences["org", event.subject] = 3
    await world.hear("org", MemberRenamed(org_id=ada.org(), member=member(ben, "Ben Neil")))
    await world.hear("org", MemberRemoved(org_id=ada.org(), member=member(ben, "Ben Neil", "removed")))
    entries = await found(world, ada, f"?actor={ben.user_id}")
    assert [entry["actor"] for entry in entries] == [
        {"id": ben.user_id, "name": "Ben Neil", "email": "ben@northwind.example"}
    ]
    assert [entry["action"] for entry in await found(world, ada, "?q=Ben%20Neil&action=org.group.*")] == [event.TYPE]


async def test_an_entry_names_the_members_that_it_mentions_and_nobody_else(world: World) -> None:
    ada, ben, eve = an_admin(), an_admin(), an_admin()
    ben = replace(ben, org_id=ada.org_id)
    await world.hear("org", joined(ada), joined(ben, "Ben Nile"), joined(eve, "Eve Moneypenny"))
    event = group(ada)
    added = GroupMemberAdded(org_id=ada.org(), group=event.group, user_id=ben.person())
    await world.hear("org", event, added, GroupMemberAdded(org_id=ada.org(), group=event.group, user_id=eve.person()))
    foreign, entry = await found(world, ada, "?q=action:org.group.member_added.v1")
    assert entry["people"] == {ben.person(): "Ben Nile"}
    assert foreign["people"] == {}, "a member of another organization has no name here"
    assert (await world.ask("audit", "GET", f"/v1/audit-entries/{entry['id']}", actor=ada)).ok() == entry


async def test_entries_of_another_organization_are_not_there(world: World) -> None:
    ada, eve = an_admin(), an_admin()
    await world.hear("org", joined(ada), joined(eve, "Eve Moneypenny"))
    (mine,) = await found(world, ada)
    foreign = await world.ask("audit", "GET", f"/v1/audit-entries/{mine['id']}", actor=eve)
    missing = await world.ask("audit", "GET", f"/v1/audit-entries/{new_id('aud')}", actor=eve)
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
    assert [entry["target_name"] for entry in await found(world, eve)] == ["Eve Moneypenny"]
    assert await found(world, eve, "?q=Ada%20Byron") == []


@pytest.mark.parametrize("role", ["analyst", "viewer"])
async def test_only_admins_read_it(world: World, role: Any) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada))
    (entry,) = await found(world, ada)
    other = replace(ada, role=role)
    for path in ("/v1/audit-entries", f"/v1/audit-entries/{entry['id']}"):
        assert (await world.ask("audit", "GET", path, actor=other)).code == "forbidden"
        assert (await world.ask("audit", "GET", path)).code == "unauthenticated"
    capability = (await world.ask("audit", "GET", "/internal/capabilities", actor=other)).ok()["capabilities"][0]
    assert (capability["action"], capability["allowed"], capability["because"]["kind"]) == ("audit.read", False, "role")


async def test_pages_hold_every_entry_once_while_more_come(world: World) -> None:
    ada = an_admin()
    await world.hear("org", *(group(ada, f"G{n}") for n in range(25)))
    seen, cursor = [], ""
    while True:
        page = (await world.ask("audit", "GET", f"/v1/audit-entries?limit=10{cursor}", actor=ada)).ok()
        seen += [entry["number"] for entry in page["data"]]
        await world.hear("org", group(ada, f"more {len(seen)}"))
        if page["page"]["next_cursor"] is None:
            break
        cursor = f"&cursor={page['page']['next_cursor']}"
    assert seen == list(range(25, 0, -1))
    assert page["page"]["total"] == 27


async def test_filters_find_what_they_name_and_nothing_else(world: World) -> None:
    ada, ben = an_admin(), an_admin()
    ben = replace(ben, org_id=ada.org_id)
    await world.hear("org", joined(ada), joined(ben, "Ben 100% O_Neil"), group(ada, "Finance"))
    first = world.clock.now()
    world.clock.advance(timedelta(hours=1))
    await world.hear("org", group(ada, "Field Sales"))

    async def names(query: str) -> list[str]:
        return [entry["target_name"] for entry in await found(world, ada, query)]

    assert await names("?action=org.group.created.v1") == ["Field Sales", "Finance"]
    assert await names("?action=org.group.*") == ["Field Sales", "Finance"]
    assert await names("?action=org.group") == []
    assert await names(f"?target={ben.user_id}") == ["Ben 100% O_Neil"]
    assert await names(f"?from={quote(first.isoformat())}") == ["Field Sales"]
    assert await names(f"?to={quote(first.isoformat())}&action=org.group.*") == ["Finance"]
    assert await names("?q=fINANce") == ["Finance"]
    assert await names("?q=100%25%20o_n") == ["Ben 100% O_Neil"]
    assert await names("?q=100_") == []
    assert await names("?q=%25") == ["Ben 100% O_Neil"]
    assert await names(f"?actor={new_id('usr')}") == []


@pytest.mark.parametrize(
    "query",
    ["?action=a'b", "?from=yesterday", "?from=2026-01-01T00:00:00", "?actor=ada", "?limit=0", "?x=1", "?cursor=abc"],
)
async def test_a_query_that_means_nothing_is_refused(world: World, query: str) -> None:
    reply = await world.ask("audit", "GET", f"/v1/audit-entries{query}", actor=an_admin())
    assert (reply.status, reply.code) == (422, "invalid")


async def test_the_plan_decides_how_far_back_it_is_shown_and_nothing_is_forgotten(world: World) -> None:
    ada = an_admin()
    await world.hear("org", group(ada, "Old"))
    (old,) = await found(world, ada)
    world.clock.advance(timedelta(days=31))
    await world.hear("org", group(ada, "New"))
    assert [entry["target_name"] for entry in await found(world, ada)] == ["New"]
    assert (await world.ask("audit", "GET", f"/v1/audit-entries/{old['id']}", actor=ada)).code == "not_found"
    await world.hear("billing", keeps_days(ada, 365, version=2))
    assert "Old" in [entry["target_name"] for entry in await found(world, ada)]
    await world.hear("billing", keeps_days(ada, 7, version=1))
    assert "Old" in [entry["target_name"] for entry in await found(world, ada)]
    assert rules.verify(await exported(world, ada), first_previous_hash=rules.BEGINNING).intact


async def test_nothing_can_be_changed_deleted_or_emptied(world: World) -> None:
    ada = an_admin()
    await world.hear("org", group(ada))
    database = world.started["audit"].env.database
    for statement in (
        "update audit_entries set target_name = 'x'",
        "delete from audit_entries",
        "truncate audit_entries",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only ever added"):
            async with database.tx(EVERY_ORG, lambda e: e) as tx:
                await tx.run(statement)
    assert len(await found(world, ada)) == 1


async def test_events_of_four_services_at_once_make_one_unbroken_chain(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada))
    sessions: list[Event] = [
        SessionStarted(user_id=ada.person(), session_id=new_id("ses"), org_id=ada.org(), amr=["pwd"]) for _ in range(40)
    ]
    board = Dashboard(
        dashboard_id="dsh-1", title='Ünïcode \U0001f600 \u2028 "quoted"', owner_id=ada.person(), parameters=[]
    )
    shared = [DashboardRegistered(org_id=ada.org(), dashboard=board) for _ in range(40)]
    granted = [keeps_days(ada, 365, version=n) for n in range(1, 41)]
    await asyncio.gather(
        world.hear("identity", *sessions),
        world.hear("sharing", *shared),
        world.hear("billing", *granted),
        world.hear("org", *(group(ada, f"G{n}") for n in range(40))),
    )
    chain = await exported(world, ada)
    assert len(chain) == 161
    assert len({entry["event_id"] for entry in chain}) == 161
    verdict = rules.verify(chain, first_previous_hash=rules.BEGINNING, last_hash=chain[-1]["hash"])
    assert (verdict.intact, verdict.checked) == (True, 161)
    for source in ("org", "identity", "sharing", "billing"):
        numbers = [entry["sequence"] for entry in chain if entry["source"] == source]
        assert numbers == sorted(numbers)


async def test_any_tampering_with_an_export_is_found_at_its_place(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada), *(group(ada, f"G{n}") for n in range(30)))
    chain = await exported(world, ada)
    last = chain[-1]["hash"]
    dice = random.Random(7)
    for _ in range(2000):
        forged, place = tampered(chain, dice)
        verdict = rules.verify(forged, first_previous_hash=rules.BEGINNING, last_hash=last)
        assert not verdict.intact
        assert verdict.broken_at is not None
        assert abs(verdict.broken_at - place) <= 1, verdict


def tampered(chain: list[dict[str, Any]], dice: random.Random) -> tuple[list[dict[str, Any]], int]:
    """The chain with one change, and where it is."""
    forged = [dict(entry) for entry in chain]
    place = dice.randrange(len(forged))
    how = dice.choice(["change", "data", "remove", "double", "swap", "rehash", "cut"])
    if how == "remove":
        del forged[place]
    elif how == "cut":
        del forged[place:]
    elif how == "double":
        forged.insert(place, dict(forged[place]))
    elif how == "swap":
        place = max(place, 1)
        forged[place - 1], forged[place] = forged[place], forged[place - 1]
    elif how == "data":
        forged[place]["data"] = {**forged[place]["data"], "forged": True}
    elif how == "rehash":
        entry = forged[place]
        entry["action"] = "org.group.deleted.v1"
        entry["hash"] = rules.hash_of(entry["previous_hash"], entry)
    else:
        name = dice.choice([*rules.CONTENT, "hash", "previous_hash"])
        entry = forged[place]
        if name == "at":
            entry["at"] = (datetime.fromisoformat(entry["at"]) + timedelta(microseconds=1)).isoformat()
        elif name in ("number", "sequence"):
            entry[name] += 1
        else:
            entry[name] = "forged"
    return forged, place


async def test_the_database_itself_hides_other_organizations(world: World) -> None:
    ada = an_admin()
    await world.hear("org", joined(ada))
    await world.hear("billing", keeps_days(ada, 30))
    database = world.started["audit"].env.database
    for table in ("audit_entries", "chains", "people", "retention"):
        for scope, visible in ((ada.org(), True), (new_id("org"), False), ("", False)):
            async with database.read(scope) as read:
                assert bool(await read.value(f"select count(*) from {table}")) is visible, (table, scope)
