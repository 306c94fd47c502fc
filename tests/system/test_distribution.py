"""The subscriber's own distribution: small, without the services, typed, and installed as another team installs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import AsyncIterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.contracts.source import ROOT
from tests.system.distribution import SUBSCRIBER, gather
from tests.system.subscribing import EXAMPLE, Reports, reports_database
from tests.world import Databases


@pytest.fixture
async def reports(databases: Databases) -> AsyncIterator[Reports]:
    async with reports_database(databases) as reports:
        yield reports


def run(python: Path, *arguments: str, **environ: str) -> str:
    """What the installed environment's Python says; nothing of the checkout is on its path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        [str(python), *arguments], env={**clean, **environ}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def requirements(project: Path) -> dict[str, str]:
    """What a project depends on: the names as PyPI has them, and the whole lines."""
    with (project / "pyproject.toml").open("rb") as file:
        lines = tomllib.load(file)["project"]["dependencies"]
    return {re.split(r"[\[<>=~! ]", line)[0].lower(): line for line in lines}


def test_it_brings_no_service_and_nothing_that_serves_the_product(python: Path) -> None:
    (wheel,) = python.parents[2].glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert all(name.startswith("tenantry_subscriber/") for name in names)
    parts = {name.split("/")[1].removesuffix(".py") for name in names}
    assert {"subscriber", "testkit", "events", "migrations", "py.typed"} <= parts
    assert not parts & {"endpoint", "config", "operations", "process", "host", "cli", "hashing", "docs", "postgres"}
    found = run(
        python,
        "-c",
        "import sys, tenantry_subscriber.testkit; print('shared' in sys.modules, 'services' in sys.modules)",
    )
    assert found.split() == ["False", "False"]


def test_it_requires_what_it_imports_in_the_versions_that_are_tested() -> None:
    asked, ours = requirements(SUBSCRIBER), requirements(ROOT)
    assert {name: ours.get(name) for name in asked} == asked
    known = packages_distributions()
    imported = {
        known[name][0].lower().replace("_", "-")
        for name in gather().third_parties()
        if name not in sys.stdlib_module_names and known.get(name)
    }
    brought_by_others = {"pamqp", "yarl", "multidict", "pydantic-core"}
    assert imported - brought_by_others == set(asked)


async def test_the_guides_test_passes_where_only_the_distribution_is(python: Path, reports: Reports) -> None:
    said = run(
        python, "-m", "pytest", "-q", "-o", "asyncio_mode=auto", "-p", "no:cacheprovider",
        str(EXAMPLE.with_name("test_reports.py")), REPORTS_DATABASE_URL=reports.dsn,
    )  # fmt: skip
    assert "1 passed" in said


def test_a_type_checker_knows_the_events_and_finds_a_field_that_is_not_there(python: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(EXAMPLE.read_text().replace("told.entitlements.plan", "told.entitlements.plam"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-executable",
        str(python),
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    checked = subprocess.run(
        [*command, str(EXAMPLE), str(wrong)],
        cwd=tmp_path,
        env=clean,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    complaints = [line for line in checked.stdout.splitlines() if ": error:" in line]
    assert len(complaints) == 1, checked.stdout + checked.stderr
    assert '"plam"' in complaints[0]
