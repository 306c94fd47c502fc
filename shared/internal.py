"""The way to the neighbours: synchronous calls to another service's internal endpoints, always with a deadline.

Allowed only where the answer must be current; docs/architecture.md lists each with its reason and what happens when it fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from shared.auth import Actor, Keyring
from shared.errors import FieldError, Problem
from shared.tracing import CURRENT, Tracer, recording
from shared.web.address import Address
from shared.web.client import Answer, Client, DeadlineExceeded, Headers, Overloaded, Unreachable

CALL_SECONDS = 3.0


class Internal:
    """One kept-alive client per neighbour."""

    def __init__(self, keyring: Keyring, addresses: Mapping[str, Address], tracer: Tracer | None = None) -> None:
        self._keyring = keyring
        self._tracer = tracer
        self._clients = {name: Client(address) for name, address in addresses.items()}

    @property
    def keyring(self) -> Keyring:
        return self._keyring

    async def call(
        self,
        service: str,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        actor: Actor | None = None,
        after: str | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Any:
        """Calls an endpoint as this service itself, or, when `actor` is given, on that actor's behalf (the gateway only).

        Returns the JSON answer, or None for 204. Raises the neighbour's problem as it was, `unavailable` when it can't be reached in time.
        """
        token = self._keyring.issue(actor, service) if actor else self._keyring.as_itself(service)
        headers = [(b"Authorization", f"Bearer {token}".encode()), (b"Content-Type", b"application/json")]
        if after:
            headers.append((b"Tenantry-After", after.encode()))
        target = f"{path}?{urlencode(query)}" if query else path
        answer = await self.send(service, method, target, headers, b"" if body is None else orjson.dumps(body), seconds)
        if answer.status >= 400:
            raise _problem(answer)
        return orjson.loads(answer.body) if answer.body else None

    async def ask(self, service: str, target: str, seconds: float = CALL_SECONDS) -> Answer | None:
        """The bare answer to a GET as this service itself, e.g. a file; None when there is no such thing."""
        headers = [(b"Authorization", f"Bearer {self._keyring.as_itself(service)}".encode())]
        answer = await self.send(service, "GET", target, headers, b"", seconds)
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise _problem(answer)
        return answer

    async def send(
        self, service: str, method: str, target: str, headers: Headers, body: bytes, seconds: float
    ) -> Answer:
        """The bare exchange, for the gateway's hop. Within a span it is one itself, and the neighbour's is within that."""
        if CURRENT.get() is None:
            return await self._sent(service, method, target, headers, body, seconds)
        facts = {"http.request.method": method, "peer.service": service}
        with recording(self._tracer, f"{method} {service}", "client", facts=facts) as span:
            if span is not None:
                others = [header for header in headers if header[0].lower() != b"traceparent"]
                headers = [*others, (b"traceparent", span.traceparent.encode())]
            answer = await self._sent(service, method, target, headers, body, seconds)
            if span is not None:
                span.note({"http.response.status_code": answer.status})
            return answer

    async def _sent(
        self, service: str, method: str, target: str, headers: Headers, body: bytes, seconds: float
    ) -> Answer:
        try:
            return await self._clients[service].send(method, target, headers, body, deadline=seconds)
        except DeadlineExceeded:
            raise Problem("deadline_exceeded", f"The service {service} didn't answer in time.", retry_after=2) from None
        except Overloaded:
            raise Problem("overloaded", retry_after=1) from None
        except Unreachable:
            raise Problem("unavailable", f"The service {service} is away.", retry_after=2) from None

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


def _problem(answer: Answer) -> Problem:
    try:
        raw = orjson.loads(answer.body)
        return Problem(
            raw["code"],
            raw.get("detail", ""),
            errors=[FieldError(**fault) for fault in raw.get("errors", ())],
            meta=raw.get("meta", {}),
            remedy=raw.get("remedy", ()),
        )
    except (ValueError, KeyError, TypeError):
        return Problem("unavailable", retry_after=2)
