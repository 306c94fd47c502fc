"""What an identity provider asked for last, as an Admin sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.org.usecases.scim_requests import MOST_KEPT
from tests.org.provider import Provider, provided
from tests.world import World


@pytest.fixture
async def idp(world: World) -> Provider:
    return await provided(world)


async def noted(idp: Provider) -> list[dict[str, Any]]:
    return list((await idp.house.ask("GET", "/v1/provisioning/requests")).ok()["data"])


async def test_writes_and_refusals_are_noted_with_their_reason_and_reads_are_not(idp: Provider) -> None:
    made = await idp.creates("carla")
    await idp.finds("Users", 'userName eq "nobody"')
    assert (await idp.ask("POST", "/Users", idp.user("eve", userName="eve@elsewhere.example", emails=[]))).status == 400
    assert (await idp.ask("DELETE", f"/Users/{made['id']}")).status == 204
    assert (await idp.ask("GET", "/Users", filter="hostile eq")).status == 400
    rows = await noted(idp)
    assert [(one["method"], one["path"], one["status"]) for one in rows] == [
        ("GET", "/Users", 400),
        ("DELETE", f"/Users/{made['id']}", 204),
        ("POST", "/Users", 400),
        ("POST", "/Users", 201),
    ]
    assert rows[2]["detail"] == "elsewhere.example isn't a domain that this organization has proven."
    assert (rows[3]["detail"], rows[3]["refusal"]) == (None, None)
    assert {one["token_id"] for one in rows} == {idp.token.key_id}
    assert "carla" not in str(rows)


async def test_what_was_rolled_back_is_noted_all_the_same_and_changes_nothing(idp: Provider) -> None:
    refused = await idp.ask("POST", "/Groups", {"displayName": "Ghosts", "members": [{"value": "usr_nobody"}]})
    assert refused.status == 400
    assert [(one["path"], one["status"]) for one in await noted(idp)] == [("/Groups", 400)]
    assert await idp.finds("Groups", 'displayName eq "Ghosts"') == []


async def test_a_refusal_is_told_by_codes_with_its_facts(idp: Provider) -> None:
    stranger = idp.user("eve", userName="eve@elsewhere.example", emails=[])
    await idp.ask("POST", "/Users", stranger)
    await idp.ask("POST", "/Users", idp.user("eve", displayName="E" * 300))
    await idp.ask("GET", "/Users", filter="hostile eq")
    filtered, nameless, unproven = [one["refusal"] for one in await noted(idp)]
    assert unproven["code"] == nameless["code"] == filtered["code"] == "scim_refused"
    assert unproven["meta"] == {
        "scim_type": "invalidValue",
        "because": "domain_not_proven",
        "domain": "elsewhere.example",
    }
    assert [(one["pointer"], one["code"]) for one in nameless["errors"]] == [("/displayName", "string_too_long")]
    assert filtered["meta"]["because"] == "invalidFilter"


async def test_only_the_newest_are_kept(idp: Provider) -> None:
    for number in range(MOST_KEPT + 3):
        await idp.ask("DELETE", f"/Users/usr_{number:026}")
    rows = await noted(idp)
    assert len(rows) == MOST_KEPT
    assert rows[0]["path"] == f"/Users/usr_{MOST_KEPT + 2:026}"


async def test_they_are_shown_to_admins_of_that_organization_alone(world: World, idp: Provider) -> None:
    await idp.creates("carla")
    other = await provided(world)
    assert await noted(other) == []
    analyst = replace(idp.house.admin, role="analyst")
    assert (await idp.house.ask("GET", "/v1/provisioning/requests", by=analyst)).code == "forbidden"
