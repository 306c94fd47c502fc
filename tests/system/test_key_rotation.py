"""The next key for access tokens: it is published before it signs, so that no request fails on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from services.launcher import PRODUCT
from shared.cli import command_line
from shared.cli.demo.api import Gateway, Person, sign_up
from shared.clock import MovableClock
from shared.config import ACCESS_KEY_NOTICE, Secrets
from tests.system.whole import WholeProduct, whole_product
from tests.world import Databases


@pytest.fixture
async def rotated(databases: Databases, tmp_path: Path) -> AsyncIterator[WholeProduct]:
    """The product as it runs after a rotation: with a key that waits."""
    clock = MovableClock()
    secrets = Secrets.generate().with_next_access_key(clock.now())
    async with (
        whole_product(databases, tmp_path, secrets=secrets, clock=clock) as running,
        Gateway(running.settings.public_url) as gateway,
    ):
        yield replace(running, gateway=gateway)  # which renews nothing by itself


async def renew(person: Person) -> str:
    """The next pair of tokens; the name of the key that signed."""
    body = {"refresh_token": person.refresh_token}
    pair = (await person.gateway.send("POST", "/v1/auth/tokens", body)).ok()
    person.token, person.refresh_token = pair["access_token"], pair["refresh_token"]
    return str(jwt.get_unverified_header(person.token)["kid"])


async def asks(person: Person, times: int = 20) -> set[int]:
    return {reply.status for reply in await asyncio.gather(*(person.ask("GET", "/v1/me") for _ in range(times)))}


async def test_no_request_fails_while_the_next_key_takes_over(rotated: WholeProduct) -> None:
    first, second = (key.kid for key in rotated.settings.secrets.access)
    ada = await sign_up(rotated.gateway, "ada@rotation.example", "Ada", "Rotation")
    ben = await sign_up(rotated.gateway, "ben@turning.example", "Ben", "Turning")
    published = (await rotated.gateway.send("GET", "/.well-known/jwks.json")).ok()["keys"]
    assert [key["kid"] for key in published] == [first, second]
    rotated.clock.advance(ACCESS_KEY_NOTICE - timedelta(minutes=2))
    assert (await renew(ada), await renew(ben)) == (first, first)
    assert await asks(ada) == {200}
    rotated.clock.advance(timedelta(minutes=3))
    assert await renew(ada) == second
    both = await asyncio.gather(asks(ada), asks(ben))
    assert both == [{200}, {200}], "the new key's tokens and the old one's, side by side"
    rotated.clock.advance(timedelta(minutes=5))
    assert await asks(ben, 1) == {401}
    assert await renew(ben) == second
    assert await asks(ben) == {200}


def test_rotating_writes_the_file_whole_for_its_owner_alone_and_says_what_to_do(tmp_path: Path) -> None:
    file, made = tmp_path / "secrets.json", Secrets.generate()

    def rotate() -> tuple[int, str]:
        done = CliRunner().invoke(command_line(PRODUCT), ["secrets", "rotate", str(file)])
        return done.exit_code, done.output

    assert rotate()[0] == 1, "there is nothing to rotate"
    made.save(file)
    code, told = rotate()
    assert (code, "Restart identity before then" in told) == (0, True)
    turned = Secrets.load(file)
    assert (turned.access[0], len(turned.access)) == (made.access[0], 2)
    assert turned.model_copy(update={"access": made.access}) == made
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    code, refused = rotate()
    assert (code, Secrets.load(file)) == (1, turned), "one waits already"
    assert not [key.seed for key in turned.access if key.seed in told + refused]
