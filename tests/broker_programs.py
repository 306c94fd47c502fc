"""Finds RabbitMQ's programs on this machine, or fetches them from Debian's or Ubuntu's archive without being root."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TOOLS = Path(__file__).parent.parent / ".tenantry" / "tools"
SYSTEM_HOMES = ("/usr/lib/rabbitmq/lib", "/opt/rabbitmq", "/usr/local/lib", "/opt")
HOW_TO_GET_ONE = """\
The tests need a real RabbitMQ. Any of these gives them one:
  - set TENANTRY_TEST_AMQP_URL to one that may be filled with test queues (tests that kill a broker are skipped then);
  - Debian, Ubuntu: apt install rabbitmq-server     macOS: brew install rabbitmq;
  - a Docker engine that answers `docker info`."""


class BrokerMissing(Exception):
    """There is no RabbitMQ, and none can be had; the text says how to get one."""


@dataclass(frozen=True)
class Programs:
    """Where the scripts of RabbitMQ and Erlang are, and the libraries that came with them."""

    sbin: Path
    erlang: Path
    libraries: tuple[Path, ...] = ()

    @property
    def path(self) -> str:
        return os.pathsep.join([str(self.erlang), str(self.sbin), "/usr/local/bin", "/usr/bin", "/bin"])

    @property
    def epmd(self) -> Path:
        """Beside `erl`, or, where a packager left it out there, in the run-time system's own folder."""
        beside = self.erlang / "epmd"
        return beside if beside.exists() else next(self.erlang.resolve().parent.glob("erts-*/bin/epmd"))


def programs() -> Programs:
    """An installed RabbitMQ, one that was fetched before, or one fetched now (about half a minute, once)."""
    return installed() or fetched(TOOLS) or fetch(TOOLS)


def installed() -> Programs | None:
    erl = shutil.which("erl")
    if erl is None:
        return None
    erlang = Path(erl).resolve().parent if Path(erl).resolve().parent.joinpath("epmd").exists() else Path(erl).parent
    on_path = shutil.which("rabbitmq-server", path=os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin")
    if on_path is None:
        return None
    found = Path(on_path).resolve().parent
    if (found / "rabbitmq-env").exists():
        return Programs(found, erlang)
    for home in SYSTEM_HOMES:  # Debian puts a wrapper on PATH that insists on being root or `rabbitmq`
        for sbin in sorted(Path(home).glob("rabbitmq_server-*/sbin"), reverse=True):
            return Programs(sbin, erlang)
    return None


def fetched(tools: Path) -> Programs | None:
    root = tools / "rabbitmq"
    for sbin in root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"):
        libraries = tuple(sorted({library.parent for library in root.glob("usr/lib/*-linux-gnu*/lib*.so.*")}))
        return Programs(sbin, root / "usr/lib/erlang/bin", libraries)
    return None


def fetch(tools: Path) -> Programs:
    """Unpacks the packages in `tools`, whole or not at all; of several processes one works and the others wait."""
    missing = [name for name in ("apt-get", "apt-cache", "dpkg") if shutil.which(name) is None]
    if missing:
        raise BrokerMissing(
            f"RabbitMQ isn't installed, and without {missing[0]} it can't be fetched.\n{HOW_TO_GET_ONE}"
        )
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "rabbitmq.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        if found := fetched(tools):
            return found
        sys.stderr.write("Fetching RabbitMQ for the tests (60 MB, once) …\n")
        with tempfile.TemporaryDirectory(prefix="rabbitmq.unfinished-", dir=tools) as folder:
            _unpack_packages(Path(folder))
            shutil.rmtree(tools / "rabbitmq", ignore_errors=True)
            (Path(folder) / "root").rename(tools / "rabbitmq")
    if found := fetched(tools):
        return found
    raise BrokerMissing(f"The archive's packages don't hold RabbitMQ where it is looked for.\n{HOW_TO_GET_ONE}")


def _unpack_packages(folder: Path) -> None:
    for name in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
        (folder / name).mkdir(parents=True)
    own = ["-o", f"Dir::State={folder}/state", "-o", f"Dir::Cache={folder}/cache", "-q"]
    own += ["-o", "Dir::State::status=/var/lib/dpkg/status", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=2"]
    away = ""
    try:
        _run(["apt-get", *own, "update"], folder)
    except BrokerMissing as reason:  # the archive of a third party may be away, and isn't needed
        away = f"{reason}\n"
    try:
        _run(["apt-get", *own, "download", *_closure(own, folder)], folder / "packages")
    except BrokerMissing as reason:
        raise BrokerMissing(f"{away}{reason}\n{HOW_TO_GET_ONE}") from None
    for package in sorted((folder / "packages").glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(folder / "root")], folder)
    shutil.rmtree(folder / "root" / "usr" / "share", ignore_errors=True)


def _closure(own: list[str], folder: Path) -> list[str]:
    """RabbitMQ, Erlang's parts that it wants, and of the libraries that those want the ones that aren't installed."""
    needs_only = [f"--no-{kind}" for kind in ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")]

    def reached(*names: str) -> set[str]:
        said = _run(["apt-cache", *own, "depends", "--recurse", *needs_only, *names], folder)
        return set(re.findall(r"^([a-z0-9][a-z0-9+.-]*)(?::\w+)?$", said, re.MULTILINE))

    erlang = {name for name in reached("rabbitmq-server") if name.startswith("erlang-") and "hipe" not in name}
    libraries = {name for name in reached(*erlang) if re.match(r"lib|zlib1g", name) and name != "libelogind0"}
    present = set(_run(["dpkg-query", "-W", "-f", "${Package}\n"], folder).split())
    return sorted({"rabbitmq-server", *erlang, *(libraries - present)})


def _run(command: list[str], folder: Path) -> str:
    surroundings = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=surroundings, check=False)
    if done.returncode:
        told = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        raise BrokerMissing(f"RabbitMQ can't be fetched: `{' '.join(command[:1])}` failed.\n{told}")
    return done.stdout
