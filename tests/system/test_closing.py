"""The end of an organization, with every service behind the gateway: closed, taken back, taken along, erased everywhere."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from services.launcher import PRODUCT
from shared.cli.demo.api import Gateway, Person, Reply, until
from shared.links import link_token
from shared.verifying import read_log, verify_log
from tests.system.remains import (
    NAMING_AN_ERASED_ORGANIZATION,
    all_have_erased,
    connected,
    erasures,
    everywhere,
    texts,
    until_so,
)
from tests.system.whole import Cast, WholeProduct, a_cast, whole_product
from tests.world import Databases

NAME = "Canary Kestrel Ltd"
CANARIES = ("canary-board", "Canary dashboard", "Canary group", "canary-guest", "canary-hook", "Canary key")
KERNELS = {"inbox", "outbox", "operations", "operation_files", "refusals"}
# What isn't taken along: copies of what another service gives, secrets, and what only serves for a moment.
COPIES = {"domains", "entitlements", "invitations", "members", "groups", "group_members", "organizations"}
LEFT = {
    "identity": {
        "break_glass", "challenges", "revoked_api_keys", "sessions", "two_factor_reminders", "saml_assertions", "saml_keys", "sso_attempts", "sso_exemptions",
        "sso_sessions", "sso_sign_outs",
    },
    "org": {"erasure_confirmations", "legal_receipts", "member_blocks", "member_counts"},
    "sharing": {"link_guesses", "past", "share_notices"},
    "billing": {"attempts", "collections", "payers", "test_clocks", "trials"},
    "audit": {"chains", "retention"},
    "courier": {"test_organizations", "webhook_attempts", "without_product_mails"},
}  # fmt: skip


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    async with whole_product(databases, tmp_path_factory.mktemp("closing")) as running:
        yield running


async def a_full_house(gateway: Gateway, bird: str = "canary") -> tuple[Cast, str]:
    """An organization with something in every table that one can fill by asking, named after a bird. Returns a link's address, too."""
    cast = await a_cast(gateway)
    admin = cast.admin
    hook = {"url": f"https://{bird}-hook.invalid/", "types": []}
    (await admin.write("POST", "/v1/webhooks", hook, after=cast.trial)).ok()
    shown = await admin.ask("GET", "/v1/organization")
    (await admin.write("PATCH", "/v1/organization", {"name": NAME}, headers={"If-Match": shown.headers["etag"]})).ok()
    group = (await admin.write("POST", "/v1/groups", {"name": f"{bird.title()} group"})).ok()["id"]
    (await admin.write("PUT", f"/v1/groups/{group}/members/{cast.viewer.user_id}")).ok()
    guest = {"email": f"{bird}-guest@{admin.email.partition('@')[2]}", "role": "viewer", "group_ids": [group]}
    (await admin.write("POST", "/v1/invitations", guest)).ok()
    board = {"id": f"{bird}-board", "title": f"{bird.title()} dashboard", "parameters": ["region"]}
    (await admin.write("POST", "/v1/dashboards", board)).ok()
    await a_key(cast, f"{bird.title()} key")
    signed = (await admin.ask("GET", "/v1/legal/acceptances")).ok()["data"][0]["id"]
    assert (await admin.ask("GET", f"/v1/legal/acceptances/{signed}/receipt")).status == 200
    link = await admin.write("POST", f"/v1/dashboards/{bird}-board/links", {"name": bird})
    return cast, f"/v1/shared/{bird}-board?sharingToken={link.ok()['token']}"


async def a_key(cast: Cast, name: str) -> dict[str, str]:
    """The credential of a program."""
    wanted = {"name": name, "access": "view", "areas": ["users"]}
    made = (await cast.admin.write("POST", "/v1/api-keys", wanted, after=cast.trial)).ok()
    return {"Authorization": f"Bearer {made['token']}"}


async def organization_of(person: Person) -> str:
    return str((await person.ask("GET", "/v1/me")).ok()["organizations"][0]["id"])


async def close(admin: Person, name: str = NAME) -> Reply:
    return await admin.write("POST", "/v1/organization/closure", {"name": name})


