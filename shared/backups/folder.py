"""A backup as a folder: a compressed file per table, and a signed manifest that knows the hash of each, so that no byte of it changes unseen."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson
from cryptography.exceptions import InvalidSignature
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.auth import private_key
from shared.config import Secrets

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
PURPOSE = b"tenantry backup manifest\n"  # the key signs other things too, and none of them begins like this
SIGNER = "org"
GZIP = 31  # zlib's number for a gzip header and trailer
LEVEL = 4
PIECE = 256 * 1024

Advance = Callable[[int], None]


class BackupFault(Exception):
    """A backup can't be made, or isn't one that can be restored; the text says why and what to do."""


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(Strict):
    """One table. `bytes` and `sha256` are of the file as it lies there, `rows` is what must come out of it."""

    service: str
    table: str
    columns: tuple[str, ...]
    rows: int
    bytes: int
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.service}/{self.table}.copy.gz"


class Applied(Strict):
    """A migration, and the checksum of its text."""

    name: str
    checksum: str


class State(Strict):
    """What else makes a service's database: its server's version, its migrations in order, and the next numbers of its counters."""

    postgres: str
    migrations: tuple[Applied, ...]
    counters: dict[str, int]


class Print(Strict):
    """A key by its fingerprint, from which nobody gets the key."""

    id: str
    fingerprint: str


class Keys(Strict):
    """The keys without which a backup is of no use. `sealed_with` names the master keys that sealed something in it."""

    master: tuple[Print, ...]
    links: str
    sealed_with: tuple[str, ...]


class Manifest(Strict):
    format: int
    tenantry: str
    taken_at: datetime
    keys: Keys
    services: dict[str, State]
    parts: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    def parts_of(self, service: str) -> dict[str, Part]:
        return {part.table: part for part in self.parts if part.service == service}


def fingerprint(key: str) -> str:
    """The first 16 hex digits of a hash over a key of 32 random bytes: enough to tell keys apart, and nothing to guess from."""
    raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    return hashlib.sha256(b"tenantry key fingerprint\n" + raw).hexdigest()[:16]


def prints(secrets: Secrets) -> tuple[Print, ...]:
    return tuple(Print(id=key.id, fingerprint=fingerprint(key.key)) for key in secrets.master)


class Draft:
    """A backup that is being written. It gets its name when it is whole, so nobody takes a piece for a backup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._draft = self.folder.with_name(f"{self.folder.name}.unfinished")

    def __enter__(self) -> Self:
        with _writing(self._draft):
            self._begin()
        return self

    def _begin(self) -> None:
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise BackupFault(f"{self.folder} exists already, and a backup never replaces another. Name a new folder.")
        shutil.rmtree(self._draft, ignore_errors=True)
        self._draft.mkdir(mode=0o700, parents=True)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._draft, ignore_errors=True)

    def table(self, service: str, table: str, columns: tuple[str, ...], advance: Advance) -> TableFile:
        (self._draft / service).mkdir(mode=0o700, exist_ok=True)
        part = Part(service=service, table=table, columns=columns, rows=0, bytes=0, sha256="")
        return TableFile(self._draft / part.file, part, advance)

    def finish(self, manifest: Manifest, secrets: Secrets) -> None:
        with _writing(self.folder):
            self._finish(manifest, secrets)

    def _finish(self, manifest: Manifest, secrets: Secrets) -> None:
        content = orjson.dumps(manifest.model_dump(mode="json"), option=orjson.OPT_INDENT_2)
        signature = private_key(secrets.signing[SIGNER]).sign(PURPOSE + content)
        for name, text in ((MANIFEST, content), (SIGNATURE, base64.urlsafe_b64encode(signature) + b"\n")):
            _write(self._draft / name, text)
        for place in (*{file.parent for file in self._draft.rglob("*.gz")}, self._draft):
            _sync(place)
        if self.folder.exists():
            self.folder.rmdir()
        self._draft.rename(self.folder)
        _sync(self.folder.parent)


