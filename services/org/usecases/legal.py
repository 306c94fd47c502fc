"""The legal record: the texts, who accepted which of them when and from where, and how that can be proven later."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from services.org.rules import legal as rules
from services.org.rules.legal import Document, Kind, Record
from services.org.store import legal
from services.org.store.organizations import Person
from services.org.usecases.holding import Held, administering
from services.org.usecases.own import own
from shared.db import Tx
from shared.errors import Problem
from shared.events.org import DpaAccepted, DpaNotApplicable, TermsAccepted
from shared.fields import Message, Name, Nothing, Paragraph, View
from shared.ids import AcceptanceId, new_id
from shared.paging import ListQuery, Page
from shared.service import Answer, Ctx

DocumentId = Annotated[str, StringConstraints(pattern=r"^(terms|privacy|dpa)(-[0-9]{4}-[0-9]{2})?$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class DocumentItem(View):
    """`awaits_answer`: it is the current version, and the organization hasn't answered it yet."""

    id: str
    kind: Kind
    version: str
    title: str
    sha256: str
    current: bool
    awaits_answer: bool


class DocumentText(View):
    """`sha256` is of the bytes of `text` in UTF-8."""

    id: str
    kind: Kind
    version: str
    title: str
    sha256: str
    text: str


class Signatory(Message):
    """Who signs for the organization, and as what."""

    name: Name
    title: Name


class SignatoryView(View):
    name: str
    title: str | None


class Acceptance(View):
    """One entry of the record. The person is named as they were called then; `signatory` and `reason` belong to the amendment."""

    id: str
    document: Kind
    version: str
    sha256: str
    decision: rules.Decision
    accepted_by: str
    name: str
    email: str
    source_ip: str | None
    signatory: SignatoryView | None
    reason: str | None
    accepted_at: datetime


class Dpa(View):
    """The GDPR Data Processing Amendment. `decided` is the entry that holds; `undecided` until an Admin decides."""

    status: rules.DpaStatus
    current_version: str
    awaits_answer: bool
    decided: Acceptance | None


class Verification(View):
    """`document`: the text is byte for byte what was answered. The other two say whether the given hashes are the record's."""

    valid: bool
    document: bool
    given_document: bool | None
    given_receipt: bool | None


class ListDocuments(ListQuery):
    """The legal texts."""


class ListAcceptances(ListQuery):
    """The legal record."""


class WhichDocument(Message):
    """A document's id, or its kind alone for the current version."""

    document_id: DocumentId


class WhichAcceptance(Message):
    acceptance_id: AcceptanceId


class AcceptDocument(Message):
    """`sha256` is the hash of the text that was read."""

    document_id: DocumentId
    sha256: Sha256


class DecideDpa(Message):
    """`accepted` needs the hash of the text that was read and who signs; `not_applicable` needs a reason."""

    decision: rules.Decision
    sha256: Sha256 | None = None
    signatory: Signatory | None = None
    reason: Annotated[Paragraph, StringConstraints(min_length=3)] | None = None


class Verify(Message):
    """Hashes of what somebody has in hand: the document's bytes, the receipt's bytes."""

    acceptance_id: AcceptanceId
    document_sha256: Sha256 | None = Field(default=None)
    receipt_sha256: Sha256 | None = Field(default=None)


async def list_documents(ctx: Ctx, query: ListDocuments) -> Page[DocumentItem]:
    """Every version of Terms & Conditions, Privacy Policy and Data Processing Amendment, and which await an answer."""
    after = (own(ctx).cursors.read(query) or [""])[0]
    documents = await own(ctx).legal_texts.every()
    async with ctx.read() as read:
        latest = await legal.latest(read, ctx.actor.org())
    items = [_item(one, documents, latest.get(one.kind)) for one in documents]
    shown = sorted((item for item in items if item.id > after), key=lambda item: item.id)
    return own(ctx).cursors.page(shown[: query.limit + 1], query, lambda last: [last.id])


async def read_document(ctx: Ctx, which: WhichDocument) -> DocumentText:
    """One legal text; with a kind alone, the current version."""
    documents = await own(ctx).legal_texts.every()
    found = _find(documents, which.document_id)
    if found is None:
        raise Problem("not_found")
    return DocumentText(id=found.document_id, **vars(found))


