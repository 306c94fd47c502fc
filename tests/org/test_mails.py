"""What organizations are written to unasked: the monthly digest, which one click ends, and news of a legal text."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from services.org.app import opening, service
from services.org.rules.digests import month_before, next_at
from services.org.usecases.dns import txt_records
from services.org.usecases.legal_news import tell_new_versions
from services.org.usecases.legal_texts import TEXTS, LegalTexts
from services.org.usecases.product_mails import send_digests
from shared.auth import ANONYMOUS
from shared.clock import MovableClock
from shared.events.courier import MailRequested
from shared.events.identity import Person, Signup, UserRegistered
from shared.events.org import OrganizationChanged, OrganizationCreated
from shared.ids import new_id
from shared.links import link_token
from tests.org.house import House, founded, identity_with
from tests.world import Databases, World, world_of


@dataclass
class Place:
    world: World
    texts: Path

    async def run(self, use_case: Any) -> None:
        await self.world.run("org", use_case)
        await self.world.settle()

    async def mails(self, house: House, template: str) -> list[Any]:
        said = await self.world.said("org", MailRequested)
        return [one.data for one in said if one.org_id == house.org_id and one.data["template"] == template]


@pytest.fixture(scope="module")
async def place(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("mails")
    shutil.copytree(TEXTS, folder / "legal")
    quiet = replace(service, opens=opening(txt_records, LegalTexts(folder / "legal")), jobs=())
    async with world_of(
        [quiet, identity_with(folder / "identity", {})], databases, folder, clock=MovableClock()
    ) as world:
        yield Place(world, folder / "legal")


async def to_the_next_month(place: Place) -> None:
    place.world.clock.advance(next_at(place.world.clock.now(), "UTC") - place.world.clock.now() + timedelta(minutes=1))


async def test_each_month_the_contact_of_who_wants_it_gets_one_digest(place: Place) -> None:
    wants, wants_none = await founded(place.world), await founded(place.world)
    await wants.member("analyst")
    off = {"product_mails": False}
    (await wants_none.ask("PATCH", "/v1/organization", off, headers={"If-Match": "*"})).ok()
    await to_the_next_month(place)
    for _ in range(2):
        await place.run(send_digests)
    [mail] = await place.mails(wants, "monthly_digest")
    assert mail["to"] == f"ana@{wants.domain}"
    assert mail["values"]["active"] == mail["values"]["joined"] == "2"
    assert (mail["values"]["authors"], mail["values"]["slots"]) == ("2", "20")
    assert mail["unsubscribe"] == {"purpose": "unsubscribe", "id": wants.org_id, "version": 1}
    assert await place.mails(wants_none, "monthly_digest") == []
    await to_the_next_month(place)
    await place.run(send_digests)
    assert len(await place.mails(wants, "monthly_digest")) == 2


async def test_one_click_ends_them_whatever_the_mail_program_posts(place: Place) -> None:
    house = await founded(place.world)
    token = link_token(place.world.settings.secrets.bytes("links"), "unsubscribe", house.org_id, 1)
    for _ in range(2):
        clicked = await place.world.ask(
            "org",
            "POST",
            f"/v1/mail-unsubscriptions/{token}",
            actor=ANONYMOUS,
            raw=b"List-Unsubscribe=One-Click",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert clicked.status == 204
    assert (await house.ask("GET", "/v1/organization")).ok()["product_mails"] is False
    told = [one for one in await place.world.said("org", OrganizationChanged) if one.org_id == house.org_id]
    assert [one.data["previous"] for one in told] == [{"product_mails": True}]
    await to_the_next_month(place)
    await place.run(send_digests)
    assert await place.mails(house, "monthly_digest") == []


async def test_a_token_that_was_made_for_something_else_ends_nothing(place: Place) -> None:
    house = await founded(place.world)
    key = place.world.settings.secrets.bytes("links")
    for token in (
        link_token(key, "invitation", house.org_id, 1),
        link_token(key, "unsubscribe", new_id("org"), 1),
        "x",
    ):
        assert (await place.world.ask("org", "POST", f"/v1/mail-unsubscriptions/{token}")).code == "gone"
    assert (await house.ask("GET", "/v1/organization")).ok()["product_mails"] is True


async def test_a_closed_organization_gets_no_digest(place: Place) -> None:
    house = await founded(place.world)
    (await house.ask("POST", "/v1/organization/closure", {"name": "Acme"})).ok()
    await to_the_next_month(place)
    await place.run(send_digests)
    assert await place.mails(house, "monthly_digest") == []


def test_a_digest_comes_in_the_morning_of_the_first_where_the_organization_is() -> None:
    assert next_at(datetime(2026, 12, 31, 23, tzinfo=UTC), "Asia/Tokyo") == datetime(2027, 1, 31, 23, tzinfo=UTC)
    assert next_at(datetime(2026, 12, 31, 23, tzinfo=UTC), "America/New_York") == datetime(2027, 1, 1, 13, tzinfo=UTC)
    begin, end = month_before(datetime(2027, 1, 1, 13, tzinfo=UTC), "America/New_York")
    assert (begin.isoformat(), end.isoformat()) == ("2026-12-01T00:00:00-05:00", "2027-01-01T00:00:00-05:00")


async def test_every_admin_is_told_once_of_a_new_version_of_what_was_accepted(place: Place) -> None:
    house, closed = await founded(place.world), await founded(place.world)
    second = await house.member("admin", "Second Admin")
    await house.member("analyst")
    (await closed.ask("POST", "/v1/organization/closure", {"name": "Acme"})).ok()
    await place.run(tell_new_versions)
    assert await place.mails(house, "legal_version") == []
    (place.texts / "terms-2031-01.md").write_text("# Terms & Conditions\n\nOther ones.\n")
    for _ in range(3):
        await place.run(tell_new_versions)
    mails = await place.mails(house, "legal_version")
    assert {one["reader"] for one in mails} == {house.admin.user_id, second.user_id}
    assert len(mails) == 2
    assert mails[0]["values"]["version"] == "2031-01"
    assert await place.mails(closed, "legal_version") == []
    documents = (await house.ask("GET", "/v1/legal/documents")).ok()["data"]
    assert [one["id"] for one in documents if one["awaits_answer"] and one["kind"] == "terms"] == ["terms-2031-01"]


@pytest.mark.parametrize(
    ("country", "expected"),
    [
        ("DE", ("Europe/Berlin", "monday", "1.234,56", "DD.MM.YYYY")),
        ("US", ("America/New_York", "sunday", "1,234.56", "MM/DD/YYYY")),
        (None, ("UTC", "monday", "1,234.56", "YYYY-MM-DD")),
        ("QZ", ("UTC", "monday", "1,234.56", "YYYY-MM-DD")),
    ],
)
async def test_a_country_that_is_named_at_sign_up_fills_in_what_is_usual_there(
    place: Place, country: str | None, expected: tuple[str, ...]
) -> None:
    user_id = new_id("usr")
    signup = Signup(company="Acme", location="eu", country=country)
    person = Person(email=f"ana@{user_id[4:12]}.example", name="Ana")
    await place.world.hear("identity", UserRegistered(user_id=user_id, person=person, signup=signup))
    [created] = [e for e in await place.world.said("org", OrganizationCreated) if e.data["created_by"] == user_id]
    told = created.data["organization"]
    assert (told["time_zone"], told["week_start"], told["number_format"], told["date_format"]) == expected
    assert told["country"] == (country if expected[0] != "UTC" else None)
