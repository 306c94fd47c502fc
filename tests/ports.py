"""Ports for what a test starts."""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

GIVEN: list[socket.socket] = []


def free_port() -> int:
    """Below the ports that the kernel gives to outgoing connections, so that nobody takes it before it is listened on.

    Until this process ends the same port of UDP is ours, which tells every other test that this one is given away.
    """
    while True:
        port = 15_000 + secrets.randbelow(17_000)
        ours = socket.socket(type=socket.SOCK_DGRAM)
        with socket.socket() as one, suppress(OSError):
            ours.bind(("127.0.0.1", port))
            one.bind(("127.0.0.1", port))
            GIVEN.append(ours)
            return port
        ours.close()
