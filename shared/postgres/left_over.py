"""Ends the server that a killed supervisor left behind, after making sure that it is that server."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from shared.postgres.failures import PostgresFailed

STOP_SECONDS = 30.0


def end_left_over(data: Path) -> None:
    """Returns when no server runs on `data`, be it that it was stopping already."""
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return
    if not _alive(pid):
        return
    if not _is_server_of(pid, data):
        pid_file.unlink(missing_ok=True)  # the number is somebody else's by now, and PostgreSQL would refuse to start
        return
    for how in (signal.SIGINT, signal.SIGQUIT):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        if becomes_true(lambda: not _alive(pid), STOP_SECONDS):
            return
    raise PostgresFailed(
        f"A PostgreSQL of an earlier run (process {pid}) holds {data} and doesn't end.", f"End it with: kill -9 {pid}"
    )


def becomes_true(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def _is_server_of(pid: int, data: Path) -> bool:
    try:
        said = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        said = subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
    program, _, arguments = said.partition(" -D ")
    return program.endswith("/postgres") and arguments.startswith(f"{data} ")
