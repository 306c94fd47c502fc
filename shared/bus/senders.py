"""Who published a message, as the broker vouches for it, and whether they may say what it says.

A broker user's topic permissions bind the routing key, and nothing else: the body is held against the key where it is received.
"""

from __future__ import annotations

import orjson

SIGNALS = frozenset({"probe", "heartbeat", "replay", "snapshot"})
UNKNOWN = ""  # who publishes to the default exchange may be anybody


def sender_of(key: str) -> str:
    """The service that speaks by this routing key: `org.member.joined.v1`, `heartbeat.org`, `replay.org` are all org's."""
    first, _, rest = key.partition(".")
    return rest if first in SIGNALS else first


def may_say(sender: str, body: bytes) -> bool:
    """Whether this is the sender's own to say: its events and signals, and to ask for a replay into its own queue.

    Of who is unknown only that is believed, as nothing is told by it. What isn't readable is for the receiver to put aside.
    """
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return True
    match said:
        case {"specversion": _, "tenantry": _}:
            return False  # an event that calls itself a signal, too
        case {"tenantry": "replay", **rest}:
            return sender == UNKNOWN or rest.get("queue") == f"{sender}.events"
        case {"tenantry": _, **rest}:
            return rest.get("source") == sender
        case {"source": source}:
            return bool(source == f"/services/{sender}")
    return True
