"""What a new password must not be: one that others know from a breach, or one that names the person's organization."""

from __future__ import annotations

import secrets

import pytest

from services.identity.usecases.breached import SIZE, BreachedPasswords, breached_passwords, packed
from shared.events.org import Organization, OrganizationChanged, OrganizationCreated
from shared.ids import new_id
from tests.identity.people import (
    PASSWORD,
    invitation,
    is_invited,
    is_removed,
    joins,
    link_of,
    mails,
    somebody,
    wish,
)
from tests.world import Reply, World

NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture
async def world(one_world: World) -> World:
    return await one_world.from_now_on()


def test_the_list_is_in_order_and_knows_what_is_in_breaches_in_any_case() -> None:
    known = breached_passwords()
    digests = [known.packed[at : at + SIZE] for at in range(0, len(known.packed), SIZE)]
    assert len(known.packed) % SIZE == 0
    assert len(digests) > 50_000
    assert digests == sorted(set(digests))
    for password in ("wildbear123456", "WildBear123456", "google.com12332211", "yfcnz1320628"):
        assert known.holds(password)
    assert not any(known.holds(secrets.token_urlsafe(24)) for _ in range(1000))


def test_the_first_and_the_last_of_a_list_are_found_and_an_empty_one_holds_nothing() -> None:
    words = ["first of all", "second to none", "third time lucky", "last but not least"]
    some = BreachedPasswords(packed(words))
    assert all(some.holds(word) for word in words)
    assert not some.holds("not among them")
    assert not BreachedPasswords(b"").holds("anything at all")


async def named(world: World, name: str) -> str:
    """An organization that org has told of."""
    org_id = new_id("org")
    state = Organization(name=name, location="eu", contact_email="ana@example.com", product_mails=False)
    await world.hear("org", OrganizationCreated(org_id=org_id, organization=state, created_by=new_id("usr")))
    return org_id


def reasons(reply: Reply) -> list[tuple[str, str]]:
    return [(error["code"], error["detail"]) for error in reply.json["errors"]]


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("ana@northwind.co.uk", "three Northwind miles"),
        ("ana@mail.northwind.example", "three Northwind miles"),
        ("ana@bücherei.example", "die alte Bücherei 7"),
    ],
)
async def test_no_part_of_ones_domain_is_part_of_a_new_password(world: World, email: str, password: str) -> None:
    wanted = wish(email, password=password, company="Contoso")
    refused = await world.ask("identity", "POST", "/v1/signups", wanted, headers={"Tenantry-Source-Ip": "203.0.113.9"})
    assert reasons(refused) == [("password_personal", "must not contain the domain of your e-mail address")]


async def test_the_name_of_ones_organization_is_no_part_of_a_new_password(world: World) -> None:
    ana = await somebody(world)
    other, mine = await named(world, "Bluebird Aviation"), await named(world, "Kingfisher")
    await joins(world, mine, ana.user_id)
    actor = await ana.comes()

    async def changes(new: str) -> Reply:
        body = {"current_password": PASSWORD, "new_password": new}
        return await world.ask("identity", "PUT", "/v1/me/password", body, actor=actor)

    assert reasons(await changes("the king-fisher dives")) == [
        ("password_personal", "must not contain the name of Kingfisher")
    ]
    state = Organization(name="Halcyon", location="eu", contact_email="ana@example.com", product_mails=False)
    await world.hear("org", OrganizationChanged(org_id=mine, organization=state, previous={"name": "Kingfisher"}))
    await joins(world, other, ana.user_id)
    assert reasons(await changes("a HALCYON evening"))[0][0] == "password_personal"
    assert reasons(await changes("seven bluebirds sing"))[0][0] == "password_personal"
    await is_removed(world, other, ana.user_id)
    assert (await changes("the king-fisher dives")).status == 204


async def test_nor_of_one_that_is_chosen_by_a_mailed_link(world: World) -> None:
    ana = await somebody(world)
    await joins(world, await named(world, "Kingfisher"), ana.user_id)
    await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": ana.email})
    reset = f"/v1/auth/password-resets/{link_of(world, (await mails(world))[-1])}"
    refused = await world.ask("identity", "PUT", reset, {"new_password": "the king-fisher dives"})
    assert (refused.status, reasons(refused)[0][0]) == (422, "password_personal")


async def test_nor_of_an_invited_persons_first_one(world: World) -> None:
    invited = await is_invited(world, await named(world, "Kingfisher"), invitation(world, "guest@example.com"))
    path = f"/v1/invitation-tokens/{invited}/account"
    refused = await world.ask("identity", "POST", path, {"name": "Guest", "password": "the king-fisher dives"})
    assert (refused.status, reasons(refused)[0][0]) == (422, "password_personal")
    assert (await world.ask("identity", "POST", path, {"name": "Guest", "password": NEW_PASSWORD})).status == 201


async def test_what_organizations_are_called_is_kept_apart_by_the_database_itself(world: World) -> None:
    ours, _ = await named(world, "Kingfisher"), await named(world, "Bluebird")
    database = world.started["identity"].env.database
    async with database.read(ours) as read:
        assert [row["name"] for row in await read.rows("select name from organizations")] == ["Kingfisher"]
    async with database.read("") as read:
        assert await read.rows("select name from organizations") == []
