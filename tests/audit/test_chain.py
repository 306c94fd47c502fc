"""The verifier finds whatever is done to a chain, names it, and needs nothing but the entries and a head that was kept elsewhere."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.audit.rules import chain as rules
from services.audit.rules.chain import Head, SignedHead, is_signed, sign
from shared.auth import private_key
from shared.config import fresh_key

LENGTH = 25
KEY = private_key(fresh_key())
Entry = dict[str, Any]


def a_chain(length: int = LENGTH, org_id: str = "org_a") -> list[Entry]:
    entries: list[Entry] = []
    digest = rules.BEGINNING
    for number in range(1, length + 1):
        content: Entry = dict.fromkeys(rules.CONTENT) | {
            "org_id": org_id,
            "number": number,
            "id": f"aud_{number}",
            "at": (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)).isoformat(),
            "action": "org.group.created.v1",
            "subject": org_id,
            "event_id": f"evt_{number}",
            "source": "org",
            "sequence": number,
            "data": {"group": {"name": f"G{number}"}},
            "actor_amr": ["pwd", "otp", "mfa"] if number % 2 else None,
        }
        entry = content | {"previous_hash": digest, "hash": rules.hash_of(digest, content)}
        digest = entry["hash"]
        entries.append(entry)
    return entries


def head_of(entries: list[Entry]) -> SignedHead:
    last = entries[-1]
    return sign(Head(last["org_id"], last["number"], last["hash"], "2026-01-02T00:00:00+00:00"), KEY)


def rehashed(entries: list[Entry], place: int) -> None:
    """Makes everything from here on fit again, as somebody would who knows how hashes are made."""
    digest = entries[place - 1]["hash"] if place else rules.BEGINNING
    for entry in entries[place:]:
        entry["previous_hash"] = digest
        entry["hash"] = digest = rules.hash_of(digest, entry)


def edit(entries: list[Entry], place: int, dice: random.Random) -> str:
    name = dice.choice([name for name in (*rules.CONTENT, *rules.ADDED) if name not in ("number", "at", "org_id")])
    other = {"data": {"group": {"name": "forged"}}, "actor_amr": None if entries[place]["actor_amr"] else ["hwk"]}
    entries[place][name] = other.get(name, "forged")
    return "changed"


def edit_and_hash_all_again(entries: list[Entry], place: int, dice: random.Random) -> str:
    edit(entries, place, dice)
    rehashed(entries, place)
    return "changed"


def delete(entries: list[Entry], place: int, dice: random.Random) -> str:
    del entries[place]
    return "deleted" if place < len(entries) else "cut off"


def delete_and_close_the_gap(entries: list[Entry], place: int, dice: random.Random) -> str:
    del entries[place]
    for number, entry in enumerate(entries[place:], place + 1):
        entry["number"] = number
    rehashed(entries, place)
    return "cut off"


def insert(entries: list[Entry], place: int, dice: random.Random) -> str:
    entries.insert(place, dict(entries[max(place - 1, 0)]))
    return "inserted"


def insert_and_move_the_rest(entries: list[Entry], place: int, dice: random.Random) -> str:
    entries.insert(place, entries[place] | {"event_id": "evt_forged"})
    for number, entry in enumerate(entries, 1):
        entry["number"] = number
    rehashed(entries, place)
    return "changed"


def reorder(entries: list[Entry], place: int, dice: random.Random) -> str:
    other = (place + dice.randrange(1, len(entries))) % len(entries)
    entries[place], entries[other] = entries[other], entries[place]
    return "reordered"


def cut_the_tail(entries: list[Entry], place: int, dice: random.Random) -> str:
    del entries[place:]
    return "cut off"


def restore_an_old_copy_and_go_on(entries: list[Entry], place: int, dice: random.Random) -> str:
    """A backup, after which other things happened."""
    for entry in entries[place:]:
        entry["data"] = {"group": {"name": f"other {entry['number']}"}}
    rehashed(entries, place)
    return "changed"


WAYS = (
    edit, edit_and_hash_all_again, delete, delete_and_close_the_gap, insert, insert_and_move_the_rest, reorder, cut_the_tail,
    restore_an_old_copy_and_go_on,
)  # fmt: skip


def test_entries_from_before_hash_as_they_did() -> None:
    content = dict.fromkeys(rules.CONTENT, "x") | {"at": "2026-01-01T00:00:00+00:00"}
    known = "ba4c13211390bdc5"
    assert rules.hash_of(rules.BEGINNING, content) == rules.hash_of(rules.BEGINNING, content | {"actor_amr": None})
    assert rules.hash_of(rules.BEGINNING, content).startswith(known)


def test_ten_thousand_tamperings_are_all_found_and_nearly_all_named() -> None:
    whole = a_chain()
    head = head_of(whole)
    assert rules.verify(whole, first_previous_hash=rules.BEGINNING, heads=[head]).intact
    dice = random.Random(2026)
    for turn in range(10_000):
        way, place = WAYS[turn % len(WAYS)], dice.randrange(LENGTH)
        forged = [dict(entry) for entry in whole]
        named = way(forged, place, dice)
        verdict = rules.verify(forged, first_previous_hash=rules.BEGINNING, heads=[head], key=head.key)
        assert not verdict.intact, (way.__name__, place)
        if (
            place > 0 and way is not reorder
        ):  # at the very beginning, and between two that changed places, there are several truths
            assert verdict.what == named, (way.__name__, place, verdict)


@pytest.mark.parametrize("place", [3, 10, 20])
def test_the_place_is_named(place: int) -> None:
    for way in (edit, delete, insert):
        forged = [dict(entry) for entry in a_chain()]
        way(forged, place, random.Random(1))
        assert rules.verify(forged).broken_at == place
    swapped = [dict(entry) for entry in a_chain()]
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    verdict = rules.verify(swapped)
    assert (verdict.broken_at, verdict.what) == (place, "reordered")


def test_a_part_of_a_chain_verifies_and_an_older_head_still_holds() -> None:
    whole = a_chain()
    older = head_of(whole[:10])
    assert rules.verify(whole, heads=[older, head_of(whole)]).intact
    assert rules.verify(whole[5:], heads=[older, head_of(whole)]).intact
    assert rules.verify(whole[15:], heads=[older]).intact
    assert rules.verify([], heads=[older]).what == "cut off"


def test_a_head_that_was_not_signed_by_us_is_named_as_forged() -> None:
    whole = a_chain()
    head = head_of(whole)
    stranger = sign(head.head, private_key(fresh_key()))
    assert is_signed(stranger)
    assert rules.verify(whole, heads=[stranger], key=head.key).what == "forged"
    for forged in (
        replace(head, number=3),
        replace(head, signature="x"),
        replace(head, key=""),
        replace(head, digest="0"),
    ):
        assert rules.verify(whole, heads=[forged]).what == "forged"


def test_a_chain_of_another_organization_does_not_pass_for_ours() -> None:
    assert rules.verify(a_chain(org_id="org_b"), heads=[head_of(a_chain())]).what == "changed"