async def test_a_closed_organization_serves_nobody_and_its_admin_takes_it_back(product: WholeProduct) -> None:
    cast, link = await a_full_house(product.gateway, "heron")
    admin, viewer = cast.admin, cast.viewer
    assert (await product.gateway.send("GET", link)).status == 200
    key = await a_key(cast, "Heron's program")

    async def by_key() -> Reply:
        return await product.gateway.send("GET", "/v1/users", headers=key)

    assert (await by_key()).status == 200
    assert (await close(admin, "Canary")).code == "invalid"
    assert (await admin.ask("GET", "/v1/organization")).ok()["closure"] is None
    preview = (await admin.ask("GET", "/v1/organization/closure-preview")).ok()
    counted = {(one["service"], one["name"]): one["rows"] for one in preview["erased"]}
    assert counted["org", "members"] == 4
    assert counted["sharing", "dashboards"] == 1
    assert preview["active_users"] == 3
    closed = (await close(admin)).ok()
    grace = _moment(closed["erased_at"]) - _moment(closed["closed_at"])
    assert grace == timedelta(days=30)
    assert (await admin.ask("GET", "/v1/organization")).ok()["closure"] == closed

    assert (await viewer.ask("GET", "/v1/dashboards", after=admin.last_change[-1])).code == "forbidden"
    me = (await viewer.ask("GET", "/v1/me")).ok()
    assert me["organization"] is None
    assert me["organizations"][0]["closed"] is True
    await until(lambda: product.gateway.send("GET", link), lambda reply: reply.code == "link_refused")
    await until(by_key, lambda reply: reply.code == "organization_closed")
    assert (await admin.ask("GET", "/v1/users")).ok()["page"]["total"] == 3
    assert (await admin.write("POST", "/v1/groups", {"name": "Late"})).code == "organization_closed"
    assert (await close(admin)).code == "organization_closed"
    can = {one["action"]: one for one in (await admin.ask("GET", "/v1/me/capabilities")).ok()["capabilities"]}
    assert can["invitations.manage"]["because"]["kind"] == "state"
    assert can["users.read"]["allowed"]
    assert can["organization.close"]["allowed"], "it can be taken back"
    assert (await admin.ask("DELETE", "/v1/organization/closure")).status == 204
    assert (await admin.ask("GET", "/v1/organization/closure")).ok() == {"state": "open", "closure": None}
    assert (await admin.write("POST", "/v1/groups", {"name": "Late"})).status == 201
    assert (await viewer.ask("GET", "/v1/dashboards", after=admin.last_change[-1])).status == 200
    await until(lambda: product.gateway.send("GET", link), lambda reply: reply.status == 200)
    await until(by_key, lambda reply: reply.status == 200)
    for subject in (f"{NAME} was closed", f"{NAME} is open again"):
        await until_so(partial(_mails, product, admin.email, subject))


