"""Who closes their account is forgotten everywhere, as far as they were by themselves; what organizations recorded of their members stays theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from shared.cli.demo.api import PASSWORD, until
from shared.events import Envelope
from tests.system.remains import connected, texts, until_so
from tests.system.whole import WholeProduct, a_cast, whole_product
from tests.world import Databases

# What may still name a closed person by their id alone, and why: docs/decisions/0052.
BY_ID = {
    "identity": {"accounts", "erasures", "inbox", "inbox_cursors", "memberships", "outbox", "outbox_subjects"},
    "org": {"erasures", "inbox", "inbox_cursors", "member_blocks", "members", "outbox", "slot_entries"},
    "sharing": {"members", "inbox", "past"},
    "billing": {"inbox", "slot_spans"},
    "audit": {"audit_entries", "erasures", "inbox", "inbox_cursors", "people"},
    "courier": {"erasures", "inbox", "inbox_cursors", "members"},
}
# Where an organization's own record names its former member.
RECORDED = {
    "identity": {"inbox", "invitations"},
    "org": {"invitations", "members", "outbox", "slot_entries"},
    "sharing": {"inbox", "members"},
    "billing": {"inbox", "slot_spans"},
    "audit": {"audit_entries", "inbox", "people"},
    "courier": {"inbox", "members"},
}
MAILS = """
select count(*) from {} where type = 'courier.mail.requested.v1' and body is not null and position(lower($1) in lower(convert_from(body, 'UTF8'))) > 0
"""


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    async with whole_product(databases, tmp_path_factory.mktemp("forgetting")) as running:
        yield running


async def forgotten(product: WholeProduct, user_id: str) -> bool:
    """Whether each service that has heard of the closing is through with it."""
    for service in ("identity", "org", "audit", "courier"):
        async with connected(product.settings.database_urls[service]) as database:
            done = "select exists (select from erasures where subject = $1 and finished_at is not null)"
            if not await database.fetchval(done, user_id):
                return False
    return True


async def where(product: WholeProduct, text: str) -> dict[str, set[str]]:
    """Tables that hold a text, by service; answers that are repeated for seven days don't count."""
    found = {}
    for service, url in product.settings.database_urls.items():
        async with connected(url) as database:
            if tables := set(await texts(database, text)) - {"idempotent_requests"}:
                found[service] = tables
    return found


async def heard_in_audit(product: WholeProduct, text: str) -> bool:
    return "audit" in await where(product, text)


async def mails_to(product: WholeProduct, address: str) -> set[str]:
    """Outboxes and inboxes that still say that a mail is to go to an address, or went there."""
    found = set()
    for service, url in product.settings.database_urls.items():
        async with connected(url) as database:
            for table in ("outbox", "inbox"):
                if await database.fetchval(MAILS.format(table), address):
                    found.add(f"{service} {table}")
    return found


async def written(product: WholeProduct, *templates: str, to: str) -> bool:
    """Whether courier has heard of such mails."""
    async with connected(product.settings.database_urls["courier"]) as database:
        await database.execute("set tenantry.org_id = '*'")
        found = await database.fetch("select template from mails where recipient = $1", to)
    return {row["template"] for row in found} >= set(templates)


