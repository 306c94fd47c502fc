"""Commands about the audit log: verify, which needs the exported file and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shared.process import Product
from shared.verifying import main


def add_to(app: typer.Typer, product: Product) -> None:
    audit = typer.Typer(no_args_is_help=True, help="Audit logs.")
    app.add_typer(audit, name="audit")

    @audit.callback()
    def group() -> None:
        """Audit logs."""

    @audit.command("verify")
    def verify(
        file: Annotated[
            Path,
            typer.Argument(
                help="The log as NDJSON without a filter, or an organization's whole export (ZIP), or the audit_entries.json in it."
            ),
        ],
        heads: Annotated[
            Path | None, typer.Option(help="Signed heads that were kept elsewhere: what GET /v1/audit-heads answers.")
        ] = None,
        key: Annotated[str | None, typer.Option(help="The public key that must have signed (base64url).")] = None,
    ) -> None:
        """Tells whether an exported log is whole and unchanged; if not, what was done, and where."""
        given = [str(file), *(["--heads", str(heads)] if heads else []), *([f"--key={key}"] if key else [])]
        raise SystemExit(main(given))
