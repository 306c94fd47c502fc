"""No password and no token is ever kept or said: what a thief of the database, the logs or the events would find."""

from __future__ import annotations

import hashlib

import pytest
import structlog

from shared.db import EVERY_ORG
from shared.ids import new_id
from tests.identity.people import (
    PASSWORD,
    confirm,
    cookie_of,
    introspect_cookie,
    invitation,
    is_invited,
    joins,
    link_of,
    mails,
    refresh,
    sign_in,
    sign_up,
    somebody,
)
from tests.world import World

CANARIES = ("Canary walks at Midnight 7", "Canary sleeps until Noon 8", "Canary guessed it wrong 9")


async def whole_database(world: World) -> str:
    """Every row of every table as text; byte columns both as hex and as what they spell."""
    found: list[str] = []
    async with world.started["identity"].env.database.read(EVERY_ORG) as read:
        tables = await read.rows("select tablename from pg_tables where schemaname = 'public'")
        for table in tables:
            rows = await read.rows(f"select to_jsonb(t)::text as row from {table['tablename']} as t")
            found += [row["row"] for row in rows]
            bodies = [column for (column,) in await read.rows(
                "select column_name from information_schema.columns where table_name = $1 and data_type = 'bytea'", table["tablename"]
            )]  # fmt: skip
            for column in bodies:
                rows = await read.rows(f"select {column} as body from {table['tablename']} where {column} is not null")
                found += [row["body"].decode(errors="replace") for row in rows]
    return "\n".join(found)


@pytest.mark.parametrize("with_keys", [False, True])
async def test_no_password_and_no_token_is_in_the_database_the_events_or_the_logs(
    world: World, capfd: pytest.CaptureFixture[str], with_keys: bool
) -> None:
    first, second, wrong = CANARIES
    headers = {"Idempotency-Key": "canary-key"} if with_keys else {}
    secrets: list[str] = list(CANARIES)
    with structlog.testing.capture_logs() as logs:
        signup_id, token = await sign_up(world, "ana@example.com", password=first)
        secrets.append(token)
        await confirm(world, signup_id, token)
        await world.ask("identity", "POST", "/v1/auth/password-resets", {"email": "ana@example.com"}, headers=headers)
        reset = link_of(world, (await mails(world))[-1])
        secrets.append(reset)
        await world.ask(
            "identity", "PUT", f"/v1/auth/password-resets/{reset}", {"new_password": second}, headers=headers
        )
        await world.ask("identity", "PUT", f"/v1/auth/password-resets/{reset}", {"new_password": wrong})
        pending_id, pending = await sign_up(world, "pending@example.com", password=first)
        guest = await is_invited(world, new_id("org"), invitation(world, "guest@example.com"))
        secrets += [pending, guest]
        await world.ask(
            "identity",
            "POST",
            f"/v1/invitation-tokens/{guest}/account",
            {"name": "Guest", "password": second},
            headers=headers,
        )
        someone = await somebody(world, "bob@example.com", password=first)
        mine = await someone.comes(password=first)
        for email, password in (
            ("ana@example.com", second),
            ("ana@example.com", wrong),
            (wrong.replace(" ", "") + "@example.com", wrong),
        ):
            body = {"email": email, "password": password}
            reply = await world.ask("identity", "POST", "/v1/auth/sessions", body, headers=headers)
            if reply.status == 201:
                secrets += [reply.json["access_token"], reply.json["refresh_token"]]
                secrets.append((await refresh(world, reply.json["refresh_token"])).ok()["refresh_token"])
        cookie = cookie_of(await sign_in(world, "ana@example.com", second, keep="cookie"))
        await introspect_cookie(world, cookie)
        secrets.append(cookie)
        await joins(world, new_id("org"), someone.user_id)
        await world.ask(
            "identity", "POST", "/v1/auth/reauthentications", {"password": first}, actor=mine, headers=headers
        )
        change = {"current_password": first, "new_password": second}
        assert (
            await world.ask("identity", "PUT", "/v1/me/password", change, actor=mine, headers=headers)
        ).status == 204
        await refresh(world, cookie)
        await world.ask("identity", "POST", "/v1/auth/tokens", {"refresh_token": secrets[3], "extra": first})
        await confirm(world, pending_id, token)
        await world.settle()
    dump = await whole_database(world)
    said = "\n".join(envelope.body().decode() for envelope in await world.said("identity"))
    printed = "".join(capfd.readouterr()) + repr(logs)
    digests = [hashlib.sha256(secret.encode()).hexdigest() for secret in secrets]
    assert PASSWORD not in secrets
    for secret in (
        *secrets,
        *digests,
        *(secret.partition("-")[2] for secret in secrets if secret.startswith(("trt_", "tcs_", "tms_"))),
    ):
        for name, text in (("database", dump), ("events", said), ("logs", printed)):
            assert secret not in text, f"{secret[:12]}… is in the {name}"
    assert "ana@example.com" in dump
    assert wrong.replace(" ", "") not in dump, "what was typed as an address may be a password"


async def test_a_refused_password_is_not_quoted_back(world: World) -> None:
    for body in (
        {"email": "ana@example.com", "password": 7},
        {"email": "ana@example.com", "password": CANARIES[0] * 20},
        {"email": CANARIES[0], "password": CANARIES[0]},
    ):
        reply = await world.ask("identity", "POST", "/v1/auth/sessions", body)
        assert reply.status == 422
        assert CANARIES[0] not in reply.body.decode()
