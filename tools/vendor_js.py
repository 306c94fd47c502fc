"""Fetches the console's few libraries from npm, checks them, and writes them so that a browser can load them as they are.

Run it as `.venv/bin/python -m tools.vendor_js`. Bare specifiers become relative paths: an import map would be a script in
the page, which the console's policy forbids.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import tarfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).parent.parent / "services" / "gateway" / "console" / "vendor"
REGISTRY = "https://registry.npmjs.org"
PLACES = {
    "preact": "./preact.js",
    "preact/hooks": "./hooks.js",
    "@preact/signals-core": "./signals.js",
    "htm": "./htm.js",
}
SPECIFIER = re.compile(r"""(from|import)\s*(["'])(preact|preact/hooks|@preact/signals-core|htm)\2""")
SOURCE_MAP = re.compile(r"\n?//# sourceMappingURL=\S+\s*$")


@dataclass(frozen=True)
class Library:
    """One package: what npm must send, and which of its files are kept under which name."""

    name: str
    version: str
    licence: str
    integrity: str
    files: Mapping[str, str]

    @property
    def source(self) -> str:
        return f"{REGISTRY}/{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


LIBRARIES = (
    Library(
        "preact",
        "11.2.0",
        "MIT",
        "sha512-/HfHI/7N84e6GrWBJ3J280z3mLaRJiDcSvj/A+y/4AbLnND/1UlGHe1sR6oYuTGwId0nP7dqDU9OnLxMPZ7xBg==",
        {"dist/preact.mjs": "preact.js", "hooks/dist/hooks.mjs": "hooks.js"},
    ),
    Library(
        "htm",
        "3.1.1",
        "Apache-2.0",
        "sha512-983Vyg8NwUE7JkZ6NmOqpCZ+sh1bKv2iYTlUkzlWmA5JD2acKoxd4KVxbMmxX/85mtfdnDmTFoNKcg5DGAvxNQ==",
        {"dist/htm.mjs": "htm.js"},
    ),
    Library(
        "@preact/signals-core",
        "1.14.5",
        "MIT",
        "sha512-vcRv7Ityz5JVmeiVqIluLFzT/PDS/AlhHUpw3/aUWqcVUs6bDGIPXE/6RSC4evBNWYvnniozg5Syfj33al3gkg==",
        {"dist/signals-core.mjs": "signals.js"},
    ),
)


class NotWhatWasExpected(Exception):
    """The registry sent other bytes than those that were looked at."""


def main() -> None:
    VENDOR.mkdir(parents=True, exist_ok=True)
    listed = []
    for library in LIBRARIES:
        with urllib.request.urlopen(library.source, timeout=60) as answer:  # noqa: S310 a constant https address
            written = unpacked(library, answer.read())
        for name, text in written.items():
            (VENDOR / name).write_text(text)
        facts = {"name": library.name, "version": library.version, "licence": library.licence}
        facts |= {"source": library.source, "integrity": library.integrity}
        listed.append({**facts, "files": {name: digest_of(text) for name, text in sorted(written.items())}})
    (VENDOR / "VENDOR.json").write_text(json.dumps(listed, indent=2) + "\n")


def unpacked(library: Library, archive: bytes) -> dict[str, str]:
    """The files to keep and the licence, from an archive that is exactly the expected one."""
    if integrity_of(archive) != library.integrity:
        raise NotWhatWasExpected(f"{library.source} isn't the archive that was checked")
    licence = f"LICENSE-{library.name.replace('/', '-').lstrip('@')}.txt"
    kept = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for inside, name in {**library.files, "LICENSE": licence}.items():
            member = tar.extractfile(f"package/{inside}")
            if member is None:
                raise NotWhatWasExpected(f"{library.source} holds no {inside}")
            text = member.read().decode()
            kept[name] = loadable(text) if name.endswith(".js") else text
    return kept


def loadable(script: str) -> str:
    """The module with relative imports and no word of source maps."""
    related = SPECIFIER.sub(lambda found: f"{found[1]}{found[2]}{PLACES[found[3]]}{found[2]}", script)
    return SOURCE_MAP.sub("", related).rstrip() + "\n"


def integrity_of(archive: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
