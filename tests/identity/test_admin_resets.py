"""An Admin has a person of theirs mailed the link for a new password, and learns nothing by it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.auth import Actor
from shared.events.identity import PasswordResetSent
from shared.ids import new_id
from tests.identity.factors import answers, challenged
from tests.identity.people import introspect, is_deactivated, link_of, mails, sign_in, somebody
from tests.identity.test_password_resets import NEW_PASSWORD, resets
from tests.identity.test_two_factor_removal import Office, invited, is_member
from tests.identity.test_two_factor_removal import office as office
from tests.world import Reply, World


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


async def sends(world: World, actor: Actor, user_id: str) -> Reply:
    return await world.ask("identity", "POST", f"/v1/users/{user_id}/password-resets", actor=actor)


async def told(world: World) -> list[str]:
    return [event.subject for event in await world.said("identity", PasswordResetSent)]


async def test_the_ordinary_mail_goes_to_the_person_and_the_admin_hears_sent_and_nothing_else(office: Office) -> None:
    world, vera = office.world, office.vera
    session = (await answers(world, await challenged(vera), totp=office.phone.code())).ok()["session_id"]
    sent = await sends(world, office.acting, vera.user_id)
    assert (sent.status, sent.body) == (204, b"")
    (mail,) = [one for one in await mails(world) if one.template == "password_reset"]
    assert (mail.to, set(mail.values)) == (vera.email, {"name", "expires_at"})
    (event,) = await world.said("identity", PasswordResetSent)
    assert (event.subject, event.org_id, event.actor_id) == (vera.user_id, office.org_id, office.admin.user_id)
    assert event.data == {"org_id": office.org_id}
    assert (await introspect(world, session))["live"], "nothing ends before the link is followed"
    assert (await resets(world, link_of(world, mail))).status == 204
    assert not (await introspect(world, session))["live"]
    assert (await sign_in(world, vera.email, NEW_PASSWORD)).ok()["challenge"], "the second factor is still asked for"


async def test_only_admins_of_the_persons_home_do_it_and_not_to_themselves(office: Office) -> None:
    world = office.world
    colleague = await invited(world, office.org_id, "analyst")
    actor = await colleague.comes()
    assert (await sends(world, replace(actor, role="analyst"), office.vera.user_id)).code == "forbidden"
    late = await sends(world, replace(actor, role="admin"), office.vera.user_id)
    assert late.code == "forbidden", "whatever the gateway still believes"
    assert (await sends(world, office.acting, office.admin.user_id)).code == "conflict"
    stranger = await somebody(world)
    assert (await sends(world, office.acting, stranger.user_id)).code == "not_found"
    assert (await sends(world, office.acting, new_id("usr"))).code == "not_found"
    guest = await somebody(world)
    await is_member(world, office.org_id, guest.user_id, "viewer")
    assert (await sends(world, office.acting, guest.user_id)).code == "account_of_another"
    shared = await invited(world, office.org_id)
    await is_member(world, new_id("org"), shared.user_id, "viewer")
    assert (await sends(world, office.acting, shared.user_id)).status == 204, "it opened this account"
    await is_deactivated(world, office.org_id, office.vera.user_id)
    assert (await sends(world, office.acting, office.vera.user_id)).code == "conflict"
    assert await told(world) == [shared.user_id]


async def test_a_mailbox_is_not_flooded(office: Office) -> None:
    world = office.world
    codes = [(await sends(world, office.acting, office.vera.user_id)).status for _ in range(4)]
    assert codes == [204, 204, 204, 429]
    other = await invited(world, office.org_id)
    assert (await sends(world, office.acting, other.user_id)).status == 204
    world.clock.advance(timedelta(hours=1))
    assert (await sends(world, office.acting, office.vera.user_id)).status == 204
