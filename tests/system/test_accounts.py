"""Accounts through the gateway, with every service behind it: forgotten passwords, other addresses, ended sessions, closed accounts."""

from __future__ import annotations

import pytest

from shared.cli.demo.api import PASSWORD, Gateway, Person, Reply, until
from tests.system.whole import Cast, WholeProduct, a_cast

NEW_PASSWORD = "Drei blaue Fahrräder"


@pytest.fixture(scope="module")
async def cast(product: WholeProduct) -> Cast:
    return await a_cast(product.gateway)


async def sign_in(gateway: Gateway, email: str, password: str) -> Reply:
    return await gateway.send("POST", "/v1/auth/sessions", {"email": email, "password": password})


async def is_out(person: Person) -> Reply:
    """What an ended session is answered, once the news has arrived."""
    return await until(lambda: person.ask("GET", "/v1/me", after="", quietly=True), lambda reply: reply.status == 401)


async def test_a_forgotten_password_is_replaced_by_mail_and_every_session_is_out(cast: Cast) -> None:
    viewer, gateway = cast.viewer, cast.viewer.gateway
    (await gateway.send("POST", "/v1/auth/password-resets", {"email": viewer.email})).ok()
    token = await gateway.mailed_token(viewer.email, "new password")
    assert (await gateway.send("GET", f"/v1/auth/password-resets/{token}")).ok()["email"] == viewer.email
    body = {"new_password": NEW_PASSWORD}
    assert (await gateway.send("PUT", f"/v1/auth/password-resets/{token}", body)).status == 204
    assert (await is_out(viewer)).code == "session_ended"
    assert (await gateway.send("PUT", f"/v1/auth/password-resets/{token}", body)).code == "gone"
    session = (await sign_in(gateway, viewer.email, NEW_PASSWORD)).ok()
    viewer.token = session["access_token"]
    assert (await viewer.ask("GET", "/v1/me")).status == 200


async def test_a_confirmed_address_is_the_members_address_everywhere(cast: Cast) -> None:
    analyst, gateway = cast.analyst, cast.analyst.gateway
    before, after = analyst.email, f"new-{analyst.email}"
    asked = await analyst.ask("PUT", "/v1/me/email-change", {"email": after, "password": PASSWORD})
    assert asked.ok()["email"] == after
    token = await gateway.mailed_token(after)
    confirmed = await gateway.send("POST", f"/v1/auth/email-changes/{token}/confirmation")
    assert confirmed.ok() == {"email": after}
    seen = await until(
        lambda: cast.admin.ask("GET", f"/v1/users/{analyst.user_id}", quietly=True),
        lambda reply: bool(reply.ok()["email"] == after),
    )
    assert seen.status == 200
    undo = await gateway.mailed_token(before, "has another address")
    assert (await gateway.send("POST", f"/v1/auth/email-changes/{undo}/undoing")).ok() == {"email": before}
    assert (await is_out(analyst)).code == "session_ended"
    assert (await sign_in(gateway, before, PASSWORD)).code == "invalid_credentials"
    reset = await gateway.mailed_token(before, "new password")
    chosen = await gateway.send("PUT", f"/v1/auth/password-resets/{reset}", {"new_password": NEW_PASSWORD})
    assert chosen.status == 204


async def test_what_an_admin_does_reaches_a_users_sessions(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    admin, analyst, viewer = cast.admin, cast.analyst, cast.viewer
    assert (await admin.write("POST", f"/v1/users/{viewer.user_id}/session-revocations")).status == 204
    assert (await is_out(viewer)).code == "session_ended"
    await viewer.sign_in()
    shown = await admin.ask("GET", f"/v1/users/{analyst.user_id}")
    demoted = await admin.write(
        "PUT",
        f"/v1/users/{analyst.user_id}/role-and-groups",
        {"role": "viewer", "group_ids": []},
        headers={"If-Match": shown.headers["etag"]},
    )
    demoted.ok()
    refused = await until(
        lambda: analyst.ask("GET", "/v1/groups", after="", quietly=True), lambda reply: reply.status == 403
    )
    assert refused.code == "forbidden", "the role counts at once, in the session that goes on"
    (await admin.write("POST", f"/v1/users/{analyst.user_id}/deactivation")).ok()
    assert (await is_out(analyst)).code == "session_ended"
    assert (await admin.write("DELETE", f"/v1/users/{viewer.user_id}")).status == 204
    assert (await is_out(viewer)).code == "session_ended"


async def test_a_closed_account_leaves_the_organization_and_the_last_admin_stays(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    admin, viewer, proof = cast.admin, cast.viewer, {"password": PASSWORD}
    refused = await admin.ask("POST", "/v1/me/closure", proof)
    assert (refused.status, refused.code, refused.json["meta"]["organizations"][0]["name"]) == (
        409,
        "last_admin",
        "Cast",
    )
    assert not (await admin.ask("GET", "/v1/me/closure-preview")).ok()["possible"]
    assert (await viewer.ask("GET", "/v1/me/closure-preview")).ok()["possible"]
    assert (await viewer.ask("POST", "/v1/me/closure", proof)).status == 204
    assert (await is_out(viewer)).code == "session_ended"
    assert (await sign_in(viewer.gateway, viewer.email, PASSWORD)).code == "invalid_credentials"
    gone = await admin.ask("GET", f"/v1/users/{viewer.user_id}")
    assert gone.status == 404
    assert (await admin.ask("GET", "/v1/me")).status == 200
