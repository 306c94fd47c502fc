"""The legal record: texts with hashes, answers that are only ever added, and receipts that fail when a byte has changed."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pypdf import PdfReader

from services.org.app import opening, service
from services.org.usecases import legal
from services.org.usecases.dns import txt_records
from services.org.usecases.legal_texts import TEXTS, LegalTexts
from shared.events.org import DpaAccepted, DpaNotApplicable, TermsAccepted
from shared.ids import new_id
from tests.org.house import House, founded, identity_with
from tests.world import Databases, World, world_of

SIGNATORY = {"name": "Ana Ruiz", "title": "Managing Director"}


@dataclass
class Shelf:
    """The folder of texts that this world's organizations read."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.md").write_text(text)


@pytest.fixture
async def shelf(tmp_path: Path) -> Shelf:
    shutil.copytree(TEXTS, tmp_path / "texts")
    return Shelf(tmp_path / "texts")


@pytest.fixture
async def world(databases: Databases, shelf: Shelf, tmp_path: Path) -> AsyncIterator[World]:
    reading = replace(service, opens=opening(txt_records, LegalTexts(shelf.folder)), jobs=())
    async with world_of([reading, identity_with(tmp_path / "identity", {})], databases, tmp_path) as world:
        yield world


async def document(house: House, name: str) -> dict[str, Any]:
    return dict((await house.ask("GET", f"/v1/legal/documents/{name}")).ok())


async def answered(house: House) -> list[dict[str, Any]]:
    return list((await house.ask("GET", "/v1/legal/acceptances")).ok()["data"])


async def waiting(house: House) -> list[str]:
    listed = (await house.ask("GET", "/v1/legal/documents")).ok()["data"]
    return [one["id"] for one in listed if one["awaits_answer"]]


async def decide(house: House, **decision: Any) -> Any:
    return await house.ask("POST", "/v1/legal/dpa/decisions", decision)


async def test_what_the_founder_accepted_is_on_record_with_the_hash_of_the_text(world: World) -> None:
    house = await founded(world)
    for entry in await answered(house):
        text = await document(house, entry["document"])
        assert hashlib.sha256(text["text"].encode()).hexdigest() == text["sha256"] == entry["sha256"]
        assert (entry["decision"], entry["source_ip"], entry["name"]) == ("accepted", "198.51.100.4", "Ana Ruiz")
    assert await waiting(house) == ["dpa-2026-01"]
    told = [e.data for e in await world.said("org", TermsAccepted)]
    assert {one["acceptance_id"] for one in told} == {entry["id"] for entry in await answered(house)}


async def test_a_new_version_asks_for_another_acceptance_and_the_old_one_stays(world: World, shelf: Shelf) -> None:
    house = await founded(world)
    old = await document(house, "terms")
    shelf.write("terms-2027-01", "# Terms & Conditions\n\nEverything is better now.\n")
    assert await waiting(house) == ["dpa-2026-01", "terms-2027-01"]
    new = await document(house, "terms")
    assert new["id"] == "terms-2027-01"
    stale = {"document_id": old["id"], "sha256": old["sha256"]}
    assert (await house.ask("POST", "/v1/legal/acceptances", stale)).code == "conflict"
    unread = {"document_id": new["id"], "sha256": old["sha256"]}
    assert (await house.ask("POST", "/v1/legal/acceptances", unread)).json["errors"][0]["code"] == "another_text"
    unknown = {"document_id": "terms-1999-01", "sha256": old["sha256"]}
    assert (await house.ask("POST", "/v1/legal/acceptances", unknown)).json["errors"][0]["code"] == "unknown_document"
    read = {"document_id": new["id"], "sha256": new["sha256"]}
    accepted = (await house.ask("POST", "/v1/legal/acceptances", read)).ok()
    assert (accepted["version"], accepted["source_ip"]) == ("2027-01", "203.0.113.7")
    assert (await house.ask("POST", "/v1/legal/acceptances", read)).code == "already_exists"
    assert await waiting(house) == ["dpa-2026-01"]
    assert [e["version"] for e in await answered(house) if e["document"] == "terms"] == ["2026-01", "2027-01"]