async def list_acceptances(ctx: Ctx, query: ListAcceptances) -> Page[Acceptance]:
    """Who accepted which version of which text, when and from where, and what was decided about the amendment."""
    after = own(ctx).cursors.read(query) or [""]
    async with ctx.read() as read:
        records = await legal.listed(read, ctx.actor.org(), after[0], query.limit + 1)
    return own(ctx).cursors.page([_view(record) for record in records], query, lambda last: [last.id])


async def read_acceptance(ctx: Ctx, which: WhichAcceptance) -> Acceptance:
    """One entry of the legal record."""
    async with ctx.read() as read:
        return _view(await legal.one(read, ctx.actor.org(), which.acceptance_id))


async def accept_document(ctx: Ctx, wanted: AcceptDocument) -> Acceptance:
    """Accepts the current Terms & Conditions or Privacy Policy for the organization."""
    documents = await own(ctx).legal_texts.every()
    document = rules.check_readable(_find(documents, wanted.document_id), documents, wanted.sha256)
    if document.kind == "dpa":
        raise Problem("conflict", "The amendment is decided at /v1/legal/dpa/decisions.", meta={"because": "dpa"})
    async with administering(ctx, "legal.accept") as held:
        latest = (await legal.latest(held.tx, held.id)).get(document.kind)
        if not rules.awaits_answer(document, latest):
            raise Problem("already_exists", "This version was accepted already.", meta={"because": "accepted"})
        record = _record(ctx, held, document, "accepted")
        await _keep(held.tx, held.id, record)
        return _view(record)


async def decide_dpa(ctx: Ctx, wanted: DecideDpa) -> Acceptance:
    """Accepts the Data Processing Amendment electronically, or records why it doesn't apply. Earlier decisions stay on the record."""
    rules.check_decision(
        wanted.decision,
        sha256=wanted.sha256 is not None,
        signatory=wanted.signatory is not None,
        reason=wanted.reason is not None,
    )
    documents = await own(ctx).legal_texts.every()
    newest = rules.current(documents, "dpa")
    document = rules.check_readable(newest, documents, wanted.sha256 or newest.sha256)
    async with administering(ctx, "legal.accept") as held:
        record = _record(ctx, held, document, wanted.decision, wanted.signatory, wanted.reason)
        await _keep(held.tx, held.id, record)
        return _view(record)


async def read_dpa(ctx: Ctx, _: Nothing) -> Dpa:
    """Where the organization stands with the Data Processing Amendment."""
    document = rules.current(await own(ctx).legal_texts.every(), "dpa")
    async with ctx.read() as read:
        held = (await legal.latest(read, ctx.actor.org())).get("dpa")
    return Dpa(
        status=held.decision if held else "undecided",
        current_version=document.version,
        awaits_answer=rules.awaits_answer(document, held),
        decided=_view(held) if held else None,
    )


async def read_receipt(ctx: Ctx, which: WhichAcceptance) -> Answer[bytes]:
    """The receipt of one entry, as a PDF: the same bytes every time."""
    async with ctx.read() as read:
        record = await legal.one(read, ctx.actor.org(), which.acceptance_id)
    headers = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'attachment; filename="{record.document}-{record.version}-receipt.pdf"',
    }
    return Answer(await _receipt(ctx, record), headers)


async def verify_acceptance(ctx: Ctx, wanted: Verify) -> Verification:
    """Whether an entry still stands for the text that was answered: it fails when one byte of the document has changed."""
    async with ctx.read() as read:
        record = await legal.one(read, ctx.actor.org(), wanted.acceptance_id)
    found = _find(await own(ctx).legal_texts.every(), f"{record.document}-{record.version}")
    document = found is not None and found.sha256 == record.sha256
    given = None if wanted.document_sha256 is None else wanted.document_sha256 == record.sha256
    receipt = None
    if wanted.receipt_sha256 is not None:
        receipt = hashlib.sha256(await _receipt(ctx, record)).hexdigest() == wanted.receipt_sha256
    return Verification(
        valid=document and given is not False and receipt is not False,
        document=document,
        given_document=given,
        given_receipt=receipt,
    )


