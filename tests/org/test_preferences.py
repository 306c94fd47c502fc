"""How an organization's people read times, numbers and dates; and what a late editor is told."""

from __future__ import annotations

from typing import Any

import pytest

from shared.events.org import OrganizationChanged
from tests.org.house import House, founded
from tests.world import Reply, World

PATH = "/v1/organization/preferences"


async def etag(house: House) -> str:
    return (await house.ask("GET", PATH)).headers["etag"]


async def change(house: House, wanted: dict[str, Any], match: str | None = None, **other: Any) -> Reply:
    return await house.ask("PATCH", PATH, wanted, headers={"If-Match": match or await etag(house)}, **other)


async def test_a_country_fills_in_what_is_usual_there_and_what_is_named_stays(world: World) -> None:
    house = await founded(world)
    assert (await house.ask("GET", PATH)).ok() == {
        "country": None,
        "time_zone": "UTC",
        "week_start": "monday",
        "number_format": "1,234.56",
        "date_format": "YYYY-MM-DD",
    }
    changed = (await change(house, {"country": "CH"})).ok()
    assert changed == {
        "country": "CH",
        "time_zone": "Europe/Zurich",
        "week_start": "monday",
        "number_format": "1'234.56",
        "date_format": "DD.MM.YYYY",
    }
    named = (await change(house, {"country": "US", "time_zone": "America/Chicago", "week_start": "monday"})).ok()
    assert named == {
        "country": "US",
        "time_zone": "America/Chicago",
        "week_start": "monday",
        "number_format": "1,234.56",
        "date_format": "MM/DD/YYYY",
    }
    told = [e.data for e in await world.said("org", OrganizationChanged) if e.org_id == house.org_id]
    assert told[-1]["organization"]["country"] == "US"
    assert told[-1]["previous"]["time_zone"] == "Europe/Zurich"
    assert (await house.ask("GET", "/v1/organization")).ok()["time_zone"] == "America/Chicago"


@pytest.mark.parametrize(
    ("country", "zone", "week", "number", "date"),
    [
        ("DE", "Europe/Berlin", "monday", "1.234,56", "DD.MM.YYYY"),
        ("FR", "Europe/Paris", "monday", "1 234,56", "DD/MM/YYYY"),
        ("EG", "Africa/Cairo", "saturday", "1,234.56", "DD/MM/YYYY"),
        ("JP", "Asia/Tokyo", "sunday", "1,234.56", "YYYY/MM/DD"),
        ("NL", "Europe/Amsterdam", "monday", "1.234,56", "DD-MM-YYYY"),
        ("US", "America/New_York", "sunday", "1,234.56", "MM/DD/YYYY"),
    ],
)
async def test_presets_know_what_is_usual(
    world: World, country: str, zone: str, week: str, number: str, date: str
) -> None:
    house = await founded(world)
    preset = (await house.ask("GET", f"{PATH}/presets/{country}")).ok()
    assert (preset["time_zone"], preset["week_start"]) == (zone, week)
    assert (preset["number_format"], preset["date_format"]) == (number, date)
    assert (await change(house, {"country": country})).ok()["time_zone"] == zone


async def test_a_late_editor_is_told_who_changed_what(world: World) -> None:
    house = await founded(world)
    ben = await house.member("admin", "Ben")
    read = await etag(house)
    (await change(house, {"country": "DE"}, by=ben)).ok()
    details = (await house.ask("GET", "/v1/organization")).headers["etag"]
    (await house.ask("PATCH", "/v1/organization", {"name": "Acme AG"}, headers={"If-Match": details})).ok()
    late = await change(house, {"week_start": "sunday"}, read)
    assert late.code == "precondition_failed"
    changes = late.json["meta"]["changes"]
    assert [(c["version"], c["changed_by"]) for c in changes] == [(3, house.admin.user_id), (2, ben.user_id)]
    assert [c["fields"] for c in changes] == [
        ["name"],
        ["time_zone", "country", "number_format", "date_format"],
    ]
    assert late.json["meta"]["current_version"] == 3
    again = await change(house, {"week_start": "sunday"}, late.headers["etag"])
    assert again.ok()["week_start"] == "sunday"


async def test_what_is_so_already_is_no_change(world: World) -> None:
    house = await founded(world)
    assert await house.since(change(house, {"week_start": "monday"})) == []


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"country": "ZZ"}, "unknown_country"),
        ({"country": "de"}, None),
        ({"time_zone": "Europe/Atlantis"}, "unknown_time_zone"),
        ({"number_format": "1_000"}, None),
        ({"date_format": "YY"}, None),
        ({"week_start": "friday"}, None),
    ],
)
async def test_what_nobody_can_mean_is_refused(world: World, wanted: dict[str, Any], code: str | None) -> None:
    house = await founded(world)
    refused = await change(house, wanted)
    assert refused.status == 422
    assert code in (None, refused.json["errors"][0]["code"])


async def test_every_member_reads_preferences_and_admins_alone_change_them(world: World) -> None:
    house = await founded(world)
    viewer = await house.member("viewer", "Vera")
    assert (await house.ask("GET", PATH, by=viewer)).ok()["time_zone"] == "UTC"
    assert (await change(house, {"country": "DE"}, by=viewer)).code == "forbidden"
    assert (await house.ask("PATCH", PATH, {"country": "DE"})).code == "precondition_required"
