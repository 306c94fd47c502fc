"""What audit says: how far each organization's log has come, signed. Ordered by organization."""

from __future__ import annotations

from typing import ClassVar

from shared.events import OrgEvent
from shared.events.exports import Export


class HeadSigned(OrgEvent):
    """The log has so many entries, and this is the digest of the last: whoever keeps it can tell later that nothing before it was touched.

    `signature` is Ed25519 by `key` (both base64url) over `tenantry audit head`, a line feed, and the JSON of `digest`, `number`,
    `org_id` and `signed_at` in this order, without spaces.
    """

    TYPE: ClassVar[str] = "audit.head.signed.v1"
    number: int
    digest: str
    signed_at: str
    signature: str
    key: str


class OrganizationErased(OrgEvent):
    """Nothing of the organization is left in audit. `rows` counts what was erased."""

    TYPE: ClassVar[str] = "audit.organization.erased.v1"
    rows: int


class ExportBegun(Export):
    """A file of the log was ordered."""

    TYPE: ClassVar[str] = "audit.export.begun.v1"


PUBLISHED = (HeadSigned, OrganizationErased, ExportBegun)
