"""The life of a domain: claimed, proven by DNS, at risk, lapsed; whose it is when several want it; what the plan makes of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.org.app import opening, service
from services.org.usecases.domain_checks import check_domains, end_unproven_claims
from shared.events.courier import MailRequested
from shared.events.org import DomainClaimed, DomainLapsed, DomainRemoved, DomainsResumed, DomainsSuspended
from shared.ids import new_id
from tests.org.dns_server import DnsServer, dns_server
from tests.org.house import House, at_once, founded, identity_with
from tests.world import Databases, World, world_of

names = (f"shop{number}.example.org" for number in itertools.count(1))


@pytest.fixture(scope="module")
async def dns() -> AsyncIterator[DnsServer]:
    async with dns_server() as server:
        yield server


@pytest.fixture(scope="module")
async def world(databases: Databases, dns: DnsServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("domains")
    asking = replace(service, opens=opening(dns.look_up), jobs=())
    async with world_of([asking, identity_with(folder / "identity", {})], databases, folder) as world:
        yield world


async def claim(house: House, name: str, **other: Any) -> dict[str, Any]:
    return dict((await house.ask("POST", "/v1/domains", {"name": name} | other)).ok())


def publish(dns: DnsServer, *domains: dict[str, Any]) -> None:
    """Puts the records of these claims, which are for one name, into DNS."""
    dns.records[domains[0]["record"]["name"]] = [domain["record"]["value"] for domain in domains]


async def verify(house: House, domain: dict[str, Any]) -> dict[str, Any]:
    return dict((await house.ask("POST", f"/v1/domains/{domain['id']}/verifications")).ok())


async def proven(house: House, dns: DnsServer, name: str) -> dict[str, Any]:
    domain = await claim(house, name)
    publish(dns, domain)
    assert (await verify(house, domain))["outcome"] == "proven"
    return domain


async def look(house: House, domain: dict[str, Any]) -> dict[str, Any]:
    return dict((await house.ask("GET", f"/v1/domains/{domain['id']}")).ok())


async def mails(world: World, house: House) -> list[tuple[str, str]]:
    said = await world.said("org", MailRequested)
    return [
        (e.data["template"], e.data["to"])
        for e in said
        if e.subject == house.org_id and e.data["template"].startswith("domain_")
    ]


async def turn(world: World) -> None:
    await world.run("org", check_domains)
    await world.run("org", end_unproven_claims)


async def test_a_domain_counts_once_its_record_is_in_dns(world: World, dns: DnsServer) -> None:
    house = await founded(world, "pro")
    await house.on("pro", additional_domains="proven")
    name = next(names)
    domain = await claim(house, name)
    assert (domain["status"], domain["origin"], domain["registered"]) == ("claimed", "claimed", False)
    assert domain["record"]["name"] == f"_tenantry-challenge.{name}"
    assert (await house.invite(f"ben@{name}")).json["errors"][0]["code"] == "domain_not_registered"
    nothing = await verify(house, domain)
    assert (nothing["outcome"], nothing["seen"], nothing["domain"]["status"]) == ("not_found", [], "claimed")
    dns.records[domain["record"]["name"]] = ["v=spf1 -all", "tenantry-domain=of-somebody"]
    assert (await verify(house, domain))["seen"] == ["tenantry-domain=of-somebody", "v=spf1 -all"]
    publish(dns, domain)
    assert await house.since(verify(house, domain)) == ["domain.verified"]
    shown = await look(house, domain)
    assert (shown["status"], shown["registered"], shown["expires_at"]) == ("verified", True, None)
    assert (await house.invite(f"ben@{name}")).status == 201
    assert await house.since(verify(house, domain)) == []


async def test_each_organization_has_a_record_of_its_own(world: World) -> None:
    one, other = await founded(world), await founded(world)
    name = next(names)
    values = {(await claim(house, name))["record"]["value"] for house in (one, other)}
    assert len(values) == 2
    assert all(len(value.partition("=")[2]) == 32 for value in values)


async def test_aliases_and_a_hundred_records_hide_no_proof(world: World, dns: DnsServer) -> None:
    house = await founded(world)
    aliased, crowded = await claim(house, next(names)), await claim(house, next(names))
    dns.aliases[aliased["record"]["name"]] = "first.alias.example.net"
    dns.aliases["first.alias.example.net"] = "second.alias.example.net"
    dns.records["second.alias.example.net"] = [aliased["record"]["value"]]
    assert (await verify(house, aliased))["outcome"] == "proven"
    noise = [f"{number:03} {'x' * 240}" for number in range(99)]
    dns.records[crowded["record"]["name"]] = [*noise, crowded["record"]["value"]]
    found = await verify(house, crowded)
    assert (found["outcome"], len(found["seen"])) == ("proven", 20)


@pytest.mark.parametrize("how", ["failing", "silent"])
async def test_a_server_that_does_not_answer_says_nothing_about_a_domain(
    world: World, dns: DnsServer, how: str
) -> None:
    house = await founded(world)
    domain = await proven(house, dns, next(names))
    getattr(dns, how).add(domain["record"]["name"])
    try:
        assert (await verify(house, domain))["outcome"] == "unanswered"
        for _ in range(40):
            world.clock.advance(timedelta(days=1))
            await turn(world)
        assert (await look(house, domain))["status"] == "verified"
        assert await mails(world, house) == []
    finally:
        getattr(dns, how).clear()
    await turn(world)
    world.clock.advance(timedelta(hours=1))
    await turn(world)
    assert (await look(house, domain))["status"] == "verified"


async def test_a_proof_that_is_gone_puts_a_domain_at_risk_and_a_week_later_it_lapses(
    world: World, dns: DnsServer
) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    domain = await proven(house, dns, next(names))
    del dns.records[domain["record"]["name"]]
    await turn(world)
    assert (await look(house, domain))["status"] == "verified"
    world.clock.advance(timedelta(days=30))
    assert await house.since(turn(world)) == ["domain.at_risk"]
    told = await mails(world, house)
    assert sorted(told) == [("domain_at_risk", f"{who}@{house.domain}") for who in ("ana", "ben")]
    shown = await look(house, domain)
    assert (shown["status"], shown["registered"]) == ("at_risk", True)
    assert (await house.invite(f"cleo@{domain['name']}")).status == 201
    world.clock.advance(timedelta(days=6))
    assert await house.since(turn(world)) == []
    dns.failing.add(domain["record"]["name"])
    world.clock.advance(timedelta(days=3))
    assert await house.since(turn(world)) == []
    assert (await look(house, domain))["status"] == "at_risk"
    dns.failing.clear()
    world.clock.advance(timedelta(hours=1))
    assert await house.since(turn(world)) == ["domain.lapsed"]
    assert (await mails(world, house)).count(("domain_lapsed", f"ben@{house.domain}")) == 1
    lapsed = await look(house, domain)
    assert (lapsed["status"], lapsed["registered"], lapsed["next_check_at"]) == ("lapsed", False, None)
    assert (await house.invite(f"dana@{domain['name']}")).status == 422
    assert (await house.user(ben))["status"] == "active"
    publish(dns, domain)
    assert await house.since(verify(house, domain)) == ["domain.verified"]
    assert (await look(house, domain))["registered"] is True


async def test_a_proof_that_returns_in_time_ends_the_risk(world: World, dns: DnsServer) -> None:
    house = await founded(world)
    domain = await proven(house, dns, next(names))
    dns.records[domain["record"]["name"]] = []
    world.clock.advance(timedelta(days=30))
    await turn(world)
    assert (await look(house, domain))["status"] == "at_risk"
    publish(dns, domain)
    world.clock.advance(timedelta(days=1))
    assert await house.since(turn(world)) == ["domain.verified"]
    shown = await look(house, domain)
    assert (shown["status"], shown["lapses_at"]) == ("verified", None)


async def test_a_claim_that_nobody_proves_ends_after_a_week_and_can_be_made_again(world: World) -> None:
    house = await founded(world)
    name = next(names)
    domain = await claim(house, name)
    assert (await house.ask("POST", "/v1/domains", {"name": name.upper()})).code == "already_exists"
    world.clock.advance(timedelta(days=6, hours=23))
    assert await house.since(turn(world)) == []
    world.clock.advance(timedelta(hours=1))
    assert await house.since(turn(world)) == ["domain.removed"]
    removed = [e for e in await world.said("org", DomainRemoved) if e.org_id == house.org_id]
    assert removed[0].data["reason"] == "unproven"
    assert (await house.ask("GET", f"/v1/domains/{domain['id']}")).code == "not_found"
    again = await claim(house, name)
    assert again["record"]["value"] != domain["record"]["value"]


async def test_the_domain_of_the_sign_up_counts_without_a_proof_and_for_ever(world: World) -> None:
    house = await founded(world, "free")
    world.clock.advance(timedelta(days=400))
    await turn(world)
    [first] = (await house.ask("GET", "/v1/domains")).ok()["data"]
    assert (first["status"], first["origin"], first["registered"]) == ("claimed", "sign_up", True)
    assert (await house.invite(f"ben@{house.domain}")).status == 201


async def test_unproven_claims_stand_in_nobodys_way(world: World, dns: DnsServer) -> None:
    squatter, owner = await founded(world), await founded(world)
    name = next(names)
    theirs, ours = await claim(squatter, name), await claim(owner, name)
    publish(dns, ours)
    assert (await verify(owner, ours))["outcome"] == "proven"
    assert (await verify(squatter, theirs))["outcome"] == "not_found"
    assert (await look(squatter, theirs))["status"] == "claimed"


async def test_a_proof_ends_the_word_of_others_and_they_learn_not_from_whom(world: World, dns: DnsServer) -> None:
    name = next(names)
    squatter = await founded(world, email=f"eve@{name}")
    affirming, owner = await founded(world), await founded(world)
    affirmed = await claim(affirming, name, affirmed=True)
    assert (affirmed["origin"], affirmed["registered"]) == ("affirmed", True)
    ours = await claim(owner, name)
    publish(dns, ours)
    assert (await squatter.invite(f"ben@{name}")).status == 201
    await verify(owner, ours)
    lapses = [e for e in await world.said("org", DomainLapsed) if e.org_id in (squatter.org_id, affirming.org_id)]
    assert [e.data["reason"] for e in lapses] == ["proven_by_another"] * 2
    assert all(owner.org_id not in e.body().decode() for e in lapses)
    assert {e.actor_id for e in lapses} == {"service:org"}
    assert await mails(world, squatter) == [("domain_lapsed", f"eve@{name}")]
    assert (await squatter.invite(f"cleo@{name}")).status == 422
    assert (await squatter.user(squatter.admin))["status"] == "active"
    refused = await founded(world)
    taken = await refused.ask("POST", "/v1/domains", {"name": name, "affirmed": True})
    assert (taken.code, taken.json["meta"]["because"]) == ("conflict", "proven_by_another")


async def test_whose_record_still_stands_keeps_the_domain(world: World, dns: DnsServer) -> None:
    holder, heir = await founded(world), await founded(world)
    name = next(names)
    held = await proven(holder, dns, name)
    wanted = await claim(heir, name)
    publish(dns, held, wanted)
    refused = await heir.ask("POST", f"/v1/domains/{wanted['id']}/verifications")
    assert (refused.code, refused.json["meta"]["because"]) == ("conflict", "proven_by_another")
    assert (await look(holder, held))["status"] == "verified"
    publish(dns, wanted)
    assert (await verify(heir, wanted))["domain"]["status"] == "verified"
    assert (await look(holder, held))["status"] == "lapsed"


async def test_of_two_proofs_at_once_one_wins(world: World, dns: DnsServer) -> None:
    houses = [await founded(world) for _ in range(4)]
    name = next(names)
    claims = [await claim(house, name) for house in houses]
    publish(dns, *claims)
    replies = await at_once(
        *(
            lambda house=house, domain=domain: house.ask("POST", f"/v1/domains/{domain['id']}/verifications")
            for house, domain in zip(houses, claims, strict=True)
        )
    )
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
    states = [(await look(house, domain))["status"] for house, domain in zip(houses, claims, strict=True)]
    assert sorted(states) == ["claimed", "claimed", "claimed", "verified"]


async def test_who_signs_up_under_a_domain_that_another_has_proven_has_a_mere_claim(
    world: World, dns: DnsServer
) -> None:
    owner = await founded(world)
    name = next(names)
    await proven(owner, dns, name)
    guest = await founded(world, email=f"guest@{name}")
    [first] = (await guest.ask("GET", "/v1/domains")).ok()["data"]
    assert (first["status"], first["registered"]) == ("claimed", False)
    assert first["expires_at"] is not None
    assert (await guest.invite(f"ben@{name}")).status == 422


@pytest.mark.parametrize("name", ["gmail.com", "mail.gmail.com", "GMX.de", "co.uk", "github.io", "com.au"])
async def test_mail_providers_and_public_suffixes_are_refused(world: World, name: str) -> None:
    house = await founded(world)
    refused = await house.ask("POST", "/v1/domains", {"name": name})
    assert (refused.status, refused.json["errors"][0]["code"]) == (422, "not_one_organizations")


@pytest.mark.parametrize(
    "name", ["", "no", "a b.example.com", "a@b.example.com", "-a.example.com", "127.0.0.1", "x." * 120 + "example.com"]
)
async def test_what_is_no_domain_name_is_refused(world: World, name: str) -> None:
    house = await founded(world)
    assert (await house.ask("POST", "/v1/domains", {"name": name})).code == "invalid"


async def test_an_international_name_is_kept_in_ascii_and_shown_as_written(world: World, dns: DnsServer) -> None:
    house = await founded(world)
    domain = await claim(house, "Größe.Bücher.example.")
    assert domain["name"] == "xn--gre-6ka8i.xn--bcher-kva.example"
    assert domain["display_name"] == "größe.bücher.example"
    publish(dns, domain)
    assert (await verify(house, domain))["outcome"] == "proven"
    assert (await house.invite("ben@GRÖßE.bücher.example")).status == 201


async def test_more_domains_need_a_plan_for_them(world: World, dns: DnsServer) -> None:
    house = await founded(world, "free")
    refused = await house.ask("POST", "/v1/domains", {"name": next(names)})
    assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "pro")
    await house.on("pro", additional_domains="proven")
    refused = await house.ask("POST", "/v1/domains", {"name": next(names), "affirmed": True})
    assert (refused.code, refused.json["meta"]["plan"]) == ("plan_required", "business")
    waiting = await claim(house, next(names))
    await house.on("free")
    publish(dns, waiting)
    assert (await house.ask("POST", f"/v1/domains/{waiting['id']}/verifications")).code == "plan_required"
    assert (await house.ask("DELETE", f"/v1/domains/{waiting['id']}")).status == 204


async def test_a_smaller_plan_suspends_domains_without_touching_people_and_all_returns(
    world: World, dns: DnsServer
) -> None:
    house = await founded(world)
    shown_by_dns = await proven(house, dns, next(names))
    by_word = await claim(house, next(names), affirmed=True)
    invited = (await house.invite(f"ben@{shown_by_dns['name']}")).ok()
    before = [await look(house, domain) for domain in (shown_by_dns, by_word)]
    await house.on("pro", additional_domains="proven")
    assert (await look(house, by_word))["suspended"]["plan"] == "pro"
    assert (await look(house, shown_by_dns))["suspended"] is None
    await house.on("free")
    suspended = await look(house, shown_by_dns)
    assert (suspended["status"], suspended["registered"]) == ("verified", False)
    assert suspended["suspended"]["since"]
    assert (await house.invite(f"cleo@{shown_by_dns['name']}")).status == 422
    pending = (await house.ask("GET", "/v1/invitations")).ok()["data"]
    assert [one["id"] for one in pending] == [invited["id"]]
    told = [e.data["domain_ids"] for e in await world.said("org", DomainsSuspended) if e.org_id == house.org_id]
    assert told == [[by_word["id"]], [shown_by_dns["id"]]]
    await house.on("business")
    assert [await look(house, domain) for domain in (shown_by_dns, by_word)] == before
    resumed = [e.data["domain_ids"] for e in await world.said("org", DomainsResumed) if e.org_id == house.org_id]
    assert resumed == [sorted([by_word["id"], shown_by_dns["id"]])]


async def test_a_removed_domain_lets_nobody_in_and_the_first_one_returns_with_a_proof(
    world: World, dns: DnsServer
) -> None:
    house = await founded(world, "free")
    [first] = (await house.ask("GET", "/v1/domains")).ok()["data"]
    invitation = (await house.invite(f"ben@{house.domain}")).ok()
    assert await house.since(house.ask("DELETE", f"/v1/domains/{first['id']}")) == ["domain.removed"]
    assert (await house.ask("GET", "/v1/domains")).ok()["data"] == []
    assert (await house.ask("POST", f"/v1/invitations/{invitation['id']}/resends")).status == 422
    again = await claim(house, house.domain)
    assert (again["origin"], again["registered"]) == ("sign_up", False)
    publish(dns, again)
    assert (await verify(house, again))["domain"]["registered"] is True


async def test_a_proof_counts_no_more_when_the_domain_is_removed_while_dns_is_asked(
    world: World, dns: DnsServer
) -> None:
    house = await founded(world)
    domain = await claim(house, next(names))
    publish(dns, domain)
    replies = await asyncio.gather(
        house.ask("POST", f"/v1/domains/{domain['id']}/verifications"),
        house.ask("DELETE", f"/v1/domains/{domain['id']}"),
    )
    assert replies[0].status in (200, 404)
    assert replies[1].status == 204
    assert (await house.ask("GET", f"/v1/domains/{domain['id']}")).status == 404


async def test_a_strangers_domain_is_answered_as_if_it_did_not_exist(world: World) -> None:
    house, other = await founded(world), await founded(world)
    domain = await claim(other, next(names))
    for wanted in (domain["id"], new_id("dom")):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/verifications")):
            assert (await house.ask(method, f"/v1/domains/{wanted}{path}")).code == "not_found"
    assert (await look(other, domain))["status"] == "claimed"


async def test_a_domain_is_an_admins_business(world: World) -> None:
    house = await founded(world)
    for role in ("analyst", "viewer"):
        person = await house.member(role)  # type: ignore[arg-type]
        assert (await house.ask("POST", "/v1/domains", {"name": next(names)}, by=person)).code == "forbidden"
    claims = [e for e in await world.said("org", DomainClaimed) if e.org_id == house.org_id]
    assert len(claims) == 1
