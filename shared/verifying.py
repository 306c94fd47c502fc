"""Verifies an exported audit log with nothing but the file: `python -m shared.verifying audit.ndjson`.

The file is the log as NDJSON, whose last line is its signed head; or all that an organization took along (ZIP), whose signed manifest
names the files of the log; or one such file, a JSON array, which says nothing of its end.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.archives import MANIFEST
from shared.audit_chain import SignedHead, Verdict, verify

IN_EXPORT = re.compile(r"audit/audit_entries(-\d+)?\.json")

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


class Altered(Exception):
    """An export isn't what its signed manifest says; the text says where."""


@dataclass
class Log:
    """Entries, the oldest first; the heads that came with them; by which key an export's manifest is signed."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    heads: list[SignedHead] = field(default_factory=list)
    manifest_key: str | None = None


def verify_log(log: Log, heads: Sequence[SignedHead] = (), key: str | None = None) -> tuple[bool, str]:
    """Whether a log is intact, and words for a person. `heads` were kept elsewhere; `key` is the key that must have signed what came with it."""
    if log.manifest_key is not None and key not in (None, log.manifest_key):
        return False, "NOT INTACT: the manifest isn't signed by whom it should be."
    own_key = key if log.manifest_key is None else None
    verdict = verify(log.entries, heads=[*log.heads, *heads], key=own_key)
    return verdict.intact, "\n".join(_words(verdict, log, heads, key))


def read_log(file: Path) -> Log:
    """What the file holds; NoExport when it is no log, Altered when it isn't what was signed."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            return _from_archive(archive)
    text = file.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        return Log(_entries(text))
    log = _from_lines(text.splitlines())
    if not log.heads:
        raise Altered("the end was cut off: the last line of an export is its signed head")
    return log


def _from_archive(archive: zipfile.ZipFile) -> Log:
    try:
        content = archive.read("manifest.json")
        manifest = json.loads(content)
        signature, key = _bytes(archive.read("manifest.sig").decode()), str(manifest["key"])
        Ed25519PublicKey.from_public_bytes(_bytes(key)).verify(signature, MANIFEST + content)
        listed = [one for one in manifest["files"] if IN_EXPORT.fullmatch(one["name"])]
    except InvalidSignature:
        raise Altered("the manifest was changed: its signature isn't right") from None
    except (KeyError, TypeError, ValueError):
        raise NoExport("This archive isn't an organization's export: it has no manifest that can be read.") from None
    log = Log(manifest_key=key)
    for one in listed:
        try:
            text = archive.read(one["name"])
        except (KeyError, zipfile.BadZipFile):
            raise Altered(f"{one['name']} is missing, or broken") from None
        if hashlib.sha256(text).hexdigest() != one["sha256"]:
            raise Altered(f"{one['name']} isn't what the manifest says")
        log.entries += _entries(text.decode())
    return log


def _entries(text: str) -> list[dict[str, Any]]:
    told = json.loads(text)
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise NoExport("This JSON isn't the log of an organization's export.")
    return told


def heads_in(text: str) -> list[SignedHead]:
    """Heads as `GET /v1/audit-heads` answers them, or one per line."""
    try:
        told = json.loads(text)
        found = told.get("data", [told]) if isinstance(told, dict) else told
    except json.JSONDecodeError:
        found = [_json(line) for line in text.splitlines() if line.strip()]
    return [_head(each) for each in found]


def _from_lines(lines: Iterable[str]) -> Log:
    log = Log()
    for line in lines:
        if not line.strip():
            continue
        told = _json(line)
        if "head" in told:
            log.heads.append(_head(told["head"]))
        else:
            log.entries.append(told)
    return log


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


def _words(verdict: Verdict, log: Log, heads: Sequence[SignedHead], key: str | None) -> Iterable[str]:
    if not verdict.intact:
        where = ""
        if verdict.broken_at is not None and verdict.broken_at < len(log.entries):
            entry = log.entries[verdict.broken_at]
            where = f", at line {verdict.broken_at + 1} (number {entry.get('number')}, {entry.get('id')})"
        yield f"NOT INTACT: {DONE[verdict.what or 'changed']}{where}: {verdict.reason}."
        return
    own = log.heads[-1] if log.heads else None
    if not log.entries and own is None:
        yield "Intact: no entry is in it."
        return
    first = log.entries[0]["number"] if log.entries else own.number + 1 if own else 0
    last, org_id = (own.number, own.org_id) if own else (log.entries[-1]["number"], log.entries[-1]["org_id"])
    yield f"Intact: {len(log.entries)} entries of {org_id}, numbers {first} to {last}."
    if first > 1:
        yield f"What was before number {first} isn't in this file: the plan shows a log only so far back."
    if own is None and log.manifest_key is None:
        yield "Nothing in this file tells whether entries were cut off at its end."
    if heads:
        yield f"It fits {len(heads)} heads that were kept elsewhere."
    else:
        yield "To know that the whole log wasn't replaced, hold it against heads that were kept elsewhere (--heads)."
    signer = own.key if own else log.manifest_key
    if key is None and signer is not None:
        yield f"It is signed by the key {signer}. Compare that with the one that you know (--key)."


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 for an intact log, 1 for one that isn't, 2 for what isn't a log."""
    parser = argparse.ArgumentParser(prog="verify", description="Verifies an exported audit log.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--heads", type=Path, help="signed heads that were kept elsewhere (GET /v1/audit-heads)")
    parser.add_argument("--key", help="the public key that must have signed (base64url)")
    asked = parser.parse_args(arguments)
    try:
        kept = heads_in(asked.heads.read_text()) if asked.heads else []
        intact, words = verify_log(read_log(asked.file), kept, asked.key)
    except Altered as wrong:
        intact, words = False, f"NOT INTACT: {wrong}."
    except (NoExport, OSError, ValueError) as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    sys.stdout.write(f"{words}\n")
    return 0 if intact else 1


if __name__ == "__main__":
    sys.exit(main())
