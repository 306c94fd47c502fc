"""What an operator is told of single sign-on and provisioning before people call."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.auth import Actor
from shared.ids import new_id
from tests.identity.provider import Provider
from tests.identity.sso_house import SsoHouse, sso_house
from tests.identity.test_sso_certificates import has_certificates
from tests.world import World


async def checkup(world: World) -> dict[str, Any]:
    told = await world.ask("identity", "GET", "/internal/sso-checkup", actor=Actor("service", service="identity"))
    return dict(told.ok())


async def remarks(world: World) -> list[tuple[str, bool]]:
    return [(one["says"].replace("Northwind IdP", "It"), one["grave"]) for one in (await checkup(world))["remarks"]]


async def used_token(house: SsoHouse, days_ago: int) -> None:
    async with house.world.started["identity"].env.database.tx(house.org_id, lambda event: event) as tx:
        await tx.run(
            "insert into scim_tokens (org_id, token_id, name, digest, hint, created_at, created_by, last_used_at)"
            " values ($1, $2, $3, '', '', $4, 'usr_x', $4)",
            house.org_id,
            new_id("sct"),
            f"Okta {days_ago}",
            house.world.clock.now() - timedelta(days=days_ago),
        )


async def test_what_is_well_is_counted_and_what_is_in_the_making_is_not_looked_at(
    world: World, provider: Provider
) -> None:
    await (await sso_house(world, provider)).set_up()
    await (await sso_house(world, provider)).begins()
    assert await checkup(world) == {"connections": 1, "tokens": 0, "remarks": []}


async def test_a_domain_whose_proof_is_lost_a_provider_that_is_another_and_a_silent_token_are_named(
    world: World, provider: Provider
) -> None:
    house = await (await sso_house(world, provider)).set_up()
    where = f"({house.connection} of {house.org_id})"
    await house.proves(house.domain, lapsed=True)
    assert await remarks(world) == [(f"It {where} is active, and {house.domain} isn't proven any more", True)]
    await house.proves(house.domain)
    provider.document = {"issuer": "https://elsewhere.example"}
    ((says, grave),) = await remarks(world)
    assert (says.startswith(f"the metadata of It {where} can't be read: "), grave) == (True, False)
    provider.document = {}
    await used_token(house, 1)
    await used_token(house, 3)
    ((says, grave),) = await remarks(world)
    assert (says.startswith(f"the token Okta 3 of {house.org_id} was last used on "), grave) == (True, False)


@pytest.mark.parametrize(("days", "words", "grave"), [(29, "ends", False), (-1, "has ended", True), (31, None, False)])
async def test_a_certificate_that_ends_is_named_in_time(
    world: World, provider: Provider, days: int, words: str | None, grave: bool
) -> None:
    house = await sso_house(world, provider)
    await house.begins(protocol="saml")
    await has_certificates(house, world.clock.now() + timedelta(days=days))
    found = await remarks(world)
    assert [one for _, one in found] == ([grave] if words else [])
    if words:
        assert f"the last certificate of It ({house.connection} of {house.org_id}) {words} on" in found[0][0]
