"""Whoever had an account before an identity provider spoke of them is asked first; to the provider they are inactive until they accept."""

from __future__ import annotations

from typing import Any

import pytest

from shared.auth import Actor
from shared.events.courier import MailRequested
from shared.events.identity import UserClosed
from tests.org.house import a_person
from tests.org.provider import Provider, provided
from tests.org.test_arrivals import arrives, waiting
from tests.world import Reply, World


@pytest.fixture
async def idp(world: World) -> Provider:
    return await provided(world)


@pytest.fixture
async def eva(idp: Provider, sessions: dict[str, dict[str, Any]]) -> Actor:
    """She signed up by herself, with an address of the organization's domain."""
    email = f"eva@{idp.house.domain}"
    person = await a_person(idp.house.world, email, "Eva Own")
    sessions[f"account {email}"] = {"user_id": person.user_id, "email": email, "name": "Eva Own"}
    return person


async def invitations(idp: Provider, status: str = "open") -> list[dict[str, Any]]:
    return list((await idp.house.ask("GET", f"/v1/invitations?status={status}")).ok()["data"])


async def switches(idp: Provider, user: Any, active: bool) -> Reply:
    return await idp.patches(f"/Users/{user['id']}", {"op": "replace", "value": {"active": active}})


async def test_an_existing_account_is_invited_and_active_once_its_person_has_accepted(
    idp: Provider, eva: Actor
) -> None:
    reply = await idp.ask("POST", "/Users", idp.user("eva", nickName="Ev"))
    made = reply.ok()
    assert (reply.status, made["id"], made["active"], made["nickName"]) == (201, eva.user_id, False, "Ev")
    assert (await idp.house.ask("GET", f"/v1/users/{eva.user_id}")).status == 404, "no member yet"
    (invitation,) = await invitations(idp)
    assert (invitation["email"], invitation["role"]) == (f"eva@{idp.house.domain}", "viewer")
    mail = MailRequested.read((await idp.house.world.said("org", MailRequested))[-1])
    assert (mail.template, mail.to) == ("invitation", invitation["email"])
    assert (await idp.house.accept(idp.house.token(invitation), eva)).status == 201
    after = (await idp.ask("GET", f"/Users/{eva.user_id}")).ok()
    assert (after["active"], after["externalId"], after["nickName"]) == (True, "ext-eva", "Ev")
    assert (await switches(idp, made, False)).ok()["active"] is False
    assert (await idp.house.ask("GET", f"/v1/users/{eva.user_id}")).ok()["status"] == "inactive"


async def test_a_dry_run_says_who_would_be_asked_first_and_sends_nobody_a_mail(idp: Provider, eva: Actor) -> None:
    before = await idp.house.said()
    users = [idp.user("eva"), idp.user("eva", active=False), idp.user("nobody-yet")]
    told = [
        (await idp.house.ask("POST", "/v1/provisioning/previews", {"users": [one]})).ok()["rows"][0] for one in users
    ]
    assert [(one["outcome"], one["user_id"]) for one in told] == [
        ("invited", None),
        ("created", None),
        ("created", None),
    ], "who is inactive is asked once the provider wants them in"
    counts = (await idp.house.ask("POST", "/v1/provisioning/previews", {"users": [users[0], users[2]]})).ok()
    assert (counts["invited"], counts["created"]) == (1, 1)
    assert await idp.house.said() == before
    assert (await idp.creates("eva"))["active"] is False


async def test_the_provider_finds_who_was_invited_and_says_the_same_again_without_effect(
    idp: Provider, eva: Actor
) -> None:
    made = await idp.creates("eva")
    for query in (f'userName eq "EVA@{idp.house.domain}"', 'externalId eq "ext-eva"', f'id eq "{eva.user_id}"', 'userName sw "eva"'):  # fmt: skip
        assert [one["id"] for one in await idp.finds("Users", query)] == [eva.user_id], query
    listed = (await idp.ask("GET", "/Users")).ok()
    assert (listed["totalResults"], listed["Resources"][-1]["id"]) == (2, eva.user_id), "after those who have joined"
    second = (await idp.ask("GET", "/Users", startIndex=2, count=5)).ok()
    assert [one["id"] for one in second["Resources"]] == [eva.user_id]
    assert (await idp.ask("GET", "/Users", startIndex=3, count=5)).ok()["Resources"] == []
    assert await idp.house.since(switches(idp, made, True)) == []
    assert await idp.house.since(idp.ask("PUT", f"/Users/{eva.user_id}", idp.user("eva"))) == []
    assert (await idp.ask("POST", "/Users", idp.user("eva"))).status == 409
    other_name = idp.user("other", emails=[{"primary": True, "value": f"eva@{idp.house.domain}"}])
    assert (await idp.ask("POST", "/Users", other_name)).status == 409
    renamed = await idp.patches(f"/Users/{eva.user_id}", {"op": "replace", "path": "title", "value": "CFO"})
    assert (renamed.ok()["title"], renamed.json["active"]) == ("CFO", False)


