"""Every documented route that writes: what it says is in the audit log, each once; what says nothing is named, with the reason."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml

from services.billing.app import opening as billing_opening
from services.billing.app import service as billing
from services.billing.usecases.stripe_provider import Stripe
from services.launcher import PRODUCT
from services.org.app import opening as org_opening
from services.org.app import service as org
from services.org.usecases.legal_texts import TEXTS, LegalTexts
from shared.clock import MovableClock
from shared.db import EVERY_ORG
from shared.process import Product
from tests.billing.paid_stage import account_at
from tests.billing.stripe_server import StripeServer, stripe_server
from tests.contracts.source import ROOT
from tests.silent_writes import Watched, watching
from tests.system.days.accounts import a_closed_account, a_day_of_accounts
from tests.system.days.organization import a_day_of_an_organization, late
from tests.system.days.sharing import a_day_of_paying, a_day_of_sharing, a_day_of_webhooks
from tests.system.days.single_sign_on import a_day_of_openid_connect, a_day_of_saml
from tests.system.test_audited import NO_FACTS
from tests.system.test_single_sign_on import REACHING, records_of
from tests.system.whole import WholeProduct, a_cast, whole_product
from tests.world import Databases

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
WRITES = sorted(
    f"{method.upper()} {path}"
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    if method in ("post", "put", "patch", "delete")
)
TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "every_write.yaml").read_text())


CALLBACK, ACS = "GET /v1/auth/sso/{connection_id}/callback", "POST /v1/auth/sso/{connection_id}/acs"
# What else is changed in silence, by whom, and why nobody is told.
IN_SILENCE = {
    **{(route, "sso_attempts"): "the last attempts, which are shown with the connection" for route in (CALLBACK, ACS)},
    **{
        (route, "sso_results"): "what the browser gets its session for; that it begins is said"
        for route in (CALLBACK, ACS)
    },
    **{(route, "sso_connections"): "when it last let somebody in" for route in (CALLBACK, ACS)},
    **{
        (route, "sso_sessions"): "the session there, which goes with ours; that ours begins is said"
        for route in (CALLBACK, ACS)
    },
    (
        "POST /v1/auth/sso/{connection_id}/backchannel-logout",
        "sso_sign_outs",
    ): "a provider's word, which counts once; the sessions that end are said",
    (
        "POST /v1/auth/sso/sign-ins",
        "sso_results",
    ): "what the browser asked with is used up, before its person has proven the rest",
    ("DELETE /v1/me/email-change", "email_changes"): "an address that never was in force",
    ("POST /internal/api-key-standings", "scim_tokens"): "when it was last used",
    ("POST /v1/domains/{domain_id}/verifications", "domains"): "when the record was last looked for, in vain",
    ("POST /v1/invitations/imports", "operations"): "each invitation is said when it is sent",
    ("POST /v1/shared/{shared_dashboard_id}/unlocks", "link_guesses"): "how often a password was tried",
}


@dataclass
class Seen:
    """What was done, and which events are in the audit log, how often."""

    watched: Watched
    entries: Counter[str]


@pytest.fixture(scope="module")
async def seen(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Seen]:
    folder, clock, watched = tmp_path_factory.mktemp("writes"), MovableClock(), Watched()
    shutil.copytree(TEXTS, folder / "texts")
    async with stripe_server(clock) as stripe:
        with watching(watched):
            async with whole_product(
                databases, folder, clock=clock, product=reaching(stripe, folder / "texts")
            ) as product:
                await a_day_of_sharing(product)
                await a_day_of_paying(product, stripe)
                await a_day_of_webhooks(product)
                await a_day_of_an_organization(product, folder / "texts")
                await a_day_of_openid_connect(product)
                await a_day_of_saml(product)
                await a_day_of_accounts(product)
                await late(product)
                leaving = (await a_cast(product.gateway)).viewer
                entries = await audited(product, watched)
                await a_closed_account(product, leaving)
                yield Seen(watched, entries + await audited(product, watched, since=entries))


def reaching(stripe: StripeServer, texts: Path) -> Product:
    """The product whose provider is that server, and whose organizations read these legal texts."""
    ours = {
        **REACHING,
        "org": replace(org, opens=org_opening(records_of, LegalTexts(texts))),
        "billing": replace(billing, opens=billing_opening(lambda _: Stripe(account_at(stripe)))),
    }
    return replace(PRODUCT, service=lambda name: ours.get(name) or PRODUCT.service(name))


async def audited(product: WholeProduct, watched: Watched, since: Collection[str] = ()) -> Counter[str]:
    """Of each event that a request said: how often it is in the log of the organization, or person, that has it most often.

    Who closes their account takes their own log along, so what was said before is counted before.
    """
    said = [envelope for told in watched.done.values() for said in told for envelope in said]
    ids = {one.id for one in said if not one.type.startswith("courier.mail.")} - set(since)
    async with asyncio.timeout(60):
        while True:
            audit = await asyncpg.connect(product.settings.database_urls["audit"])
            try:
                await audit.execute("select set_config('tenantry.org_id', $1, false)", EVERY_ORG)
                rows = await audit.fetch(
                    "select event_id, max(times)::int as times from (select event_id, org_id, count(*) as times"
                    " from audit_entries where event_id = any($1) group by event_id, org_id) as counted group by event_id",
                    ids,
                )
            finally:
                await audit.close()
            if len(rows) == len(ids):
                return Counter({row["event_id"]: row["times"] for row in rows})
            await asyncio.sleep(0.1)


def facts_of(seen: Seen, route: str) -> list[list[str]]:
    """What each request of a route said, requests for mail aside."""
    return [
        [envelope.type for envelope in said if not envelope.type.startswith("courier.mail.")]
        for said in seen.watched.done.get(route, [])
    ]


def test_the_table_has_every_writing_route_of_the_document_and_no_other() -> None:
    assert sorted(TABLE) == WRITES


@pytest.mark.parametrize("route", WRITES)
def test_what_a_writing_route_does_is_in_the_audit_log_once(seen: Seen, route: str) -> None:
    wanted, told = TABLE[route], facts_of(seen, route)
    assert told, "nobody asked for it"
    if isinstance(wanted, str):
        assert not any(told), wanted
        return
    silent_at_times = isinstance(wanted, dict)
    kinds = set(wanted["says"] if silent_at_times else wanted)
    assert {kind for said in told for kind in said} == kinds
    assert silent_at_times or all(told), "each time that it was done, it was said"
    for said in seen.watched.done[route]:
        for envelope in said:
            assert envelope.correlation_id, envelope.type
            if not envelope.type.startswith("courier.mail."):
                assert seen.entries[envelope.id] == 1, envelope.type


def test_whoever_says_nothing_changes_nothing_that_is_a_fact(seen: Seen) -> None:
    unsaid = {(route, table) for route, table in seen.watched.silent if table not in NO_FACTS}
    assert unsaid <= set(IN_SILENCE), "these commits changed something and said nothing"
