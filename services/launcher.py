"""The one module that knows all services: the command line begins here."""

from __future__ import annotations

from importlib import import_module

from shared.cli import Product, command_line
from shared.service import Service

STORING = ("identity", "org", "sharing", "billing", "audit", "courier")


def service(name: str) -> Service:
    """A service's table of contents; its code is loaded only where it runs."""
    found: Service = import_module(f"services.{name}.app").service
    return found


def gateway() -> object:
    return import_module("services.gateway.app").gateway


PRODUCT = Product(storing=STORING, service=service, gateway=gateway)


def main() -> None:
    command_line(PRODUCT)()


if __name__ == "__main__":
    main()