async def test_the_amendment_is_signed_or_does_not_apply_and_every_decision_stays(world: World, shelf: Shelf) -> None:
    house = await founded(world)
    text = await document(house, "dpa")
    signed = (await decide(house, decision="accepted", sha256=text["sha256"], signatory=SIGNATORY)).ok()
    dpa = (await house.ask("GET", "/v1/legal/dpa")).ok()
    assert (dpa["status"], dpa["awaits_answer"], dpa["decided"]) == ("accepted", False, signed)
    assert signed["signatory"] == SIGNATORY
    shelf.write("dpa-2027-01", "# Data Processing Amendment\n\nMore of it.\n")
    assert (await house.ask("GET", "/v1/legal/dpa")).ok()["awaits_answer"] is True
    assert (await decide(house, decision="accepted", sha256=text["sha256"], signatory=SIGNATORY)).code == "invalid"
    declined = (await decide(house, decision="not_applicable", reason="No personal data is processed.")).ok()
    dpa = (await house.ask("GET", "/v1/legal/dpa")).ok()
    assert (dpa["status"], dpa["awaits_answer"], dpa["decided"]) == ("not_applicable", False, declined)
    assert [e["id"] for e in await answered(house) if e["document"] == "dpa"] == [signed["id"], declined["id"]]
    assert [e.data["signatory_name"] for e in await world.said("org", DpaAccepted)] == ["Ana Ruiz"]
    assert [e.data["reason"] for e in await world.said("org", DpaNotApplicable)] == ["No personal data is processed."]
    through_the_other_door = {"document_id": "dpa", "sha256": text["sha256"]}
    assert (await house.ask("POST", "/v1/legal/acceptances", through_the_other_door)).status in (409, 422)


@pytest.mark.parametrize(
    ("decision", "pointer"),
    [
        ({"decision": "accepted", "signatory": SIGNATORY}, "/sha256"),
        ({"decision": "accepted", "sha256": "0" * 64}, "/signatory"),
        ({"decision": "accepted", "sha256": "0" * 64, "signatory": SIGNATORY}, "/sha256"),
        ({"decision": "accepted", "sha256": "0" * 64, "signatory": SIGNATORY, "reason": "because"}, "/reason"),
        ({"decision": "not_applicable"}, "/reason"),
        ({"decision": "not_applicable", "reason": "because", "signatory": SIGNATORY}, "/signatory"),
    ],
)
async def test_a_decision_without_what_it_needs_is_refused(world: World, decision: Any, pointer: str) -> None:
    house = await founded(world)
    refused = await decide(house, **decision)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)
    assert (await house.ask("GET", "/v1/legal/dpa")).ok()["status"] == "undecided"


async def test_a_receipt_says_who_signed_what_and_is_the_same_each_time(world: World) -> None:
    house = await founded(world)
    text = await document(house, "dpa")
    signatory = {"name": "Łucja Żółć", "title": "Geschäftsführerin"}
    signed = (await decide(house, decision="accepted", sha256=text["sha256"], signatory=signatory)).ok()
    path = f"/v1/legal/acceptances/{signed['id']}/receipt"
    paper = await house.ask("GET", path)
    assert paper.headers["content-type"] == "application/pdf"
    said = PdfReader(io.BytesIO(paper.body)).pages[0].extract_text()
    for word in ("Acme", "Data Processing Amendment", "2026-01", "Łucja Żółć", "203.0.113.7", text["sha256"]):
        assert word in said
    match = {"If-Match": (await house.ask("GET", "/v1/organization")).headers["etag"]}
    (await house.ask("PATCH", "/v1/organization", {"name": "Other"}, headers=match)).ok()
    assert (await house.ask("GET", path)).body == paper.body


