"""What somebody may do, and because of what they may not: the shapes that every service answers at `/internal/capabilities`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.fields import View


class Because(View):
    """Why an action isn't allowed: the role (and which have it), the plan (the smallest that would do), a limit with its numbers, or the state of things.

    `code` is stable and says the same as `detail`; the kind says enough where there is none.
    """

    kind: Literal["role", "plan", "limit", "state"]
    code: str | None = None
    roles: list[str] | None = None
    plan: str | None = None
    limit: int | None = None
    used: int | None = None
    detail: str


class Capability(View):
    action: str
    allowed: bool = True
    because: Because | None = None


class Capabilities(View):
    capabilities: list[Capability]


class Suspension(View):
    """Why something grants nothing at present. It returns as it is when the plan includes it again."""

    cause: Literal["plan"] = "plan"
    plan: str | None
    since: datetime | None


class SlotUse(View):
    """Slots in use against the plan's limit; null means that there is none. Active members and open invitations take one each."""

    used: int
    limit: int | None
