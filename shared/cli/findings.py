"""What a look at the installation finds: one line for what is well; cause, risk and exact fix for what isn't."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shared.process import Product
from shared.trace_export import TraceExport


@dataclass(frozen=True)
class Finding:
    """`about` names what was looked at, `says` what was seen."""

    sign: Literal["✓", "⚠", "✗"]
    about: str
    says: str
    risk: str = ""
    fix: str = ""

    def __str__(self) -> str:
        lines = [f"  {self.sign} {self.about:22} {self.says}"]
        lines += [f"      {name}  {text}" for name, text in (("risk", self.risk), ("fix ", self.fix)) if text]
        return "\n".join(lines)


def well(about: str, says: str) -> Finding:
    return Finding("✓", about, says)


def doubtful(about: str, says: str, *, risk: str, fix: str) -> Finding:
    return Finding("⚠", about, says, risk, fix)


def wrong(about: str, says: str, *, risk: str, fix: str) -> Finding:
    return Finding("✗", about, says, risk, fix)


@dataclass(frozen=True)
class Installation:
    """What is known of it: from the environment's configuration, or from the word that the running product left."""

    product: Product
    data: Path
    database_urls: Mapping[str, str]
    bus_url: str
    gateway: str
    mail: str
    secrets_file: Path
    admin: str | None = None
    traces: TraceExport | None = None
    bus_urls: Mapping[str, str] = field(default_factory=dict)
