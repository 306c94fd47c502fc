"""The end of an organization, with every service behind the gateway: closed, taken back, taken along, erased everywhere."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import time
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shared.cli.demo.api import Person, Reply, until
from tests.system.whole import Cast, WholeProduct, a_cast, whole_product
from tests.world import Databases

NAME = "Canary Kestrel Ltd"
CANARIES = ("canary-board", "Canary dashboard", "Canary group", "canary-guest", "canary-hook", "Canary key")
# What may still name an erased organization, by its id alone, and why: docs/decisions/0024.
EXPECTED = {
    "erasures": "that it was erased",
    "outbox": "events without content, orders and confirmations",
    "outbox_subjects": "how far its events have come",
    "inbox": "which events were heard",
    "inbox_cursors": "how far they were heard",
    "mails": "the receipt, which is the closer's",
    "idempotent_requests": "answers, for seven days",
}


@pytest.fixture(scope="module")
async def product(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WholeProduct]:
    async with whole_product(databases, tmp_path_factory.mktemp("closing")) as running:
        yield running


async def a_full_house(product: WholeProduct, bird: str = "canary") -> tuple[Cast, str]:
    """An organization with something in every table that one can fill by asking, named after a bird. Returns a link's address, too."""
    cast = await a_cast(product.gateway)
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
    cast, link = await a_full_house(product, "heron")
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
    assert await _subjects(product, admin.email) >= {f"{NAME} was closed", f"{NAME} is open again"}


async def test_only_an_admin_with_a_fresh_proof_closes(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    for person in (cast.analyst, cast.viewer):
        assert (await close(person, "Cast")).code == "forbidden"
        assert (await person.write("POST", "/v1/organization/exports")).code == "forbidden"
    assert (await close(cast.admin, "cast")).code == "invalid", "the name is typed as it is"


async def test_what_is_taken_along_is_whole_and_its_manifest_is_signed(product: WholeProduct) -> None:
    cast, link = await a_full_house(product, "heron")
    begun = (await cast.admin.write("POST", "/v1/organization/exports")).ok()
    done = await until(
        lambda: cast.admin.ask("GET", f"/v1/operations/{begun['id']}"), lambda reply: reply.json["state"] == "done"
    )
    archive = zipfile.ZipFile(io.BytesIO(await _file(cast.admin, done.json["result_url"])))
    assert archive.testzip() is None
    manifest_bytes = archive.read("manifest.json")
    manifest = orjson.loads(manifest_bytes)
    public = Ed25519PublicKey.from_public_bytes(_bytes(manifest["key"]))
    public.verify(_bytes(archive.read("manifest.sig").decode()), b"tenantry export manifest\n" + manifest_bytes)
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


async def test_after_the_grace_nothing_is_left_in_any_service(product: WholeProduct) -> None:
    cast, _ = await a_full_house(product)
    admin = cast.admin
    other, _ = await a_full_house(product, "osprey")
    org_id, others_id = await organization_of(admin), await organization_of(other.admin)
    kept = await _everywhere(product, others_id) - {("identity", "sessions")}
    await _owe(product, org_id)
    (await close(admin)).ok()
    product.clock.advance(timedelta(days=24))
    await _until(lambda: _mails(product, admin.email, "will be erased"))
    assert (await _erasures(product)) == {}
    product.clock.advance(timedelta(days=7))
    await _until(lambda: _mails(product, admin.email, "your receipt"))
    await _until(lambda: _all_have_erased(product, org_id))

    left = await _everywhere(product, org_id)
    assert {table for _, table in left} <= set(EXPECTED), left
    for service, dsn in product.settings.database_urls.items():
        async with _connected(dsn) as database:
            for canary in CANARIES:
                found = await _texts(database, canary)
                assert set(found) <= {"idempotent_requests"}, (service, canary, found)
    assert await _everywhere(product, others_id) >= kept, "another organization loses nothing"
    async with _connected(product.settings.database_urls["billing"]) as database:
        row = await database.fetchrow("select name, content from kept_invoices")
        assert row["name"] == "INV-1"
        assert "org_" not in row["content"]
    assert not await _dead(product)


async def _owe(product: WholeProduct, org_id: str) -> None:
    """An invoice, as if it had been issued."""
    async with _connected(product.settings.database_urls["billing"]) as database, database.transaction():
        await database.execute("select set_config('tenantry.org_id', $1, true)", org_id)
        await database.execute(
            "insert into invoices (org_id, id, seller, number, name, issued_at, due_at, currency, net, tax, content)"
            " values ($1, 'in_1', 'us', 1, 'INV-1', now(), now(), 'EUR', 100, 19, '{\"customer\": {\"company\": \"C\"}}')",
            org_id,
        )


async def _everywhere(product: WholeProduct, org_id: str) -> set[tuple[str, str]]:
    """Every table of every service with a row that names the organization anywhere, the catalogue of tables asked for them."""
    found = set()
    for service, dsn in product.settings.database_urls.items():
        async with _connected(dsn) as database:
            found |= {(service, table) for table in await _texts(database, org_id)}
    return found


async def _texts(database: asyncpg.Connection[Any], text: str) -> dict[str, int]:
    """Tables with rows that hold a text, as text or inside bytes."""
    tables = await database.fetch(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    found = {}
    await database.execute("set tenantry.org_id = '*'")
    for table in tables:
        count = await database.fetchval(
            f'select count(*) from "{table["relname"]}" as one where one::text like $1'
            " or position(encode(convert_to($2, 'UTF8'), 'hex') in one::text) > 0",
            f"%{text}%",
            text,
        )
        if count:
            found[table["relname"]] = count
    return found


async def _erasures(product: WholeProduct) -> Mapping[str, list[str]]:
    found = {}
    for service, dsn in product.settings.database_urls.items():
        async with _connected(dsn) as database:
            rows = await database.fetch("select subject from erasures where finished_at is not null")
            if rows:
                found[service] = [row["subject"] for row in rows]
    return found


async def _all_have_erased(product: WholeProduct, org_id: str) -> bool:
    erased = await _erasures(product)
    return all(org_id in erased.get(service, ()) for service in product.settings.database_urls)


async def _dead(product: WholeProduct) -> list[str]:
    dead = []
    for dsn in product.settings.database_urls.values():
        async with _connected(dsn) as database:
            dead += [row["error"] for row in await database.fetch("select error from inbox where state = 'dead'")]
    return dead


async def _subjects(product: WholeProduct, to: str) -> set[str]:
    mails = (await product.gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"})).ok()["data"]
    return {mail["subject"] for mail in mails if mail["to"] == to}


async def _mails(product: WholeProduct, to: str, subject_has: str) -> bool:
    return any(subject_has in subject for subject in await _subjects(product, to))


async def _until(enough: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not await enough():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


async def _file(person: Person, path: str) -> bytes:
    session = person.gateway._session
    assert session is not None
    headers = {"Authorization": f"Bearer {person.token}"}
    async with session.get(person.gateway.url + path, headers=headers) as answer:
        assert answer.status == 200
        return await answer.read()


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


def _moment(text: str) -> Any:
    from datetime import datetime

    return datetime.fromisoformat(text)


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
