"""The doctor's look at each service's database: reach, version, clock, role, fences, migrations, sealed secrets, and what got stuck."""

# ruff: noqa: S608 - only declared names of tables and columns are put into statements; values are always bound

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from shared.cli.findings import Finding, Installation, doubtful, well, wrong
from shared.config import Misconfigured, Secrets
from shared.migrate import OLDEST_POSTGRES, migrations_of
from shared.sealed_columns import SealedColumn
from shared.sealing import Sealer

CONNECT_SECONDS = 5
STUCK_SECONDS = 60
WELL = "clock, role, fence, migrations, inbox and outbox are well"
SKEW_DOUBTFUL, SKEW_WRONG = 1.0, 10.0


@dataclass(frozen=True)
class Looked:
    """One service's database, connected to as the service does."""

    service: str
    connection: asyncpg.Connection[asyncpg.Record]
    it: Installation


Check = Callable[[Looked], Awaitable[Finding | None]]


async def database(it: Installation) -> list[Finding]:
    found: list[Finding] = []
    for service, url in it.database_urls.items():
        found += await _of_one(it, service, url)
    return found


async def _of_one(it: Installation, service: str, url: str) -> list[Finding]:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as why:
        return [_unreachable(service, why)]
    try:
        looked = Looked(service, connection, it)
        faults = [finding for check in CHECKS if (finding := await check(looked))]
        return faults or [well(service, f"PostgreSQL {connection.get_server_version().major}; {WELL}")]
    finally:
        await connection.close(timeout=2)


def _unreachable(service: str, why: Exception) -> Finding:
    variable = f"TENANTRY_{service.upper()}_DATABASE_URL"
    fixes: tuple[tuple[type[Exception], str], ...] = (
        (asyncpg.InvalidPasswordError, f"correct user and password in {variable}"),
        (asyncpg.InvalidAuthorizationSpecificationError, f"correct the user in {variable}, or allow it in pg_hba.conf"),
        (asyncpg.InvalidCatalogNameError, "create the database (deploy/postgres/databases.sh shows how)"),
        (asyncpg.InsufficientPrivilegeError, "grant connect on the database to the service's role"),
        (asyncpg.TooManyConnectionsError, "raise max_connections, or lower TENANTRY_POOL_SIZE"),
    )
    fix = next((fix for kind, fix in fixes if isinstance(why, kind)), f"check host and port in {variable}")
    return wrong(service, f"can't be reached: {why or type(why).__name__}", risk=f"{service} answers nothing", fix=fix)


async def version(of: Looked) -> Finding | None:
    found = of.connection.get_server_version()
    if found.major * 10000 >= OLDEST_POSTGRES:
        return None
    return wrong(
        f"{of.service}: version",
        f"PostgreSQL {found.major}",
        risk="migrations are refused",
        fix=f"upgrade the server to {OLDEST_POSTGRES // 10000} or newer",
    )


async def clock(of: Looked) -> Finding | None:
    before = time.time()
    there = float(await of.connection.fetchval("select extract(epoch from clock_timestamp())"))
    apart = abs(there - (before + time.time()) / 2)
    if apart < SKEW_DOUBTFUL:
        return None
    return (wrong if apart > SKEW_WRONG else doubtful)(
        f"{of.service}: clock",
        f"the database's clock and this machine's are {apart:.1f} s apart",
        risk="tokens and links end too early or too late",
        fix="let both follow the same time server (chronyc tracking tells)",
    )


async def powers(of: Looked) -> Finding | None:
    row = await of.connection.fetchrow(
        "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles where rolname = current_user"
    )
    assert row is not None
    has = [
        name.removeprefix("rol") for name in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb") if row[name]
    ]
    if not has:
        return None
    above_rows = row["rolsuper"] or row["rolbypassrls"]
    return (wrong if above_rows else doubtful)(
        f"{of.service}: role",
        f"the role {row['rolname']} has {', '.join(has)}",
        risk="row-level security doesn't bind it: one faulty query shows an organization another's data"
        if above_rows
        else "it can do more than the service needs",
        fix=f'as an administrator: alter role "{row["rolname"]}" nosuperuser nobypassrls nocreaterole nocreatedb',
    )


async def fences(of: Looked) -> Finding | None:
    """Tries to enter the other services' databases with this service's role; to be let in is wrong."""
    own = of.it.database_urls[of.service]
    entered = []
    for other, url in of.it.database_urls.items():
        if other == of.service:
            continue
        if _place(url) == _place(own):
            return wrong(
                f"{of.service}: fence",
                f"{of.service} and {other} share one database",
                risk="their tables collide, and each reads the other's data",
                fix="give each a database and a role of its own (deploy/postgres/databases.sh)",
            )
        if await _lets_in(own, _place(url)[1]):
            entered.append(_place(url)[1])
    if not entered:
        return None
    role = await of.connection.fetchval("select current_user")
    return wrong(
        f"{of.service}: fence",
        f"its role {role} may enter the databases {', '.join(entered)}",
        risk="who gets hold of one service reads the others' data",
        fix="as an administrator: "
        + "; ".join(f'revoke all on database "{name}" from public, "{role}"' for name in entered),
    )


