"""People who come by the organization's identity provider: at once, after an approval, by their invitation, or not at all."""

from __future__ import annotations

from typing import Any

from shared.events.courier import MailRequested
from shared.events.identity import Person, UserClosed, UserRegistered
from shared.events.identity_sso import SsoUserArrived
from shared.events.org import InvitationAccepted, MemberJoined
from shared.events.org_approvals import MemberApproved
from shared.ids import new_id
from tests.org.house import House, founded
from tests.world import World


async def arrives(house: House, name: str = "ivy", user_id: str | None = None, **changes: Any) -> str:
    """Somebody has signed in at the provider; their id."""
    user_id = user_id or new_id("usr")
    email = f"{name}@{house.domain}"
    await house.world.hear("identity", UserRegistered(user_id=user_id, person=Person(email=email, name=name.title())))
    facts = {"new_users": "at_once", "default_role": "viewer", "group_ids": [], **changes}
    told = SsoUserArrived(
        user_id=user_id, org_id=house.org_id, connection_id=new_id("sso"), email=email, name=name.title(), **facts
    )
    await house.world.hear("identity", told)
    return user_id


async def waiting(house: House) -> list[dict[str, Any]]:
    return (await house.ask("GET", "/v1/users/approvals")).ok()["data"]  # type: ignore[no-any-return]


async def mails_of(house: House, template: str) -> list[str]:
    told = [MailRequested.read(envelope) for envelope in await house.world.said("org", MailRequested)]
    return [mail.to for mail in told if mail.template == template and mail.about == house.org_id]


async def test_who_may_start_at_once_is_a_member_with_role_and_groups(world: World) -> None:
    house = await founded(world)
    group = await house.group("Finance")
    ivy = await arrives(house, group_ids=[group, new_id("grp")], default_role="analyst")
    user = (await house.ask("GET", f"/v1/users/{ivy}")).ok()
    assert (user["role"], user["status"]) == ("analyst", "active")
    assert [g["name"] for g in user["groups"] if g["kind"] == "custom"] == ["Finance"]
    before = len(await house.said())
    await arrives(house, user_id=ivy)
    assert len(await house.said()) == before, "who is a member already arrives nowhere"
    assert await waiting(house) == []


async def test_who_has_to_wait_is_listed_and_told_to_every_admin_once(world: World) -> None:
    house = await founded(world)
    await house.member("admin", "Second Admin")
    ivy = await arrives(house, new_users="approval", default_role="analyst")
    assert (await house.ask("GET", f"/v1/users/{ivy}")).status == 404
    shown = await waiting(house)
    assert [(one["id"], one["name"], one["role"], one["reason"]) for one in shown] == [
        (ivy, "Ivy", "analyst", "approval")
    ]
    await arrives(house, user_id=ivy, new_users="approval")
    assert len(await waiting(house)) == 1
    assert len(await mails_of(house, "sso_approval_requested")) == 2


async def test_an_admin_lets_somebody_in_with_another_role(world: World) -> None:
    house = await founded(world)
    group = await house.group("Board")
    ivy = await arrives(house, new_users="approval")
    path = f"/v1/users/approvals/{ivy}/approval"
    assert (await house.ask("POST", path, {"group_ids": [new_id("grp")]})).code == "invalid"
    approved = (await house.ask("POST", path, {"role": "analyst", "group_ids": [group]})).ok()
    assert (approved["role"], approved["group_ids"]) == ("analyst", [group])
    assert (await house.said())[-3:] == ["member.approved", "member.joined", "group.member_added"]
    assert MemberApproved.read((await world.said("org", MemberApproved))[-1]).approval.user_id == ivy
    assert await mails_of(house, "sso_approved") == [f"ivy@{house.domain}"]
    assert await waiting(house) == []
    assert (await house.ask("POST", path, {})).status == 404


