"""Strict JSON: what two parsers could read differently is refused, and orjson does nearly all of the work."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from shared.errors import Problem

_DEEPEST = 64
_LONG_NUMBER = re.compile(rb"[0-9]{19}")


def dump(value: Any) -> bytes:
    return orjson.dumps(value)


def parse(body: bytes) -> object:
    """The value; `Problem("malformed_request")` for all that isn't plain JSON.

    Refused: syntax, NaN and infinities, bytes that aren't UTF-8, lone surrogates, duplicate keys, nesting beyond 64.
    Integers of any size stay integers, for the schema to refuse.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _malformed(f"The body isn't JSON: {error.msg} at byte {error.pos}.") from None
    colons = body.count(b":")
    # each key has its colon: as many colons as keys means that orjson met no key twice
    if _count_keys(value) == colons and not _LONG_NUMBER.search(body):
        return value
    return _parse_slowly(body)


def _count_keys(value: object) -> int:
    keys = 0
    level = [value]
    for _ in range(_DEEPEST + 1):
        below: list[object] = []
        for container in level:
            if type(container) is dict:
                keys += len(container)
                below += container.values()
            elif type(container) is list:
                below += container
        if not below:
            return keys
        level = below
    raise _malformed(f"The body is nested deeper than {_DEEPEST} levels.")


def _parse_slowly(body: bytes) -> object:
    try:
        return json.loads(body, object_pairs_hook=_object)
    except (ValueError, RecursionError):  # a number of thousands of digits; depth hidden behind a duplicate key
        raise _malformed("The body isn't JSON that can be read.") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _malformed(f"The key {twice[:64]!r} is there twice.")
    return value


def _malformed(detail: str) -> Problem:
    return Problem("malformed_request", detail)
