"""A house to keep: the whole product with an organization in it, its databases as text, and the commands about backups on any of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

from services.launcher import PRODUCT
from shared.cli.demo.api import Gateway, Person
from shared.config import SERVICES, Secrets, Settings
from shared.process import process
from tests.ports import free_port
from tests.system.commands import Said, tenantry
from tests.system.remains import connected, until_so
from tests.system.renewing import RenewingGateway
from tests.world import Databases

ROWS = "select md5(coalesce(string_agg(one::text, e'\\n' order by one::text), '')) from public.\"{}\" as one"
TABLES = "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"
SHAPE = """
select 'table' as kind, relname::text as one, format('%s %s', relrowsecurity, relforcerowsecurity) as two from pg_class
where relkind = 'r' and relnamespace = 'public'::regnamespace
union all select 'column', format('%s.%s', attrelid::regclass, attname), format('%s %s %s %s %s', atttypid::regtype, attnotnull,
    attidentity, attgenerated, pg_get_expr(adbin, adrelid)) from pg_attribute join pg_class on pg_class.oid = attrelid
    left join pg_attrdef on adrelid = attrelid and adnum = attnum
    where relkind = 'r' and relnamespace = 'public'::regnamespace and attnum > 0 and not attisdropped
union all select 'constraint', format('%s.%s', conrelid::regclass, conname), pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace
union all select 'index', indexname, indexdef from pg_indexes where schemaname = 'public'
union all select 'policy', format('%s.%s', polrelid::regclass, polname), pg_get_expr(polqual, polrelid) from pg_policy
union all select 'trigger', format('%s.%s', tgrelid::regclass, tgname), tgenabled::text || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
union all select 'function', proname, pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
order by 1, 2, 3
"""
OPEN = """
select (select count(*) from inbox where state in ('waiting', 'dead')) + (select count(*) from outbox where published_at is null)
    + (select count(*) from inbox_parked)
"""
HEADS = "select subject, sequence from outbox_subjects"
CURSORS = "select subject, sequence from inbox_cursors where source = $1"


@dataclass
class Kept:
    """An installation that commands work on: its databases and its secrets file."""

    urls: Mapping[str, str]
    secrets_file: Path

    async def backup(self, *arguments: str | Path, secrets: Path | None = None, amqp: str = "") -> Said:
        environ = {f"TENANTRY_{name.upper()}_DATABASE_URL": url for name, url in self.urls.items()}
        environ |= {"TENANTRY_SECRETS_FILE": str(secrets or self.secrets_file), "TENANTRY_AMQP_URL": amqp}
        return await tenantry(PRODUCT, "backup", *map(str, arguments), environ=environ)

    async def rows(self) -> dict[tuple[str, str], str]:
        """A hash over the rows of every table."""
        found = {}
        for service, url in self.urls.items():
            async with connected(url) as database:
                await database.execute("set tenantry.org_id = '*'")
                for table in await database.fetch(TABLES):
                    if table["relname"] != "migrations":
                        name = table["relname"]
                        found[service, name] = await database.fetchval(ROWS.format(name))
        return found

    async def shape(self) -> dict[str, list[tuple[str, ...]]]:
        """Everything that migrations make, as PostgreSQL tells it."""
        found = {}
        for service, url in self.urls.items():
            async with connected(url) as database:
                found[service] = [tuple(row) for row in await database.fetch(SHAPE)]
        return found

    async def value(self, service: str, sql: str, *args: object) -> int:
        async with connected(self.urls[service]) as database:
            await database.execute("set tenantry.org_id = '*'")
            return int(await database.fetchval(sql, *args) or 0)

    async def settled(self) -> None:
        """Until every event that was said has been heard by whoever listens, and handled; dead and parked ones never settle."""
        await until_so(self._is_settled)

    async def _is_settled(self) -> bool:
        if any([await self.value(service, OPEN) for service in self.urls]):
            return False
        for service in self.urls:
            async with connected(self.urls[service]) as database:
                for source in PRODUCT.service(service).sources:
                    if source in self.urls:
                        cursors = {row["subject"]: row["sequence"] for row in await database.fetch(CURSORS, source)}
                        async with connected(self.urls[source]) as owner:
                            if cursors != {row["subject"]: row["sequence"] for row in await owner.fetch(HEADS)}:
                                return False
        return True


@asynccontextmanager
async def empty_house(databases: Databases, secrets_file: Path) -> AsyncIterator[Kept]:
    """Migrated databases without a row."""
    async with databases.lent(map(PRODUCT.service, PRODUCT.storing)) as urls:
        yield Kept(urls, secrets_file)


@asynccontextmanager
async def at_work(kept: Kept, folder: Path) -> AsyncIterator[Gateway]:
    """Every service on an installation's databases, in this process."""
    addresses = {name: f"unix:///tmp/tt-{token_hex(5)}.sock" for name in SERVICES}
    addresses |= {"gateway": f"tcp://127.0.0.1:{free_port()}"}
    settings = Settings(
        secrets=Secrets.load(kept.secrets_file),
        database_urls=dict(kept.urls),
        listens=addresses,
        urls=addresses,
        admin_listen=f"tcp://127.0.0.1:{free_port()}",
        public_url=addresses["gateway"].replace("tcp:", "http:"),
        mail=f"file://{folder}/mail",
        pool_size=5,
    )
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(process(PRODUCT, settings))
        yield await stack.enter_async_context(RenewingGateway(settings.public_url))


async def keep_writing(admin: Person, stop: asyncio.Event) -> int:
    """Groups that come, are renamed, are filled and go, until told to stop. Returns how many writes were answered."""
    written = 0
    while not stop.is_set():
        group = (await admin.write("POST", "/v1/groups", {"name": f"Group {token_hex(4)}"}, quietly=True)).ok()["id"]
        path = f"/v1/groups/{group}"
        (await admin.write("PUT", f"{path}/members/{admin.user_id}", quietly=True)).ok()
        renamed = {"name": f"Named {token_hex(4)}"}
        (await admin.write("PATCH", path, renamed, headers={"If-Match": "*"}, quietly=True)).ok()
        written += 3
        if written % 2:
            (await admin.write("DELETE", path, quietly=True)).ok()
            written += 1
    return written
