"""One PostgreSQL server process of our own, from start to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

import asyncpg
import structlog

from shared.postgres.account import ServerUser, programs_for, server_user
from shared.postgres.failures import PostgresFailed, as_failure, explained
from shared.postgres.folders import (
    PORT,
    dies_with_us,
    let_in_only_us,
    lock_for,
    prepared_data,
    socket_folder,
    surroundings,
)
from shared.postgres.left_over import STOP_SECONDS, becomes_true, end_left_over

log = structlog.get_logger()

READY_SECONDS = 60.0
WATCH_SECONDS = 0.5
LARGEST_LOG = 16 * 1024 * 1024

SMALL = {
    "shared_buffers": "32MB",
    "wal_buffers": "1MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "max_connections": "200",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_workers": "2",
    "autovacuum_max_workers": "2",
    "max_logical_replication_workers": "0",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "io_method": "sync",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
PRIVATE = {"listen_addresses": "", "port": str(PORT), "unix_socket_permissions": "0700"}


class PrivatePostgres:
    """Owns the folder `data` while started. `log` is the server's log, begun anew when it has grown large.

    The supervisor's own account (and root) may connect, as any role and without a password; nobody else may.
    `durable=False` trades safety against a power cut for speed, and belongs in tests.
    `settings` are PostgreSQL's own, on top of small ones.
    """

    def __init__(
        self, data: Path, log: Path, *, durable: bool = True, settings: Mapping[str, str] | None = None
    ) -> None:
        self._data = data.absolute()
        self._log = log.absolute()
        self._durable = durable
        self._settings = {**SMALL, **({} if durable else FORGETFUL), **(settings or {}), **PRIVATE}
        self._place: _Place | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    async def start(self) -> None:
        """Returns when the server answers; raises `PostgresFailed` otherwise, and leaves nothing running.

        Ends a server that an earlier supervisor left behind. To be called on a thread that lives as long as the
        server should: on Linux the server stops when that thread ends, be it by `kill -9`.
        """
        if self._lock:
            raise PostgresFailed(f"{self._data} was started already.", "Stop it first.")
        self._lock = lock_for(self._data)
        try:
            self._place = await asyncio.to_thread(self._prepare)
            log_begins = self._launch(self._place)
            await self._until_ready(log_begins)
        except BaseException:
            await asyncio.shield(self.stop())
            raise

    async def stop(self) -> None:
        """Ends all connections and the server; or cuts it off after some time: its next start then recovers."""
        server, lock = self._server, self._lock
        if server:
            for how in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                if server.poll() is None:
                    server.send_signal(how)
                    await asyncio.to_thread(becomes_true, lambda: server.poll() is not None, STOP_SECONDS)
        self._server = self._lock = None
        if lock:
            lock.close()

    @asynccontextmanager
    async def kept_running(self) -> AsyncIterator[None]:
        """Started now, started again whenever it ends by itself, and stopped on leaving."""
        await self.start()
        keeping = asyncio.create_task(self._start_again())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await self.stop()

    async def _start_again(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if self.running:
                continue
            code = self._server.returncode if self._server else None
            log.warning("the private database ended by itself and is started again", exit_code=code)
            try:
                await self.stop()
                await self.start()
            except PostgresFailed as why:
                log.error("the private database can't be started again yet", error=str(why))
            except Exception:
                log.exception("the private database couldn't be started again, and is tried anew")

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    @property
    def pid(self) -> int | None:
        return self._server.pid if self._server else None

    @property
    def admin_dsn(self) -> str:
        return self.dsn("postgres", "postgres")

    def dsn(self, database: str, role: str) -> str:
        """Known from the first `start` on, and the same at every start."""
        assert self._place, "start() comes first"
        host = quote(str(self._place.sockets), safe="")
        return f"postgresql://{quote(role, safe='')}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def _prepare(self) -> _Place:
        user = server_user(self._data)
        programs = programs_for(user)
        data = prepared_data(self._data, user, programs, durable=self._durable)
        end_left_over(data)
        sockets = socket_folder(data, user)
        let_in_only_us(data, user)
        with as_failure(f"The log {self._log} can't be written"):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            if self._log.exists() and self._log.stat().st_size > LARGEST_LOG:
                self._log.replace(self._log.with_name(f"{self._log.name}.1"))
        return _Place(data, sockets, user, programs)

    def _launch(self, place: _Place) -> int:
        command = [str(place.programs / "postgres"), "-D", str(place.data), "-k", str(place.sockets)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with as_failure("PostgreSQL can't be started"), self._log.open("ab") as log:
            begins = log.seek(0, os.SEEK_END)
            self._server = subprocess.Popen(  # noqa: S603
                [*dies_with_us(), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env=surroundings(),
                start_new_session=True,  # Ctrl-C in a terminal is for the supervisor, which stops the server last
                **place.user.popen,
            )
            return begins

    async def _until_ready(self, log_begins: int) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        pause = 0.02
        while True:
            try:
                connection = await asyncpg.connect(self.admin_dsn, timeout=5)
                await connection.close()  # the server may end in this very moment
            except asyncpg.InvalidAuthorizationSpecificationError as error:
                raise PostgresFailed(f"PostgreSQL doesn't let us in: {error}.", f"See {self._log}.") from error
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                if not self.running:
                    raise explained("PostgreSQL didn't start", self._said_since(log_begins)) from error
                if loop.time() > deadline:
                    late = f"PostgreSQL didn't answer within {READY_SECONDS:.0f} s ({error})"
                    raise explained(late, self._said_since(log_begins)) from error
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, 0.5)
            else:
                return

    def _said_since(self, offset: int) -> str:
        with self._log.open("rb") as log:
            log.seek(offset)
            return log.read().decode(errors="replace")


@dataclass(frozen=True)
class _Place:
    data: Path
    sockets: Path
    user: ServerUser
    programs: Path
