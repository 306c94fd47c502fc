"""A mail server that does what a test wants: takes mails, refuses them, hangs, answers late, or dies at the worst moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class FakeServer:
    """`script` holds what happens to the next mails, then everything is taken: `take`, `late`, `hang`, `drop`, `take and drop`, or an answer like `450 busy` or `RCPT 550 nobody`."""

    port: int = 0
    script: list[str] = field(default_factory=list)
    taken: list[EmailMessage] = field(default_factory=list)
    attempts: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, *, taken: int | None = None, attempts: int | None = None) -> None:
        """Waits until so many mails were taken, or so many were tried."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(
                lambda: (taken is None or len(self.taken) >= taken) and (attempts is None or self.attempts >= attempts)
            )

    @property
    def ids(self) -> list[str]:
        return [str(mail["Message-ID"]) for mail in self.taken]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(text.encode() + b"\r\n")
            await writer.drain()

        await say("220 test")
        plan = "take"
        while line := (await reader.readline()).decode().strip():
            verb = line.partition(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                await say("250-test\r\n250-8BITMIME\r\n250 SMTPUTF8")
            elif verb == "MAIL":
                plan = self.script.pop(0) if self.script else "take"
                await self._note(attempts=1)
                await say("250 ok")
            elif verb == "RCPT":
                await say(plan.removeprefix("RCPT ") if plan.startswith("RCPT") else "250 ok")
            elif verb == "DATA":
                if plan == "drop":
                    return
                await say("354 go on")
                content = await reader.readuntil(b"\r\n.\r\n")
                if plan in ("late", "hang"):
                    await self.release.wait()
                if plan == "hang":
                    return
                if plan[0].isdigit():
                    await say(plan)
                    continue
                body = content.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
                await self._note(mail=message_from_bytes(body, policy=default))
                if plan == "take and drop":
                    return
                await say("250 taken")
            elif verb == "QUIT":
                await say("221 bye")
                return
            else:
                await say("250 ok")

    async def _note(self, *, attempts: int = 0, mail: EmailMessage | None = None) -> None:
        async with self.changed:
            self.attempts += attempts
            if mail is not None:
                self.taken.append(mail)
            self.changed.notify_all()


@asynccontextmanager
async def mail_server() -> AsyncIterator[FakeServer]:
    one = FakeServer()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        one.release.set()
        server.close()
