"""What a person may do with webhooks."""

from __future__ import annotations

from services.courier import rules
from services.courier.store import heard
from shared.capabilities import Because, Capabilities, Capability
from shared.fields import Nothing
from shared.service import Ctx


async def read_capabilities(ctx: Ctx, _: Nothing) -> Capabilities:
    """Courier's actions for this actor: looking, switching off and deleting are for Admins on any plan, setting up is by plan."""
    because = None
    if ctx.actor.org_id is None or ctx.actor.role != "admin":
        because = Because(kind="role", roles=["admin"], detail="Only an Admin has to do with this.")
    create = because
    if create is None:
        async with ctx.read() as read:
            plan = await heard.plan(read, ctx.actor.org())
        if plan is None or not plan.webhooks:
            create = Because(kind="plan", plan=rules.SMALLEST_PLAN, detail="The plan doesn't include webhooks.")
    return Capabilities(
        capabilities=[
            Capability(action=action, allowed=why is None, because=why)
            for action, why in (
                ("audit_heads.read", because),
                ("mail.undeliverable", because),
                ("webhooks.read", because),
                ("webhooks.edit", because),
                ("webhooks.create", create),
            )
        ]
    )
