"""The console: static files of this folder, read once, served under `/console` by the policy that lets them do nothing else.

Files are addressed by the hash of them all, so that a browser may keep them for good and never mixes two versions.
"""

from __future__ import annotations

import gzip
import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aiohttp import web

from shared.errors import Problem
from shared.web.server import Request

FOLDER = Path(__file__).parent / "console"
ROOT = "/console"
MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "Accept-Encoding",
}
IMPORT = re.compile(r"""\bfrom\s*"(\.{1,2}/[^"]+)";""")
FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticFile:
    """A file's bytes, plain, and pressed once somebody wants them so: a start presses nothing."""

    media: str
    plain: bytes
    etag: str
    keep: str

    @classmethod
    def of(cls, media: str, content: bytes, keep: str) -> StaticFile:
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(media, content, etag, keep)

    @cached_property
    def pressed(self) -> bytes:
        return gzip.compress(self.plain, 9, mtime=0)

    def response(self, request: Request) -> web.Response:
        headers = {**HEADERS, "Cache-Control": self.keep, "ETag": self.etag}
        if request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304, headers=headers)
        body = self.plain
        if accepts_gzip(request.headers.get("Accept-Encoding", "")):
            headers["Content-Encoding"] = "gzip"
            body = self.pressed
        return web.Response(body=body, headers={**headers, "Content-Type": self.media})


class Console:
    """What answers at `/console` and everywhere below: a file by its hashed address, the page for every other."""

    def __init__(self, folder: Path = FOLDER) -> None:
        contents = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in MEDIA
        }
        digest = hashlib.sha256()
        for name, content in contents.items():
            digest.update(f"{name}\n{len(content)}\n".encode() + content)
        self.base = f"{ROOT}/_/{digest.hexdigest()[:16]}"
        self._files = {
            f"{self.base}/{name}": StaticFile.of(MEDIA[Path(name).suffix], content, FOR_GOOD)
            for name, content in contents.items()
        }
        page = (folder / "index.html").read_text().replace("{base}", self.base)
        first = needed_at_first("main.js", contents)
        hints = "\n".join(f'<link rel="modulepreload" href="{self.base}/{name}">' for name in first)
        page = page.replace("<!-- modules -->", hints)
        self._page = StaticFile.of("text/html; charset=utf-8", page.encode(), "no-cache")

    def owns(self, path: str) -> bool:
        return path == ROOT or path.startswith(f"{ROOT}/")

    def answer(self, request: Request) -> web.Response:
        """The file or page; `not_found` for a file of another version, so that the page can load itself anew."""
        if request.method not in ("GET", "HEAD"):
            raise Problem("method_not_allowed", headers={"Allow": "GET, HEAD"})
        path = request.safe_path
        if not path.startswith(f"{ROOT}/_/"):
            return self._page.response(request)
        found = self._files.get(path)
        if found is None:
            raise Problem("not_found", "There is no such file in this version of the console.")
        return found.response(request)


def needed_at_first(name: str, contents: Mapping[str, bytes]) -> list[str]:
    """A module and all that it imports before it runs; what it imports later, screen by screen, isn't among them."""
    found, waiting = [], [name]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.append(name)
        folder = posixpath.dirname(name)
        waiting += [posixpath.normpath(posixpath.join(folder, to)) for to in IMPORT.findall(contents[name].decode())]
    return sorted(found)


def accepts_gzip(accepted: str) -> bool:
    """Whether `Accept-Encoding` names gzip without forbidding it."""
    for part in accepted.lower().split(","):
        coding, _, weight = (piece.strip() for piece in part.partition(";"))
        if coding == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
