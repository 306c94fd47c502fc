"""Backups: taken under load, verified, put back elsewhere, and refused when they are damaged, of another installation, or newer."""

from __future__ import annotations

import asyncio
import base64
import io
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import orjson
import pytest

from services.launcher import PRODUCT
from shared.auth import private_key
from shared.backups import folder as backup_folder
from shared.backups.folder import BackupFault, read_manifest
from shared.backups.restoring import restore
from shared.cli.demo.api import Person
from shared.cli.progress import Progress
from shared.config import MasterKey, Secrets, fresh_key
from tests.bus.world import Admin
from tests.system.commands import Said, tenantry
from tests.system.keeping import Kept, at_work, empty_house, keep_writing
from tests.system.remains import connected
from tests.system.test_closing import CANARIES, a_full_house, organization_of
from tests.system.whole import Cast
from tests.world import Databases

SAME_ORG = """
select 'member', user_id, role, status from members where org_id = $1 and status <> 'removed'
union all select 'group', group_id, name, '' from groups where org_id = $1 and kind = 'custom'
union all select 'in group', group_id, user_id, '' from group_members join groups using (org_id, group_id)
    where org_id = $1 and kind = 'custom' order by 1, 2, 3
"""
SAME_SHARING = """
select 'member', user_id, role, status from members where org_id = $1 and status <> 'removed'
union all select 'group', group_id, name, '' from groups where org_id = $1 and kind = 'custom' and deleted_at is null
union all select 'in group', group_id, user_id, '' from group_members join groups using (org_id, group_id)
    where org_id = $1 and kind = 'custom' and present and deleted_at is null order by 1, 2, 3
"""
LAST_SAID = """
with few as (select position from outbox order by position desc limit 40),
again as (update outbox set published_at = null from few where outbox.position = few.position) select count(*) from few
"""
TWICE = (
    "select count(*) from (select event_id from audit_entries group by org_id, event_id having count(*) > 1) as twice"
)


@pytest.fixture(scope="module")
async def house(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Kept]:
    """An installation that has lived: services have run on it, and do no more."""
    folder = tmp_path_factory.mktemp("house")
    Secrets.generate().save(folder / "secrets.json")
    async with empty_house(databases, folder / "secrets.json") as kept:
        async with at_work(kept, folder) as gateway:
            await a_full_house(gateway)
            await kept.settled()
        yield kept


@pytest.fixture(scope="module")
async def backup(house: Kept, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backups") / "whole"
    well(await house.backup("create", folder))
    return folder


@pytest.fixture
def damaged(backup: Path, tmp_path: Path) -> Path:
    """A copy, to damage."""
    return Path(shutil.copytree(backup, tmp_path / "damaged"))


def well(said: Said) -> Said:
    assert said.code == 0, said.output
    return said


async def same_in_both(kept: Kept, org_id: str) -> list[tuple[str, ...]]:
    """The owner's people and groups, which are those of whoever heard of them."""
    found = []
    for service, sql in (("org", SAME_ORG), ("sharing", SAME_SHARING)):
        async with connected(kept.urls[service]) as database:
            await database.execute("set tenantry.org_id = '*'")
            found.append([tuple(row) for row in await database.fetch(sql, org_id)])
    assert found[0] == found[1]
    return found[0]


async def test_taken_while_everybody_writes_it_becomes_a_house_of_one_moment_that_goes_on(
    databases: Databases, tmp_path: Path
) -> None:
    Secrets.generate().save(tmp_path / "secrets.json")
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(empty_house(databases, tmp_path / "secrets.json")) for _ in "12"
        ]
        async with at_work(first, tmp_path) as gateway:
            cast, _ = await a_full_house(gateway)
            org_id = await organization_of(cast.admin)
            stop = asyncio.Event()
            writers = [asyncio.create_task(keep_writing(cast.admin, stop)) for _ in range(4)]
            taken = [await first.backup("create", tmp_path / name) for name in ("early", "between", "backup")]
            stop.set()
            written = await asyncio.gather(*writers)
            for each in taken:
                well(each)
            # Whatever the writers made may be gone by now; this isn't.
            (await cast.admin.write("POST", "/v1/groups", {"name": "After the moment"}, quietly=True)).ok()
            await first.settled()
        assert min(written) > 3, "the backups were taken under load"
        afterwards = await same_in_both(first, org_id)

        for name in ("early", "backup"):
            assert "✗" not in well(await first.backup("verify", tmp_path / name)).output
        well(await second.backup("restore", tmp_path / "backup"))
        # As when the relays had published them and weren't told so yet.
        again = [await second.value(service, LAST_SAID) for service in second.urls]
        assert sum(again) > 40
        said_before = await second.value("audit", "select count(*) from audit_entries")
        async with at_work(second, tmp_path / "again") as gateway:
            await second.settled()
            then = await same_in_both(second, org_id)
            assert then != afterwards, "what was written after the moment is forgotten"
            assert await second.value("audit", TWICE) == 0
            assert await second.value("audit", "select count(*) from audit_entries") >= said_before
            await goes_on(gateway, cast, second, org_id)
        assert (await same_in_both(second, org_id)) != then


