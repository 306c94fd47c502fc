"""The provider against localstripe, a stand-in for Stripe that others wrote: customers, methods, charges, as far as it knows them."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from services.billing.rules.payments import Attempt, Payer
from services.billing.usecases.stripe_provider import Stripe
from shared.ids import new_id
from shared.payments import StripeAccount
from tests.ports import free_port

KEY = "sk_test_local"


class Local:
    """localstripe as a process of its own, and what a person would do in its pages."""

    def __init__(self, url: str) -> None:
        self.url = url
        account = StripeAccount(api_key=SecretStr(KEY), webhook_secrets=(SecretStr("whsec_x"),), api_url=url)
        self.provider = Stripe(account)

    async def post(self, path: str, **form: str) -> Any:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.url + path, data=form, headers=headers) as answer,
        ):
            return await answer.json()

    async def answers(self) -> bool:
        try:
            return "id" in await self.post("/v1/customers", name="First")
        except aiohttp.ClientError:
            return False

    async def stores(self, customer: str, number: str) -> str:
        card = {"card[number]": number, "card[exp_month]": "12", "card[exp_year]": "2031", "card[cvc]": "123"}
        method = await self.post("/v1/payment_methods", type="card", **card)
        attached = await self.post(f"/v1/payment_methods/{method['id']}/attach", customer=customer)
        return str(attached["id"])


async def start(folder: Path) -> tuple[Local, Process]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "localstripe",
        "--from-scratch",
        "--port",
        str(port),
        env={"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return Local(f"http://127.0.0.1:{port}"), process


@pytest.fixture(scope="module")
async def local(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Local]:
    folder: Path = tmp_path_factory.mktemp("localstripe")
    there, process = await start(folder)
    try:
        async with asyncio.timeout(60):
            while not await there.answers():
                if process.returncode is not None:  # somebody else took the port before it did
                    await there.provider.close()
                    there, process = await start(folder)
                await asyncio.sleep(0.05)
        yield there
    finally:
        await there.provider.close()
        process.terminate()
        await process.wait()


def attempt(customer: str, method: str) -> Attempt:
    moment = datetime.now(UTC)
    return Attempt(new_id("pay"), new_id("org"), new_id("ivc"), "TN-000001", customer, method, 24_900, "EUR", moment)


async def test_a_stored_card_is_recognised_and_charged(local: Local) -> None:
    customer = await local.provider.add_customer(Payer(new_id("org"), "Northwind", "billing@northwind.example"))
    assert await local.provider.method_of(customer) is None
    stored = await local.stores(customer, "4242424242424242")
    method = await local.provider.method_of(customer)
    assert method is not None
    assert (method.id, method.brand, method.last4, method.expires) == (stored, "visa", "4242", "12/2031")
    asked = attempt(customer, stored)
    charged = await local.provider.charge(asked)
    assert (charged.state, charged.amount, charged.currency, charged.attempt_id) == (
        "succeeded",
        24_900,
        "EUR",
        asked.id,
    )
    assert await local.provider.payment(charged.id) == charged


async def test_a_declined_card_and_a_customer_who_is_gone_are_told_apart(local: Local) -> None:
    customer = await local.provider.add_customer(Payer(new_id("org"), "Contoso", "billing@contoso.example"))
    stored = await local.stores(customer, "4000000000000341")
    declined = await local.provider.charge(attempt(customer, stored))
    assert (declined.state, declined.reason) == ("failed", "card_declined")
    gone = await local.provider.charge(attempt("cus_gone", stored))
    assert gone.state == "failed"
    assert gone.reason != "card_declined"
