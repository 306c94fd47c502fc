"""The services of `up --processes` end with their supervisor, however that ends: orphans would hold its ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.config import Secrets
from tests.ports import free_port
from tests.system.remains import until_so
from tests.system.whole import ROOT

SUPERVISOR = """
import asyncio, os
from shared.cli.supervisor import Child

async def watch():
    child = Child("org", dict(os.environ))
    watching = asyncio.create_task(child.keep_alive())
    while child.process is None:
        await asyncio.sleep(0.05)
    print(child.process.pid, flush=True)
    await watching

asyncio.run(watch())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the next start ends what was left")
async def test_a_service_doesnt_outlive_its_supervisor_that_is_killed(tmp_path: Path) -> None:
    Secrets.generate().save(tmp_path / "secrets.json")
    waits_for_its_database = {
        "TENANTRY_SERVICES": "org",
        "TENANTRY_ORG_DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
        "TENANTRY_ORG_LISTEN": f"unix://{tmp_path}/org.sock",
        "TENANTRY_IDENTITY_URL": f"unix://{tmp_path}/identity.sock",
        "TENANTRY_SHARING_URL": f"unix://{tmp_path}/sharing.sock",
        "TENANTRY_AMQP_URL": "memory://",
        "TENANTRY_MAIL": f"file://{tmp_path}/mail",
        "TENANTRY_PUBLIC_URL": "http://127.0.0.1:1",
        "TENANTRY_SECRETS_FILE": str(tmp_path / "secrets.json"),
        "PYTHONPATH": str(ROOT),
    }
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TENANTRY_")}
    supervisor = subprocess.Popen(
        [sys.executable, "-P", "-c", SUPERVISOR],
        env={**environ, **waits_for_its_database},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert supervisor.stdout is not None
        service = int(supervisor.stdout.readline())
        assert is_running(service)
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait(10)

    async def is_gone() -> bool:
        return not is_running(service)

    await until_so(is_gone)


def is_running(pid: int) -> bool:
    """A process that ended and that nobody has waited for doesn't run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
