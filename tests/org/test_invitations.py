"""Invitations: to whom, for how long, by which link; and the slots that they take."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from services.org.usecases.invitations import expire_invitations
from shared.events.courier import MailRequested
from shared.events.identity import Person, UserNameChanged, UserRegistered
from shared.ids import new_id
from tests.org.house import House, a_person, at_once, founded
from tests.world import Reply, World


async def mails(house: House) -> list[dict[str, object]]:
    return [e.data for e in await house.world.said("org", MailRequested) if e.org_id == house.org_id]


async def test_who_is_invited_gets_a_mail_and_becomes_what_was_chosen(world: World) -> None:
    house = await founded(world)
    finance = await house.group("Finance")
    invited = (await house.invite(f"Ben.Ny@{house.domain}", "analyst", [finance])).ok()
    assert (invited["status"], invited["role"], invited["group_ids"], invited["link_version"]) == (
        "open",
        "analyst",
        [finance],
        1,
    )
    (mail,) = await mails(house)
    assert (mail["to"], mail["template"]) == (f"Ben.Ny@{house.domain}", "invitation")
    assert mail["link"] == {"purpose": "invitation", "id": invited["id"], "version": 1}
    assert mail["values"]["organization"] == "Acme"  # type: ignore[index]
    assert mail["values"]["inviter"] == "Ana Ruiz"  # type: ignore[index]
    token = house.token(invited)
    shown = (await world.ask("org", "GET", f"/v1/invitation-tokens/{token}")).ok()
    assert (
        shown["organization"],
        shown["email"],
        shown["role"],
        shown["groups"],
        shown["invited_by"],
        shown["status"],
    ) == (
        "Acme",
        f"Ben.Ny@{house.domain}",
        "analyst",
        ["Finance"],
        "Ana Ruiz",
        "open",
    )
    ben = await a_person(world, f"BEN.NY@{house.domain.upper()}", "Ben Ny")
    said = await house.since(house.accept(token, ben))
    assert said == ["invitation.accepted", "member.joined", "group.member_added"]
    user = await house.user(ben)
    assert (user["role"], [g["name"] for g in user["groups"]]) == ("analyst", ["All Users", "All Analysts", "Finance"])
    assert (await house.accept(token, ben)).code == "gone"


async def test_no_event_holds_a_token(world: World) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    bodies = [e.body() for e in await world.said("org")]
    assert not any(b"tms_" in body or token.partition("-")[2].encode() in body for body in bodies)


@pytest.mark.parametrize(
    "email",
    [
        "ben",
        "ben@",
        "@x.com",
        "ben@x..com",
        "ben@x.com\nBcc: eve@x.com",
        "Ben <ben@x.com>",
        "a@b@c.com",
        "ben@[127.0.0.1]",
        '"b"@x.com',
        "ben＠x.com",
        "x" * 250 + "@x.com",
        "",
        None,
        7,
    ],
)
async def test_a_malformed_address_is_refused(world: World, email: object) -> None:
    house = await founded(world)
    refused = await house.ask("POST", "/v1/invitations", {"email": email, "role": "viewer"})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/email")
    assert await mails(house) == []


async def test_only_registered_domains_can_be_invited(world: World) -> None:
    house = await founded(world)
    for email in (
        "ben@gmail.com",
        f"ben@sub.{house.domain}",
        f"ben@{house.domain}.evil.com",
        f"ben@evil{house.domain}",
        "ben@аcme.example.com",
    ):
        refused = await house.invite(email)
        assert (refused.status, refused.json["errors"][0]["code"]) == (422, "domain_not_registered"), email


async def test_one_address_is_invited_once_and_members_not_at_all(world: World) -> None:
    house = await founded(world)
    first = (await house.invite(f"ben@{house.domain}")).ok()
    again = await house.invite(f"BEN@{house.domain.upper()}")
    assert (again.code, again.json["meta"]) == (
        "already_exists",
        {"because": "invited", "as": "invitation", "invitation_id": first["id"]},
    )
    assert (await house.invite(f"ana@{house.domain}")).json["meta"]["as"] == "member"
    ben = await a_person(world, f"ben@{house.domain}", "Ben")
    (await house.accept(house.token(first), ben)).ok()
    (await house.ask("POST", f"/v1/users/{ben.user_id}/deactivation")).ok()
    assert (await house.invite(f"ben@{house.domain}")).json["meta"] == {
        "because": "deactivated",
        "as": "member",
        "status": "inactive",
    }


async def test_every_dead_link_answers_alike(world: World) -> None:
    house = await founded(world)
    used, revoked, resent, expired = [(await house.invite(f"p{n}@{house.domain}")).ok() for n in range(4)]
    person = await a_person(world, f"p0@{house.domain}", "P")
    (await house.accept(house.token(used), person)).ok()
    (await house.ask("DELETE", f"/v1/invitations/{revoked['id']}")).ok()
    (await house.ask("POST", f"/v1/invitations/{resent['id']}/resends")).ok()
    live = house.token(expired)
    assert (await world.ask("org", "GET", f"/v1/invitation-tokens/{live}")).status == 200
    world.clock.advance(timedelta(days=14, seconds=1))
    tokens = [house.token(i, 1) for i in (used, revoked, resent, expired)]
    tokens += [
        live[:-1],
        live[:-1] + ("A" if live[-1] != "A" else "B"),
        house.token({"id": new_id("inv")}, 1),
        "x",
        live.replace("1-", "2-", 1),
    ]
    answers = set()
    for token in tokens:
        for method, path in (("GET", ""), ("POST", "/acceptance")):
            reply = await world.ask("org", method, f"/v1/invitation-tokens/{token}{path}", actor=person)
            body = reply.json
            body.pop("instance", None)
            answers.add((reply.status, str(body)))
    assert len(answers) == 1
    assert answers.pop()[0] == 410


async def test_a_resent_invitation_has_one_working_link_and_fourteen_new_days(world: World) -> None:
    house = await founded(world)
    invited = (await house.invite(f"ben@{house.domain}")).ok()
    world.clock.advance(timedelta(days=10))
    resent = (await house.ask("POST", f"/v1/invitations/{invited['id']}/resends")).ok()
    assert (resent["link_version"], len(await mails(house))) == (2, 2)
    world.clock.advance(timedelta(days=10))
    assert (await world.ask("org", "GET", f"/v1/invitation-tokens/{house.token(invited)}")).status == 410
    ben = await a_person(world, f"ben@{house.domain}", "Ben")
    assert (await house.accept(house.token(resent), ben)).status == 201


async def test_expired_invitations_stay_listed_free_their_slot_and_can_be_revived(world: World) -> None:
    house = await founded(world, "free")
    invited = (await house.invite(f"ben@{house.domain}", "analyst")).ok()
    assert (await house.slots())["author"] == {"used": 2, "limit": 2}
    world.clock.advance(timedelta(days=14, seconds=1))
    assert (await house.slots())["author"] == {"used": 1, "limit": 2}
    assert await house.since(world.run("org", expire_invitations)) == ["invitation.expired"]
    assert await house.since(world.run("org", expire_invitations)) == []
    listed = (await house.ask("GET", "/v1/invitations")).ok()
    assert [(i["id"], i["status"]) for i in listed["data"]] == [(invited["id"], "expired")]
    assert (await house.ask("GET", "/v1/invitations?status=open")).ok()["data"] == []
    other = (await house.invite(f"cleo@{house.domain}", "analyst")).ok()
    refused = await house.ask("POST", f"/v1/invitations/{invited['id']}/resends")
    assert refused.code == "slots_exhausted"
    (await house.ask("DELETE", f"/v1/invitations/{other['id']}")).ok()
    assert (await house.ask("POST", f"/v1/invitations/{invited['id']}/resends")).ok()["status"] == "open"


async def test_an_address_can_be_invited_again_once_its_invitation_is_overdue(world: World) -> None:
    house = await founded(world)
    (await house.invite(f"ben@{house.domain}")).ok()
    world.clock.advance(timedelta(days=14, seconds=1))
    assert await house.since(house.invite(f"ben@{house.domain}")) == ["invitation.expired", "invitation.sent"]
    assert [i["status"] for i in (await house.ask("GET", "/v1/invitations")).ok()["data"]] == ["open", "expired"]


async def test_only_the_invited_person_can_accept(world: World) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    eve = await a_person(world, f"eve@{house.domain}", "Eve")
    assert (await house.accept(token, eve)).code == "invitation_of_another"
    assert (await world.ask("org", "POST", f"/v1/invitation-tokens/{token}/acceptance")).code == "unauthenticated"
    assert (await world.ask("org", "GET", f"/v1/invitation-tokens/{token}")).status == 200


async def test_a_domain_that_was_removed_meanwhile_makes_the_invitation_useless(world: World) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    ben = await a_person(world, f"ben@{house.domain}", "Ben")
    async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run("update domains set status = 'removed' where org_id = $1", house.org_id)
    assert (await house.accept(token, ben)).code == "conflict"


async def test_one_link_accepted_twenty_times_at_once_makes_one_member(world: World) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    ben = await a_person(world, f"ben@{house.domain}", "Ben")
    replies = await at_once(*([lambda: house.accept(token, ben)] * 20))
    assert sorted(r.status for r in replies) == [201] + [410] * 19
    assert (await house.said()).count("member.joined") == 2


async def test_a_person_whom_org_has_not_heard_of_yet_is_asked_of_identity(
    world: World, sessions: dict[str, dict[str, object]]
) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    ben = replace(house.admin, user_id=new_id("usr"), org_id=None, role=None, session_id=new_id("ses"))
    assert (await house.accept(token, ben)).code == "session_ended"
    known: dict[str, object] = {
        "session_id": ben.session_id,
        "live": True,
        "user_id": ben.user_id,
        "org_id": None,
        "email": f"Ben@{house.domain}",
        "name": "Ben",
    }
    sessions[ben.session_id or ""] = {**known, "user_id": new_id("usr")}
    assert (await house.accept(token, ben)).code == "session_ended"
    sessions[ben.session_id or ""] = known
    assert (await house.accept(token, ben)).status == 201
    registered = UserRegistered(user_id=ben.user_id or "", person=Person(email=f"ben@{house.domain}", name="Ben"))
    assert await house.since(world.hear("identity", registered)) == []
    renamed = UserNameChanged(
        user_id=ben.user_id or "", person=Person(email=f"ben@{house.domain}", name="Benno"), previous_name="Ben"
    )
    assert await house.since(world.hear("identity", renamed)) == ["member.renamed"]


async def test_a_person_is_in_two_organizations_with_different_roles(world: World) -> None:
    house = await founded(world)
    ben = await house.member("viewer", "Ben")
    other = await founded(world)
    (await other.ask("POST", "/v1/domains", {"name": house.domain, "affirmed": True})).ok()
    (await other.accept(other.token((await other.invite(f"ben@{house.domain}", "analyst")).ok()), ben)).ok()
    assert (await house.user(ben))["role"] == "viewer"
    assert (await other.user(ben))["role"] == "analyst"


async def test_a_hundred_invitations_for_one_slot_and_exactly_one_gets_it(world: World) -> None:
    house = await founded(world, "free")
    replies = await at_once(*((lambda n=n: house.invite(f"p{n}@{house.domain}", "analyst")) for n in range(100)))
    assert sorted(r.status for r in replies) == [201] + [409] * 99
    assert {r.code for r in replies if r.status == 409} == {"slots_exhausted"}
    assert (await house.slots())["author"] == {"used": 2, "limit": 2}
    refused = next(r for r in replies if r.status == 409)
    assert refused.json["meta"] == {
        "because": "author",
        "kind": "author",
        "used": 2,
        "limit": 2,
        "plan": "free",
    }


async def test_every_row_of_a_batch_is_answered(world: World) -> None:
    house = await founded(world, "free")
    unknown = new_id("grp")
    rows = [
        {"email": f"a@{house.domain}", "role": "viewer"},
        {"email": "not an address", "role": "viewer"},
        {"email": f"A@{house.domain}", "role": "viewer"},
        {"email": "b@gmail.com"},
        {"email": f"c@{house.domain}", "role": "Boss"},
        {"email": f"d@{house.domain}", "group_ids": [unknown]},
        {"email": f"ana@{house.domain}"},
        *({"email": f"v{n}@{house.domain}", "role": "viewer"} for n in range(6)),
        {"email": f"x@{house.domain}", "role": "analyst"},
    ]
    body = {"invitations": rows}
    assert (await house.ask("POST", "/v1/invitations/batches", body)).code == "idempotency_key_required"
    reply = await house.ask("POST", "/v1/invitations/batches", body, headers={"Idempotency-Key": "k"})
    result = reply.ok()
    codes = [(r["problem"] or {}).get("code", "created") for r in result["results"]]
    assert codes == [
        "created",
        "invalid",
        "already_exists",
        "invalid",
        "invalid",
        "invalid",
        "already_exists",
        *["created"] * 4,
        "slots_exhausted",
        "slots_exhausted",
        "created",
    ]
    assert result["results"][4]["problem"]["errors"][0]["pointer"] == "/invitations/4/role"
    assert (result["created"], result["refused"]) == (6, 8)
    assert [r["row"] for r in result["results"]] == list(range(14))
    assert await house.slots() == {"author": {"used": 2, "limit": 2}, "viewer": {"used": 5, "limit": 5}}
    again = await house.ask("POST", "/v1/invitations/batches", body, headers={"Idempotency-Key": "k"})
    assert (again.body, again.headers["idempotency-replayed"]) == (reply.body, "true")
    assert len(await mails(house)) == 6


async def test_racing_batches_never_exceed_the_slots(world: World) -> None:
    house = await founded(world, "free")

    def batch(n: int) -> Reply:
        rows = [{"email": f"p{n}-{m}@{house.domain}", "role": "viewer"} for m in range(5)]
        return house.ask("POST", "/v1/invitations/batches", {"invitations": rows}, headers={"Idempotency-Key": f"k{n}"})  # type: ignore[return-value]

    replies = await at_once(*((lambda n=n: batch(n)) for n in range(8)))
    assert sum(r.ok()["created"] for r in replies) == 5
    assert (await house.slots())["viewer"] == {"used": 5, "limit": 5}


async def test_a_batch_has_at_most_five_hundred_rows(world: World) -> None:
    house = await founded(world)
    rows = [{"email": f"p{n}@{house.domain}"} for n in range(501)]
    bodies: list[dict[str, object]] = [{"invitations": rows}, {"invitations": []}, {}]
    for body in bodies:
        assert (
            await house.ask("POST", "/v1/invitations/batches", body, headers={"Idempotency-Key": str(len(str(body)))})
        ).status == 422
    full = await house.ask(
        "POST", "/v1/invitations/batches", {"invitations": rows[:500]}, headers={"Idempotency-Key": "full"}
    )
    assert full.ok()["created"] == 500
    page = (await house.ask("GET", "/v1/invitations?limit=200&q=P1")).ok()
    assert page["page"]["total"] == 111


async def test_an_invitation_that_was_accepted_is_neither_resent_nor_revoked(world: World) -> None:
    house = await founded(world)
    invited = (await house.invite(f"ben@{house.domain}")).ok()
    (await house.accept(house.token(invited), await a_person(world, f"ben@{house.domain}", "Ben"))).ok()
    path = f"/v1/invitations/{invited['id']}"
    assert (await house.ask("DELETE", path)).code == "conflict"
    assert (await house.ask("POST", f"{path}/resends")).code == "conflict"
    assert (await house.ask("GET", "/v1/invitations")).ok()["data"] == []


async def test_accepting_and_revoking_at_once_ends_in_one_of_both(world: World) -> None:
    house = await founded(world)
    for n in range(8):
        invited = (await house.invite(f"p{n}@{house.domain}")).ok()
        person = await a_person(world, f"p{n}@{house.domain}", "P")
        accepted, revoked = await asyncio.gather(
            house.accept(house.token(invited), person),
            house.ask("DELETE", f"/v1/invitations/{invited['id']}"),
        )
        assert (accepted.status, revoked.status) in ((201, 409), (410, 204))
        member = await house.ask("GET", f"/v1/users/{person.user_id}")
        assert (member.status == 200) == (accepted.status == 201)
