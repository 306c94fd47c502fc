"""What the demo prints: numbered steps, what happened, and the events it caused, with times."""

from __future__ import annotations

import time
from typing import Any

from rich.console import Console
from rich.markup import escape


class Narrator:
    """Writes to the terminal; plain text when it isn't one."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._step = 0
        self._began = time.perf_counter()
        self.events = 0

    def step(self, title: str) -> None:
        self._step += 1
        self.console.print(f"\n[bold]{self._step}. {escape(title)}[/bold]")

    def say(self, text: str) -> None:
        self.console.print(f"   {escape(text)}")

    def wire(self, method: str, path: str, status: int, milliseconds: float) -> None:
        colour = "green" if status < 400 else "yellow"
        self.console.print(
            f"   [dim]{method:6} {escape(path)}[/dim]  [{colour}]{status}[/{colour}] [dim]{milliseconds:.0f} ms[/dim]"
        )

    def caused(self, entries: list[dict[str, Any]]) -> None:
        """Events as the audit log has them: name and moment."""
        self.events += len(entries)
        for entry in entries:
            self.console.print(f"     [cyan]•[/cyan] {entry['at'][11:23]}  [cyan]{escape(entry['action'])}[/cyan]")

    def spread(self, change: dict[str, Any]) -> None:
        """How a change reached every service."""
        for subscriber in change["subscribers"]:
            applied = subscriber.get("applied_at")
            after = (
                f"{milliseconds_between(change['said_at'], applied):.0f} ms after the commit" if applied else "waiting"
            )
            self.console.print(
                f"     [magenta]→[/magenta] {subscriber['service']:9} {subscriber['state']} [dim]{after}[/dim]"
            )

    def end(self) -> None:
        counted = f"{self.events} events in " if self.events else ""
        took = time.perf_counter() - self._began
        self.console.print(f"\n[bold green]All of it happened as it should[/bold green], {counted}{took:.1f} s.\n")


def milliseconds_between(earlier: str, later: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() * 1000
