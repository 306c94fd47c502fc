"""`tenantry audit verify`: with the exported file alone it says whether the log is whole, and if not, what was done and where."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.archives import MANIFEST
from shared.audit_chain import Head, sign
from shared.auth import private_key
from shared.config import fresh_key
from shared.verifying import main
from tests.audit.test_chain import Entry, a_chain, head_of, rehashed
from tests.system.commands import product_of, tenantry

KEY = fresh_key()


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def write(file: Path, entries: list[Entry], *heads: Any) -> Path:
    lines = [json.dumps(entry) for entry in entries] + [json.dumps({"head": vars(head)}) for head in heads]
    file.write_text("\n".join(lines) + "\n")
    return file


async def verify(file: Path, *more: str) -> tuple[int, str]:
    said = await tenantry(product_of([]), "audit", "verify", str(file), *more)
    return said.code, said.output


async def test_an_export_is_verified_without_any_database(tmp_path: Path) -> None:
    whole = a_chain()
    head = head_of(whole)
    code, said = await verify(write(tmp_path / "audit.ndjson", whole, head))
    assert (code, said.splitlines()[0]) == (0, "Intact: 25 entries of org_a, numbers 1 to 25.")
    assert f"signed by the key {head.key}" in said
    kept = tmp_path / "heads.json"
    kept.write_text(json.dumps({"data": [{"id": "2026-01-02", **vars(head_of(whole[:9]))}]}))
    code, said = await verify(tmp_path / "audit.ndjson", "--heads", str(kept), "--key", head.key)
    assert (code, "fits 1 heads" in said, "Compare" in said) == (0, True, False)
    code, said = await verify(write(tmp_path / "later.ndjson", whole[10:], head))
    assert (code, "What was before number 11" in said) == (0, True)


@pytest.mark.parametrize(
    ("done", "named"),
    [
        (lambda e: e[6].update(target_name="forged"), "an entry was changed, at line 7 (number 7, aud_7)"),
        (lambda e: e.pop(6), "entries were deleted, at line 7 (number 8, aud_8)"),
        (lambda e: e.insert(6, dict(e[5])), "an entry was inserted, at line 7 (number 6, aud_6)"),
        (lambda e: e.insert(9, e.pop(6)), "entries were put in another order, at line 7 (number 8, aud_8)"),
        (lambda e: e.__delitem__(slice(20, None)), "entries were cut off at the end"),
    ],
    ids=["changed", "deleted", "inserted", "reordered", "cut off"],
)
async def test_what_was_done_is_named_with_its_place(tmp_path: Path, done: Any, named: str) -> None:
    entries = a_chain()
    head = head_of(entries)
    done(entries)
    code, said = await verify(write(tmp_path / "audit.ndjson", entries, head))
    assert code == 1
    assert said.startswith(f"NOT INTACT: {named}")


async def test_who_hashes_and_signs_everything_again_is_found_by_what_was_kept_elsewhere(tmp_path: Path) -> None:
    whole = a_chain()
    kept = tmp_path / "heads.ndjson"
    kept.write_text(json.dumps(vars(head_of(whole))) + "\n")
    whole[6]["target_name"] = "forged"
    rehashed(whole, 6)
    theirs = sign(Head("org_a", 25, whole[-1]["hash"], "2026-01-02T00:00:00+00:00"), private_key(fresh_key()))
    file = write(tmp_path / "audit.ndjson", whole, theirs)
    assert (await verify(file))[0] == 0, "alone it can't be told: so the command says to hold it against kept heads"
    code, said = await verify(file, "--heads", str(kept))
    assert (code, "isn't what was signed" in said) == (1, True)
    code, said = await verify(file, f"--key={head_of(whole).key}")
    assert (code, said.split(":")[1].strip()) == (1, "a head isn't signed by whom it should be")


def test_an_export_without_its_last_line_was_cut_off_and_other_files_are_no_logs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write(tmp_path / "cut.ndjson", a_chain(3)))]) == 1
    assert "the end was cut off" in capsys.readouterr().out
    (tmp_path / "log.csv").write_text("number,at\n1,2026-01-01\n")
    assert main([str(tmp_path / "log.csv")]) == 2
    assert "format` ndjson" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 2


def an_export(file: Path, *parts: list[Entry], name: str = "audit/audit_entries") -> Path:
    """As an organization takes it along: the log in files, under a signed manifest."""
    key = private_key(KEY)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    files = {f"{name}{f'-{n}' if n > 1 else ''}.json": json.dumps(part) for n, part in enumerate(parts, 1)}
    files["org/members.json"] = "[]"
    listed = [{"name": one, "sha256": hashlib.sha256(text.encode()).hexdigest()} for one, text in files.items()]
    manifest = json.dumps({"key": b64(public), "files": listed}).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for one, text in files.items():
            archive.writestr(one, text)
        archive.writestr("manifest.json", manifest)
        archive.writestr("manifest.sig", b64(key.sign(MANIFEST + manifest)))
    return file


def with_another(file: Path, name: str, content: str | None) -> Path:
    """The same archive, with one file changed or left out."""
    with zipfile.ZipFile(file) as archive:
        kept = {one: archive.read(one) for one in archive.namelist() if one != name}
    changed = file.with_name("changed.zip")
    with zipfile.ZipFile(changed, "w") as archive:
        for one, text in kept.items():
            archive.writestr(one, text)
        if content is not None:
            archive.writestr(name, content)
    return changed


async def test_the_log_in_all_that_an_organization_took_along_is_verified_as_well(tmp_path: Path) -> None:
    whole = a_chain()
    file = an_export(tmp_path / "export.zip", whole[:10], whole[10:])
    code, said = await verify(file)
    assert (code, said.splitlines()[0]) == (0, "Intact: 25 entries of org_a, numbers 1 to 25.")
    assert "signed by the key" in said
    kept = tmp_path / "heads.json"
    kept.write_text(json.dumps({"data": [vars(head_of(whole))]}))
    assert (await verify(file, "--heads", str(kept)))[0] == 0
    later = tmp_path / "later.json"
    later.write_text(json.dumps({"data": [vars(head_of(a_chain(30)))]}))
    assert "entries were cut off at the end" in (await verify(file, "--heads", str(later)))[1]
    code, said = await verify(file, f"--key={b64(bytes(32))}")
    assert (code, "isn't signed by whom" in said) == (1, True)


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("audit/audit_entries.json", "[]", "audit/audit_entries.json isn't what the manifest says"),
        ("audit/audit_entries-2.json", None, "audit/audit_entries-2.json is missing"),
        ("manifest.sig", b64(bytes(64)), "the manifest was changed"),
    ],
)
async def test_an_export_that_is_not_what_was_signed_is_named(
    tmp_path: Path, name: str, content: str | None, named: str
) -> None:
    whole = a_chain()
    file = an_export(tmp_path / "export.zip", whole[:10], whole[10:])
    code, said = await verify(with_another(file, name, content))
    assert code == 1
    assert said.startswith(f"NOT INTACT: {named}")


async def test_an_export_whose_log_was_changed_before_it_was_signed_is_found_by_its_chain(tmp_path: Path) -> None:
    whole = a_chain()
    whole[6]["target_name"] = "forged"
    code, said = await verify(an_export(tmp_path / "export.zip", whole))
    assert (code, "an entry was changed, at line 7 (number 7, aud_7)" in said) == (1, True)


async def test_the_json_of_an_export_alone_says_nothing_of_its_end(tmp_path: Path) -> None:
    file = tmp_path / "audit_entries.json"
    file.write_text(json.dumps(a_chain()))
    code, said = await verify(file)
    assert (code, "Nothing in this file tells whether entries were cut off" in said) == (0, True)
    file.write_text(json.dumps([{"a": 1}]))
    assert (await verify(file))[0] == 1
    file.write_text("[1]")
    assert (await verify(file))[0] == 2
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("a.txt", "")
    assert (await verify(tmp_path / "other.zip"))[0] == 2
