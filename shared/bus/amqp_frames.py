"""A publish as the bytes that AMQP 0-9-1 wants, written in one go: a general encoder costs ten times as much."""

from __future__ import annotations

import struct

METHOD, HEADER, BODY, END = 1, 2, 3, b"\xce"
BASIC_PUBLISH = struct.pack(">HHH", 60, 40, 0)
MANDATORY = 1
CONTENT_TYPE, DELIVERY_MODE, EXPIRATION, MESSAGE_ID = 1 << 15, 1 << 12, 1 << 8, 1 << 7
TRANSIENT, PERSISTENT = b"\x01", b"\x02"
FRAME_OVERHEAD = 8


def publish_frames(
    channel: int,
    *,
    exchange: bytes,
    key: bytes,
    body: bytes,
    message_id: bytes,
    content_type: bytes,
    mandatory: bool,
    expiration: bytes | None,
    frame_max: int,
) -> bytes:
    """A message with an expiration (milliseconds, as text) is transient, any other is persistent."""
    method = BASIC_PUBLISH + _short(exchange) + _short(key) + bytes([MANDATORY if mandatory else 0])
    flags = CONTENT_TYPE | DELIVERY_MODE | MESSAGE_ID | (0 if expiration is None else EXPIRATION)
    header = struct.pack(">HHQH", 60, 0, len(body), flags) + _short(content_type)
    header += PERSISTENT if expiration is None else TRANSIENT + _short(expiration)
    header += _short(message_id)
    most = frame_max - FRAME_OVERHEAD
    bodies = [_frame(BODY, channel, body[at : at + most]) for at in range(0, len(body), most)]
    return b"".join((_frame(METHOD, channel, method), _frame(HEADER, channel, header), *bodies))


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + END


def _short(text: bytes) -> bytes:
    return bytes([len(text)]) + text
