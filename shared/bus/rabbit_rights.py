"""A broker user per service: what each may do on RabbitMQ, and the whole as a file of definitions that RabbitMQ imports.

A service declares, binds and reads its own queue, and publishes under routing keys of its own; `shared.bus.senders` holds the body against them.
The exchanges are nobody's to declare, so that nobody can delete them either.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.bus import Queue
from shared.bus.rabbit_topology import EVENTS, LIVE, QUORUM, TO, address_of
from shared.bus.senders import SIGNALS

NOTHING = "^$"
EVERYTHING = ".*"
FEED = r"amq\.gen-.*"


@dataclass(frozen=True)
class BrokerUser:
    """Who a URL names; None as password where it has none."""

    name: str
    password: str | None
    vhost: str

    @classmethod
    def of(cls, url: str) -> BrokerUser:
        parts = urlsplit(url)
        name = unquote(parts.username or "guest")
        return cls(name, unquote(parts.password) if parts.password else None, unquote(parts.path[1:]) or "/")


@dataclass(frozen=True)
class Rights:
    """Regular expressions: resources to configure, write and read; and per topic exchange, routing keys to write and read."""

    configure: str
    write: str
    read: str
    topics: dict[str, tuple[str, str]]


OPERATOR = Rights(EVERYTHING, EVERYTHING, EVERYTHING, {})


def rights_of_speaker(name: str, queue: Queue) -> Rights:
    """Of a service that says something, and hears what its queue is bound to."""
    its_own = f"^({re.escape(name)}\\..+|({'|'.join(sorted(SIGNALS))})\\.{re.escape(name)})$"
    return Rights(
        configure=_one_of(queue.name),
        write=_one_of(EVENTS, LIVE, TO, queue.name),
        read=_one_of(EVENTS, TO, queue.name),
        topics={EVENTS: (its_own, _one_of(*queue.keys)), LIVE: (its_own, NOTHING), TO: _addressed(name, queue)},
    )


def rights_of_listener(name: str, queue: Queue) -> Rights:
    """Of a subscriber: it says no event, but asks for what it missed."""
    return Rights(
        configure=_one_of(queue.name),
        write=_one_of(TO, queue.name),
        read=_one_of(EVENTS, TO, queue.name),
        topics={TO: _addressed(name, queue)},
    )


def rights_of_gateway() -> Rights:
    """It hears everything by a feed of its own, which isn't kept, and says nothing."""
    return Rights(
        configure=f"^{FEED}$",
        write=f"^{FEED}$",
        read=f"^({re.escape(LIVE)}|{FEED})$",
        topics={LIVE: (NOTHING, EVERYTHING)},
    )


def definitions(vhost: str, rights: Sequence[tuple[BrokerUser, Rights]], queues: Sequence[Queue]) -> dict[str, Any]:
    """As `rabbitmqctl import_definitions` and `load_definitions` take it. Passwords are in it as salted hashes alone."""
    exchange = {"vhost": vhost, "type": "topic", "durable": True, "auto_delete": False, "internal": False}
    bound = [(EVENTS, queue, key) for queue in queues for key in queue.keys]
    bound += [(TO, queue, address_of("*", queue.name)) for queue in queues]
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": user.name,
                "password_hash": hashed(user.password),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "administrator" if may is OPERATOR else "",
            }
            for user, may in rights
        ],
        "permissions": [
            {"user": user.name, "vhost": vhost, "configure": may.configure, "write": may.write, "read": may.read}
            for user, may in rights
        ],
        "topic_permissions": [
            {"user": user.name, "vhost": vhost, "exchange": name, "write": write, "read": read}
            for user, may in rights
            for name, (write, read) in may.topics.items()
        ],
        "exchanges": [{"name": name, **exchange, "arguments": {}} for name in (EVENTS, LIVE, TO)],
        "queues": [
            {"name": queue.name, "vhost": vhost, "durable": True, "auto_delete": False, "arguments": QUORUM}
            for queue in queues
        ],
        "bindings": [
            {
                "source": source,
                "vhost": vhost,
                "destination": queue.name,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for source, queue, key in bound
        ],
    }


def hashed(password: str | None) -> str:
    """Base64 of a salt of four bytes and SHA-256 of salt and password, as RabbitMQ keeps it; empty for who can't sign in yet."""
    if password is None:
        return ""
    salt = secrets.token_bytes(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _one_of(*names: str) -> str:
    return f"^({'|'.join(re.escape(name) for name in names)})$" if names else NOTHING


def _addressed(name: str, queue: Queue) -> tuple[str, str]:
    return f"^{re.escape(name)}\\.", f"^{re.escape(address_of('*', queue.name))}$"
