"""A service of your own: it freezes an organization's reports for as long as the organization is on the Free plan."""

import asyncio
import os

from tenantry_subscriber import Ctx, Subscriber
from tenantry_subscriber.events.billing import PlanChanged

sub = Subscriber(
    os.environ.get("REPORTS_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/"),
    service="reports",
    database=os.environ.get("REPORTS_DATABASE_URL", "postgresql://reports@127.0.0.1/reports"),
)


@sub.on(PlanChanged)
async def freeze_reports(ctx: Ctx, told: PlanChanged) -> None:
    async with ctx.tx() as tx:
        free = told.entitlements.plan == "free"
        await tx.run("update reports set frozen = $2 where org_id = $1", told.org_id, free)


if __name__ == "__main__":
    asyncio.run(sub.run())
