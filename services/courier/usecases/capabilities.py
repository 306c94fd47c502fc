"""What a person may do here: nothing."""

from __future__ import annotations

from shared.fields import Nothing, View
from shared.service import Ctx


class Capabilities(View):
    capabilities: list[dict[str, str]]


async def read_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """Courier has no actions."""
    return Capabilities(capabilities=[])
