"""Verifies an exported audit log with nothing but the file: `python -m shared.verifying audit.ndjson`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from shared.audit_chain import SignedHead, Verdict, verify

DONE = {
    "changed": "an entry was changed",
    "deleted": "entries were deleted",
    "inserted": "an entry was inserted",
    "reordered": "entries were put in another order",
    "cut off": "entries were cut off at the end",
    "forged": "a head isn't signed by whom it should be",
}


class NoExport(Exception):
    """The file isn't what can be verified; the text says why, and what is."""


def verify_export(lines: Iterable[str], heads: Sequence[SignedHead] = (), key: str | None = None) -> tuple[bool, str]:
    """Whether an NDJSON export is intact, and words for a person. `heads` were kept elsewhere; `key` is the key that must have signed all."""
    entries, own_heads = _read(lines)
    if not own_heads:
        return False, "NOT INTACT: the end was cut off: the last line of an export is its signed head."
    verdict = verify(entries, heads=[*own_heads, *heads], key=key)
    return verdict.intact, "\n".join(_words(verdict, entries, own_heads[-1], heads, key))


def heads_in(text: str) -> list[SignedHead]:
    """Heads as `GET /v1/audit-heads` answers them, or one per line."""
    try:
        told = json.loads(text)
        found = told.get("data", [told]) if isinstance(told, dict) else told
    except json.JSONDecodeError:
        found = [_json(line) for line in text.splitlines() if line.strip()]
    return [_head(each) for each in found]


def _read(lines: Iterable[str]) -> tuple[list[dict[str, Any]], list[SignedHead]]:
    entries: list[dict[str, Any]] = []
    heads: list[SignedHead] = []
    for line in lines:
        if not line.strip():
            continue
        told = _json(line)
        if "head" in told:
            heads.append(_head(told["head"]))
        else:
            entries.append(told)
    return entries, heads


def _json(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except json.JSONDecodeError:
        told = None
    if not isinstance(told, dict):
        raise NoExport("This isn't an export as NDJSON. Export the log with `format` ndjson and without a filter.")
    return told


def _head(told: Any) -> SignedHead:
    try:
        return SignedHead(**{name: told[name] for name in SignedHead.__dataclass_fields__})
    except (KeyError, TypeError):
        raise NoExport("This isn't a signed head: it has number, digest, signature and key.") from None


def _words(
    verdict: Verdict, entries: Sequence[dict[str, Any]], own: SignedHead, heads: Sequence[SignedHead], key: str | None
) -> Iterable[str]:
    if not verdict.intact:
        where = ""
        if verdict.broken_at is not None and verdict.broken_at < len(entries):
            entry = entries[verdict.broken_at]
            where = f", at line {verdict.broken_at + 1} (number {entry.get('number')}, {entry.get('id')})"
        yield f"NOT INTACT: {DONE[verdict.what or 'changed']}{where}: {verdict.reason}."
        return
    first = entries[0]["number"] if entries else own.number + 1
    yield f"Intact: {len(entries)} entries of {own.org_id}, numbers {first} to {own.number}."
    if first > 1:
        yield f"What was before number {first} isn't in this file: the plan shows a log only so far back."
    if heads:
        yield f"It fits {len(heads)} heads that were kept elsewhere."
    else:
        yield "To know that the whole log wasn't replaced, hold it against heads that were kept elsewhere (--heads)."
    if key is None:
        yield f"It is signed by the key {own.key}. Compare that with the one that you know (--key)."


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 for an intact log, 1 for one that isn't, 2 for what isn't a log."""
    parser = argparse.ArgumentParser(prog="verify", description="Verifies an exported audit log.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--heads", type=Path, help="signed heads that were kept elsewhere (GET /v1/audit-heads)")
    parser.add_argument("--key", help="the public key that must have signed (base64url)")
    asked = parser.parse_args(arguments)
    try:
        kept = heads_in(asked.heads.read_text()) if asked.heads else []
        with asked.file.open(encoding="utf-8") as lines:
            intact, words = verify_export(lines, kept, asked.key)
    except (NoExport, OSError, UnicodeDecodeError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    sys.stdout.write(f"{words}\n")
    return 0 if intact else 1


if __name__ == "__main__":
    sys.exit(main())
