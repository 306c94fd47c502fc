"""Configuration: from `TENANTRY_…` environment variables, checked whole before anything starts; every fault is named at once."""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.auth import Keyring, private_key
from shared.ids import SERVICES as SERVICES
from shared.links import link_page
from shared.payments import StripeAccount, stripe_account
from shared.trace_export import TraceExport, trace_export
from shared.web.address import Address

ACCESS_KEY_NOTICE = timedelta(minutes=15)
ACCESS_KEY_OVERLAP = timedelta(hours=1)
ASKED = ("identity", "org", "sharing")
ASKED_BY_GATEWAY = (*ASKED, "billing", "audit", "courier")


class Misconfigured(Exception):
    """The text lists every fault with its way out."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(
            "Tenantry can't start with this configuration:\n" + "\n".join(f"  - {fault}" for fault in faults)
        )


class AccessKey(BaseModel):
    """A key that signs access tokens, from a moment on or always. All of the list verify; the one that began last signs."""

    kid: str
    seed: str
    signs_from: datetime | None = None


def signing_key(keys: Sequence[AccessKey], now: datetime) -> AccessKey:
    """Of the keys that have begun, the one that began last; of those without a beginning, the first."""
    begun = [key for key in keys if key.signs_from is None or key.signs_from <= now] or keys
    return max(begun, key=lambda key: key.signs_from.timestamp() if key.signs_from else 0.0)


class MasterKey(BaseModel):
    """A key that seals secrets at rest. The first of the list seals, all of them open."""

    id: str
    key: str


class Secrets(BaseModel):
    """Everything that must stay secret, as one file of mode 0600; keys are base64url."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    signing: dict[str, str]
    access: list[AccessKey]
    master: list[MasterKey]
    cursors: str
    links: str
    csrf: str

    @classmethod
    def generate(cls, services: Sequence[str] = SERVICES) -> Secrets:
        return cls(
            signing={service: fresh_key() for service in services},
            access=[AccessKey(kid=secrets.token_hex(4), seed=fresh_key())],
            master=[MasterKey(id=secrets.token_hex(4), key=fresh_key())],
            cursors=fresh_key(),
            links=fresh_key(),
            csrf=fresh_key(),
        )

    @classmethod
    def load(cls, path: Path) -> Secrets:
        try:
            return cls.model_validate(orjson.loads(path.read_bytes()))
        except FileNotFoundError:
            raise Misconfigured(
                [f"the secrets file {path} is missing: make one with `tenantry secrets init`"]
            ) from None
        except PermissionError:
            raise Misconfigured(
                [f"the secrets file {path} can't be read by this user: change its owner, not its mode"]
            ) from None
        except (orjson.JSONDecodeError, ValidationError) as wrong:
            raise Misconfigured(
                [f"the secrets file {path} isn't valid: restore it from your backup ({type(wrong).__name__})"]
            ) from None

    def waiting_access_key(self, now: datetime) -> AccessKey | None:
        """The key that is published and doesn't sign yet."""
        return next((key for key in self.access if key.signs_from is not None and key.signs_from > now), None)

    def with_next_access_key(self, now: datetime) -> Secrets:
        """With a key that is published at once and signs later, when everybody knows it. A key leaves the list once nothing that it signed can be valid."""
        signing = signing_key(self.access, now)
        was_replaced = signing.signs_from is not None and signing.signs_from <= now - ACCESS_KEY_OVERLAP
        kept = [signing] if was_replaced else self.access
        newest = AccessKey(kid=secrets.token_hex(4), seed=fresh_key(), signs_from=now + ACCESS_KEY_NOTICE)
        return self.model_copy(update={"access": [*kept, newest]})

    def save(self, path: Path) -> None:
        """Writes the file whole or not at all, readable by its owner alone; never over an existing one."""
        self._write(path, os.link)

    def replace(self, path: Path) -> None:
        """Writes the file in place of the one that is there, whole or not at all."""
        self._write(path, os.replace)

    def _write(self, path: Path, put: Callable[[Path, Path], None]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(orjson.dumps(self.model_dump(), option=orjson.OPT_INDENT_2))
                file.flush()
                os.fsync(file.fileno())
            put(draft, path)
        finally:
            draft.unlink(missing_ok=True)

    def keyring(self, service: str) -> Keyring:
        keys = {name: private_key(seed) for name, seed in self.signing.items()}
        return Keyring(service, keys[service], {name: key.public_key() for name, key in keys.items()})

    def bytes(self, name: str) -> bytes:
        """One of the plain keys: `cursors`, `links` or `csrf`."""
        return base64.urlsafe_b64decode(getattr(self, name) + "==")


BusUrl = Annotated[str, Field(pattern="^(memory|amqps?)://")]
LinkUrl = Annotated[str, AfterValidator(link_page)]


class Settings(BaseModel):
    """How a process runs: which services, over which bus, on which databases. Nothing here says "mode"."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)

    services: tuple[str, ...] = SERVICES
    secrets: Secrets
    bus_url: BusUrl = "memory://"
    bus_urls: dict[str, BusUrl] = {}
    database_urls: dict[str, str]
    listens: dict[str, str]
    urls: dict[str, str]
    admin_listen: str = "tcp://127.0.0.1:8090"
    public_url: str = "http://127.0.0.1:8080"
    link_url: LinkUrl | None = None
    mail: str
    mail_bounces: str | None = None
    mail_from: str = "Tenantry <no-reply@tenantry.localhost>"
    trusted_proxies: tuple[str, ...] = ()
    log_level: Literal["debug", "info", "warning", "error", "critical"] = "info"
    log_readable: bool = False
    pool_size: Annotated[int, Field(ge=1, le=1000)] = 8
    access_token_seconds: int = 300
    reuse_port: bool = False
    stripe: StripeAccount | None = None
    traces: TraceExport | None = None

    def address_of(self, service: str) -> Address:
        return Address.parse(self.urls[service])

    def bus_of(self, service: str) -> str:
        """The broker's URL as the user of one service, or as that of all."""
        return self.bus_urls.get(service, self.bus_url)


def settings_from(environ: Mapping[str, str], only: Sequence[str] | None = None) -> Settings:
    """Settings of a production process. Raises `Misconfigured` naming everything that is missing or wrong."""
    faults: list[str] = []
    read = {
        name.removeprefix("TENANTRY_"): value
        for name, value in environ.items()
        if name.startswith("TENANTRY_") and value
    }
    services = tuple(only or [s for s in read.pop("SERVICES", "").replace(" ", "").split(",") if s] or SERVICES)
    faults += [
        f"there is no service {name!r}; TENANTRY_SERVICES takes some of {', '.join(SERVICES)}"
        for name in services
        if name not in SERVICES
    ]
    fields: dict[str, Any] = {"services": services, "database_urls": {}, "listens": {}, "urls": {}, "bus_urls": {}}
    for service in SERVICES:
        upper = service.upper()
        if broker := read.get(f"{upper}_AMQP_URL"):
            fields["bus_urls"][service] = broker
        if url := read.get(f"{upper}_DATABASE_URL"):
            fields["database_urls"][service] = url
        elif service in services and service != "gateway":
            faults.append(
                f"TENANTRY_{upper}_DATABASE_URL is missing: the PostgreSQL database of {service}, e.g. postgresql://{service}:…@host/{service}"
            )
        for kind, name, example in (
            ("listens", f"{upper}_LISTEN", "tcp://0.0.0.0:8081"),
            ("urls", f"{upper}_URL", f"tcp://{service}:8081"),
        ):
            value = read.get(name, "")
            needed = (
                service in services
                if kind == "listens"
                else service in (ASKED_BY_GATEWAY if "gateway" in services else ASKED)
            )
            if not value and kind == "urls":
                value = read.get(f"{upper}_LISTEN", "") if service in services else ""
            if value:
                try:
                    Address.parse(value)
                    fields[kind][service] = value
                except ValueError as wrong:
                    faults.append(f"TENANTRY_{name}: {wrong}")
            elif needed:
                faults.append(f"TENANTRY_{name} is missing, e.g. {example}")
    for name, key, required, example in (
        ("AMQP_URL", "bus_url", not set(services) <= set(fields["bus_urls"]), "amqp://user:…@rabbitmq:5672/"),
        ("MAIL", "mail", True, "smtp://user:…@host:587 or file:///var/mail/tenantry"),
        ("MAIL_FROM", "mail_from", False, ""),
        ("MAIL_BOUNCES", "mail_bounces", False, ""),
        ("PUBLIC_URL", "public_url", True, "https://admin.example.com"),
        ("LINK_URL", "link_url", False, ""),
        ("ADMIN_LISTEN", "admin_listen", False, ""),
        ("LOG_LEVEL", "log_level", False, ""),
        ("POOL_SIZE", "pool_size", False, ""),
        ("REUSE_PORT", "reuse_port", False, ""),
    ):
        if name in read:
            fields[key] = read[name]
        elif required:
            faults.append(f"TENANTRY_{name} is missing, e.g. {example}")
    fields["stripe"] = stripe_account(environ, faults)
    fields["traces"] = trace_export(environ, faults)
    if "TRUSTED_PROXIES" in read:
        fields["trusted_proxies"] = tuple(read["TRUSTED_PROXIES"].replace(" ", "").split(","))
    if "SECRETS_FILE" in read:
        try:
            fields["secrets"] = Secrets.load(Path(read["SECRETS_FILE"]))
        except Misconfigured as wrong:
            faults.append(str(wrong).splitlines()[-1].strip(" -"))
    else:
        faults.append("TENANTRY_SECRETS_FILE is missing: make one with `tenantry secrets init FILE`")
    try:
        settings = Settings(**fields)
    except ValidationError as wrong_values:
        for error in wrong_values.errors(include_input=False):
            if error["type"] != "missing":  # that was named above, with its way out
                faults.append(f"{_variable([str(part) for part in error['loc']])}: {error['msg']}")
    if faults:
        raise Misconfigured(faults)
    return settings


def _variable(place: Sequence[str]) -> str:
    if place[0] == "bus_urls":
        return f"TENANTRY_{place[1].upper()}_AMQP_URL"
    return "TENANTRY_AMQP_URL" if place[0] == "bus_url" else f"TENANTRY_{place[0].upper()}"


def fresh_key() -> str:
    """32 random bytes, base64url without padding."""
    return secrets.token_urlsafe(32)