async def goes_on(gateway: object, cast: Cast, kept: Kept, org_id: str) -> None:
    """Who was signed in still is; what is written is numbered on, and heard by everybody."""
    admin = Person(gateway, cast.admin.email, "Ada Admin", cast.admin.user_id)  # type: ignore[arg-type]
    await admin.sign_in(quietly=True)
    made = await admin.write("POST", "/v1/groups", {"name": "After the backup"}, quietly=True)
    change = made.headers["tenantry-change"]
    group = made.ok()["id"]
    (await admin.write("PUT", f"/v1/groups/{group}/members/{cast.viewer.user_id}", quietly=True)).ok()
    shared = {"mode": "groups", "group_ids": [group]}
    path = "/v1/dashboards/canary-board/sharing"
    shown = await admin.ask("GET", path, quietly=True)
    (await admin.write("PUT", path, shared, headers={"If-Match": shown.headers["etag"]}, quietly=True)).ok()
    await kept.settled()
    heard = (await admin.ask("GET", f"/v1/changes/{change}", quietly=True)).ok()
    assert {one["state"] for one in heard["subscribers"]} == {"applied"}
    assert group in {row[1] for row in await same_in_both(kept, org_id)}


async def test_restored_it_has_every_row_every_counter_and_every_fence(
    databases: Databases, house: Kept, backup: Path
) -> None:
    async with empty_house(databases, house.secrets_file) as other:
        shape = await other.shape()
        well(await other.backup("restore", backup))
        assert await other.rows() == await house.rows()
        assert await other.shape() == shape == await house.shape()
        for service in house.urls:
            last = await other.value(service, "select max(position) from outbox")
            following = "select nextval(pg_get_serial_sequence('outbox', 'position'))"
            assert await other.value(service, following) > last
        refused = await other.backup("restore", backup)
        assert refused.code == 1
        assert "isn't empty" in refused.output
        well(await other.backup("restore", backup, "--replace"))
        assert await other.rows() == await house.rows()


async def test_an_erasure_that_was_under_way_is_finished_on_another_server(
    databases: Databases, house: Kept, tmp_path: Path
) -> None:
    began = "insert into erasures (subject, begun_at, begun_in) values ('org_gone', now(), '9000000000') returning 1"
    assert await house.value("billing", began) == 1
    try:
        well(await house.backup("create", tmp_path / "backup"))
        async with empty_house(databases, house.secrets_file) as other:
            well(await other.backup("restore", tmp_path / "backup"))
            waits = "select count(*) from erasures where begun_in >= pg_snapshot_xmin(pg_current_snapshot())"
            assert await other.value("billing", waits) == 0, "nobody waits for a transaction of another server"
    finally:
        await house.value("billing", "delete from erasures where subject = 'org_gone' returning 1")


