"""Runs the command line in a test, on a product of toy services."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from typer.testing import CliRunner

from shared.cli import command_line
from shared.process import Product
from shared.service import Service


@dataclass(frozen=True)
class Said:
    code: int
    output: str


def product_of(services: Sequence[Service]) -> Product:
    by_name = {service.name: service for service in services}
    return Product(storing=tuple(by_name), service=by_name.__getitem__, gateway=lambda: None)


def announce(data: Path, **facts: object) -> None:
    """Leaves word as the running product does."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / "running.json").write_bytes(orjson.dumps({"pid": os.getpid(), "bus_url": "memory://", **facts}))


async def tenantry(product: Product, *arguments: str, environ: Mapping[str, str] | None = None) -> Said:
    """In a thread, because a command runs a loop of its own."""
    done = await asyncio.to_thread(CliRunner().invoke, command_line(product), arguments, env=environ)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.output)
