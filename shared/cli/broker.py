"""Commands about RabbitMQ: what an operator lets it import, so that each service has a user of its own there."""

from __future__ import annotations

import os
import sys
from typing import Annotated
from urllib.parse import urlsplit

import orjson
import typer

from shared.bus import Queue
from shared.bus.rabbit_rights import (
    OPERATOR,
    BrokerUser,
    Rights,
    definitions,
    rights_of_gateway,
    rights_of_listener,
    rights_of_speaker,
)
from shared.cli.place import Refused
from shared.cli.run import finish
from shared.config import SERVICES
from shared.hearing import topology
from shared.ids import SERVICES as SOURCES
from shared.outbox import queue_name
from shared.process import Product
from shared.subscriber import NAME


def add_to(app: typer.Typer, product: Product) -> None:
    broker = typer.Typer(no_args_is_help=True, help="RabbitMQ.")
    app.add_typer(broker, name="broker")

    @broker.command("plan")
    def plan(
        subscriber: Annotated[
            list[str] | None, typer.Option(help="A service of your own that shall have a user, too, by its name.")
        ] = None,
    ) -> None:
        """Prints users, rights, exchanges, queues and bindings for `rabbitmqctl import_definitions`, from TENANTRY_…_AMQP_URL."""
        finish(_plan(product, subscriber or []))


async def _plan(product: Product, subscribers: list[str]) -> None:
    users = _users()
    (vhost,) = {user.vhost for user in users.values()}
    queues = {queue.name: queue for queue in topology(product.all())}
    rights: list[tuple[BrokerUser, Rights]] = []
    if general := os.environ.get("TENANTRY_AMQP_URL"):
        rights.append((BrokerUser.of(general), OPERATOR))
    for name, user in users.items():
        queue = queues.get(queue_name(name))
        rights.append((user, rights_of_gateway() if queue is None else rights_of_speaker(name, queue)))
    for name in subscribers:
        if not NAME.fullmatch(name):
            raise Refused(f"A service's name is made of a-z, 0-9, _ and -, and begins with a letter; not {name!r}.")
        if name in SOURCES:
            raise Refused(f"{name} is one of the product's own services, and has a user already.")
        rights.append((BrokerUser(name, None, vhost), rights_of_listener(name, Queue(queue_name(name), ()))))
    print(orjson.dumps(definitions(vhost, rights, list(queues.values())), option=orjson.OPT_INDENT_2).decode())
    for name in subscribers:
        print(f"{name} can't sign in yet: rabbitmqctl change_password {name}", file=sys.stderr)


def _users() -> dict[str, BrokerUser]:
    """The user of each service, which its URL names; all different, on one virtual host, with passwords."""
    urls = {name: os.environ.get(f"TENANTRY_{name.upper()}_AMQP_URL", "") for name in SERVICES}
    lacking = [
        f"TENANTRY_{name.upper()}_AMQP_URL"
        for name, url in urls.items()
        if urlsplit(url).scheme not in ("amqp", "amqps")
    ]
    if lacking:
        raise Refused(
            f"Set {', '.join(lacking)} first, each with a user and a password of its own, e.g. amqp://tenantry-org:…@rabbitmq:5672/"
        )
    users = {name: BrokerUser.of(url) for name, url in urls.items()}
    if open_ones := [name for name, user in users.items() if user.password is None]:
        raise Refused(f"There is no password in the URL of {', '.join(open_ones)}.")
    if len({user.name for user in users.values()}) < len(users):
        raise Refused("Two services have the same user: then each of them could speak as the other.")
    if len({user.vhost for user in users.values()}) > 1:
        raise Refused("The services are on different virtual hosts, and so wouldn't hear each other.")
    return users