class TableFile:
    """Takes what PostgreSQL copies out, compresses it on the way, and knows the hash of what was written."""

    def __init__(self, file: Path, part: Part, advance: Advance) -> None:
        self._part = part
        self._advance = advance
        self._file = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._written = 0

    async def write(self, data: bytes) -> None:
        self._waiting += data
        if len(self._waiting) >= PIECE:
            await asyncio.to_thread(self._compress)

    async def close(self, rows: int) -> Part:
        await asyncio.to_thread(self._compress)
        await asyncio.to_thread(self._end)
        return self._part.model_copy(update={"rows": rows, "bytes": self._written, "sha256": self._hash.hexdigest()})

    def abandon(self) -> None:
        with suppress(OSError):
            self._file.close()

    def _compress(self) -> None:
        taken = len(self._waiting)
        self._put(self._gzip.compress(bytes(self._waiting)))
        self._waiting.clear()
        self._advance(taken)

    def _end(self) -> None:
        self._put(self._gzip.flush())
        with _writing(Path(self._part.file)):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()

    def _put(self, packed: bytes) -> None:
        self._hash.update(packed)
        self._written += len(packed)
        with _writing(Path(self._part.file)):
            self._file.write(packed)


def read_manifest(folder: Path, secrets: Secrets | None) -> Manifest:
    """The manifest; `BackupFault` when it isn't one, was changed, or is of a later Tenantry. Without secrets nobody can tell whether all of it was replaced."""
    try:
        content, signature = (folder / MANIFEST).read_bytes(), (folder / SIGNATURE).read_bytes()
        told: Any = orjson.loads(content)
    except (OSError, orjson.JSONDecodeError) as why:
        raise BackupFault(f"{folder} isn't a whole backup: its manifest can't be read ({why}).") from None
    if isinstance(told, Mapping) and isinstance(told.get("format"), int) and told["format"] > FORMAT:
        raise BackupFault(
            f"{folder} was written by a newer Tenantry ({told.get('tenantry')}): restore it with that one."
        )
    if secrets is not None:
        try:
            key = private_key(secrets.signing[SIGNER]).public_key()
            key.verify(base64.b64decode(signature.strip(), altchars=b"-_", validate=True), PURPOSE + content)
        except (InvalidSignature, ValueError):
            raise BackupFault(
                f"The manifest of {folder} isn't signed by this installation: it was changed, or the secrets file is another's."
            ) from None
    try:
        return Manifest.model_validate(told)
    except ValidationError as wrong:
        raise BackupFault(f"The manifest of {folder} isn't one that this Tenantry reads: {wrong.errors()[0]}") from None


def check_files(folder: Path, manifest: Manifest, advance: Advance) -> None:
    """Compares every file with its hash; `BackupFault` names all that aren't as they were written, that are missing, and that are too many."""
    wrong = []
    for part in manifest.parts:
        try:
            size, digest = _hashed(folder / part.file, advance)
        except FileNotFoundError:
            wrong.append(f"{part.file} is missing")
            continue
        if size < part.bytes:
            wrong.append(f"{part.file} was cut off: {size} of {part.bytes} bytes are there")
        elif digest != part.sha256:
            wrong.append(f"{part.file} isn't what was written: its hash differs")
    known = {part.file for part in manifest.parts}
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*.copy.gz")}
    wrong += [f"{name} isn't in the manifest" for name in sorted(found - known)]
    if wrong:
        raise BackupFault("The backup is damaged. Take an older one.\n" + "\n".join(f"  {each}" for each in wrong[:20]))


async def unpacked(folder: Path, part: Part, advance: Advance) -> AsyncIterator[bytes]:
    """What PostgreSQL copied out, in pieces; `BackupFault` at the end when the file has changed since it was checked."""
    unzip, digest = zlib.decompressobj(GZIP), hashlib.sha256()
    with (folder / part.file).open("rb") as file:
        while packed := await asyncio.to_thread(file.read, PIECE):
            digest.update(packed)
            try:
                yield await asyncio.to_thread(unzip.decompress, packed)
            except zlib.error as wrong:
                raise BackupFault(f"{part.file} can't be unpacked: {wrong}") from None
            advance(len(packed))
    if digest.hexdigest() != part.sha256 or not unzip.eof:
        raise BackupFault(f"{part.file} isn't what was written: its hash differs.")


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """A full disk is no matter of the databases."""
    try:
        yield
    except OSError as why:
        raise BackupFault(
            f"{place} can't be written ({why.strerror}). Choose another place, or make room there."
        ) from None


def _hashed(file: Path, advance: Advance) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with file.open("rb") as read:
        while piece := read.read(PIECE):
            digest.update(piece)
            size += len(piece)
            advance(len(piece))
    return size, digest.hexdigest()


def _write(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())


def _sync(folder: Path) -> None:
    """A folder's entries are on the disk only once it is synced itself."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
