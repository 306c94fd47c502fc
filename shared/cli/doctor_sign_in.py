"""The doctor's look at sign-ins by providers: identity knows its connections, and tries to reach the providers."""

from __future__ import annotations

from shared.cli.asking import asking
from shared.cli.findings import Finding, Installation, doubtful, well, wrong

OWNER = "identity"


async def single_sign_on(it: Installation) -> list[Finding]:
    if OWNER not in it.database_urls:
        return []
    async with asking(it.data, OWNER) as ask:
        told = await ask("GET", "/internal/sso-checkup")
    found = [
        (wrong if one["grave"] else doubtful)(one["about"], one["says"], risk=one["risk"], fix=one["fix"])
        for one in told["remarks"]
    ]
    return found or [
        well("single sign-on", f"{told['connections']} connections and {told['tokens']} provisioning tokens are well")
    ]
