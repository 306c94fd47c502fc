"""`tenantry doctor`: looks at everything that can be wrong, and says how to mend it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib
import orjson

from shared.cli.doctor_broker import broker
from shared.cli.doctor_databases import database
from shared.cli.doctor_payments import payments
from shared.cli.doctor_sign_in import single_sign_on
from shared.cli.doctor_traces import traces
from shared.cli.findings import Finding, Installation, doubtful, well, wrong
from shared.cli.place import Place
from shared.config import Misconfigured, Secrets, settings_from
from shared.process import Product
from shared.trace_export import TraceExport
from shared.web.address import Address
from shared.web.client import Client, DeadlineExceeded, Overloaded, Unreachable

Check = Callable[[Installation], Awaitable[Sequence[Finding]]]

CHECK_SECONDS = 30.0
LITTLE_SPACE, NO_SPACE = 1 << 30, 100 << 20
NO_ANSWER = (DeadlineExceeded, Overloaded, Unreachable, OSError)


async def examine(product: Product, data: Path | None) -> None:
    """Prints what every check found. `SystemExit(1)` when something is wrong."""
    installation, findings = know(product, Place.at(data))
    show("Configuration", findings)
    everything = list(findings)
    if installation is not None:
        for title, checks in SECTIONS:
            found = [finding for check in checks for finding in await carried_out(check, installation)]
            show(title, found)
            everything += found
    conclude(everything)


def know(product: Product, place: Place) -> tuple[Installation | None, list[Finding]]:
    """What is to be looked at: as for the other commands, the environment's configuration comes first."""
    if "TENANTRY_SECRETS_FILE" in os.environ:
        return configured(product, place)
    facts = place.running()
    if facts is None:
        return None, [
            wrong(
                "running",
                f"Tenantry isn't running in {place.folder}, and no TENANTRY_… variables are set",
                risk="nothing more can be looked at",
                fix="tenantry up, in another terminal; or set the variables of your installation (tenantry serve --help)",
            )
        ]
    installation = Installation(
        product,
        place.folder,
        facts["database_urls"],
        facts["bus_url"],
        facts["urls"]["gateway"],
        f"file://{place.mail}",
        place.secrets_file,
        facts.get("admin"),
        TraceExport(endpoint=facts["traces"]) if facts.get("traces") else None,
    )
    return installation, [well("running", f"process {facts['pid']}, {facts['url']}")]


def configured(product: Product, place: Place) -> tuple[Installation | None, list[Finding]]:
    try:
        settings = settings_from(os.environ)
    except Misconfigured as why:
        return None, [
            wrong("variables", fault, risk="nothing starts with this configuration", fix="set it, and look again")
            for fault in why.faults
        ]
    installation = Installation(
        product,
        place.folder,
        settings.database_urls,
        settings.bus_url,
        settings.urls["gateway"],
        settings.mail,
        Path(os.environ["TENANTRY_SECRETS_FILE"]),
        traces=settings.traces,
        bus_urls=settings.bus_urls,
    )
    found = [well("variables", "the TENANTRY_… variables are complete")]
    return installation, [*found, *payments(settings.stripe, settings.public_url)]


async def carried_out(check: Check, installation: Installation) -> Sequence[Finding]:
    """A check that fails itself is a finding, too."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check(installation)
    except Exception as why:
        name = check.__name__.replace("_", " ")
        return [
            doubtful(
                name,
                f"couldn't be looked at: {type(why).__name__} {why}".strip(),
                risk="it may be well or not",
                fix="mend what is named here first, and look again",
            )
        ]


def show(title: str, findings: Sequence[Finding]) -> None:
    if findings:
        print(f"\n{title}", *findings, sep="\n", flush=True)


def conclude(findings: Sequence[Finding]) -> None:
    count = {sign: sum(finding.sign == sign for finding in findings) for sign in "✓⚠✗"}
    print("\n" + ", ".join(f"{number} {sign}" for sign, number in count.items() if number))
    if count["✗"]:
        raise SystemExit(1)


# -- checks


async def gateway(it: Installation) -> list[Finding]:
    """Any answer but a server's failure will do."""
    client = Client(Address.parse(it.gateway))
    try:
        answer = await client.send("GET", "/", [], b"", deadline=5)
    except NO_ANSWER as why:
        return [
            wrong(
                "gateway",
                f"{it.gateway} doesn't answer: {why or type(why).__name__}",
                risk="nobody can sign in or work",
                fix="start it (tenantry serve --only gateway), and read the last lines of its log",
            )
        ]
    finally:
        await client.close()
    if answer.status >= 500:
        return [
            wrong(
                "gateway",
                f"{it.gateway} answers {answer.status}",
                risk="requests fail",
                fix="read its log, and its operator's port: /readyz?verbose",
            )
        ]
    return [well("gateway", f"{it.gateway} answers")]


