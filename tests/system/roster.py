"""A service outside the product that keeps a copy of who is a member and in which group; run by a Python that has the distribution alone."""

from __future__ import annotations

import asyncio
import os

from tenantry_subscriber import Ctx, Envelope, Subscriber

sub = Subscriber(
    os.environ["ROSTER_AMQP_URL"],
    service=os.environ["ROSTER_NAME"],
    database=os.environ["ROSTER_DATABASE_URL"],
    snapshot="ROSTER_SNAPSHOT" in os.environ,
)


@sub.on("org.member.*.v1")
async def keep_member(ctx: Ctx, told: Envelope) -> None:
    member = told.data["member"]
    async with ctx.tx() as tx:
        await tx.run(
            "insert into members (org_id, user_id, email, role, status) values ($1, $2, $3, $4, $5)"
            " on conflict (org_id, user_id) do update set email = $3, role = $4, status = $5",
            *(told.org_id, member["user_id"], member["email"], member["role"], member["status"]),
        )
        if member["status"] == "removed":
            await tx.run("delete from group_members where user_id = $1", member["user_id"])
        await tx.run("update heard set count = count + 1")


@sub.on("org.group.*.v1")
async def keep_group(ctx: Ctx, told: Envelope) -> None:
    group = told.data.get("group")
    if group is None or group["kind"] != "custom":
        return
    place = (told.org_id, group["group_id"])
    async with ctx.tx() as tx:
        match told.type.split(".")[2]:
            case "created" | "changed" | "restored":
                await tx.run(
                    "insert into groups (org_id, group_id, name, description) values ($1, $2, $3, $4)"
                    " on conflict (org_id, group_id) do update set name = $3, description = $4",
                    *(*place, group["name"], group["description"]),
                )
                for user_id in told.data.get("user_ids", ()):
                    await tx.run(
                        "insert into group_members values ($1, $2, $3) on conflict do nothing", *place, user_id
                    )
            case "deleted":
                await tx.run("delete from groups where org_id = $1 and group_id = $2", *place)
                await tx.run("delete from group_members where org_id = $1 and group_id = $2", *place)
            case "member_added":
                row = (*place, told.data["user_id"])
                await tx.run("insert into group_members values ($1, $2, $3) on conflict do nothing", *row)
            case "member_removed":
                row = (*place, told.data["user_id"])
                await tx.run("delete from group_members where org_id = $1 and group_id = $2 and user_id = $3", *row)
        await tx.run("update heard set count = count + 1")


if __name__ == "__main__":
    asyncio.run(sub.run())
