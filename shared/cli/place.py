"""Where the embedded product keeps its things, and what it says about itself while it runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shared.config import SERVICES, Misconfigured, Secrets, Settings
from shared.payments import stripe_account
from shared.postgres import PrivatePostgres
from shared.trace_export import trace_export

SOCKET_PATH_BYTES = 100


class Refused(Exception):
    """A command can't do what it was asked; the text says why and what to do."""


@dataclass(frozen=True)
class Place:
    """The data folder (`./.tenantry` unless told otherwise)."""

    folder: Path

    @classmethod
    def at(cls, folder: Path | None) -> Place:
        return cls((folder or Path(os.environ.get("TENANTRY_DATA", ".tenantry"))).absolute())

    @property
    def secrets_file(self) -> Path:
        return self.folder / "secrets.json"

    @property
    def running_file(self) -> Path:
        return self.folder / "running.json"

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    def prepare(self) -> None:
        """Makes the folder, and refuses one that something else lives in."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError(13, "not writable")
        except OSError as why:
            raise Refused(
                f"The data folder {self.folder} can't be used ({why.strerror}). Choose another with --data."
            ) from None

    def secrets(self) -> Secrets:
        """The installation's secrets, generated at the first start."""
        if not self.secrets_file.exists():
            if (self.folder / "postgres" / "PG_VERSION").exists():
                raise Refused(
                    f"{self.secrets_file} is missing, but there is a database: what it seals can't be read with new secrets. "
                    "Restore the file from your backup, or choose another folder with --data."
                )
            with contextlib.suppress(FileExistsError):
                Secrets.generate().save(self.secrets_file)
        try:
            return Secrets.load(self.secrets_file)
        except Misconfigured as wrong:
            raise Refused(str(wrong)) from None

    def postgres(self) -> PrivatePostgres:
        return PrivatePostgres(self.folder / "postgres", self.folder / "log" / "postgres.log")

    def sockets(self) -> Path:
        """A folder for the services' sockets, short enough for a socket's path."""
        inside = self.folder / "run"
        if len(str(inside)) + 16 > SOCKET_PATH_BYTES:
            name = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
            inside = Path(tempfile.gettempdir()) / f"tenantry-{os.getuid()}-{name}"
        inside.mkdir(mode=0o700, parents=True, exist_ok=True)
        if inside.stat().st_uid != os.getuid():
            raise Refused(f"{inside} belongs to somebody else. Choose another data folder with --data.")
        return inside

    def settings(
        self, database_urls: dict[str, str], *, host: str, port: int, admin_port: int, **more: Any
    ) -> Settings:
        """Settings of the embedded product: every service in one process, sockets between them."""
        sockets = self.sockets()
        addresses = {name: f"unix://{sockets}/{name}.sock" for name in SERVICES if name != "gateway"}
        shown = f"[{host}]" if ":" in host else host
        gateway = f"tcp://{shown}:{port}"
        faults: list[str] = []
        stripe, traces = stripe_account(os.environ, faults), trace_export(os.environ, faults)
        if faults:
            raise Misconfigured(faults)
        return Settings(
            **{
                "secrets": self.secrets(),
                "database_urls": database_urls,
                "listens": addresses | {"gateway": gateway},
                "urls": addresses | {"gateway": gateway},
                "admin_listen": f"tcp://127.0.0.1:{admin_port}",
                "public_url": f"http://{shown}:{port}",
                "mail": f"file://{self.mail}",
                "link_url": os.environ.get("TENANTRY_LINK_URL") or None,
                "stripe": stripe,
                "traces": traces,
                **more,
            }
        )

    def announce(self, settings: Settings) -> None:
        """Leaves word for the other commands: where this runs. Readable by the owner alone."""
        facts = {
            "pid": os.getpid(),
            "url": settings.public_url,
            "admin": settings.admin_listen,
            "database_urls": settings.database_urls,
            "urls": settings.urls,
            "bus_url": settings.bus_url,
            "traces": settings.traces.endpoint if settings.traces else None,
        }
        draft = self.running_file.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(orjson.dumps(facts))
        draft.replace(self.running_file)

    def running(self) -> dict[str, Any] | None:
        """What the running product left as word, or None when it doesn't run."""
        try:
            facts: dict[str, Any] = orjson.loads(self.running_file.read_bytes())
            os.kill(facts["pid"], 0)
        except (OSError, orjson.JSONDecodeError, KeyError):
            return None
        return facts


def database_urls(data: Path | None) -> dict[str, str]:
    """The databases that a command works on: of the environment's configuration, else of the product running here."""
    if urls := databases_of(os.environ):
        return urls
    facts = Place.at(data).running()
    if facts is None:
        raise Refused(
            "Tenantry isn't running here. Start it with `tenantry up`, or set the TENANTRY_… variables of your installation."
        )
    running: dict[str, str] = facts["database_urls"]
    return running


def databases_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The databases that environment variables name."""
    named = {service: environ.get(f"TENANTRY_{service.upper()}_DATABASE_URL", "") for service in SERVICES}
    return {service: url for service, url in named.items() if url}