def _place(url: str) -> tuple[str, str]:
    """Which server, and which database on it."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    server = parts.netloc.rpartition("@")[2] or f"{query.get('host')}:{query.get('port')}"
    return server, unquote(parts.path.lstrip("/")) or parts.username or ""


async def _lets_in(url: str, name: str) -> bool:
    try:
        connection = await asyncpg.connect(url, database=name, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close(timeout=2)
    return True


async def migrations(of: Looked) -> Finding | None:
    known = {}
    if await of.connection.fetchval("select to_regclass('migrations')") is not None:
        rows = await of.connection.fetch("select name, checksum from migrations")
        known = {row["name"]: row["checksum"] for row in rows}
    wanted = migrations_of(of.it.product.service(of.service).migrations)
    if pending := [each.name for each in wanted if each.name not in known]:
        return wrong(
            f"{of.service}: migrations",
            f"{len(pending)} not applied: {', '.join(pending[:5])}",
            risk=f"{of.service} doesn't start",
            fix="tenantry migrate up",
        )
    if changed := [each.name for each in wanted if known[each.name] != each.checksum]:
        return wrong(
            f"{of.service}: migrations",
            f"differ from what was applied here: {', '.join(changed)}",
            risk="the tables aren't what the code expects",
            fix="install the release that this database belongs to",
        )
    return None


async def dead(of: Looked) -> Finding | None:
    count = await _value(of, "select count(*) from inbox where state = 'dead'")
    if not count:
        return None
    return wrong(
        f"{of.service}: dead events",
        f"{count} failed for good",
        risk=f"{of.service} misses what they say, and what comes after them in the same organizations",
        fix="tenantry events dead tells why; when that is mended: tenantry events revive",
    )


async def parked(of: Looked) -> Finding | None:
    count = await _value(of, "select count(*) from inbox_parked")
    if not count:
        return None
    return doubtful(
        f"{of.service}: parked",
        f"{count} messages came in that are no valid events",
        risk="somebody else publishes on this broker",
        fix="tenantry events dead lists them; take the right to publish from whoever it is",
    )


async def outbox(of: Looked) -> Finding | None:
    age = await _value(
        of, "select extract(epoch from now() - min(said_at))::float from outbox where published_at is null"
    )
    if age is None or age < STUCK_SECONDS:
        return None
    return wrong(
        f"{of.service}: outbox",
        f"the oldest event has waited for {age:.0f} s to be published",
        risk=f"nobody hears what happens in {of.service}",
        fix=f"start {of.service} if it doesn't run; its log says why it can't publish",
    )


async def sealed(of: Looked) -> Finding | None:
    """Whether every sealed secret opens with one of the installation's master keys, and with which."""
    try:
        sealer = Sealer(Secrets.load(of.it.secrets_file).master)
    except Misconfigured:
        return None  # the look at the secrets file tells
    lost = waiting = 0
    for one in of.it.product.service(of.service).sealed:
        lost += await _sealed_by_none_of(of, one, sealer.heads)
        waiting += await _sealed_by_none_of(of, one, sealer.heads[:1])
    if lost:
        return wrong(
            f"{of.service}: sealed secrets",
            f"{lost} can't be opened: their master key isn't in {of.it.secrets_file}",
            risk="second factors, single sign-on, webhooks or embedding fail for those whose they are",
            fix="put the key back into `master` there, behind the first one, and restart",
        )
    if waiting:
        return doubtful(
            f"{of.service}: sealed secrets",
            f"{waiting} wait to be sealed with the first master key",
            risk="taking the older key away now would lose them",
            fix=f"leave {of.service} running: it seals a thousand a minute; then look again",
        )
    return None


async def _sealed_by_none_of(of: Looked, column: SealedColumn, heads: Sequence[bytes]) -> int:
    """How many begin with none of these. Missing tables are told by the look at the migrations."""
    async with of.connection.transaction(readonly=True):
        await of.connection.execute("select set_config('tenantry.org_id', '*', true)")
        if await of.connection.fetchval("select to_regclass($1)", column.table) is None:
            return 0
        found: int = await of.connection.fetchval(
            f"select count(*) from {column.table} where {column.column} is not null"
            f" and not exists (select from unnest($1::bytea[]) as head where position(head in {column.column}) = 1)",
            list(heads),
        )
    return found


async def _value(of: Looked, sql: str) -> float | None:
    """None also where the tables are missing, which the look at the migrations tells."""
    try:
        value: float | None = await of.connection.fetchval(sql)
    except asyncpg.UndefinedTableError:
        return None
    return value


CHECKS: tuple[Check, ...] = (version, clock, powers, fences, migrations, sealed, dead, parked, outbox)
