"""For the operator's look at the installation: what will keep people from coming in by their providers, and providers from provisioning them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from services.identity.rules.sso import Connection, StepFailed
from services.identity.store import scim_tokens, sso_connections
from services.identity.usecases.opened import opened
from shared.db import EVERY_ORG
from shared.fields import Nothing, View
from shared.outbound import NotFetched
from shared.service import Ctx

MOST_CONNECTIONS = 200
MOST_TOKENS = 1000
AT_ONCE = 8
PROBE_SECONDS = 5.0
SOON = timedelta(days=30)
SILENT = timedelta(days=2)


class Remark(View):
    """Something that isn't well. `grave`: somebody can't come in because of it."""

    about: str
    says: str
    risk: str
    fix: str
    grave: bool


class Checkup(View):
    connections: int
    tokens: int
    remarks: list[Remark]


async def check_up(ctx: Ctx, _: Nothing) -> Checkup:
    """Looks at every connection in use: certificates, proven domains, whether its provider can be reached; and at tokens that fell silent."""
    async with ctx.read(EVERY_ORG) as read:
        connections = await sso_connections.in_use(read, MOST_CONNECTIONS)
        proven = {
            org_id: await sso_connections.proven_domains(read, org_id) for org_id in {c.org_id for c in connections}
        }
        silent = await scim_tokens.silent_since(read, ctx.now - SILENT, MOST_TOKENS)
        tokens = await scim_tokens.count(read)
    line = asyncio.Semaphore(AT_ONCE)
    reached = await asyncio.gather(*(_reach(ctx, one, line) for one in connections))
    remarks = [remark for one in connections for remark in _seen(ctx, one, proven)]
    remarks += [remark for remark in reached if remark is not None]
    remarks += [
        Remark(
            about="provisioning",
            says=f"the token {token.name} of {token.org_id} was last used on {token.last_used_at:%Y-%m-%d}",
            risk="who leaves there keeps their access here",
            fix="an Admin looks at the provisioning log of their provider, or revokes the token if it is no longer used",
            grave=False,
        )
        for token in silent
    ]
    return Checkup(connections=len(connections), tokens=tokens, remarks=remarks)


def _seen(ctx: Ctx, connection: Connection, proven: Mapping[str, Sequence[str]]) -> list[Remark]:
    """What its row shows."""
    found, name = [], _name(connection)
    if missing := sorted(set(connection.domains) - set(proven[connection.org_id])):
        found.append(
            Remark(
                about="single sign-on",
                says=f"{name} is active, and {', '.join(missing)} isn't proven any more",
                risk="people of that domain can't come in by it",
                fix="an Admin proves the domain again, under Domains",
                grave=True,
            )
        )
    ends = connection.certificate_expires_at
    if ends is not None and ends <= ctx.now + SOON:
        is_over = ends <= ctx.now
        found.append(
            Remark(
                about="single sign-on",
                says=f"the last certificate of {name} {'has ended' if is_over else 'ends'} on {ends:%Y-%m-%d}",
                risk="nobody can come in by it" + ("" if is_over else " after that"),
                fix="an Admin imports the provider's metadata with its new certificate",
                grave=is_over,
            )
        )
    return found


async def _reach(ctx: Ctx, connection: Connection, line: asyncio.Semaphore) -> Remark | None:
    """Whether the provider's own word of itself can be read."""
    providers = opened(ctx).providers
    try:
        async with line, asyncio.timeout(PROBE_SECONDS):
            if connection.oidc is not None:
                await providers.discover(connection.oidc.issuer, connection.oidc.client_id)
            elif connection.metadata_url is not None:
                answer = await providers.outbound.get(connection.metadata_url, {})
                if answer.status != 200:
                    raise StepFailed("metadata", f"status {answer.status}")
        return None
    except TimeoutError:
        why = f"no answer within {PROBE_SECONDS:g} s"
    except NotFetched as away:
        why = str(away)
    except StepFailed as failure:
        why = failure.cause
    return Remark(
        about="single sign-on",
        says=f"the metadata of {_name(connection)} can't be read: {why}",
        risk="new keys and certificates of the provider aren't noticed"
        if connection.saml is not None
        else "nobody can come in by it while that is so",
        fix="ask the provider's Admin; and let this machine reach it, if a firewall is between",
        grave=False,
    )


def _name(connection: Connection) -> str:
    return f"{connection.name} ({connection.connection_id} of {connection.org_id})"
