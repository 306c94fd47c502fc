"""What all Admins of an organization are told by mail, in the transaction that made it true."""

from __future__ import annotations

from typing import Literal

from services.org.store import organizations
from services.org.store.organizations import Organization
from shared.db import Tx
from shared.events.courier import MailRequested

ToldToAdmins = Literal[
    "domain_at_risk",
    "domain_lapsed",
    "legal_version",
    "organization_closed",
    "organization_erased_soon",
    "organization_reopened",
    "removals_held",
    "sso_approval_requested",
]


async def tell_admins(tx: Tx, facts: Organization, template: ToldToAdmins, **values: str) -> None:
    """Each in their own language, with their name and the organization's beside the values."""
    for admin in await organizations.admins(tx, facts.org_id):
        await tx.emit(
            MailRequested(
                about=facts.org_id,
                org_id=facts.org_id,
                to=admin.email,
                reader=admin.user_id,
                template=template,
                values={"name": admin.name, "organization": facts.name, **values},
            )
        )
