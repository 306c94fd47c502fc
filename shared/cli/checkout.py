"""Commands of a checkout: test, lint, docs, bench."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import typer

from shared.process import Product
from shared.published import write_documents

ROOT = Path(__file__).parent.parent.parent
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def add_to(app: typer.Typer, product: Product) -> None:
    if not (ROOT / "tests").is_dir():
        return

    @app.command(context_settings=PASS_ON)
    def test(context: typer.Context) -> None:
        """Passes every test; what follows goes to pytest (e.g. -k story)."""
        workers = (
            []
            if any(arg.startswith(("-n", "--numprocesses", "-x", "--pdb")) for arg in context.args)
            else ["-n", str(min(os.cpu_count() or 2, 4))]
        )
        _run(
            ["-m", "pytest", *workers, "--dist", "loadfile", *context.args]
            if workers
            else ["-m", "pytest", *context.args]
        )

    @app.command()
    def lint() -> None:
        """Checks style and types."""
        for arguments in (["-m", "ruff", "check", "."], ["-m", "ruff", "format", "--check", "."], ["-m", "mypy"]):
            if code := _run(arguments, end=False):
                raise SystemExit(code)

    @app.command()
    def docs() -> None:
        """Writes docs/openapi.json, docs/asyncapi.json and docs/events from the code."""
        changed = write_documents(product.documented(), ROOT / "docs")
        print("\n".join(f"wrote docs/{name}" for name in changed) or "Everything is fresh.")

    @app.command(context_settings=PASS_ON)
    def bench(context: typer.Context) -> None:
        """Measures and writes docs/performance.md; with names, only those."""
        _run(["-m", "bench", *context.args])


def _run(arguments: list[str], *, end: bool = True) -> int:
    code = subprocess.call([sys.executable, *arguments], cwd=ROOT)  # noqa: S603
    if end:
        raise SystemExit(code)
    return code
