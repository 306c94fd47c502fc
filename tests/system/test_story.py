"""The whole story, through the public API alone: in one process, and as separate processes on RabbitMQ."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shared.cli.demo import play
from shared.cli.demo.api import sign_up
from shared.cli.demo.roster import sample
from tests.broker import private_broker
from tests.ports import free_port
from tests.system.renewing import RenewingGateway
from tests.system.whole import started


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


async def test_the_story_happens_in_one_process_on_embedded_defaults(data: Path) -> None:
    port = free_port()
    with started(data=data, port=port):
        await play(f"http://127.0.0.1:{port}", None, None)


async def test_the_story_happens_in_separate_processes_on_rabbitmq_with_replicas(data: Path) -> None:
    port = free_port()
    broker = await private_broker(data.parent / "broker")
    await broker.start()
    try:
        with started(
            "--processes", "--amqp", broker.url, "--replicas", "sharing=2", "--replicas", "org=2", data=data, port=port
        ):
            await play(f"http://127.0.0.1:{port}", None, None)
    finally:
        await broker.stop()


async def test_an_operator_loads_an_organization_of_two_hundred_people_from_files(data: Path) -> None:
    port = free_port()
    with started(data=data, port=port):
        await play(f"http://127.0.0.1:{port}", sample("people.csv"), sample("dashboards.csv"))


async def test_what_was_done_survives_kill_dash_nine(data: Path) -> None:
    port = free_port()
    with started(data=data, port=port) as first:
        async with RenewingGateway(f"http://127.0.0.1:{port}") as gateway:
            ada = await sign_up(gateway, "ada@survivors.example", "Ada", "Survivors")
            (await ada.ask("GET", "/v1/organization")).ok()
        os.kill(first.pid, signal.SIGKILL)
        first.wait(10)
    with started(data=data, port=port):
        async with RenewingGateway(f"http://127.0.0.1:{port}") as gateway:
            ada.gateway = gateway
            await ada.sign_in()
            assert (await ada.ask("GET", "/v1/organization")).ok()["name"] == "Survivors"


async def test_a_second_start_on_the_same_folder_or_port_says_what_to_do(data: Path) -> None:
    import subprocess
    import sys

    port = free_port()
    with started(data=data, port=port):
        for arguments, words in (
            (["--data", str(data), "--port", str(free_port())], "runs here already"),
            (["--data", str(data.parent / "other"), "--port", str(port)], "Choose another port with --port"),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "services.launcher", "up", *arguments],
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.returncode == 1
            assert words in done.stderr
            assert "Traceback" not in done.stderr