async def test_it_names_the_keys_that_it_needs_and_holds_none_and_nothing_readable_that_was_sealed(
    house: Kept, backup: Path
) -> None:
    secrets = Secrets.load(house.secrets_file)
    every = [secrets.links, secrets.cursors, secrets.csrf, *secrets.signing.values()]
    every += [key.seed for key in secrets.access] + [key.key for key in secrets.master]
    content = b"".join(file.read_bytes() for file in backup.iterdir() if file.is_file())
    async for plain in _unpacked(backup):
        content += plain
    for key in every:
        raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
        assert key.encode() not in content
        assert raw not in content
        assert raw.hex().encode() not in content
    assert CANARIES[0].encode() in content, "and it is the house's own"
    said = well(await house.backup("verify", backup))
    assert (
        f"the master key {secrets.master[0].id}, fingerprint {backup_folder.fingerprint(secrets.master[0].key)}"
        in said.output
    )
    assert "sealed secrets open" in said.output
    assert {oct(file.stat().st_mode & 0o077) for file in backup.rglob("*")} == {"0o0"}


async def _unpacked(backup: Path) -> AsyncIterator[bytes]:
    for part in read_manifest(backup, None).parts:
        async for piece in backup_folder.unpacked(backup, part, lambda _: None):
            yield piece


@pytest.mark.parametrize("seed", range(12))
async def test_one_flipped_byte_anywhere_is_found(house: Kept, damaged: Path, seed: int) -> None:
    chance = Random(seed)
    files = sorted(file for file in damaged.rglob("*") if file.is_file())
    largest = max(files, key=lambda file: file.stat().st_size)
    file = [damaged / "manifest.json", damaged / "manifest.sig", largest, chance.choice(files)][seed % 4]
    content = bytearray(file.read_bytes())
    place = chance.randrange(len(content) - (file.suffix == ".sig"))  # the line's end after a signature says nothing
    content[place] ^= 1 << chance.randrange(8)
    file.write_bytes(content)
    for command in ("verify", "restore"):
        said = await house.backup(command, damaged)
        assert said.code == 1
        assert re.search("its hash differs|isn't signed by this installation|can't be read", said.output), said.output