async def test_verification_fails_when_one_byte_changes(world: World, shelf: Shelf) -> None:
    house = await founded(world)
    entry = (await answered(house))[0]
    path = f"/v1/legal/acceptances/{entry['id']}"
    paper = (await house.ask("GET", f"{path}/receipt")).body

    async def verified(**given: str) -> tuple[bool, bool]:
        told = (await house.ask("POST", f"{path}/verifications", given)).ok()
        return told["valid"], told["document"]

    genuine, forged = (hashlib.sha256(content).hexdigest() for content in (paper, paper[:-1] + b"!"))
    assert await verified() == (True, True)
    assert await verified(receipt_sha256=genuine, document_sha256=entry["sha256"]) == (True, True)
    assert await verified(receipt_sha256=forged) == (False, True)
    assert await verified(document_sha256=forged) == (False, True)
    file = shelf.folder / f"{entry['document']}-{entry['version']}.md"
    content = file.read_bytes()
    file.write_bytes(content[:-2] + b"!" + content[-1:])
    assert await verified(receipt_sha256=genuine) == (False, False)
    file.write_bytes(content)
    assert await verified(receipt_sha256=genuine) == (True, True)


async def test_a_receipt_spells_out_the_letters_that_it_cannot_draw(world: World) -> None:
    house = await founded(world)
    text = await document(house, "dpa")
    signatory = {"name": "Jürgen 王伟 \U0001f600", "title": "Директор"}
    body = {"decision": "accepted", "sha256": text["sha256"], "signatory": signatory}
    signed = (await house.ask("POST", "/v1/legal/dpa/decisions", body)).ok()
    paper = (await house.ask("GET", f"/v1/legal/acceptances/{signed['id']}/receipt")).body
    said = PdfReader(io.BytesIO(paper)).pages[0].extract_text()
    assert "Jürgen [U+738B U+4F1F] [U+1F600], Директор" in " ".join(said.split())


async def test_a_receipt_that_was_given_out_stays_genuine_when_the_next_ones_are_drawn_otherwise(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await founded(world)
    path = f"/v1/legal/acceptances/{(await answered(house))[0]['id']}"
    paper = (await house.ask("GET", f"{path}/receipt")).body
    monkeypatch.setattr(legal, "draw", lambda record: b"%PDF-2.0 " + record.acceptance_id.encode())
    assert (await house.ask("GET", f"{path}/receipt")).body == paper
    kept = {"receipt_sha256": hashlib.sha256(paper).hexdigest()}
    assert (await house.ask("POST", f"{path}/verifications", kept)).ok()["given_receipt"] is True


@pytest.mark.parametrize(
    "change",
    [
        "update legal_acceptances set version = '1'",
        "delete from legal_acceptances",
        "update legal_receipts set pdf = '%PDF-'",
        "delete from legal_receipts",
    ],
)
async def test_the_record_is_only_ever_added_to(world: World, change: str) -> None:
    house = await founded(world)
    before = await answered(house)
    receipt = f"/v1/legal/acceptances/{before[0]['id']}/receipt"
    given = (await house.ask("GET", receipt)).body
    with pytest.raises(asyncpg.RaiseError, match="only ever added to"):
        async with world.started["org"].env.database.tx(house.org_id, lambda event: event) as tx:
            await tx.run(change)
    assert await answered(house) == before
    assert (await house.ask("GET", receipt)).body == given


async def test_anyone_reads_the_texts_and_only_admins_the_record(world: World) -> None:
    house, other = await founded(world), await founded(world)
    assert (await world.ask("org", "GET", "/v1/legal/documents/privacy")).ok()["kind"] == "privacy"
    assert (await world.ask("org", "GET", "/v1/legal/documents/privacy-1999-01")).code == "not_found"
    entry = (await answered(other))[0]["id"]
    for wanted in (entry, new_id("acc")):
        for method, path in (("GET", ""), ("GET", "/receipt"), ("POST", "/verifications")):
            assert (
                await house.ask(method, f"/v1/legal/acceptances/{wanted}{path}", {} if path else None)
            ).status == 404
    ben = await house.member("viewer", "Ben")
    text = await document(house, "dpa")
    decision = {"decision": "accepted", "sha256": text["sha256"], "signatory": SIGNATORY}
    assert (await house.ask("POST", "/v1/legal/dpa/decisions", decision, by=ben)).code == "forbidden"
