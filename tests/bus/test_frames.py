"""The bytes that we write ourselves are what a general decoder reads."""

from __future__ import annotations

import pamqp.frame
import pytest
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from shared.bus.amqp_frames import publish_frames


def decoded(payload: bytes) -> list[tuple[int, object]]:
    frames: list[tuple[int, object]] = []
    while payload:
        size, channel, frame = pamqp.frame.unmarshal(payload)
        frames.append((channel, frame))
        payload = payload[size:]
    return frames


@pytest.mark.parametrize("expiration", [None, b"60000"])
@pytest.mark.parametrize("body", [b"", b"one frame", b"x" * 1_000])
def test_a_publish_reads_as_it_was_meant(body: bytes, expiration: bytes | None) -> None:
    (channel, method), (_, header), *bodies = decoded(
        publish_frames(
            7, exchange=b"events", key=b"org.member.joined", body=body, message_id=b"a.1", content_type=b"text/plain",
            mandatory=expiration is None, expiration=expiration, frame_max=256,
        )
    )  # fmt: skip
    assert channel == 7
    assert isinstance(method, Basic.Publish)
    assert (method.exchange, method.routing_key, method.mandatory) == ("events", "org.member.joined", not expiration)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    properties = header.properties
    assert (properties.content_type, properties.message_id) == ("text/plain", "a.1")
    assert properties.delivery_mode == (1 if expiration else 2)
    assert properties.expiration == (expiration.decode() if expiration else None)
    assert b"".join(frame.value for _, frame in bodies if isinstance(frame, ContentBody)) == body


def test_a_key_too_long_for_amqp_is_refused() -> None:
    with pytest.raises(ValueError, match="range"):
        publish_frames(
            1, exchange=b"", key=b"k" * 256, body=b"", message_id=b"", content_type=b"", mandatory=True,
            expiration=None, frame_max=4096,
        )  # fmt: skip
