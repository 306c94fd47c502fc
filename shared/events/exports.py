"""What a service says when somebody takes along what an organization has there."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from shared.events import OrgEvent
from shared.ids import OperationId


class Export(OrgEvent):
    """A file of what the organization has was ordered. `of` names what goes into it, `filter` what it was narrowed to; the operation makes it."""

    operation_id: OperationId
    of: Literal["users", "organization", "access_review", "audit_entries"]
    filter: dict[str, Any] = Field(default_factory=dict)
