"""Certificates of identity providers end, and every Admin hears of it in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.identity.rules.sso import Certificate, SamlSettings, warning_due
from services.identity.store import sso_connections
from services.identity.usecases.sso_warnings import warn_of_certificates
from tests.identity.people import mails
from tests.identity.provider import Provider
from tests.identity.sso_house import SsoHouse, sso_house
from tests.world import World


async def has_certificates(house: SsoHouse, *ends: datetime) -> None:
    """As if its metadata had said so."""
    certificates = tuple(Certificate("pem", f"{n:064x}", "CN=idp", end) for n, end in enumerate(ends))
    database = house.world.started["identity"].env.database
    async with database.tx(house.org_id, lambda event: event) as tx:
        found = await sso_connections.one(tx, house.org_id, house.connection)
        assert found is not None
        saml = SamlSettings("urn:idp", "https://idp.example/sso", certificates)
        await sso_connections.keep(tx, replace(found, status="active", saml=saml))


async def warned(house: SsoHouse) -> int:
    await house.world.run("identity", warn_of_certificates)
    told = [mail for mail in await mails(house.world) if mail.to == house.boss.email]
    return sum(mail.template == "sso_certificate_expiring" for mail in told)


async def test_each_stage_is_told_once(world: World) -> None:
    house = await sso_house(world, Provider())
    await house.begins(protocol="saml")
    ends = world.clock.now() + timedelta(days=31)
    await has_certificates(house, ends)
    assert await warned(house) == 0
    for days, count in ((1, 1), (0, 1), (23, 2), (6, 3), (1, 4), (5, 4)):
        world.clock.advance(timedelta(days=days, seconds=1))
        assert await warned(house) == count, days
    shown = (await house.ask("GET", house.path())).ok()
    assert (shown["health"], shown["certificates"][0]["subject"]) == ("certificate_expired", "CN=idp")


async def test_one_that_overlaps_is_warning_enough_and_a_new_one_begins_anew(world: World) -> None:
    house = await sso_house(world, Provider())
    await house.begins(protocol="saml")
    now = world.clock.now()
    await has_certificates(house, now + timedelta(days=2), now + timedelta(days=400))
    assert await warned(house) == 0
    await has_certificates(house, now + timedelta(days=2))
    assert await warned(house) == 1
    await has_certificates(house, now + timedelta(days=2), now + timedelta(days=400))
    assert await warned(house) == 1
    await has_certificates(house, now + timedelta(days=20))
    assert await warned(house) == 2


@pytest.mark.parametrize(
    ("days", "before", "due"),
    [(31, None, None), (30, None, 30), (30, 30, None), (7, 30, 7), (8, 30, None), (1, 7, 1), (0, 1, 0), (-5, 0, None), (-5, None, 0)],
)  # fmt: skip
def test_which_warning_is_due(days: int, before: int | None, due: int | None) -> None:
    now = datetime.fromisoformat("2026-11-26T12:00:00+00:00")
    assert warning_due(now + timedelta(days=days), before, now) == due
