"""Words on paper: letters that a font lacks are spelt out, because an empty box proves nobody's name."""

from __future__ import annotations

from itertools import groupby

from fpdf import FPDF
from fpdf.fonts import TTFFont


def drawable(page: FPDF, text: str) -> str:
    """The text for the page's current font, with `[U+738B U+4F1F]` where the font has no such letters."""
    font = page.current_font
    assert isinstance(font, TTFFont)
    drawn = font.cmap
    runs = groupby(text, key=lambda letter: letter.isspace() or ord(letter) in drawn)
    return "".join(
        "".join(run) if known else f"[{' '.join(f'U+{ord(one):04X}' for one in run)}]" for known, run in runs
    )
