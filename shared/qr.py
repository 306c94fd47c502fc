"""QR codes as SVG."""

from __future__ import annotations

import asyncio
import io

import segno


async def qr_svg(text: str) -> str:
    """A QR code of a text (at most 2,331 bytes, by ISO/IEC 18004 at error correction M), dark on white, as an SVG element."""
    return await asyncio.to_thread(_drawn, text)


def _drawn(text: str) -> str:
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", scale=4, light="white", xmldecl=False, nl=False)
    return drawn.getvalue().decode()
