"""The pages that people read: links lead somewhere, commands exist, and nothing is said that the code doesn't know."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.launcher import PRODUCT
from shared.cli import command_line
from shared.config import SERVICES
from tests.contracts.source import ROOT, Module, tracked

PAGES = tracked("*.md")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
OPERATING = ROOT / "docs" / "guides" / "operating.md"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCED.sub("", page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{name_of(page)} links to {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{name_of(page)} links to {link}"


def test_every_decision_is_listed_in_order() -> None:
    folder = ROOT / "docs" / "decisions"
    files = sorted(path.name for path in folder.glob("0*.md"))
    assert re.findall(r"\((0\d{3}[\w-]*\.md)\)", (folder / "README.md").read_text()) == files
    assert [int(name[:4]) for name in files] == list(range(1, len(files) + 1))
    for name in files:
        text = (folder / name).read_text()
        for heading in ("# " + name[:4], "## Context", "## Decision", "## Consequences", "## Enforced by"):
            assert heading in text, f"{name} lacks {heading!r}"


def variables() -> set[str]:
    """Every environment variable that the configuration reads."""
    tree = Module(ROOT / "shared" / "config.py").tree
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "settings_from")
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.JoinedStr) and len(node.values) == 2:
            end = node.values[1]
            if isinstance(end, ast.Constant) and re.fullmatch(r"_[A-Z_]+", str(end.value)):
                found.add(f"TENANTRY_<SERVICE>{end.value}")
        elif isinstance(node, ast.Constant) and re.fullmatch(r"[A-Z]{3}[A-Z_]*[A-Z]", str(node.value)):
            found.add(f"TENANTRY_{node.value}")
    return found | set(re.findall(r'"(TENANTRY_STRIPE_[A-Z_]*[A-Z])"', (ROOT / "shared" / "payments.py").read_text()))


def test_operating_names_every_environment_variable_and_no_other() -> None:
    listed = set(re.findall(r"^\| `(TENANTRY_[A-Z_<>]+)`", OPERATING.read_text(), re.MULTILINE))
    assert {"TENANTRY_SECRETS_FILE", "TENANTRY_<SERVICE>_DATABASE_URL", "TENANTRY_AMQP_URL"} <= variables()
    assert listed == variables() | {"TENANTRY_DATA"}
    assert all(f"`{service}`" in OPERATING.read_text() for service in SERVICES)


def test_every_command_that_a_page_names_exists() -> None:
    app = command_line(PRODUCT)
    for page in PAGES:
        for command in set(re.findall(r"`(?:\./)?tenantry ((?:[a-z]+ ?){1,2})", page.read_text())):
            words = command.split()
            told = CliRunner().invoke(app, [words[0], "--help"])
            if words[0] not in ("test", "bench"):  # these pass everything on
                assert told.exit_code == 0, f"{name_of(page)}: tenantry {command}"


def test_metrics_are_named_as_they_are() -> None:
    metrics = (ROOT / "shared" / "metrics.py").read_text()
    for name in re.findall(r"`(tenantry_\w+)`", OPERATING.read_text()):
        assert f'"{name.removesuffix("_total")}"' in metrics, name
