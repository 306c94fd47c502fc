"""A receipt of one entry of the legal record: a PDF made of that entry and of nothing else."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from services.org.rules.legal import Record
from shared.lettering import drawable

FONTS = Path(__file__).parents[3] / "shared" / "fonts"
TITLES = {"terms": "Terms & Conditions", "privacy": "Privacy Policy", "dpa": "Data Processing Amendment"}


def draw(record: Record) -> bytes:
    """The PDF of a record."""
    page = FPDF(format="A4")
    page.add_font("sans", "", FONTS / "DejaVuSans.ttf")
    page.add_font("sans", "B", FONTS / "DejaVuSans-Bold.ttf")
    page.set_creation_date(record.accepted_at.astimezone(UTC))
    page.set_margins(20, 20, 20)
    page.set_lang("en")
    page.set_title(f"Receipt {record.acceptance_id}")
    page.add_page()
    _say(page, record.organization, size=11, bold=True)
    page.ln(8)
    _say(page, f"Receipt: {TITLES[record.document]}, version {record.version}", size=15, bold=True)
    page.ln(4)
    for label, value in _facts(record):
        _say(page, label, size=7)
        _say(page, value)
        page.ln(2)
    return bytes(page.output())


def _facts(record: Record) -> list[tuple[str, str]]:
    accepted = record.decision == "accepted"
    facts = [
        ("Decision", "Accepted electronically" if accepted else "Not applicable"),
        ("When", record.accepted_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")),
        ("By", f"{record.name} <{record.email}>, {record.accepted_by}"),
        ("From", record.source_ip or "unknown"),
    ]
    if record.signatory_name:
        facts.append(("Signed for the organization by", f"{record.signatory_name}, {record.signatory_title}"))
    if record.reason:
        facts.append(("Reason", record.reason))
    return [*facts, ("SHA-256 of the document", record.sha256), ("Entry", record.acceptance_id)]


def _say(page: FPDF, text: str, *, size: float = 10, bold: bool = False) -> None:
    page.set_font("sans", "B" if bold else "", size)
    page.multi_cell(170, size * 0.5, drawable(page, text), align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
