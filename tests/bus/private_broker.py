"""A RabbitMQ node of our own, with its own port, data, cookie and port mapper, to break as a test pleases."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

BIN = Path("/usr/lib/rabbitmq/bin")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@dataclass
class PrivateBroker:
    home: Path
    port: int = field(default_factory=free_port)
    dist_port: int = field(default_factory=free_port)
    epmd_port: int = field(default_factory=free_port)
    node: str = field(default_factory=lambda: f"bus{uuid4().hex[:8]}@localhost")
    process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        return (BIN / "rabbitmq-server").exists()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def start(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / "plugins").write_text("[].")
        (self.home / "rabbitmq.conf").write_text(f"listeners.tcp.local = 127.0.0.1:{self.port}\n")
        with (self.home / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [BIN / "rabbitmq-server"], env=self._environment(), stdout=output, stderr=output, start_new_session=True
            )
        self._until_it_answers()

    def control(self, *words: str) -> str:
        done = subprocess.run(
            [BIN / "rabbitmqctl", "-q", "-n", self.node, *words],
            env=self._environment(), capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def settle(self) -> None:
        """RabbitMQ 3.10 can lose a quorum queue that was declared a moment before a kill; those in use are older."""
        self.control("eval", "[dets:sync(Table) || Table <- dets:all()].")

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        assert self.process is not None
        self.process.wait()

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def wipe(self) -> None:
        """As after a lost disk; the node must be down."""
        shutil.rmtree(self.home / "data")

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        for _ in range(100):  # the port mapper refuses to go until it has noticed that the node is gone
            asked = subprocess.run(["epmd", "-port", str(self.epmd_port), "-kill"], capture_output=True, text=True)
            if "not allowed" not in asked.stdout + asked.stderr:
                return
            time.sleep(0.05)

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "no-environment-file"),
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def _until_it_answers(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, (self.home / "output").read_text()
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    probe.sendall(b"AMQP\x00\x00\x09\x01")
                    if probe.recv(8):
                        return
            except OSError:
                time.sleep(0.1)
        raise AssertionError((self.home / "output").read_text())
