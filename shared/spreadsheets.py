"""CSV that people open in a spreadsheet: what would be a formula there is kept from being one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
DELIMITERS = ",;\t"


def csv_lines(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as RFC 4180 writes them. A cell that begins like a formula gets an apostrophe before it; None is empty."""
    written = io.StringIO()
    csv.writer(written).writerows([_cell(value) for value in row] for row in rows)
    return written.getvalue().encode()


def read_csv(text: str, most: int) -> list[tuple[int, list[str]]]:
    """The rows of a CSV with commas, semicolons or tabs, without empty ones; one more than `most` at the most.

    Each comes with its number in a spreadsheet, where empty rows count, and what is written over several lines is one. A first line `sep=;`, by which spreadsheets tell each other, is no row.
    """
    text = text.removeprefix("\ufeff")
    first, _, others = text.partition("\n")
    delimiter = max(DELIMITERS, key=first.count)
    named = first.rstrip("\r").casefold().removeprefix("sep=")
    if named != first and named in tuple(DELIMITERS):
        text, delimiter = others, named
    rows = []
    for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1):
        if any(cell.strip() for cell in row):
            rows.append((number, [cell.strip() for cell in row]))
        if len(rows) > most:
            break
    return rows


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text
