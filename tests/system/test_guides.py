"""Every example in the guides runs: as a file that a test runs, against the whole product, or it is marked as merely shown."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.contracts.source import ROOT
from tests.system.whole import WholeProduct, a_cast

GUIDES = [*sorted((ROOT / "docs" / "guides").glob("*.md")), ROOT / "subscriber" / "README.md"]
EXAMPLES = ROOT / "docs" / "guides" / "examples"
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HERE = "127.0.0.1:8080"
# What a block may be, and what becomes of it.
KINDS = {
    "sh example": "run here against the whole product",
    "sh shown": "not run: it needs a machine of the reader's; its commands exist (test_docs)",
    "python": "a file of docs/guides/examples, which a test runs",
    "js": "a file of docs/guides/examples, which a test runs",
    "python shown": "not run: what it does is in a test of that matter",
    "text": "no program",
    "json": "read here",
    "yaml": "read here",
    "http": "the form of an address",
}
# Each status is written on a line of its own; a stream has no end, so nobody waits for it.
CURL = "curl() { command curl --max-time 4 -w '\\n%{http_code}\\n' \"$@\" || [ $? = 28 ]; }\n"


def blocks(guide: Path) -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in BLOCK.findall(guide.read_text())]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_block_is_run_read_or_marked_as_shown(guide: Path) -> None:
    programs = {file.read_text() for file in EXAMPLES.rglob("*") if file.suffix in (".py", ".mjs")}
    for kind, text in blocks(guide):
        assert kind in KINDS, f"mark this block as one of {', '.join(KINDS)}:\n{text[:200]}"
        if kind in ("python", "js"):
            assert text in programs, f"no file of {EXAMPLES.name} holds this, so nobody runs it:\n{text[:200]}"
        if kind == "json":
            json.loads(text)
        if kind == "yaml":
            yaml.safe_load(text)
        if kind == "sh shown":
            assert HERE not in text, f"this could be run: mark it as `sh example`:\n{text[:200]}"


def test_every_program_among_the_examples_is_named_in_a_test() -> None:
    tests = "\n".join(file.read_text() for file in (ROOT / "tests" / "system").glob("*.py"))
    for file in EXAMPLES.rglob("*"):
        if file.suffix in (".py", ".mjs") and "node_modules" not in file.parts:
            assert f'"{file.name}"' in tests, file.name


@pytest.mark.skipif(shutil.which("curl") is None, reason="the guides' examples use curl")
@pytest.mark.parametrize("guide", [g for g in GUIDES if "```sh example" in g.read_text()], ids=lambda path: path.stem)
async def test_what_a_guide_asks_the_product_is_answered(product: WholeProduct, guide: Path) -> None:
    cast = await a_cast(product.gateway)
    admin = cast.admin
    made = await admin.write("POST", "/v1/groups", {"name": "Finance"}, after=cast.trial)
    for text in (text for kind, text in blocks(guide) if kind == "sh example"):
        given = {
            "KEY": admin.token,
            "ACCESS": admin.token,
            "GROUP": made.ok()["id"],
            "CHANGE": made.headers["tenantry-change"],
        }
        script = CURL + text.replace(HERE, product.gateway.url.removeprefix("http://"))
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-c", script],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        statuses = [line for line in done.stdout.splitlines() if re.fullmatch(r"\d{3}", line)]
        assert len(statuses) == text.count("curl "), f"{text}\n{done.stdout}{done.stderr}"
        assert all(status.startswith("2") for status in statuses), f"{text}\n{done.stdout}"
