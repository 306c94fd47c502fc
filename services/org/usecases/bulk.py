"""One action on many users: each is answered, and who is refused doesn't hold up the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from services.org import rules
from services.org.rules import Role
from services.org.store import groups, members
from services.org.usecases.groups import put_in_group
from services.org.usecases.holding import Held, administering
from services.org.usecases.users import deactivate, give_role, reactivate, remove
from shared.errors import Problem
from shared.fields import Message, View
from shared.ids import GroupId, UserId
from shared.service import Ctx

Act = Callable[[Held, rules.Member], Awaitable[bool]]


class ActOnMany(Message):
    """`role` goes with `set_role`, `group_id` with `add_to_group`."""

    action: Literal["deactivate", "reactivate", "remove", "set_role", "add_to_group"]
    user_ids: Annotated[list[UserId], Field(min_length=1, max_length=500)]
    role: Role | None = None
    group_id: GroupId | None = None

    @model_validator(mode="after")
    def _what_the_action_needs(self) -> ActOnMany:
        if (self.role is not None) != (self.action == "set_role"):
            raise ValueError("role goes with set_role, and set_role needs it")
        if (self.group_id is not None) != (self.action == "add_to_group"):
            raise ValueError("group_id goes with add_to_group, and add_to_group needs it")
        return self


class UserResult(View):
    """`changed` is false for who was so already; `problem` (as in `application/problem+json`) says why not."""

    user_id: str
    changed: bool
    problem: dict[str, Any] | None


class BulkResult(View):
    """One result for every user, in the order of the request."""

    changed: int
    refused: int
    results: list[UserResult]


async def act_on_many(ctx: Ctx, wanted: ActOnMany) -> BulkResult:
    """Does one thing to up to 500 users in one step, each as if it were asked for alone, in the order given."""
    async with administering(ctx, "users.manage") as held:
        act = await _act(held, wanted)
        results = [await _one(held, act, user_id) for user_id in dict.fromkeys(wanted.user_ids)]
    return BulkResult(
        changed=sum(result.changed for result in results),
        refused=sum(result.problem is not None for result in results),
        results=results,
    )


async def _one(held: Held, act: Act, user_id: str) -> UserResult:
    """Each act refuses before it writes, so a refusal leaves nothing half done."""
    try:
        changed = await act(held, await members.one(held.tx, held.id, user_id))
    except Problem as problem:
        return UserResult(user_id=user_id, changed=False, problem=problem.json())
    return UserResult(user_id=user_id, changed=changed, problem=None)


async def _act(held: Held, wanted: ActOnMany) -> Act:
    if wanted.role is not None:
        role = wanted.role
        return lambda held, member: give_role(held, member, role)
    if wanted.group_id is not None:
        found = await groups.some(held.tx, held.id, [wanted.group_id])
        if wanted.group_id not in found:
            raise rules.unknown_group("/group_id")
        group = found[wanted.group_id]
        return lambda held, member: put_in_group(held, group, member)
    acts: dict[str, Act] = {"deactivate": deactivate, "reactivate": reactivate, "remove": remove}
    return acts[wanted.action]
