"""The sender: takes mails that are due one by one, and never lets go of one before it is sent, or refused for good."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from jinja2 import TemplateError

from services.courier import rules
from services.courier.store import dead_addresses, product_mails
from services.courier.store import mails as store
from services.courier.store.mails import Mail
from services.courier.usecases.rendering import Letterhead, address_of, every_wording, message_of
from services.courier.usecases.transports import NotTaken, Transport
from services.courier.usecases.undelivered import find_dead, key_of
from services.courier.usecases.working import Workers, until_noted
from shared.auth import Actor
from shared.db import EVERY_ORG, Tx
from shared.events import Envelope
from shared.links import link_token
from shared.service import Ctx, Environment

log = structlog.get_logger()

AT_ONCE = 4
SEND_SECONDS = 240.0
LEASE = timedelta(seconds=300)  # longer than sending may take, so that no two senders have one mail


class Sender:
    """A few tasks that send mails."""

    def __init__(self, env: Environment, transport: Transport) -> None:
        self._env = env
        self._transport = transport
        self._wording = every_wording()
        self._letterhead = Letterhead(env.settings.mail_from, env.settings.public_url)
        self._links = env.settings.secrets.bytes("links")
        self._workers = Workers("mail sender", self.send_next, AT_ONCE)

    def start(self) -> None:
        self._workers.start()

    def wake(self) -> None:
        self._workers.wake()

    async def stop(self) -> None:
        await self._workers.stop()

    async def send_next(self) -> bool:
        """Sends the mail that is due longest; False when none is due."""
        async with self._tx() as tx:
            mail = await store.lease_next(tx, self._env.clock.now(), LEASE)
            unwanted = mail is not None and await self._is_unwanted(tx, mail)
        if mail is None:
            return False
        if unwanted:
            await self._refused(mail, "product mails aren't wanted there", for_good=True)
            return True
        if await self._is_dead(mail):
            return True
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._transport.take(mail.id, mail.requested_at, self._written(mail))
        except NotTaken as why:
            await self._refused(mail, str(why), for_good=why.for_good, status=why.status)
        except TimeoutError:
            await self._refused(mail, f"it took longer than {SEND_SECONDS:.0f} s", for_good=False)
        except (TemplateError, LookupError, ValueError) as wrong:
            await self._refused(mail, f"it can't be written: {type(wrong).__name__}: {wrong}", for_good=True)
        else:
            await until_noted(lambda: self._sent(mail), LEASE)
            log.info("sent a mail", mail_id=mail.id, template=mail.template, attempts=mail.attempts)
        return True

    async def _sent(self, mail: Mail) -> None:
        async with self._tx() as tx:
            await store.mark_sent(tx, mail, self._env.clock.now())

    def _written(self, mail: Mail) -> Any:
        token = None
        if mail.link is not None:
            token = link_token(self._links, mail.link.purpose, mail.link.id, mail.link.version)
        url = address_of(mail, self._letterhead, token)
        picture = ""
        if mail.picture is not None:
            shown = link_token(self._links, mail.picture.purpose, mail.picture.id, mail.picture.version)
            picture = rules.picture_url_of(self._letterhead.public_url, shown)
        words = self._wording[mail.language].words(mail.template, mail.content, url, picture)
        message = message_of(mail, words, self._letterhead, self._env.clock.now())
        if mail.unsubscribe is not None:
            ends = link_token(self._links, mail.unsubscribe.purpose, mail.unsubscribe.id, mail.unsubscribe.version)
            address = rules.unsubscribe_url_of(self._letterhead.public_url, ends)
            message["List-Unsubscribe"] = f"<{address}>"
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return message

    async def _is_unwanted(self, tx: Tx, mail: Mail) -> bool:
        return mail.unsubscribe is not None and await product_mails.are_unwanted(tx, mail.org_id)

    async def _is_dead(self, mail: Mail) -> bool:
        """Whether nobody receives at the address, as this or another organization's mail found out: then it isn't sent."""
        address = key_of(mail.recipient)
        async with self._tx() as tx:
            known = await dead_addresses.known(tx, address, self._env.clock.now())
            if known is None:
                return False
            why = f"not sent: nobody receives there, it was found at {known['found_at']:%Y-%m-%d %H:%M} UTC"
            await store.mark_refused(tx, mail, None, why)
            if mail.org_id:
                found = (known["status"], known["reason"], known["found_at"], known["until"])
                await dead_addresses.keep(tx, mail.org_id, address, *found)
        log.warning("a mail wasn't sent to a dead address", mail_id=mail.id, template=mail.template)
        return True

    async def _refused(self, mail: Mail, why: str, *, for_good: bool, status: str = "") -> None:
        ctx = Ctx(self._env, Actor("system", service=self._env.service.name), correlation_id="mail sender")
        due_at = None if for_good else rules.due_again(mail.requested_at, ctx.now, mail.attempts)
        async with ctx.finishing(), ctx.tx(EVERY_ORG) as tx:
            await store.mark_refused(tx, mail, due_at, why[:1000])
            if for_good and rules.is_dead(status):
                await find_dead(ctx, tx, mail.org_id, key_of(mail.recipient), status, why)
        say = log.warning if due_at else log.error
        say(
            "a mail wasn't sent",
            mail_id=mail.id,
            template=mail.template,
            attempts=mail.attempts,
            due_at=due_at,
            why=why,
        )

    def _tx(self) -> Any:
        return self._env.database.tx(EVERY_ORG, _says_nothing)


def _says_nothing(event: Any) -> Envelope:
    raise TypeError("sending has nothing to say")


async def forget_mails(ctx: Ctx, tx: Tx, user_id: str) -> bool:
    """Whoever closed their account has no mails here once the last of them is sent."""
    async with ctx.tx(EVERY_ORG):
        return await store.forget_reader(tx, user_id)
