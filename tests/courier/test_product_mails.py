"""Product mails: only to who wants them, and with what ends them at a click."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from services.audit.app import service as audit
from services.courier.app import service as courier
from shared.events.courier import MailLink, MailRequested
from shared.events.org import Organization, OrganizationChanged, OrganizationCreated
from shared.ids import new_id
from shared.links import read_link_token
from shared.mailbox import FileMailbox
from tests.courier.test_sending import states, until_none_waits
from tests.world import Databases, World, world_of


@pytest.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[World]:
    async with world_of([courier, audit], databases, tmp_path) as world:
        yield world


def organization(*, product_mails: bool) -> Organization:
    return Organization(
        name="Northwind", location="eu", contact_email="ana@northwind.example", product_mails=product_mails
    )


def digest(org_id: str, **more: Any) -> MailRequested:
    numbers = dict.fromkeys(("active", "seen", "joined", "left", "invited", "authors"), "3")
    return MailRequested(
        about=org_id,
        org_id=org_id,
        to="ana@northwind.example",
        template="monthly_digest",
        values={"organization": "Northwind", "month": "2026-10-01", "slots": "5", **numbers},
        unsubscribe=MailLink(purpose="unsubscribe", id=org_id, version=1),
        **more,
    )


async def test_a_digest_says_its_month_in_words_and_how_to_end_it(world: World, tmp_path: Path) -> None:
    for language, words in (("en", "Northwind in October 2026"), ("de", "Northwind im Oktober 2026")):
        org_id = new_id("org")
        await world.hear(
            "org",
            OrganizationCreated(org_id=org_id, organization=organization(product_mails=True), created_by=new_id("usr")),
            digest(org_id, language=language),
        )
        await until_none_waits(world)
        newest = next(iter(FileMailbox(tmp_path / "mail").list()))
        assert newest.subject == words
        [file] = [path for path in (tmp_path / "mail").rglob("*.eml") if org_id[4:] in path.read_text()]
        message = email.message_from_bytes(file.read_bytes(), policy=default)
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        address = message["List-Unsubscribe"].strip("<>")
        token = address.rpartition("/v1/mail-unsubscriptions/")[2]
        assert read_link_token(world.settings.secrets.bytes("links"), "unsubscribe", token) == (org_id, 1)
        file.unlink()


async def test_who_has_had_enough_gets_nothing_even_of_what_was_asked_for_before(world: World) -> None:
    org_id = new_id("org")
    off = organization(product_mails=False)
    await world.hear("org", OrganizationChanged(org_id=org_id, organization=off, previous={}), digest(org_id))
    await until_none_waits(world)
    [(state, _, error)] = await states(world)
    assert state == "failed"
    assert error == "product mails aren't wanted there"
    on = organization(product_mails=True)
    await world.hear("org", OrganizationChanged(org_id=org_id, organization=on, previous={}), digest(org_id))
    await until_none_waits(world)
    assert sorted(state for state, _, _ in await states(world)) == ["failed", "sent"]


async def test_other_mails_are_sent_whatever_is_wished(world: World) -> None:
    org_id = new_id("org")
    off = organization(product_mails=False)
    asked = MailRequested(
        about=org_id,
        org_id=org_id,
        to="ana@northwind.example",
        template="organization_reopened",
        values={"organization": "Northwind", "by": "Ben"},
    )
    await world.hear("org", OrganizationChanged(org_id=org_id, organization=off, previous={}), asked)
    await until_none_waits(world)
    assert [state for state, _, _ in await states(world)] == ["sent"]
