"""The doctor's look at RabbitMQ: reachable, new enough, and somebody receives each queue."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiormq
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity

from shared.bus.rabbit_link import OLDEST_VERSION
from shared.cli.findings import Finding, Installation, doubtful, well, wrong
from shared.outbox import queue_name

CONNECT_SECONDS = 10


async def broker(it: Installation) -> list[Finding]:
    if not it.bus_url.startswith("amqp"):
        return [well("bus", "in memory; what is under way is kept in the databases")]
    where = urlsplit(it.bus_url)
    shown = f"{where.hostname}:{where.port or 5672}"
    connection = aiormq.Connection(it.bus_url)
    try:
        await connection.connect()
    except (AMQPError, OSError) as why:
        return [
            wrong(
                "RabbitMQ",
                f"{shown} refuses: {why}",
                risk="events wait in the outboxes; nothing is lost, but services don't hear of each other",
                fix="check user, password and virtual host in TENANTRY_AMQP_URL, and that the broker runs",
            )
        ]
    try:
        version = str(connection.server_properties.get("version", ""))
        return [_version(shown, version), *[f for name in it.database_urls if (f := await _queue(connection, name))]]
    finally:
        await connection.close()


def _version(shown: str, version: str) -> Finding:
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers >= OLDEST_VERSION:
        return well("RabbitMQ", f"{version} at {shown}")
    return wrong(
        "RabbitMQ",
        f"{version or 'of unknown version'} at {shown}",
        risk="its quorum queues may lose order",
        fix=f"upgrade it to {'.'.join(map(str, OLDEST_VERSION))} or newer",
    )


async def _queue(connection: aiormq.Connection, service: str) -> Finding | None:
    """None when somebody receives it."""
    queue = queue_name(service)
    channel = await connection.channel()
    try:
        found = await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        return doubtful(
            f"{service}: queue",
            f"{queue} doesn't exist",
            risk="events wait in the outboxes",
            fix="start the product: who connects first declares every queue",
        )
    await channel.close()
    if found.consumer_count:
        return None
    return doubtful(
        f"{service}: queue",
        f"nobody receives {queue}, where {found.message_count} messages wait",
        risk=f"{service} doesn't hear what happens elsewhere",
        fix=f"start it: tenantry serve --only {service}",
    )
