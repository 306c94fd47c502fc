"""Removing another's two-factor: who may, on whom, with what, and what everybody learns of it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from services.identity.usecases import two_factor_removal
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events import OrgEvent
from shared.events.identity import AllSessionsEnded, SignInFailed, TwoFactorEnabled, TwoFactorRemoved
from shared.events.org import (
    Domain,
    DomainAtRisk,
    DomainClaimed,
    DomainLapsed,
    DomainRemoved,
    DomainVerified,
    InvitationAccepted,
    Member,
    MemberDeactivated,
    MemberJoined,
    MemberRemoved,
    MemberRoleChanged,
)
from shared.ids import new_id
from tests.dying import dying
from tests.identity.factors import Phone, answers, challenged, sets_up_totp
from tests.identity.people import (
    PASSWORD,
    Someone,
    introspect,
    invitation,
    is_invited,
    joins,
    mails,
    member,
    sign_in,
    somebody,
)
from tests.world import Reply, World

REASON = "The phone fell into the lake"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


@dataclass
class Office:
    """An organization with an Admin who acts, another Admin, and a person who was invited and lost their phone."""

    world: World
    org_id: str
    admin: Someone
    acting: Actor
    other: Someone
    vera: Someone
    phone: Phone

    async def remove(self, user_id: str | None = None, *, actor: Actor | None = None, **changes: object) -> Reply:
        body = {"password": PASSWORD, "reason": REASON, **changes}
        path = f"/v1/users/{user_id or self.vera.user_id}/two-factor-removal"
        return await self.world.ask("identity", "POST", path, body, actor=actor or self.acting)


async def invited(world: World, org_id: str, role: str = "viewer") -> Someone:
    """Somebody whose account an invitation of the organization opened, and who accepted it."""
    email = f"v{new_id('usr')[-10:]}@northwind.example"
    wanted = invitation(world, email)
    token = await is_invited(world, org_id, wanted)
    body = {"name": "Vera Viewer", "password": PASSWORD}
    opened = (await world.ask("identity", "POST", f"/v1/invitation-tokens/{token}/account", body)).ok()
    accepted = wanted.model_copy(update={"status": "accepted"})
    await world.hear("org", InvitationAccepted(org_id=org_id, invitation=accepted, user_id=opened["user_id"]))
    await is_member(world, org_id, opened["user_id"], role)
    return Someone(world, opened["user_id"], email)


async def is_member(world: World, org_id: str, user_id: str, role: str) -> None:
    state = member(world, user_id).model_copy(update={"role": role, "effective_role": role})
    await world.hear("org", MemberJoined(org_id=org_id, member=state))


@pytest.fixture
async def office(world: World) -> Office:
    org_id = new_id("org")
    admin, other = await somebody(world, name="Ada Admin"), await somebody(world, name="Otto Admin")
    for one in (admin, other):
        await joins(world, org_id, one.user_id)
    vera = await invited(world, org_id)
    phone = await sets_up_totp(world, await vera.comes())
    return Office(world, org_id, admin, await admin.comes(), other, vera, phone)


async def test_all_factors_codes_and_sessions_are_gone_and_everybody_who_must_know_is_told(office: Office) -> None:
    world, vera = office.world, office.vera
    session = (await answers(world, await challenged(vera), totp=office.phone.code())).ok()
    pending = await challenged(vera)
    assert (await office.remove()).status == 204
    assert not (await introspect(world, session["session_id"]))["live"]
    assert (await answers(world, pending, recovery_code=office.phone.recovery_codes[0])).code == "challenge_ended"
    assert (await sign_in(world, vera.email)).ok()["challenge"] is None
    told = (await world.said("identity", TwoFactorRemoved))[-1]
    assert (told.subject, told.org_id, told.actor_id) == (vera.user_id, office.org_id, office.admin.user_id)
    assert told.data == {"removed": ["totp"], "factors": [], "org_id": office.org_id, "reason": REASON}
    assert (await world.said("identity", AllSessionsEnded))[-1].data["reason"] == "two_factor_removed"
    sent = [(mail.template, mail.to) for mail in await mails(world) if mail.template.startswith("two_factor_removed")]
    assert sent == [
        ("two_factor_removed_for_you", vera.email),
        ("two_factor_removed_for_another", office.other.email),
    ]
    assert (await office.remove()).code == "conflict", "there is nothing left to remove"


async def test_it_takes_the_admins_own_password(office: Office) -> None:
    refused = await office.remove(password="Whatever is Vera's 12")
    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert [e.subject for e in await office.world.said("identity", SignInFailed)] == [office.admin.user_id]
    await has_lost_nothing(office)


async def test_after_five_wrong_passwords_it_rests_for_a_quarter_of_an_hour(office: Office) -> None:
    codes = [(await office.remove(password="not my password")).code for _ in range(5)]
    blocked = await office.remove()
    assert (codes, blocked.code) == (["invalid_credentials"] * 5, "rate_limited")
    assert 0 < int(blocked.headers["retry-after"]) <= 900
    await has_lost_nothing(office)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201, "line\nbreak", None])
async def test_it_takes_a_reason(office: Office, reason: str | None) -> None:
    assert (await office.remove(reason=reason)).code == "invalid"
    await has_lost_nothing(office)


async def test_nobody_does_it_to_themselves(office: Office) -> None:
    await sets_up_totp(office.world, office.acting)
    refused = await office.remove(office.admin.user_id)
    assert (refused.status, refused.code) == (409, "conflict")
    assert not await office.world.said("identity", TwoFactorRemoved)


@pytest.mark.parametrize("role", ["analyst", "viewer"])
async def test_only_admins_do_it(office: Office, role: str) -> None:
    colleague = await invited(office.world, office.org_id, role)
    actor = await colleague.comes()
    assert (await office.remove(actor=replace(actor, role=role))).code == "forbidden"  # type: ignore[arg-type]
    late = await office.remove(actor=replace(actor, role="admin"))
    assert (late.status, late.code) == (403, "forbidden"), "whatever the gateway still believes"
    await has_lost_nothing(office)


async def test_an_admin_who_is_demoted_while_the_password_is_looked_at_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = two_factor_removal.prove_oneself
    demoted = member(office.world, office.admin.user_id).model_copy(
        update={"role": "viewer", "effective_role": "viewer"}
    )

    async def slow(*given: object) -> object:
        proof = await real(*given)  # type: ignore[arg-type]
        told = MemberRoleChanged(org_id=office.org_id, member=demoted, previous_role="admin")
        await office.world.hear("org", told)
        return proof

    monkeypatch.setattr(two_factor_removal, "prove_oneself", slow)
    assert (await office.remove()).code == "forbidden"
    await has_lost_nothing(office)


async def test_a_stranger_answers_like_somebody_who_does_not_exist(office: Office) -> None:
    stranger = await somebody(office.world)
    await sets_up_totp(office.world, await stranger.comes())
    foreign, missing = await office.remove(stranger.user_id), await office.remove(new_id("usr"))
    assert (foreign.status, foreign.code) == (missing.status, missing.code) == (404, "not_found")
    await office.world.hear("org", MemberRemoved(org_id=office.org_id, member=state_of(office, "removed")))
    assert (await office.remove()).code == "not_found"


async def test_an_account_that_another_organization_opened_is_not_ours_to_weaken(office: Office) -> None:
    elsewhere = new_id("org")
    guest = await invited(office.world, elsewhere)
    await is_member(office.world, office.org_id, guest.user_id, "viewer")
    phone = await sets_up_totp(office.world, await guest.comes())
    refused = await office.remove(guest.user_id)
    assert (refused.status, refused.code) == (403, "account_of_another")
    assert (await answers(office.world, await challenged(guest), totp=phone.code())).status == 201


NEWS: dict[str, Callable[[str, Domain], OrgEvent]] = {
    "claimed": lambda org_id, domain: DomainClaimed(org_id=org_id, domain=domain),
    "verified": lambda org_id, domain: DomainVerified(org_id=org_id, domain=domain),
    "at_risk": lambda org_id, domain: DomainAtRisk(org_id=org_id, domain=domain, lapses_at=domain_lapses()),
    "lapsed": lambda org_id, domain: DomainLapsed(org_id=org_id, domain=domain, reason="proof_gone"),
    "removed": lambda org_id, domain: DomainRemoved(org_id=org_id, domain=domain, reason="by_admin"),
}


def domain_lapses() -> datetime:
    return datetime.now(UTC) + timedelta(days=7)


@pytest.mark.parametrize(
    ("news", "answer"),
    [
        (["claimed"], 403),
        (["claimed", "verified"], 204),
        (["claimed", "verified", "at_risk"], 204),
        (["claimed", "verified", "at_risk", "lapsed"], 403),
        (["claimed", "verified", "removed"], 403),
    ],
)
async def test_an_address_in_a_proven_domain_is_at_home(office: Office, news: list[str], answer: int) -> None:
    domain_id = new_id("dom")
    for status in news:
        domain = a_domain(domain_id, status)
        await office.world.hear("org", NEWS[status](office.org_id, domain))
    await sets_up_totp(office.world, await office.other.comes())
    assert (await office.remove(office.other.user_id)).status == answer


def a_domain(domain_id: str, status: str) -> Domain:
    return Domain(domain_id=domain_id, name="example.com", status=status, origin="claimed", stands=True)  # type: ignore[arg-type]


async def test_a_proven_domain_opens_no_door_to_another_organization(office: Office) -> None:
    domain_id = new_id("dom")
    for status in ("claimed", "verified"):
        await office.world.hear("org", NEWS[status](office.org_id, a_domain(domain_id, status)))
    await sets_up_totp(office.world, await office.other.comes())
    await joins(office.world, new_id("org"), office.other.user_id)
    assert (await office.remove(office.other.user_id)).code == "account_of_another"


async def test_who_is_deactivated_can_be_helped(office: Office) -> None:
    await office.world.hear("org", MemberDeactivated(org_id=office.org_id, member=state_of(office, "inactive")))
    assert (await office.remove()).status == 204


async def test_of_two_admins_at_once_one_does_it_and_two_who_do_it_to_each_other_never_wait_forever(
    office: Office,
) -> None:
    second = await office.other.comes()
    replies = await asyncio.gather(office.remove(), office.remove(actor=second))
    assert sorted(reply.status for reply in replies) == [204, 409]
    domain = a_domain(new_id("dom"), "verified")
    await office.world.hear("org", DomainVerified(org_id=office.org_id, domain=domain))
    await sets_up_totp(office.world, office.acting)
    await sets_up_totp(office.world, second)
    crossed = await asyncio.gather(
        office.remove(office.other.user_id), office.remove(office.admin.user_id, actor=second)
    )
    assert {reply.status for reply in crossed} <= {204, 401, 409}
    assert 204 in {reply.status for reply in crossed}


async def test_a_failure_at_the_end_leaves_everything_as_it_was(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("no mail can be written")

    with monkeypatch.context() as patch:
        patch.setattr(two_factor_removal, "_mail", broken)
        assert (await office.remove()).status == 500
    await has_lost_nothing(office)
    assert len(await office.world.said("identity", TwoFactorEnabled)) == 1


async def test_killed_at_any_step_it_has_happened_whole_or_not_at_all(office: Office) -> None:
    before = await what_is_kept(office)
    for step in itertools.count(1):
        for when in ("before", "after"):
            office.world.clock.advance(timedelta(hours=1))
            with dying(two_factor_removal, "_locked", when, step):
                assert (await office.remove()).status == 503
            kept = await what_is_kept(office)
            if kept != before:
                break
        else:
            continue
        break
    assert (when, step > 15) == ("after", True), "only the commit, the last of all steps, makes it happen"
    assert kept == {
        "second factors": 0,
        "recovery codes": 0,
        "sessions": 0,
        "identity.two_factor.removed.v1": 1,
        "identity.session.all_ended.v1": 1,
        "mails about it": 2,
    }
    assert (await office.remove()).code == "conflict", "it happened, so it can't happen again"
    assert await what_is_kept(office) == kept


async def what_is_kept(office: Office) -> dict[str, int]:
    """Of the person who lost their phone, and of what was said of it."""
    whose = {
        "second factors": "select count(*) from totp where user_id = $1",
        "recovery codes": "select count(*) from recovery_codes where user_id = $1",
        "sessions": "select count(*) from sessions where user_id = $1",
    }
    async with office.world.started["identity"].env.database.read(EVERY_ORG) as read:
        kept = {what: await read.value(sql, office.vera.user_id) for what, sql in whose.items()}
    for event in (TwoFactorRemoved, AllSessionsEnded):
        kept[event.TYPE] = len(await office.world.said("identity", event))
    about = [mail for mail in await mails(office.world) if mail.template.startswith("two_factor_removed")]
    return {**kept, "mails about it": len(about)}


def state_of(office: Office, status: str) -> Member:
    return member(office.world, office.vera.user_id, status)


async def has_lost_nothing(office: Office) -> None:
    assert not await office.world.said("identity", TwoFactorRemoved)
    assert (await sign_in(office.world, office.vera.email)).ok()["challenge"]["factors"] == ["totp"]
    assert (await introspect(office.world, office.vera.held[0]["session_id"]))["live"]
