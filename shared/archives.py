"""A ZIP archive written piece by piece, by whoever has the next piece: what is known of an entry is small enough to be kept between them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZipInfo

LARGEST = 2**32 - 1
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
VERSION = 20
UTF8 = 0x800
MANIFEST = b"tenantry export manifest\n"  # before a signed manifest: the key signs other things too, and none of them begins like this


@dataclass(frozen=True)
class Entry:
    """A file in the archive. `packed` and `size` are in bytes, `offset` from the archive's beginning, `date` and `time` as MS-DOS has them."""

    name: str
    crc: int
    packed: int
    size: int
    offset: int
    date: int
    time: int


def packed(name: str, content: bytes, at: datetime, offset: int) -> tuple[bytes, Entry]:
    """The bytes of one more file, which begins at `offset`, and what the directory has to know of it."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = deflate.compress(content) + deflate.flush()
    if offset + len(data) > LARGEST:
        raise ValueError("the archive would be larger than 4 GiB")
    info = ZipInfo(name, at.timetuple()[:6])
    info.compress_type, info.CRC, info.compress_size, info.file_size = (
        ZIP_DEFLATED, zlib.crc32(content), len(data), len(content)
    )  # fmt: skip
    header = info.FileHeader(zip64=False)
    date = (at.year - 1980) << 9 | at.month << 5 | at.day
    time = at.hour << 11 | at.minute << 5 | at.second // 2
    return header + data, Entry(name, info.CRC, len(data), len(content), offset, date, time)


def directory(entries: Sequence[Entry], offset: int) -> bytes:
    """What closes the archive: the directory of all its files, which begins at `offset`."""
    listed = b"".join(_listed(one) for one in entries)
    return listed + END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(listed), offset, 0)


def _listed(one: Entry) -> bytes:
    name, flags = one.name.encode(), 0 if one.name.isascii() else UTF8
    about = (one.time, one.date, one.crc, one.packed, one.size, len(name))
    return CENTRAL.pack(b"PK\1\2", VERSION, VERSION, flags, ZIP_DEFLATED, *about, 0, 0, 0, 0, 0, one.offset) + name
