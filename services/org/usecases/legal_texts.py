"""The legal texts: one file for each version, named after it. A file that was in use once is never changed."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from services.org.rules.legal import Document, Kind

FILE = re.compile(r"(terms|privacy|dpa)-(\d{4}-\d{2})\.md")
TEXTS = Path(__file__).parent.parent / "legal"


@dataclass(frozen=True)
class LegalTexts:
    """Reads the files anew each time: what is shown, hashed and verified is what is there."""

    folder: Path = TEXTS

    async def every(self) -> Sequence[Document]:
        return await asyncio.to_thread(self.read)

    def read(self) -> Sequence[Document]:
        found = ((FILE.fullmatch(path.name), path) for path in sorted(self.folder.iterdir()))
        return [_document(cast(Kind, match[1]), match[2], path.read_bytes()) for match, path in found if match]


def _document(kind: Kind, version: str, content: bytes) -> Document:
    text = content.decode()
    return Document(
        kind=kind,
        version=version,
        title=text.partition("\n")[0].removeprefix("# "),
        text=text,
        sha256=hashlib.sha256(content).hexdigest(),
    )
