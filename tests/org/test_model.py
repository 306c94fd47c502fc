"""Random histories of one organization, step by step against a model that knows only the product's words."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.org.model import following_the_events_gives_the_same
from tests.org.model_with_provider import PlayWithProvider
from tests.org.provider import provided
from tests.world import World

BY_HAND = [
    *("join", "join", "join", "invite", "accept", "revoke"),
    *("role", "role", "deactivate", "reactivate", "remove"),
    *("plan", "plan", "add", "take", "rename", "close"),
]
BY_PROVIDER = [
    *("scim_create", "scim_create", "scim_switch", "scim_switch", "scim_delete"),
    *("scim_form", "scim_fill", "scim_fill", "scim_drop", "decide", "newcomers"),
]
STEPS = st.lists(
    st.tuples(st.sampled_from(BY_HAND + BY_PROVIDER), st.integers(0, 11), st.integers(0, 11)), min_size=25, max_size=55
)


@settings(max_examples=14, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
async def test_any_history_keeps_slots_an_admin_and_every_group(
    world: World, steps: list[tuple[str, int, int]]
) -> None:
    play = PlayWithProvider(await provided(world))
    await play.hold_beyond_the_first_removal()
    for what, a, b in steps:
        await play.step(what, a, b)
    await play.plan(3, 0)  # business again: everything is back, edits included
    await play.compare()
    await following_the_events_gives_the_same(play)
