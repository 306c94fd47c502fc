"""The clients of stories that last longer than an access token lives."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from shared.cli.demo.api import EXPIRED, PatientGateway, sign_up
from shared.clock import MovableClock
from tests.system.whole import whole_product
from tests.world import Databases


async def test_who_waits_until_their_token_expires_signs_in_again_and_goes_on(
    databases: Databases, tmp_path: Path
) -> None:
    clock = MovableClock()
    async with (
        whole_product(databases, tmp_path, clock=clock) as product,
        PatientGateway(product.settings.public_url) as gateway,
    ):
        person = await sign_up(gateway, "ada@patience.example", "Ada", "Patience")
        for expired in (1, 2):
            clock.advance(timedelta(minutes=6))
            assert (await person.ask("GET", "/v1/me")).ok()["user"]["id"] == person.user_id
            assert gateway.again[EXPIRED] == expired


async def test_who_renews_goes_on_in_the_same_session_whoever_asks_at_once(
    databases: Databases, tmp_path: Path
) -> None:
    clock = MovableClock()
    async with whole_product(databases, tmp_path, clock=clock) as product:
        person = await sign_up(product.gateway, "ben@patience.example", "Ben", "Patience")
        for _ in range(2):
            clock.advance(timedelta(minutes=6))
            replies = await asyncio.gather(*(person.ask("GET", "/v1/me/sessions") for _ in range(5)))
            assert [len(reply.ok()["data"]) for reply in replies] == [1] * 5
