"""From a confirmed sign-up to an organization."""

from __future__ import annotations

import pytest

from shared.events.identity import Person, UserClosed, UserEmailChanged, UserNameChanged, UserRegistered
from shared.events.org import DomainClaimed, MemberEmailChanged, MemberRemoved
from shared.ids import new_id
from tests.org.house import founded
from tests.world import World


async def test_a_sign_up_founds_an_organization_with_everything_that_belongs_to_it(world: World) -> None:
    house = await founded(world, None)
    assert await house.said() == [
        "organization.created",
        "domain.claimed",
        "group.created",
        "group.created",
        "member.joined",
        "legal.accepted",
        "legal.accepted",
    ]
    organization = (await house.ask("GET", "/v1/organization")).ok()
    assert organization["name"] == "Acme"
    assert organization["location"] == "eu"
    assert organization["product_mails"] is True
    assert organization["contact_email"] == f"ana@{house.domain}"
    assert (organization["time_zone"], organization["week_start"]) == ("UTC", "monday")
    groups = (await house.ask("GET", "/v1/groups")).ok()["data"]
    assert [(g["name"], g["kind"], g["members"], g["suspended"]) for g in groups] == [
        ("All Users", "all_users", 1, None),
        ("All Analysts", "all_analysts", 1, None),
    ]
    domains = (await house.ask("GET", "/v1/domains")).ok()["data"]
    assert [(d["name"], d["status"]) for d in domains] == [(house.domain, "claimed")]
    assert (await house.ask("GET", "/v1/legal/dpa")).ok() == {
        "status": "undecided",
        "current_version": "2026-01",
        "awaits_answer": True,
        "decided": None,
    }
    accepted = (await house.ask("GET", "/v1/legal/acceptances")).ok()["data"]
    assert {a["document"] for a in accepted} == {"terms", "privacy"}
    assert {(a["accepted_by"], a["name"], a["source_ip"]) for a in accepted} == {
        (house.admin.user_id, "Ana Ruiz", "198.51.100.4")
    }


async def test_a_person_without_sign_up_data_founds_nothing(world: World) -> None:
    before = len(await world.said("org"))
    await world.hear(
        "identity", UserRegistered(user_id=new_id("usr"), person=Person(email="ben@acme.example.com", name="Ben"))
    )
    assert len(await world.said("org")) == before


@pytest.mark.parametrize("email", ["ana@gmail.com", "ana@GMX.de", "ana@yahoo.co.uk", "ana@co.uk", "ana@github.io"])
async def test_domains_of_mail_providers_and_public_suffixes_are_never_registered(world: World, email: str) -> None:
    house = await founded(world, email=email)
    assert (await house.ask("GET", "/v1/domains")).ok()["data"] == []
    assert not [e for e in await world.said("org", DomainClaimed) if e.org_id == house.org_id]
    refused = await house.invite(f"ben@{email.partition('@')[2]}")
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "domain_not_registered")


async def test_an_international_domain_is_registered_in_its_one_ascii_form(world: World) -> None:
    house = await founded(world, email="ana@bücher.example")
    assert (await house.ask("GET", "/v1/domains")).ok()["data"][0]["name"] == "xn--bcher-kva.example"
    assert (await house.invite("ben@BÜCHER.example")).status == 201


