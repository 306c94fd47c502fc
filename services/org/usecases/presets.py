"""What is usual in a country, as CLDR knows it: time zone, first day of the week, how numbers and dates are written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast

from babel import Locale, UnknownLocaleError
from babel.core import get_global

from shared.fields import View

WeekStart = Literal["monday", "saturday", "sunday"]
NumberFormat = Literal["1,234.56", "1.234,56", "1 234,56", "1'234.56"]
DateFormat = Literal["YYYY-MM-DD", "YYYY/MM/DD", "YYYY.MM.DD", "DD.MM.YYYY", "DD/MM/YYYY", "DD-MM-YYYY", "MM/DD/YYYY"]

WEEK_STARTS: Mapping[int, WeekStart] = {0: "monday", 5: "saturday", 6: "sunday"}
NUMBER_FORMATS: Mapping[str, NumberFormat] = {",": "1,234.56", ".": "1.234,56", "’": "1'234.56"}
NOWHERE = "ZZ"
# Where a country has several time zones: the one of its largest city.
LARGEST = {
    "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto",
    "CD": "Africa/Kinshasa", "CL": "America/Santiago", "CN": "Asia/Shanghai", "CY": "Asia/Nicosia", "DE": "Europe/Berlin",
    "EC": "America/Guayaquil", "ES": "Europe/Madrid", "ID": "Asia/Jakarta", "KZ": "Asia/Almaty", "MN": "Asia/Ulaanbaatar",
    "MX": "America/Mexico_City", "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PG": "Pacific/Port_Moresby",
    "PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kiev", "US": "America/New_York", "UZ": "Asia/Tashkent",
}  # fmt: skip


class Preset(View):
    """What is usual in a country; `time_zone` is null where none is."""

    country: str
    name: str
    time_zone: str | None
    week_start: WeekStart
    number_format: NumberFormat
    date_format: DateFormat


def preset_of(country: str) -> Preset | None:
    """None for a code that no country has."""
    zones = [zone for zone, territory in get_global("zone_territories").items() if territory == country]
    if not zones or country == NOWHERE:
        return None
    try:
        locale = Locale.parse(f"und_{country}")
    except (UnknownLocaleError, ValueError):
        return None
    group = str(locale.number_symbols["latn"]["group"])
    return Preset(
        country=country,
        name=Locale("en").territories[country],
        time_zone=LARGEST.get(country) or (zones[0] if len(zones) == 1 else None),
        week_start=WEEK_STARTS.get(locale.first_week_day, "monday"),
        number_format=NUMBER_FORMATS.get(group, "1 234,56"),
        date_format=_date_format(locale.date_formats["short"].pattern),
    )


def _date_format(pattern: str) -> DateFormat:
    order = "".join(dict.fromkeys(re.sub(r"[^yMd]", "", pattern)))
    mark = next((letter for letter in pattern if letter in "./-"), "-")
    if order == "yMd":
        return cast(DateFormat, f"YYYY{mark}MM{mark}DD")
    return "MM/DD/YYYY" if order == "Mdy" else cast(DateFormat, f"DD{mark}MM{mark}YYYY")
