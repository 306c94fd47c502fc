"""Inviting with foresight: rows that are judged while they are typed, and who came too late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.events.courier import MailRequested
from shared.ids import new_id
from tests.org.house import House, a_person, at_once, founded
from tests.world import Reply, World


async def check(house: House, *rows: dict[str, Any]) -> Any:
    return (await house.ask("POST", "/v1/invitations/checks", {"invitations": list(rows)})).ok()


async def test_rows_are_judged_as_inviting_them_would_and_nothing_is_kept(world: World) -> None:
    house = await founded(world, "free")
    (await house.invite(f"here@{house.domain}")).ok()
    rows: list[dict[str, Any]] = [
        {"email": f"a@{house.domain}"},
        {"email": f"A@{house.domain}"},
        {"email": "not an address"},
        {"email": "b@gmail.com"},
        {"email": f"here@{house.domain}"},
        {"email": f"ana@{house.domain}"},
        {"email": f"c@{house.domain}", "role": "Boss"},
        {"email": f"d@{house.domain}", "group_ids": [new_id("grp")]},
        *({"email": f"v{n}@{house.domain}"} for n in range(4)),
        {"email": f"x@{house.domain}", "role": "analyst"},
        {"email": f"y@{house.domain}", "role": "admin"},
    ]
    before = await house.said(), await house.slots()
    told = await check(house, *rows)
    assert (await house.said(), await house.slots()) == before
    invited = await house.ask(
        "POST", "/v1/invitations/batches", {"invitations": rows}, headers={"Idempotency-Key": "rows"}
    )
    assert [r["problem"] for r in told["results"]] == [r["problem"] for r in invited.ok()["results"]]
    assert (told["accepted"], told["refused"]) == (invited.ok()["created"], invited.ok()["refused"]) == (5, 9)
    assert told["viewer"] == {"used": 1, "wanted": 4, "limit": 5}
    assert told["author"] == {"used": 1, "wanted": 1, "limit": 2}


async def test_an_overdue_invitation_is_in_nobodys_way(world: World) -> None:
    house = await founded(world)
    (await house.invite(f"ben@{house.domain}")).ok()
    world.clock.advance(timedelta(days=14))
    assert (await check(house, {"email": f"ben@{house.domain}"}))["accepted"] == 1


async def renew(house: House, token: str) -> Reply:
    return await house.world.ask("org", "POST", f"/v1/invitation-tokens/{token}/renewal-request")


async def asked(house: House) -> list[Any]:
    return [
        e.data
        for e in await house.world.said("org", MailRequested)
        if e.org_id == house.org_id and e.data["template"] == "invitation_renewal"
    ]


async def test_who_comes_too_late_asks_once_and_an_admin_sends_it_again(world: World) -> None:
    house = await founded(world)
    invitation = (await house.invite(f"ben@{house.domain}", "viewer")).ok()
    token = house.token(invitation)
    assert (await renew(house, token)).status == 204
    assert await asked(house) == []
    world.clock.advance(timedelta(days=15))
    assert await house.since(renew(house, token)) == ["invitation.renewal_requested"]
    assert await house.since(renew(house, token)) == []
    (mail,) = await asked(house)
    assert (mail["to"], mail["link"]) == (f"ana@{house.domain}", None)
    assert mail["values"] == {"organization": "Acme", "email": f"ben@{house.domain}", "name": "Ana Ruiz"}
    (shown,) = (await house.ask("GET", "/v1/invitations")).ok()["data"]
    assert shown["status"] == "expired"
    assert shown["renewal_requested_at"] is not None
    resent = (await house.ask("POST", f"/v1/invitations/{invitation['id']}/resends")).ok()
    assert (resent["status"], resent["renewal_requested_at"]) == ("open", None)
    ben = await a_person(world, f"ben@{house.domain}", "Ben")
    (await house.accept(house.token(resent), ben)).ok()
    world.clock.advance(timedelta(days=15))
    assert await house.since(renew(house, house.token(resent))) == []


async def test_every_link_that_asks_for_renewal_is_answered_alike(world: World) -> None:
    house = await founded(world)
    invitation = (await house.invite(f"ben@{house.domain}")).ok()
    token = house.token(invitation)
    (await house.ask("DELETE", f"/v1/invitations/{invitation['id']}")).ok()
    world.clock.advance(timedelta(days=15))
    nobodys = house.token({"id": new_id("inv"), "link_version": 1})
    replies = [await renew(house, one) for one in (token, nobodys, token[:-1], "tms_x", "x")]
    assert {(r.status, r.body) for r in replies} == {(204, b"")}
    assert await asked(house) == []


async def test_a_closed_organization_is_asked_for_nothing_and_can_be_asked_when_it_is_open_again(world: World) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    world.clock.advance(timedelta(days=15))
    (await house.ask("POST", "/v1/organization/closure", {"name": "Acme"})).ok()
    reply = await renew(house, token)
    assert (reply.status, reply.body) == (204, b"")
    assert await asked(house) == []
    (await house.ask("DELETE", "/v1/organization/closure")).ok()
    await renew(house, token)
    assert len(await asked(house)) == 1


async def test_many_who_ask_at_once_ask_once(world: World) -> None:
    house = await founded(world)
    token = house.token((await house.invite(f"ben@{house.domain}")).ok())
    world.clock.advance(timedelta(days=15))
    await at_once(*([lambda: renew(house, token)] * 10))
    assert len(await asked(house)) == 1


async def test_the_mail_goes_to_who_is_admin_now(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    body = {"email": f"eve@{house.domain}", "role": "viewer"}
    invitation = (await house.ask("POST", "/v1/invitations", body, by=ben)).ok()
    (await house.ask("DELETE", f"/v1/users/{ben.user_id}")).ok()
    world.clock.advance(timedelta(days=15))
    await renew(house, house.token(invitation))
    assert [mail["to"] for mail in await asked(house)] == [f"ana@{house.domain}"]
