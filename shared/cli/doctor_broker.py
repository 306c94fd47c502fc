"""The doctor's look at RabbitMQ: reachable, new enough, and somebody receives each queue."""

from __future__ import annotations

from urllib.parse import urlsplit

import aiormq
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelNotFoundEntity

from shared.bus.rabbit_link import OLDEST_VERSION
from shared.bus.rabbit_topology import EVENTS
from shared.cli.findings import Finding, Installation, doubtful, well, wrong
from shared.outbox import queue_name

CONNECT_SECONDS = 10
NOBODY = "heartbeat.nobody"  # a routing key that no service has, and no queue is bound to


async def broker(it: Installation) -> list[Finding]:
    url = it.bus_url if it.bus_url.startswith("amqp") else next(iter(it.bus_urls.values()), "")
    if not url:
        return [well("bus", "in memory; what is under way is kept in the databases")]
    return [*await _broker_at(it, url), *await _users(it)]


async def _users(it: Installation) -> list[Finding]:
    found = [finding for name, url in it.bus_urls.items() if (finding := await _user(name, url))]
    return found or [well("broker users", "speak for their own service alone")] * bool(it.bus_urls)


async def _user(service: str, url: str) -> Finding | None:
    """None when it can sign in, and can't speak as somebody else."""
    again = "tenantry broker plan | rabbitmqctl import_definitions /dev/stdin"
    connection = aiormq.Connection(url)
    try:
        await connection.connect()
    except (AMQPError, OSError) as why:
        return wrong(
            f"{service}: broker user",
            f"it can't sign in: {why}",
            risk=f"{service} hears nothing, and what it says waits in its outbox",
            fix=f"check TENANTRY_{service.upper()}_AMQP_URL, or make its user: {again}",
        )
    try:
        channel = await connection.channel()
        await channel.basic_publish(b"{}", exchange=EVENTS, routing_key=NOBODY)
    except (ChannelAccessRefused, ChannelNotFoundEntity):
        return None
    finally:
        await connection.close()
    return doubtful(
        f"{service}: broker user",
        "it may publish under any service's name",
        risk=f"whoever takes over {service} can make events of others up",
        fix=again,
    )


async def _broker_at(it: Installation, url: str) -> list[Finding]:
    where = urlsplit(url)
    shown = f"{where.hostname}:{where.port or 5672}"
    connection = aiormq.Connection(url)
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