async def test_who_was_declined_is_not_asked_about_again_but_can_be_invited(world: World) -> None:
    house = await founded(world)
    ivy = await arrives(house, new_users="approval")
    assert (await house.ask("DELETE", f"/v1/users/approvals/{ivy}")).status == 204
    await arrives(house, user_id=ivy, new_users="approval")
    assert await waiting(house) == []
    (await house.invite(f"ivy@{house.domain}", "analyst")).ok()
    await arrives(house, user_id=ivy, new_users="approval")
    assert (await house.ask("GET", f"/v1/users/{ivy}")).ok()["role"] == "analyst"


async def test_an_invitation_counts_more_than_what_the_connection_says(world: World) -> None:
    house = await founded(world)
    for name, new_users in (("ivy", "at_once"), ("joe", "approval"), ("kim", "refused")):
        invited = (await house.invite(f"{name}@{house.domain}", "analyst")).ok()
        person = await arrives(house, name, new_users=new_users)
        assert (await house.ask("GET", f"/v1/users/{person}")).ok()["role"] == "analyst"
        accepted = (await world.said("org", InvitationAccepted))[-1]
        assert accepted.data["invitation"]["invitation_id"] == invited["id"]
    nobody = await arrives(house, "lou", new_users="refused")
    assert (await house.ask("GET", f"/v1/users/{nobody}")).status == 404
    assert await waiting(house) == []


async def test_without_a_slot_or_after_a_lapse_nobody_new_comes_in_by_themselves(world: World) -> None:
    house = await founded(world, "pro")
    for n in range(4):
        (await house.invite(f"a{n}@{house.domain}", "analyst")).ok()
    late = await arrives(house, default_role="analyst")
    assert [(one["id"], one["reason"]) for one in await waiting(house)] == [(late, "slots")]
    refused = await house.ask("POST", f"/v1/users/approvals/{late}/approval", {})
    assert refused.code == "slots_exhausted"
    (await house.ask("POST", f"/v1/users/approvals/{late}/approval", {"role": "viewer"})).ok()
    await house.on("free")
    lapsed = await arrives(house, "kim")
    assert [(one["id"], one["reason"]) for one in await waiting(house)] == [(lapsed, "plan")]


async def test_whom_an_admin_removed_doesnt_return_without_an_admin(world: World) -> None:
    house = await founded(world)
    ivy = await arrives(house)
    assert (await house.ask("DELETE", f"/v1/users/{ivy}")).status == 204
    await arrives(house, user_id=ivy)
    assert [one["reason"] for one in await waiting(house)] == ["removed"]
    (await house.ask("POST", f"/v1/users/approvals/{ivy}/approval", {})).ok()
    assert (await world.said("org", MemberJoined))[-1].data["member"]["user_id"] == ivy


async def test_whose_account_is_closed_waits_no_longer(world: World) -> None:
    house = await founded(world)
    ivy = await arrives(house, new_users="approval")
    await world.hear("identity", UserClosed(user_id=ivy))
    assert await waiting(house) == []


async def test_only_admins_approve_and_a_stranger_is_nobody(world: World) -> None:
    house, other = await founded(world), await founded(world)
    ben = await house.member("analyst", "Ben")
    ivy = await arrives(house, new_users="approval")
    for method, rest in (("POST", "/approval"), ("DELETE", "")):
        assert (await house.ask(method, f"/v1/users/approvals/{ivy}{rest}", by=ben)).code == "forbidden"
        foreign = await other.ask(method, f"/v1/users/approvals/{ivy}{rest}")
        missing = await other.ask(method, f"/v1/users/approvals/{new_id('usr')}{rest}")
        assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
    assert len(await waiting(house)) == 1


async def test_into_a_closed_organization_nobody_comes(world: World) -> None:
    house = await founded(world)
    (await house.ask("POST", "/v1/organization/closure", {"name": "Acme"})).ok()
    await world.settle()
    before = await house.said()
    for new_users in ("at_once", "approval"):
        await arrives(house, new_id("usr")[-6:], new_users=new_users)
    assert await house.said() == before
    late = SsoUserArrived(
        user_id=new_id("usr"),
        org_id=new_id("org"),
        connection_id=new_id("sso"),
        email=f"x@{house.domain}",
        name="X",
        new_users="at_once",
        default_role="viewer",
        group_ids=[],
    )
    await world.hear("identity", late)
