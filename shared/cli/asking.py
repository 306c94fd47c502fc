"""How a command asks a service: over its own address, with a token that the installation's secrets sign."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from shared.cli.place import Place, Refused
from shared.config import Misconfigured, Secrets
from shared.errors import Problem
from shared.internal import Internal
from shared.web.address import Address

SECONDS = 30.0

Ask = Callable[..., Coroutine[Any, Any, Any]]


@asynccontextmanager
async def asking(data: Path | None, service: str) -> AsyncIterator[Ask]:
    """A function `ask(method, path, body)` to one service; what it refuses is said in words, fault by fault."""
    address, secrets = way_to(data, service)
    internal = Internal(secrets.keyring(service), {service: Address.parse(address)})

    async def ask(method: str, path: str, body: Any = None) -> Any:
        try:
            return await internal.call(service, method, path, body=body, seconds=SECONDS)
        except Problem as why:
            raise Refused(in_words(why)) from None

    try:
        yield ask
    finally:
        await internal.close()


def way_to(data: Path | None, service: str) -> tuple[str, Secrets]:
    name = service.upper()
    address = os.environ.get(f"TENANTRY_{name}_URL") or os.environ.get(f"TENANTRY_{name}_LISTEN")
    file = os.environ.get("TENANTRY_SECRETS_FILE")
    if address and file:
        try:
            return address, Secrets.load(Path(file))
        except Misconfigured as wrong:
            raise Refused(str(wrong)) from None
    place = Place.at(data)
    facts = place.running()
    if facts is None:
        raise Refused(
            f"Tenantry isn't running here. Start it with `tenantry up`, or set TENANTRY_{name}_URL and TENANTRY_SECRETS_FILE."
        )
    return facts["urls"][service], place.secrets()


def in_words(why: Problem) -> str:
    faults = [f"  {fault.pointer}: {fault.detail}" for fault in why.errors if fault.detail != why.detail]
    return "\n".join([why.detail or why.kind.title, *faults])