async def readiness(it: Installation) -> list[Finding]:
    """What the running process says about itself, where its operator's port is known."""
    if it.admin is None or it.admin.endswith(":0"):
        return []
    client = Client(Address.parse(it.admin))
    try:
        answer = await client.send("GET", "/readyz?verbose", [], b"", deadline=5)
        told = orjson.loads(answer.body)
    finally:
        await client.close()
    faults: dict[str, str] = told.get("faults", {})
    remarks: dict[str, str] = told.get("remarks", {})
    see = "see what is named below; else the log"
    return [
        *(wrong("readiness", f"{name}: {why}", risk="it is out of service", fix=see) for name, why in faults.items()),
        *(doubtful("readiness", f"{name}: {why}", risk="what it says waits", fix=see) for name, why in remarks.items()),
    ] or [well("readiness", "the process says that it is ready")]


async def mail(it: Installation) -> list[Finding]:
    where = urlsplit(it.mail)
    return [mail_folder(Path(unquote(where.path))) if where.scheme == "file" else await mail_server(it.mail)]


def mail_folder(folder: Path) -> Finding:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return well("mail", f"is written to {folder}")
    return wrong(
        "mail",
        f"{existing} can't be written by this user",
        risk="no confirmation or invitation is ever read; they wait and are tried again",
        fix=f"chown {os.getuid()} {existing}, or name another folder in TENANTRY_MAIL",
    )


async def mail_server(url: str) -> Finding:
    where = urlsplit(url)
    shown = f"{where.hostname}:{where.port or (465 if where.scheme == 'smtps' else 587)}"
    client = aiosmtplib.SMTP(
        hostname=where.hostname,
        port=where.port or (465 if where.scheme == "smtps" else 587),
        use_tls=where.scheme == "smtps",
        username=unquote(where.username) if where.username else None,
        password=unquote(where.password) if where.password else None,
        timeout=5,
    )
    risk = "no confirmation or invitation arrives; they wait and are tried again"
    try:
        await client.connect()
        await client.quit()
    except aiosmtplib.SMTPAuthenticationError as why:
        return wrong(
            "mail", f"{shown} refuses user and password: {why.message}", risk=risk, fix="correct both in TENANTRY_MAIL"
        )
    except (aiosmtplib.SMTPException, OSError) as why:
        return wrong(
            "mail",
            f"{shown} can't be reached: {why}",
            risk=risk,
            fix="check host and port in TENANTRY_MAIL, and that a firewall lets this machine through",
        )
    return well("mail", f"{shown} takes mail")


async def disk(it: Installation) -> list[Finding]:
    if not it.data.exists():
        return []
    free = shutil.disk_usage(it.data).free
    says = f"{free / (1 << 30):.1f} GiB free below {it.data}"
    if free >= LITTLE_SPACE:
        return [well("disk", says)]
    judge = wrong if free < NO_SPACE else doubtful
    return [judge("disk", says, risk="a full disk stops the database", fix=f"free some, or move {it.data} (--data)")]


async def secrets_file(it: Installation) -> list[Finding]:
    """Readable by its owner alone. A group may be what a platform needs that mounts secrets; others never."""
    try:
        Secrets.load(it.secrets_file)
    except Misconfigured as why:
        fault = why.faults[0]
        return [
            wrong("secrets", fault, risk="nothing starts without it", fix="see above; never make a new one over it")
        ]
    mode = it.secrets_file.stat().st_mode & 0o777
    if not mode & 0o077:
        return [well("secrets", f"{it.secrets_file} is its owner's alone")]
    judge = wrong if mode & 0o007 else doubtful
    return [
        judge(
            "secrets",
            f"{it.secrets_file} has mode {mode:04o}",
            risk="whoever reads it can sign in as anybody",
            fix=f"chmod 600 {it.secrets_file}",
        )
    ]


SECTIONS: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("Processes", (gateway, readiness)),
    ("Databases", (database,)),
    ("Events", (broker,)),
    ("Traces", (traces,)),
    ("Signing in", (single_sign_on,)),
    ("Mail, disk, secrets", (mail, disk, secrets_file)),
)