async def test_a_person_is_renamed_in_every_organization(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("analyst", "Ben")
    invitation = (await other.invite(f"x@{other.domain}")).ok()
    assert (await other.accept(other.token(invitation), ben)).code == "invitation_of_another"
    renamed = Person(email=f"ben@{house.domain}", name="Benjamin")
    said = await house.since(
        world.hear("identity", UserNameChanged(user_id=ben.user_id or "", person=renamed, previous_name="Ben"))
    )
    assert said == ["member.renamed"]
    assert (await house.user(ben))["name"] == "Benjamin"
    again = await house.since(
        world.hear("identity", UserNameChanged(user_id=ben.user_id or "", person=renamed, previous_name="Ben"))
    )
    assert again == []


async def test_a_person_has_their_new_address_in_every_organization(world: World) -> None:
    house = await founded(world)
    ben = await house.member("analyst", "Ben")
    before = (await house.user(ben))["email"]
    moved = UserEmailChanged(
        user_id=ben.user_id or "", person=Person(email="Ben@new.example", name="Ben"), previous_email=before
    )
    assert await house.since(world.hear("identity", moved)) == ["member.email_changed"]
    told = (await world.said("org", MemberEmailChanged))[-1].data
    assert (told["member"]["email"], told["previous_email"]) == ("Ben@new.example", before)
    assert (await house.user(ben))["email"] == "Ben@new.example"
    assert await house.since(world.hear("identity", moved)) == []


async def test_who_closes_their_account_is_a_member_nowhere(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    said = await house.since(world.hear("identity", UserClosed(user_id=ben.user_id or "")))
    assert said == ["member.removed"]
    assert (await house.ask("GET", f"/v1/users/{ben.user_id}")).status == 404


async def test_the_last_admin_stays_on_the_books_when_their_account_is_closed(world: World) -> None:
    house = await founded(world)
    await world.hear("identity", UserClosed(user_id=house.admin.user_id or ""))
    assert not [e for e in await world.said("org", MemberRemoved) if e.org_id == house.org_id]
    assert (await house.user(house.admin))["role"] == "admin"


async def test_company_details_change_only_with_the_version_that_was_read(world: World) -> None:
    house = await founded(world)
    read = await house.ask("GET", "/v1/organization")
    assert (await house.ask("PATCH", "/v1/organization", {"name": "Acme GmbH"})).code == "precondition_required"
    match = {"If-Match": read.headers["etag"]}
    changed = await house.ask(
        "PATCH", "/v1/organization", {"name": "Acme GmbH", "time_zone": "Europe/Berlin"}, headers=match
    )
    assert (changed.ok()["name"], changed.ok()["time_zone"]) == ("Acme GmbH", "Europe/Berlin")
    late = await house.ask("PATCH", "/v1/organization", {"name": "Mine"}, headers=match)
    assert late.code == "precondition_failed"
    assert late.json["meta"]["current_version"] == 2
    assert late.json["meta"]["changed_by"] == house.admin.user_id
    assert late.json["meta"]["changed_at"]
    assert (
        await house.ask(
            "PATCH", "/v1/organization", {"product_mails": False}, headers={"If-Match": late.headers["etag"]}
        )
    ).ok()["product_mails"] is False
    changes = [
        e for e in await world.said("org") if e.org_id == house.org_id and e.type == "org.organization.changed.v1"
    ]
    assert [e.data["previous"] for e in changes] == [{"name": "Acme", "time_zone": "UTC"}, {"product_mails": True}]


@pytest.mark.parametrize(
    "body",
    [
        {"name": None},
        {"name": " "},
        {"name": "a\u202eb"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc"},
        {"week_start": "friday"},
        {"contact_email": "x@"},
        {"location": "us"},
        {"org_id": "org_x"},
        {"dpa": "accepted"},
    ],
)
async def test_what_isn_t_valid_changes_nothing(world: World, body: dict[str, object]) -> None:
    house = await founded(world)
    read = await house.ask("GET", "/v1/organization")
    refused = await house.ask("PATCH", "/v1/organization", body, headers={"If-Match": read.headers["etag"]})
    assert refused.status == 422, refused.json
    assert (await house.ask("GET", "/v1/organization")).body == read.body


async def test_of_two_who_change_the_same_version_one_is_told_so(world: World) -> None:
    house = await founded(world)
    match = {"If-Match": (await house.ask("GET", "/v1/organization")).headers["etag"]}
    import asyncio

    replies = await asyncio.gather(
        *(house.ask("PATCH", "/v1/organization", {"name": f"N{n}"}, headers=match) for n in range(6))
    )
    assert sorted(r.status for r in replies) == [200, 412, 412, 412, 412, 412]


async def test_the_etag_of_what_shows_more_than_its_row_changes_with_it(world: World) -> None:
    house = await founded(world)
    read = await house.ask("GET", "/v1/organization")
    same = await house.ask("GET", "/v1/organization", headers={"If-None-Match": read.headers["etag"]})
    assert same.status == 304
    await house.invite(f"ben@{house.domain}")
    assert (await house.ask("GET", "/v1/organization", headers={"If-None-Match": read.headers["etag"]})).status == 200
    assert (
        await house.ask("PATCH", "/v1/organization", {"name": "B"}, headers={"If-Match": read.headers["etag"]})
    ).status == 200