async def test_only_an_admin_with_a_fresh_proof_closes(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    for person in (cast.analyst, cast.viewer):
        assert (await close(person, "Cast")).code == "forbidden"
        assert (await person.write("POST", "/v1/organization/exports")).code == "forbidden"
    assert (await close(cast.admin, "cast")).code == "invalid", "the name is typed as it is"


async def test_what_is_taken_along_is_whole_and_its_manifest_is_signed(product: WholeProduct, tmp_path: Path) -> None:
    cast, link = await a_full_house(product.gateway, "heron")
    made = "/v1/audit-entries?action=sharing.link.created.v1"
    await until(lambda: cast.admin.ask("GET", made), lambda reply: bool(reply.ok()["data"]))
    begun = (await cast.admin.write("POST", "/v1/organization/exports")).ok()
    done = await until(
        lambda: cast.admin.ask("GET", f"/v1/operations/{begun['id']}"), lambda reply: reply.json["state"] == "done"
    )
    exported = await _file(cast.admin, done.json["result_url"])
    archive = zipfile.ZipFile(io.BytesIO(exported))
    assert archive.testzip() is None
    manifest_bytes = archive.read("manifest.json")
    manifest = orjson.loads(manifest_bytes)
    public = Ed25519PublicKey.from_public_bytes(_bytes(manifest["key"]))
    public.verify(_bytes(archive.read("manifest.sig").decode()), b"tenantry export manifest\n" + manifest_bytes)
    (tmp_path / "export.zip").write_bytes(exported)
    intact, words = verify_log(read_log(tmp_path / "export.zip"), key=manifest["key"])
    assert intact, words
    files = {one["name"]: one for one in manifest["files"]}
    assert set(archive.namelist()) == {*files, "manifest.json", "manifest.sig"}
    for name, one in files.items():
        assert hashlib.sha256(archive.read(name)).hexdigest() == one["sha256"], name
    members = orjson.loads(archive.read("org/members.json"))
    assert {one["email"] for one in members} == {
        one.email for one in (cast.admin, cast.analyst, cast.viewer, cast.deactivated)
    }
    assert archive.read("org/members.csv").count(b"\n") == 5
    assert orjson.loads(archive.read("sharing/dashboards.json"))[0]["title"] == "Heron dashboard"
    assert len(orjson.loads(archive.read("audit/audit_entries.json"))) > 10
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert link.partition("=")[2].encode() not in everything, "what opens a link isn't in it"


async def test_every_table_of_an_organization_is_taken_along_or_left_for_a_reason(product: WholeProduct) -> None:
    left = {}
    for service, dsn in product.settings.database_urls.items():
        async with connected(dsn) as database:
            rows = await database.fetch(
                "select relname from pg_class join pg_attribute on attrelid = pg_class.oid"
                " where relkind = 'r' and relnamespace = 'public'::regnamespace and attname = 'org_id'"
            )
        taken = {one.table for one in PRODUCT.service(service).records}
        left[service] = {row["relname"] for row in rows} - taken - KERNELS - COPIES
        assert taken <= {row["relname"] for row in rows}
    assert left == LEFT


async def test_a_mail_programs_click_on_unsubscribe_gets_through_the_door(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    org_id = await organization_of(cast.admin)
    token = link_token(product.settings.secrets.bytes("links"), "unsubscribe", org_id, 1)
    session = product.gateway._session
    assert session is not None
    address = f"{product.gateway.url}/v1/mail-unsubscriptions/{token}"
    async with session.post(address, data={"List-Unsubscribe": "One-Click"}) as answer:
        assert answer.status == 204


async def test_after_the_grace_nothing_is_left_in_any_service(product: WholeProduct) -> None:
    cast, _ = await a_full_house(product.gateway)
    admin = cast.admin
    other, _ = await a_full_house(product.gateway, "osprey")
    org_id, others_id = await organization_of(admin), await organization_of(other.admin)
    kept = await everywhere(product.settings.database_urls, others_id) - {("identity", "sessions")}
    await _owe(product, org_id)
    (await close(admin)).ok()
    product.clock.advance(timedelta(days=24))
    await until_so(lambda: _mails(product, admin.email, "will be erased"))
    assert (await erasures(product.settings.database_urls)) == {}
    product.clock.advance(timedelta(days=7))
    await until_so(lambda: _mails(product, admin.email, "your receipt"))
    await until_so(lambda: all_have_erased(product.settings.database_urls, org_id))

    left = await everywhere(product.settings.database_urls, org_id)
    assert {table for _, table in left} <= set(NAMING_AN_ERASED_ORGANIZATION), left
    for service, dsn in product.settings.database_urls.items():
        async with connected(dsn) as database:
            for canary in CANARIES:
                found = await texts(database, canary)
                assert set(found) <= {"idempotent_requests"}, (service, canary, found)
    assert await everywhere(product.settings.database_urls, others_id) >= kept, "another organization loses nothing"
    async with connected(product.settings.database_urls["billing"]) as database:
        row = await database.fetchrow("select name, content, paid_at from kept_invoices")
        assert row["paid_at"] is not None
        assert row["name"] == "INV-1"
        assert "org_" not in row["content"]
    assert not await _dead(product)


async def _owe(product: WholeProduct, org_id: str) -> None:
    """An invoice, as if it had been issued."""
    async with connected(product.settings.database_urls["billing"]) as database, database.transaction():
        await database.execute("select set_config('tenantry.org_id', $1, true)", org_id)
        await database.execute(
            "insert into invoices (org_id, id, seller, number, name, issued_at, due_at, currency, net, tax, content)"
            " values ($1, 'in_1', 'us', 1, 'INV-1', now(), now(), 'EUR', 100, 19, '{\"customer\": {\"company\": \"C\"}}')",
            org_id,
        )
        await database.execute("insert into collections (org_id, invoice_id) values ($1, 'in_1')", org_id)
        await database.execute(
            "insert into payments (org_id, invoice_id, paid_at, reference, recorded_by)"
            " values ($1, 'in_1', now(), 'Bank', 'somebody')",
            org_id,
        )


async def _dead(product: WholeProduct) -> list[str]:
    dead = []
    for dsn in product.settings.database_urls.values():
        async with connected(dsn) as database:
            dead += [row["error"] for row in await database.fetch("select error from inbox where state = 'dead'")]
    return dead


async def _subjects(product: WholeProduct, to: str) -> set[str]:
    mails = (await product.gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"})).ok()["data"]
    return {mail["subject"] for mail in mails if mail["to"] == to}


async def _mails(product: WholeProduct, to: str, subject_has: str) -> bool:
    return any(subject_has in subject for subject in await _subjects(product, to))


async def _file(person: Person, path: str) -> bytes:
    session = person.gateway._session
    assert session is not None
    headers = {"Authorization": f"Bearer {person.token}"}
    async with session.get(person.gateway.url + path, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


def _moment(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
