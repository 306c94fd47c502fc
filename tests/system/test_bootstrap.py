"""`./tenantry` on machines that have little: it gets what it needs, or says how you can, and is quick afterwards."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LAUNCHER = "import sys; print('launched', sys.argv[1:])"
UV = """#!/bin/sh
[ "$1" = --version ] && { echo "uv 99.0.0"; exit; }
echo "$@" >> "$UV_CALLS"
sleep "${UV_TAKES:-0}"
[ -n "$UV_SAYS" ] && { echo "$UV_SAYS" >&2; exit 2; }
mkdir -p .venv/bin && ln -sf "$UV_PYTHON_HERE" .venv/bin/python
case "$*" in *--no-dev*) ;; *) touch .venv/bin/pytest ;; esac
"""


class Checkout:
    """A checkout in which uv is a stand-in that writes down how it is called."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "check out"
        (self.root / "services").mkdir(parents=True)
        for name in ("tenantry", "uv.lock", "pyproject.toml"):
            shutil.copy2(ROOT / name, self.root / name)
        (self.root / "services" / "__init__.py").touch()
        (self.root / "services" / "launcher.py").write_text(LAUNCHER)
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.bin.mkdir()
        (self.bin / "uv").write_text(UV)
        (self.bin / "uv").chmod(0o755)
        self.surroundings = {
            "PATH": f"{self.bin}:/usr/bin:/bin",
            "HOME": str(folder / "no-home"),
            "UV_CALLS": str(self.calls),
            "UV_PYTHON_HERE": sys.executable,
        }

    def begin(self, *arguments: str, cwd: Path | None = None, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(self.root / "tenantry"), *arguments],
            env={**self.surroundings, **more}, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str, cwd: Path | None = None, **more: str) -> tuple[int, str, str]:
        process = self.begin(*arguments, cwd=cwd, **more)
        out, err = process.communicate()
        return process.returncode, out, err

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_installs_once_and_then_only_launches(checkout: Checkout) -> None:
    for _ in range(3):
        assert checkout.run("up", "--port", "1")[1] == "launched ['up', '--port', '1']\n"
    assert len(checkout.called()) == 1
    assert "--frozen" in checkout.called()[0]


def test_a_changed_lock_installs_again(checkout: Checkout) -> None:
    checkout.run("up")
    with (checkout.root / "uv.lock").open("a") as lock:
        lock.write("\n")
    checkout.run("up")
    assert len(checkout.called()) == 2


def test_developers_tools_come_when_first_needed_and_then_stay(checkout: Checkout) -> None:
    checkout.run("up")
    checkout.run("test")
    checkout.run("up")
    with (checkout.root / "uv.lock").open("a") as lock:
        lock.write("\n")
    checkout.run("up")
    assert ["--no-dev" in call for call in checkout.called()] == [True, False, False]


def test_a_folder_of_the_same_name_where_the_user_stands_does_not_win(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "here" / "services").mkdir(parents=True)
    (tmp_path / "here" / "services" / "launcher.py").write_text("print('the wrong one')")
    assert checkout.run("up", cwd=tmp_path / "here")[1] == "launched ['up']\n"


def test_of_several_at_once_one_installs_and_the_others_wait_for_it(checkout: Checkout) -> None:
    running = [checkout.begin("up", UV_TAKES="1") for _ in range(4)]
    said = [process.communicate() for process in running]
    assert [out for out, _ in said] == ["launched ['up']\n"] * 4
    assert len(checkout.called()) == 1
    assert any("waiting" in err for _, err in said)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("error: No space left on device (os error 28)", "free some disk space"),
        ("error: failed to open file: Permission denied (os error 13)", "owner of the checkout"),
        ("invalid peer certificate: UnknownIssuer", "SSL_CERT_FILE"),
        ("error: Failed to fetch: dns error: failed to lookup address", "HTTPS_PROXY"),
        ("error: command 'gcc' failed: No such file or directory", "build-essential"),
    ],
)
def test_a_failure_says_the_way_out_and_the_next_try_starts_afresh(checkout: Checkout, said: str, advice: str) -> None:
    code, _, err = checkout.run("up", UV_SAYS=said)
    assert code == 1
    assert said in err
    assert advice in err
    assert "Traceback" not in err
    assert checkout.run("up")[0] == 0


def test_half_a_checkout_is_named_as_such(checkout: Checkout) -> None:
    (checkout.root / "uv.lock").unlink()
    code, _, err = checkout.run("up")
    assert code == 1
    assert "whole checkout" in err
    assert "Traceback" not in err


def test_a_checkout_that_cannot_be_written_is_named_as_such(checkout: Checkout) -> None:
    (checkout.root / ".tenantry").write_text("a file where a folder should be")
    code, _, err = checkout.run("up")
    assert code == 1
    assert "can't be written" in err
    assert "Traceback" not in err


@pytest.fixture
def script() -> ModuleType:
    loader = SourceFileLoader("bootstrap_script", str(ROOT / "tenantry"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_an_older_python_is_refused_with_the_way_out(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "NEWER", ())
    with pytest.raises(SystemExit, match=r"(?s)3\.11 or newer.*apt install"):
        script.hand_over_to_newer_python()


@pytest.mark.parametrize(
    ("system", "machine", "libc", "wanted"),
    [
        ("linux", "x86_64", "glibc", r"manylinux\w*_x86_64"),
        ("linux", "aarch64", "glibc", r"manylinux\w*_aarch64"),
        ("linux", "x86_64", "", r"musllinux\w*_x86_64"),
        ("darwin", "arm64", "", r"macosx\w*_arm64"),
        ("darwin", "x86_64", "", r"macosx\w*_x86_64"),
    ],
)
def test_every_usual_machine_finds_its_uv_in_the_lock(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, libc: str, wanted: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr("platform.libc_ver", lambda: (libc, ""))
    assert re.search(wanted, script.wheel_for_this_machine(script.locked_uv()["wheels"])["url"])


def test_a_uv_that_is_not_the_one_in_the_lock_is_thrown_away(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(script, "TOOLS", str(tmp_path))
    monkeypatch.setattr(script, "download", lambda address: b"something else")
    for own_index in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(own_index, raising=False)
    with pytest.raises(LookupError, match="hash differs"):
        script.by_hand(script.locked_uv())
    assert list(tmp_path.iterdir()) == []


def test_an_index_of_the_users_own_is_asked_for_the_very_same_file(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = b'<a href="../../files/uv-9-other.whl#sha256=0">x</a><a href="../../files/uv-1.whl#sha256=00">y</a>'
    monkeypatch.setattr(script, "download", lambda address: page)
    found = script.address_on("https://index.example/team/simple", "uv-1.whl")
    assert found == "https://index.example/team/files/uv-1.whl#sha256=00"


def test_the_fingerprint_covers_lock_project_and_python(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    before: str = script.environment_fingerprint()
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    after: Any = script.environment_fingerprint()
    assert before != after
    assert len(before) == hashlib.sha256().digest_size * 2
    assert os.path.isabs(script.VENV)
    assert sysconfig.get_python_version()