async def test_deactivating_takes_the_invitation_back_and_activating_invites_anew(idp: Provider, eva: Actor) -> None:
    made = await idp.creates("eva")
    (first,) = await invitations(idp)
    assert await idp.house.since(switches(idp, made, False)) == ["invitation.revoked"]
    assert await idp.house.since(switches(idp, made, False)) == []
    assert (await idp.house.accept(idp.house.token(first), eva)).code == "gone"
    assert await idp.house.since(switches(idp, made, True)) == ["invitation.sent"]
    (second,) = await invitations(idp)
    assert await idp.house.since(idp.ask("DELETE", f"/Users/{eva.user_id}")) == ["invitation.revoked"]
    assert (await idp.ask("GET", f"/Users/{eva.user_id}")).status == 404
    assert (await idp.house.accept(idp.house.token(second), eva)).code == "gone"
    absent = await idp.creates("eva", active=False)
    assert (absent["id"], await invitations(idp)) == (eva.user_id, [])


async def test_what_an_admin_takes_back_stays_so_until_the_provider_switches_it_anew(idp: Provider, eva: Actor) -> None:
    made = await idp.creates("eva")
    (invitation,) = await invitations(idp)
    assert (await idp.house.ask("DELETE", f"/v1/invitations/{invitation['id']}")).status == 204
    assert await idp.house.since(switches(idp, made, True)) == []
    assert (await idp.ask("GET", f"/Users/{eva.user_id}")).ok()["active"] is False
    await switches(idp, made, False)
    assert await idp.house.since(switches(idp, made, True)) == ["invitation.sent"]


async def test_an_invitation_that_an_admin_sent_before_is_the_one(idp: Provider, eva: Actor) -> None:
    sent = (await idp.house.invite(f"eva@{idp.house.domain}", "analyst")).ok()
    assert await idp.house.since(idp.ask("POST", "/Users", idp.user("eva"))) == []
    assert [one["id"] for one in await invitations(idp)] == [sent["id"]]
    assert (await idp.house.accept(idp.house.token(sent), eva)).ok()["role"] == "analyst"
    assert (await idp.ask("GET", f"/Users/{eva.user_id}")).ok()["externalId"] == "ext-eva"


async def test_groups_are_kept_for_who_has_not_accepted_yet(idp: Provider, eva: Actor) -> None:
    await idp.creates("eva")
    group = await idp.group("Provided", str(eva.user_id))
    left = await idp.group("Left again", str(eva.user_id))
    assert [one["value"] for one in group["members"]] == [eva.user_id]
    await idp.patches(f"/Groups/{left['id']}", {"op": "remove", "path": f'members[value eq "{eva.user_id}"]'})
    assert "members" not in (await idp.ask("GET", f"/Groups/{left['id']}")).ok()
    shown = (await idp.house.ask("GET", f"/v1/groups/{group['id']}")).ok()
    assert shown["members"] == 0, "it grants nothing before she has accepted"
    (invitation,) = await invitations(idp)
    said = await idp.house.since(idp.house.accept(idp.house.token(invitation), eva))
    assert said == ["invitation.accepted", "member.joined", "group.member_added"]
    assert [one["name"] for one in (await idp.house.user(eva))["groups"] if one["kind"] == "custom"] == ["Provided"]


async def test_who_comes_by_the_provider_has_accepted(idp: Provider, eva: Actor) -> None:
    await idp.creates("eva")
    await arrives(idp.house, "eva", eva.user_id, new_users="approval")
    after = (await idp.ask("GET", f"/Users/{eva.user_id}")).ok()
    assert (after["active"], after["externalId"]) == (True, "ext-eva")


async def test_whom_the_provider_said_is_inactive_waits_for_an_admin_when_they_come(idp: Provider, eva: Actor) -> None:
    made = await idp.creates("eva")
    await switches(idp, made, False)
    await arrives(idp.house, "eva", eva.user_id, new_users="at_once")
    assert (await idp.house.ask("GET", f"/v1/users/{eva.user_id}")).status == 404
    (approval,) = await waiting(idp.house)
    assert (approval["id"], approval["reason"]) == (eva.user_id, "removed")


async def test_nobody_else_accepts_in_place_of_whom_the_provider_awaits(idp: Provider, eva: Actor) -> None:
    """Her address may be another account's by now; the provider would never have that one out again."""
    await idp.creates("eva")
    (invitation,) = await invitations(idp)
    newer = await a_person(idp.house.world, f"eva@{idp.house.domain}", "Eva Again")
    assert (await idp.house.accept(idp.house.token(invitation), newer)).code == "invitation_of_another"
    assert (await idp.house.accept(idp.house.token(invitation), eva)).status == 201


async def test_an_invitation_takes_a_slot_and_none_is_sent_without_one(idp: Provider, eva: Actor) -> None:
    await idp.house.on("business", viewer_slots=1)
    await idp.creates("taken")
    assert (await idp.ask("POST", "/Users", idp.user("eva"))).status == 403
    absent = await idp.creates("eva", active=False)
    assert (await switches(idp, absent, True)).status == 403
    assert await invitations(idp) == []


async def test_of_whose_account_is_closed_nothing_stays(world: World, idp: Provider, eva: Actor) -> None:
    await idp.creates("eva")
    await world.hear("identity", UserClosed(user_id=str(eva.user_id)))
    assert (await idp.ask("GET", f"/Users/{eva.user_id}")).status == 404
