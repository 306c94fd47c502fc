"""JSON has one reading or none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Problem
from shared.web.json import dump, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"{", b"{}x", b"[1,]", b"{'a':1}", b"01", b".5", b"1.", b"+1", b"nul", b'"\n"', b'"\x00"',
        b'{"a":1}\x00',
        b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"1e400",
        b"\xef\xbb\xbf{}", b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"',
        b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\ud800":1}', "{}".encode("utf-16"),
        b'{"a":1,"a":1}', b'{"a":{"b":1,"b":2}}', b'[{"a":":","a":2}]', b'{"a":1,"\\u0061":2}',
        b"[" * 65 + b"]" * 65, b'{"a":' * 65 + b"1" + b"}" * 65, b"[" * 10_000 + b"]" * 10_000, b"[" * 10_000,
        b'{"a":' * 10_000, b'{"a":' + b"[" * 900 + b"]" * 900 + b',"a":1}', b"1" * 5_000,
    ],
)  # fmt: skip
def test_what_is_not_plain_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        parse(body)
    assert caught.value.code == "malformed_request"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":{"a":1},"b":{"a":2}}', {"a": {"a": 1}, "b": {"a": 2}}),
        (b'{"at":"10:00:00","":0}', {"at": "10:00:00", "": 0}),
        (b"9223372036854775808", 2**63),
        (b"[123456789012345678901234567890]", [123456789012345678901234567890]),
        (b"-18446744073709551617", -(2**64) - 1),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"' + b"[" * 500 + b'\\"{"', "[" * 500 + '"{'),
    ],
)
def test_plain_json_is_read_exactly(body: bytes, value: object) -> None:
    assert parse(body) == value
    assert type(parse(body)) is type(value)


def test_64_levels_pass() -> None:
    assert json.dumps(parse(b"[" * 64 + b"]" * 64)) == "[" * 64 + "]" * 64


@given(JSON)
def test_whatever_was_written_is_read_back(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == value


@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53)))
def test_what_we_dump_we_parse(value: dict[str, int]) -> None:
    assert parse(dump(value)) == value