async def record_sign_up(ctx: Ctx, tx: Tx, org_id: str, company: str, person: Person, source_ip: str | None) -> None:
    """What the founder accepted when signing up: the Terms & Conditions and the Privacy Policy that were current."""
    documents = await own(ctx).legal_texts.every()
    for kind in ("terms", "privacy"):
        document = rules.current(documents, kind)
        await _keep(tx, org_id, _entry(ctx, document, "accepted", company, person, source_ip))


def draw(record: Record) -> bytes:
    """The PDF of a record. What draws it takes long to import: whoever asks for the first one waits for it, and not every start."""
    from services.org.usecases import receipts

    return receipts.draw(record)


async def _receipt(ctx: Ctx, record: Record) -> bytes:
    """Drawn once: another version of the library draws other bytes, and the first ones must stay genuine."""
    org_id, acceptance_id = ctx.actor.org(), record.acceptance_id
    async with ctx.read() as read:
        given = await legal.receipt(read, org_id, acceptance_id)
    if given is not None:
        return given
    drawn = await asyncio.to_thread(draw, record)
    async with ctx.tx() as tx:
        await legal.keep_receipt(tx, org_id, acceptance_id, drawn)
        return await legal.receipt(tx, org_id, acceptance_id) or drawn


def _find(documents: Sequence[Document], document_id: str) -> Document | None:
    kinds = [one for one in documents if one.kind == document_id]
    if kinds:
        return rules.current(kinds, kinds[0].kind)
    return next((one for one in documents if one.document_id == document_id), None)


def _record(
    ctx: Ctx,
    held: Held,
    document: Document,
    decision: rules.Decision,
    signatory: Signatory | None = None,
    reason: str | None = None,
) -> Record:
    assert held.acting is not None
    person = Person(held.acting.user_id, held.acting.email, held.acting.name)
    source_ip = ctx.request.source_ip
    return _entry(ctx, document, decision, held.facts.name, person, source_ip, signatory, reason)


def _entry(
    ctx: Ctx,
    document: Document,
    decision: rules.Decision,
    company: str,
    person: Person,
    source_ip: str | None,
    signatory: Signatory | None = None,
    reason: str | None = None,
) -> Record:
    return Record(
        acceptance_id=new_id("acc"),
        document=document.kind,
        version=document.version,
        sha256=document.sha256,
        decision=decision,
        organization=company,
        accepted_by=person.user_id,
        name=person.name,
        email=person.email,
        source_ip=source_ip,
        signatory_name=signatory.name if signatory else None,
        signatory_title=signatory.title if signatory else None,
        reason=reason,
        accepted_at=ctx.now,
    )


async def _keep(tx: Tx, org_id: str, record: Record) -> None:
    await legal.add(tx, org_id, record)
    common = {"acceptance_id": record.acceptance_id, "version": record.version, "sha256": record.sha256}
    if record.document != "dpa":
        await tx.emit(TermsAccepted(org_id=org_id, document=record.document, accepted_by=record.accepted_by, **common))
        return
    await legal.set_dpa(tx, org_id, record.decision)
    if record.decision == "accepted":
        signatory = {"signatory_name": record.signatory_name, "signatory_title": record.signatory_title}
        await tx.emit(DpaAccepted(org_id=org_id, accepted_by=record.accepted_by, **signatory, **common))
    else:
        await tx.emit(DpaNotApplicable(org_id=org_id, decided_by=record.accepted_by, reason=record.reason, **common))


def _item(document: Document, documents: Sequence[Document], latest: Record | None) -> DocumentItem:
    newest = rules.current(documents, document.kind).version == document.version
    told = vars(document) | {
        "id": document.document_id,
        "current": newest,
        "awaits_answer": newest and rules.awaits_answer(document, latest),
    }
    return DocumentItem(**{name: told[name] for name in DocumentItem.model_fields})


def _view(record: Record) -> Acceptance:
    signatory = None
    if record.signatory_name is not None:
        signatory = SignatoryView(name=record.signatory_name, title=record.signatory_title)
    told = vars(record) | {"id": record.acceptance_id, "signatory": signatory}
    return Acceptance(**{name: told[name] for name in Acceptance.model_fields})
