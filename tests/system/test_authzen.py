"""The access API as a client meets it that knows the AuthZEN Authorization API 1.0 and nothing of Tenantry."""

from __future__ import annotations

import secrets
from typing import Any

from shared.cli.demo.api import sign_up
from tests.system.whole import WholeProduct


async def test_who_knows_only_the_standard_finds_every_endpoint_and_gets_their_request_id_back(
    product: WholeProduct,
) -> None:
    ada = await sign_up(product.gateway, f"ada@authzen-{secrets.token_hex(4)}.example", "Ada", "Deciders")
    (await ada.write("POST", "/v1/dashboards", {"id": "board-1", "title": "Revenue"}, after=ada.last_change[-1])).ok()
    found = (await product.gateway.send("GET", "/.well-known/authzen-configuration")).ok()
    here = found.pop("policy_decision_point")
    me = {"type": "user", "id": (await ada.ask("GET", "/v1/me")).ok()["user"]["id"]}
    view, board = {"name": "dashboard.view"}, {"type": "dashboard", "id": "board-1"}
    questions: dict[str, tuple[dict[str, Any], Any]] = {
        "access_evaluation_endpoint": ({"subject": me, "action": view, "resource": board}, True),
        "access_evaluations_endpoint": ({"subject": me, "action": view, "evaluations": [{"resource": board}]}, [True]),
        "search_subject_endpoint": ({"subject": {"type": "user"}, "action": view, "resource": board}, [me["id"]]),
        "search_resource_endpoint": ({"subject": me, "action": view, "resource": {"type": "dashboard"}}, ["board-1"]),
        "search_action_endpoint": (
            {"subject": me, "resource": board},
            ["dashboard.view", "dashboard.edit", "dashboard.share"],
        ),
    }
    assert set(found) == set(questions)
    for endpoint, (question, expected) in questions.items():
        assert found[endpoint].startswith(f"{here}/")
        path, named = found[endpoint].removeprefix(here), {"X-Request-ID": f"{endpoint} #1"}
        reply = await ada.ask("POST", path, question, headers=named)
        assert (answer_in(reply.ok()), reply.headers["x-request-id"]) == (expected, f"{endpoint} #1")
        malformed = await ada.ask("POST", path, {"subject": 5}, headers=named)
        stranger = await product.gateway.send("POST", path, question, named)
        for refused, status in ((malformed, 422), (stranger, 401)):
            assert (refused.status, refused.headers["x-request-id"]) == (status, f"{endpoint} #1")
        assert "x-request-id" not in (await ada.ask("POST", path, question)).headers
    assert "x-request-id" not in (await ada.ask("GET", "/v1/me", headers={"X-Request-ID": "1"})).headers


def answer_in(reply: Any) -> Any:
    """What an answer of any of the endpoints says, without what is around it."""
    if "decision" in reply:
        return reply["decision"]
    if "evaluations" in reply:
        return [one["decision"] for one in reply["evaluations"]]
    return [one.get("id", one.get("name")) for one in reply["results"]]
