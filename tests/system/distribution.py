"""The subscriber's distribution as another team gets it: built as a wheel, installed with what uv.lock names into an environment without anything of ours."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from tests.contracts.source import ROOT

SUBSCRIBER = ROOT / "subscriber"
FOR_TESTS = ("pytest", "pytest-asyncio", "aio-pika")


def installed(folder: Path) -> Path:
    """The Python of a new environment in which the wheel is installed, and what the guide's examples use besides."""
    uv, environ = _uv()
    wheel = built(folder)
    pinned = folder / "pinned.txt"
    export = ("export", "--frozen", "--all-groups", "--no-emit-project", "--no-hashes", "--quiet", "--output-file")
    _run(environ, uv, *export, str(pinned), "--project", str(ROOT))
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    _run(environ, uv, "pip", "install", "--quiet", "--python", str(python), "-c", str(pinned), str(wheel), *FOR_TESTS)
    return python


def built(folder: Path) -> Path:
    """The wheel."""
    _run(os.environ, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=SUBSCRIBER)
    (wheel,) = folder.glob("tenantry_subscriber-*.whl")
    return wheel


def gather() -> ModuleType:
    """The hook that builds it."""
    return _module(SourceFileLoader("gather", str(SUBSCRIBER / "gather.py")))


def _module(loader: SourceFileLoader) -> ModuleType:
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def _uv() -> tuple[str, dict[str, str]]:
    """The uv that made the checkout's environment, with its cache: what is in there needs no network."""
    script = _module(SourceFileLoader("tenantry_script", str(ROOT / "tenantry")))
    found = script.find_uv()
    assert found, "the script `tenantry` has put uv into .tenantry/tools"
    return found, {**os.environ, "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or script.uv_cache()}


def _run(environ: dict[str, str] | os._Environ[str], *command: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, env=dict(environ), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command[:4])}: {done.stdout}{done.stderr}"
