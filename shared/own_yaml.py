"""YAML files of our own, read by libyaml where it is there: ten times as quick at every start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_own(file: Path) -> Any:
    return yaml.load(file.read_text(), Loader=LOADER)  # noqa: S506 one of the two safe loaders
