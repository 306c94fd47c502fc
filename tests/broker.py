"""A real RabbitMQ for tests: a node of our own, to start, stop, kill and wipe without disturbing anybody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tests.broker_programs import HOW_TO_GET_ONE, BrokerMissing, Programs, programs
from tests.ports import free_port

READY_SECONDS = 90.0
STOP_SECONDS = 30.0
IMAGE = "rabbitmq:4"

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
loopback_users = none
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 20MB
raft.wal_max_size_bytes = 33554432
log.console = false
"""


SYNC_TABLES = "[dets:sync(Table) || Table <- dets:all()]."


class BrokerFailed(Exception):
    """The node didn't do what was asked; the text holds what it said."""


class Broker(Protocol):
    """A RabbitMQ that a test has to itself. Its `url` stays the same over `stop`, `kill`, `wipe` and `start`."""

    @property
    def url(self) -> str: ...

    async def start(self) -> None:
        """Returns when the broker lets clients in."""

    async def stop(self) -> None:
        """Ends it cleanly."""

    async def kill(self) -> None:
        """Ends it as a power cut does."""

    async def wipe(self) -> None:
        """Ends it and forgets all that it held; the next `start` is a new broker at the same address."""

    async def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` with these arguments says."""

    async def freeze(self) -> None:
        """Makes it hang: connections stay, and nothing is answered."""

    async def thaw(self) -> None:
        """Ends `freeze`."""

    async def settle(self) -> None:
        """Returns when queues declared so far survive a kill: RabbitMQ 3.10 can lose one declared a moment before."""


def given_url() -> str | None:
    """The broker that whoever runs the tests provides, if they do."""
    return os.environ.get("TENANTRY_TEST_AMQP_URL") or None


async def private_broker(folder: Path) -> Broker:
    """A broker of our own, from the first source that has one; raises `BrokerMissing` with all ways to get one."""
    try:
        return PrivateRabbit(folder, await asyncio.to_thread(programs))
    except BrokerMissing:
        if not await asyncio.to_thread(_docker_answers):
            raise
        return RabbitContainer()


class PrivateRabbit:
    """A node with its own data, cookie, name and ports in `folder`, on 127.0.0.1 only."""

    def __init__(self, folder: Path, found: Programs | None = None) -> None:
        self._folder = folder.absolute()
        self._programs = found or programs()
        self._port, self._distribution_port, self._epmd_port = free_port(), free_port(), free_port()
        self._node = f"tenantry-{self._port}@localhost"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    @property
    def running(self) -> bool:
        return self._server is not None and self._server.poll() is None

    async def start(self) -> None:
        if self.running:
            return
        self._write_configuration()
        if self._epmd is None or self._epmd.poll() is not None:
            epmd = [str(self._programs.epmd), "-address", "127.0.0.1", "-port", str(self._epmd_port)]
            self._epmd = self._spawn(epmd)
        self._server = self._spawn([str(self._programs.sbin / "rabbitmq-server")])
        try:
            await self._until_ready()
        except BaseException:
            await asyncio.shield(self.kill())
            raise

    async def stop(self) -> None:
        if self._server and self.running:
            self._server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._server.wait, STOP_SECONDS)
        await self.kill()

    async def kill(self) -> None:
        for process in (self._server, self._epmd):
            if process and process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await asyncio.to_thread(process.wait)
        self._server = self._epmd = None

    async def wipe(self) -> None:
        await self.kill()
        await asyncio.to_thread(shutil.rmtree, self._folder / "data", ignore_errors=True)

    async def ctl(self, *arguments: str) -> str:
        command = [str(self._programs.sbin / "rabbitmqctl"), "--quiet", "--node", self._node, *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, env=self._surroundings(), check=False
        )
        if done.returncode:
            raise BrokerFailed(f"rabbitmqctl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return str(done.stdout)

    async def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    async def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    async def settle(self) -> None:
        await self.ctl("eval", SYNC_TABLES)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is None:
            raise BrokerFailed("The node isn't running.")
        os.killpg(self._server.pid, number)

    def _write_configuration(self) -> None:
        for name in ("home", "data", "log"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        (self._folder / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self._port))
        (self._folder / "enabled_plugins").write_text("[].\n")
        cookie = self._folder / "home" / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(secrets.token_hex(16))

    def _surroundings(self) -> dict[str, str]:
        return {
            "PATH": self._programs.path,
            "LD_LIBRARY_PATH": os.pathsep.join(map(str, self._programs.libraries)),
            "HOME": str(self._folder / "home"),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # makes the script become the server, so that killing it kills the server
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-start_epmd false",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self._folder / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_PID_FILE": str(self._folder / "rabbitmq.pid"),
        }

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
        with (self._folder / "log" / "output.log").open("ab") as output:
            return subprocess.Popen(
                [*([setpriv, "--pdeathsig", "KILL"] if setpriv else []), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=self._surroundings(),
                start_new_session=True,
            )

    async def _until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while not await _lets_in(self.url):
            if not self.running:
                raise BrokerFailed(f"RabbitMQ didn't start.\n{self._said_last()}")
            if loop.time() > deadline:
                raise BrokerFailed(f"RabbitMQ didn't answer within {READY_SECONDS:.0f} s.\n{self._said_last()}")
            await asyncio.sleep(0.1)

    def _said_last(self) -> str:
        logs = sorted((self._folder / "log").glob("*.log"))
        return "\n".join("\n".join(log.read_text(errors="replace").splitlines()[-15:]) for log in logs)


class RabbitContainer:
    """The same in a container, for machines that have an engine and no package of RabbitMQ."""

    def __init__(self) -> None:
        self._port = free_port()
        self._name = f"tenantry-test-{os.getpid()}-{self._port}"

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    async def start(self) -> None:
        try:
            await self._docker("start", self._name)
        except BrokerFailed:
            await self._docker("run", "-d", "--name", self._name, "-p", f"127.0.0.1:{self._port}:5672", IMAGE)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while not await _lets_in(self.url):
            if loop.time() > deadline:
                raise BrokerFailed(await self._docker("logs", "--tail", "15", self._name))
            await asyncio.sleep(0.1)

    async def stop(self) -> None:
        await self._docker("stop", self._name)

    async def kill(self) -> None:
        await self._docker("kill", self._name)

    async def wipe(self) -> None:
        await self._docker("rm", "--force", "--volumes", self._name)

    async def ctl(self, *arguments: str) -> str:
        return await self._docker("exec", self._name, "rabbitmqctl", "--quiet", *arguments)

    async def freeze(self) -> None:
        await self._docker("pause", self._name)

    async def thaw(self) -> None:
        await self._docker("unpause", self._name)

    async def settle(self) -> None:
        await self.ctl("eval", SYNC_TABLES)

    async def _docker(self, *arguments: str) -> str:
        done = await asyncio.to_thread(
            subprocess.run, ["docker", *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BrokerFailed(f"docker {arguments[0]}: {done.stderr.strip()}\n{HOW_TO_GET_ONE}")
        return str(done.stdout + done.stderr)


async def _lets_in(url: str) -> bool:
    """The broker opens its port last, when all else is ready, and answers a protocol header with its first frame."""
    address = urlsplit(url)
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(address.hostname, address.port)
            try:
                writer.write(b"AMQP\x00\x00\x09\x01")
                return await reader.read(1) == b"\x01"
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
