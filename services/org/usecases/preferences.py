"""How an organization's people read times, numbers and dates; a country fills in what is usual there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from services.org.store import organizations
from services.org.store.organizations import Organization
from services.org.usecases.changing import change
from services.org.usecases.holding import administering
from services.org.usecases.presets import DateFormat, NumberFormat, Preset, WeekStart, preset_of
from shared.errors import Problem, invalid
from shared.fields import Message, Nothing, Versioned
from shared.service import Ctx

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="An ISO 3166-1 code.")]
TimeZone = Annotated[
    str, StringConstraints(max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$"), Field(description="An IANA name.")
]


class Preferences(Versioned):
    """`country` is null until one was chosen. The formats are shown by example."""

    country: str | None
    time_zone: str
    week_start: WeekStart
    number_format: NumberFormat
    date_format: DateFormat


class ChangePreferences(Message):
    """A merge patch. A country that is named fills in what isn't."""

    country: Country = Field(default_factory=str)
    time_zone: TimeZone = Field(default_factory=str)
    week_start: WeekStart = Field(default_factory=lambda: "monday")
    number_format: NumberFormat = Field(default_factory=lambda: "1,234.56")
    date_format: DateFormat = Field(default_factory=lambda: "YYYY-MM-DD")


class WhichCountry(Message):
    country: Country


async def read_preferences(ctx: Ctx, _: Nothing) -> Preferences:
    """The organization's time zone, first day of the week, and formats."""
    async with ctx.read() as read:
        return _view(await organizations.one(read, ctx.actor.org()))


async def change_preferences(ctx: Ctx, wanted: ChangePreferences) -> Preferences:
    """Changes preferences, by the organization's ETag. A conflict lists who changed what meanwhile."""
    asked = {name: getattr(wanted, name) for name in wanted.model_fields_set}
    if "country" in asked:
        preset = preset_of(wanted.country)
        if preset is None:
            raise invalid("/country", "unknown_country", "No country has this code.")
        usual = preset.model_dump(exclude={"name"}, exclude_none=True)
        asked = {**usual, **asked}
    async with administering(ctx, "organization.manage") as held:
        return _view(await change(ctx, held, asked))


async def read_preset(ctx: Ctx, which: WhichCountry) -> Preset:
    """What is usual in a country."""
    preset = preset_of(which.country)
    if preset is None:
        raise Problem("not_found")
    return preset


def _view(facts: Organization) -> Preferences:
    return Preferences(**{name: getattr(facts, name) for name in Preferences.model_fields})