async def test_what_somebody_did_by_themselves_is_forgotten_and_what_they_did_as_a_member_is_the_organizations(
    product: WholeProduct,
) -> None:
    cast = await a_cast(product.gateway)
    ana, admin = cast.analyst, cast.admin
    (await admin.write("DELETE", f"/v1/users/{ana.user_id}")).ok()
    await until(lambda: ana.ask("GET", "/v1/me", after=""), lambda reply: reply.status == 401)
    await ana.sign_in()  # to a session that nobody's leaving ends any more
    named = await ana.write("PATCH", "/v1/me/profile", {"name": "Canary Wren"})
    named.ok()
    asked = {"email": "canary-wren@elsewhere.example", "password": PASSWORD}
    (await ana.write("PUT", "/v1/me/email-change", asked)).ok()
    await product.gateway.mailed_token("canary-wren@elsewhere.example")
    agent = {"User-Agent": "Canary-Browser/9.1"}
    body = {"email": ana.email, "password": PASSWORD}
    (await product.gateway.send("POST", "/v1/auth/sessions", body, agent)).ok()
    address = ana.email.replace("analyst", "Analyst")
    (await product.gateway.send("POST", "/v1/auth/password-resets", {"email": address})).ok()
    signup = {
        "email": address,
        "password": PASSWORD,
        "name": "Ana",
        "company": "Another",
        "location": "eu",
        "accept_terms": True,
    }
    (await product.gateway.send("POST", "/v1/signups", signup)).ok()
    await until_so(lambda: written(product, "password_reset", "account_exists", to=ana.email))
    assert await mails_to(product, ana.email) >= {"identity outbox", "org outbox", "courier inbox", "audit inbox"}
    before = await where(product, "canary-wren@elsewhere.example")
    assert before.keys() >= {"identity", "courier"}, "there is something to forget"
    await until_so(lambda: heard_in_audit(product, "Canary Wren"))

    closed = await ana.write("POST", "/v1/me/closure", {"password": PASSWORD})
    assert closed.status == 204
    await until_so(lambda: forgotten(product, ana.user_id))
    for canary in ("Canary Wren", "canary-wren@elsewhere.example", "Canary-Browser/9.1"):
        assert await where(product, canary) == {}, canary
    assert await mails_to(product, ana.email) == set(), "whoever asked for them, and whatever they were about"
    named_in, known_in = await where(product, ana.email), await where(product, ana.user_id)
    assert not {service: found for service, tables in named_in.items() if (found := tables - RECORDED[service])}
    known = {service: BY_ID[service] | RECORDED[service] for service in known_in}
    assert not {service: found for service, tables in known_in.items() if (found := tables - known[service])}
    mails = (await product.gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"})).ok()["data"]
    assert any("closed" in mail["subject"] for mail in mails if mail["to"] == ana.email), (
        "the last mail was sent before"
    )


async def test_the_last_word_stands_and_the_numbers_before_it_have_no_gap(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    viewer = cast.viewer
    (await viewer.write("POST", "/v1/me/closure", {"password": PASSWORD})).ok()
    await until_so(lambda: forgotten(product, viewer.user_id))
    async with connected(product.settings.database_urls["identity"]) as database:
        rows = await database.fetch("select body from outbox where subject = $1 order by sequence", viewer.user_id)
    said = [Envelope.parse(row["body"]) for row in rows]
    assert [event.sequence for event in said] == list(range(1, len(said) + 1))
    assert {event.type for event in said[:-1]} <= {"identity.event.erased.v1", "courier.event.erased.v1"}
    assert (said[-1].type, said[-1].source_ip, said[-1].data) == ("identity.user.closed.v1", None, {})
    entries = (await cast.admin.ask("GET", "/v1/audit-entries?limit=100&q=action:org.member.removed.v1")).ok()["data"]
    assert any(entry["target_id"] == viewer.user_id for entry in entries), "the organization's log tells who left"


async def test_a_person_whose_last_mail_cant_be_sent_yet_holds_nobody_up(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    first, second = cast.viewer, cast.analyst
    async with connected(product.settings.database_urls["courier"]) as database:
        await database.execute("set tenantry.org_id = '*'")
        await database.execute(
            "insert into mails (id, org_id, event_id, recipient, template, language, content, requested_at, due_at, reader)"
            " values ('mail_waits', '', 'evt_waits', 'waits@elsewhere.example', 'account_closed', 'en', '{}', now(), now() + interval '9 days', $1)",
            first.user_id,
        )
        for one in (first, second):
            (await one.write("POST", "/v1/me/closure", {"password": PASSWORD})).ok()
        await until_so(lambda: forgotten(product, second.user_id))
        assert not await forgotten(product, first.user_id)
        await database.execute("update mails set state = 'failed' where id = 'mail_waits'")
        await until_so(lambda: forgotten(product, first.user_id))
        assert (
            await database.fetchval(
                "select count(*) from mails where reader = any($1)", [first.user_id, second.user_id]
            )
            == 0
        )