def cut(backup: Path) -> str:
    largest = max(backup.rglob("*.gz"), key=lambda file: file.stat().st_size)
    with largest.open("r+b") as file:
        file.truncate(largest.stat().st_size // 2)
    return "was cut off"


def lose(backup: Path) -> str:
    next(backup.rglob("members.copy.gz")).unlink()
    return "is missing"


def add(backup: Path) -> str:
    shutil.copy(backup / "org" / "members.copy.gz", backup / "org" / "strangers.copy.gz")
    return "org/strangers.copy.gz isn't in the manifest"


def swap(backup: Path) -> str:
    one, other = backup / "org" / "groups.copy.gz", backup / "org" / "domains.copy.gz"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    return "its hash differs|was cut off"


def half_written(backup: Path) -> str:
    (backup / "manifest.json").unlink()
    return "isn't a whole backup"


@pytest.mark.parametrize("damage", [cut, lose, add, swap, half_written])
async def test_damage_is_told_and_nothing_is_restored(
    databases: Databases, house: Kept, damaged: Path, damage: Callable[[Path], str]
) -> None:
    told = damage(damaged)
    async with empty_house(databases, house.secrets_file) as other:
        before = await other.rows()
        for command in ("verify", "restore"):
            said = await other.backup(command, damaged)
            assert said.code == 1
            assert re.search(told, said.output), said.output
        assert await other.rows() == before


def told_otherwise(backup: Path, secrets: Secrets, change: Callable[[dict], None]) -> None:
    """The manifest with other content, signed anew."""
    told = orjson.loads((backup / "manifest.json").read_bytes())
    change(told)
    content = orjson.dumps(told)
    signature = private_key(secrets.signing[backup_folder.SIGNER]).sign(backup_folder.PURPOSE + content)
    (backup / "manifest.json").write_bytes(content)
    (backup / "manifest.sig").write_bytes(base64.urlsafe_b64encode(signature) + b"\n")


async def test_what_a_newer_tenantry_wrote_is_left_to_it(house: Kept, damaged: Path) -> None:
    secrets = Secrets.load(house.secrets_file)
    later = {"name": "service/0999_later.sql", "checksum": "0" * 64}
    told_otherwise(damaged, secrets, lambda told: told["services"]["org"]["migrations"].append(later))
    for command in ("verify", "restore"):
        said = await house.backup(command, damaged)
        assert said.code == 1
        assert "of a newer Tenantry: this one doesn't know service/0999_later.sql of org" in said.output
    told_otherwise(damaged, secrets, lambda told: told.update(format=2, tenantry="9.0"))
    assert "was written by a newer Tenantry (9.0)" in (await house.backup("restore", damaged)).output


async def test_the_wrong_keys_restore_nothing(house: Kept, backup: Path, damaged: Path, tmp_path: Path) -> None:
    Secrets.generate().save(tmp_path / "others.json")
    said = await house.backup("restore", backup, "--replace", secrets=tmp_path / "others.json")
    assert (said.code, "isn't signed by this installation" in said.output) == (1, True)
    ours = Secrets.load(house.secrets_file)
    for wrong, name in (
        (ours.model_copy(update={"master": [MasterKey(id=ours.master[0].id, key=fresh_key())]}), "another.json"),
        (ours.model_copy(update={"master": [MasterKey(id="new", key=fresh_key())]}), "none.json"),
        (ours.model_copy(update={"links": fresh_key()}), "links.json"),
    ):
        wrong.save(tmp_path / name)
        said = await house.backup("restore", backup, "--replace", secrets=tmp_path / name)
        assert said.code == 1
        assert "isn't the one that this backup needs" in said.output
        assert fresh_key() not in said.output
    newer = ours.model_copy(update={"master": [MasterKey(id="new", key=fresh_key()), *ours.master]})
    newer.save(tmp_path / "newer.json")
    well(await house.backup("verify", backup, secrets=tmp_path / "newer.json"))


async def test_nobody_may_be_at_work_and_what_fails_half_way_changes_nothing(
    databases: Databases, house: Kept, backup: Path, damaged: Path
) -> None:
    async with empty_house(databases, house.secrets_file) as other:
        async with connected(other.urls["billing"]):
            said = await other.backup("restore", backup)
        assert said.code == 1
        assert "Somebody is connected to the database of billing" in said.output
        well(await other.backup("restore", backup))
        before = await other.rows()
        manifest = read_manifest(backup, None)
        counted = [part.model_copy(update={"rows": part.rows + (part.table == "mails")}) for part in manifest.parts]
        with pytest.raises(BackupFault, match="and the manifest says"):
            await restore(
                other.urls,
                {name: PRODUCT.service(name) for name in PRODUCT.storing},
                backup,
                manifest.model_copy(update={"parts": tuple(counted)}),
                lambda _: None,
                replace=True,
            )
        assert await other.rows() == before
    lacking = {**other.urls}
    del lacking["audit"]
    said = await Kept(lacking, house.secrets_file).backup("create", damaged / "partial")
    assert (said.code, "TENANTRY_AUDIT_DATABASE_URL is missing" in said.output) == (1, True)


async def test_a_log_that_was_altered_before_the_backup_is_found_by_verifying_it(house: Kept, tmp_path: Path) -> None:
    alter = """
    with off as (select 1) update audit_entries set target_name = 'Somebody else' where number = 2 returning 1
    """
    off, on = (f"alter table audit_entries {word} trigger only_added" for word in ("disable", "enable"))
    async with connected(house.urls["audit"]) as database:
        await database.execute("set tenantry.org_id = '*'")
        before = await database.fetch("select org_id, target_name from audit_entries where number = 2")
        await database.execute(off)
        await database.execute(alter)
        try:
            well(await house.backup("create", tmp_path / "altered"))
        finally:
            for row in before:
                await database.execute(
                    "update audit_entries set target_name = $2 where number = 2 and org_id = $1", *row
                )
            await database.execute(on)
    said = await house.backup("verify", tmp_path / "altered")
    assert said.code == 1
    assert "isn't intact, number 2: its content isn't what was hashed" in said.output


async def test_the_private_product_is_backed_up_while_it_is_stopped_and_restored_into_another_folder(
    house: Kept, backup: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    no_secrets = await tenantry(PRODUCT, "backup", "restore", str(backup), "--data", str(data))
    assert (no_secrets.code, "Put the installation's own there" in no_secrets.output) == (1, True)
    shutil.copy(house.secrets_file, data / "secrets.json")
    well(await tenantry(PRODUCT, "backup", "restore", str(backup), "--data", str(data)))
    again = tmp_path / "again"
    well(await tenantry(PRODUCT, "backup", "create", str(again), "--data", str(data)))
    hashes = [
        {part.file: (part.rows, part.sha256) for part in read_manifest(each, None).parts} for each in (backup, again)
    ]
    assert hashes[0] == hashes[1]
    taken = await tenantry(PRODUCT, "backup", "create", str(again), "--data", str(data))
    assert (taken.code, "a backup never replaces another" in taken.output) == (1, True)


async def test_what_waits_on_the_broker_is_of_a_time_that_nobody_remembers(
    databases: Databases, house: Kept, backup: Path, amqp_url: str
) -> None:
    await Admin(amqp_url).delete(*(f"{name}.events" for name in PRODUCT.storing))
    async with Admin(amqp_url).channel() as channel:
        await channel.queue_declare("org.events", durable=True, arguments={"x-queue-type": "quorum"})
        for number in range(3):
            await channel.basic_publish(f"{number}".encode(), exchange="", routing_key="org.events")
    async with empty_house(databases, house.secrets_file) as other:
        said = well(await other.backup("restore", backup, amqp=amqp_url))
        assert "Took 3 messages" in said.output
        said = well(await other.backup("restore", backup, "--replace", amqp=amqp_url))
        assert "Took 0 messages" in said.output
        away = "amqp://guest:guest@127.0.0.1:1/"
        said = await other.backup("restore", backup, "--replace", amqp=away)
        assert (said.code, "The databases are restored, but RabbitMQ doesn't let" in said.output) == (1, True)
    await Admin(amqp_url).delete("org.events")


async def test_where_nothing_can_be_written_or_is_set_up_it_says_so(
    databases: Databases, house: Kept, tmp_path: Path
) -> None:
    (tmp_path / "a-file").write_text("")
    said = await house.backup("create", tmp_path / "a-file" / "backup")
    assert (said.code, "can't be written (Not a directory)" in said.output) == (1, True)
    empty = {name: await databases.empty(name) for name in PRODUCT.storing}
    said = await Kept(empty, house.secrets_file).backup("create", tmp_path / "backup")
    assert (said.code, "isn't set up" in said.output) == (1, True)
    assert not [each for each in tmp_path.iterdir() if each.name.startswith("backup")]


def test_progress_is_silent_for_two_seconds_and_then_tells_rate_and_time_left() -> None:
    out = io.StringIO()
    progress = Progress("copying", 100 << 20, out=out)
    progress.advance(20 << 20)
    assert out.getvalue() == ""
    assert progress.line(4) == "copying: 20 %, 20.0 MiB, 5.0 MiB/s, 16 s left"
    people = Progress("people", 10_000, "people")
    people.advance(2_500)
    assert people.line(50) == "people: 25 %, 2,500 people, 50 people/s, 2 min 30 s left"
