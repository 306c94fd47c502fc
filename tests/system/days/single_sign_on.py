"""What is done with identity providers: set up, verified, signed in at, switched off, and the way in when they fail."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any

from aiohttp import CookieJar

from shared.cli.demo.api import PASSWORD, Person, Reply, until
from tests.identity.oidc_provider import CLIENT, RealProvider, real_provider
from tests.identity.saml_provider import saml_provider
from tests.system.days.acting import Acting, is_no_wait
from tests.system.test_single_sign_on import RECORDS, with_proven_domain
from tests.system.visiting import Browser, VisitedBrowser, certificate_in, connection_of, provider_signer, signs_in
from tests.system.whole import WholeProduct


async def a_day_of_openid_connect(product: WholeProduct) -> None:
    domain = f"oidc-{token_hex(4)}.example"
    await provisioned_elsewhere(product, f"pia@{domain}")
    boss = Acting(product, await with_proven_domain(product, domain))
    await joins(boss, f"lou@{domain}")
    wanted = {"name": "Northwind IdP", "protocol": "oidc", "domains": [domain], "new_users": "at_once"}
    made = await until(
        lambda: boss.person.write("POST", "/v1/sso-connections", wanted), lambda reply: reply.status in (201, 409)
    )
    path, us = f"/v1/sso-connections/{made.ok()['id']}", made.json["service_provider"]
    told_at, back_to = us["backchannel_logout_uri"], us["post_logout_redirect_uri"]
    with real_provider(us["redirect_uri"], domain, told_at=told_at, signed_out_uri=back_to) as provider:
        told = {"issuer": provider.url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
        await boss.do("PUT", f"{path}/metadata", {"oidc": told})
        mine = Browser(product.gateway.url)
        _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, Authorization=f"Bearer {boss.person.token}")
        await mine.comes_back(provider, begun["url"], "boss")
        await boss.do("POST", f"{path}/activation")
        ivy = await comes(boss, provider, f"ivy@{domain}")
        await until(lambda: boss.person.ask("GET", "/v1/users"), lambda reply: f"ivy@{domain}" in str(reply.json))
        user_id = next(one["id"] for one in (await boss.sees("/v1/users"))["data"] if one["email"] == f"ivy@{domain}")
        assert (await ivy.ask("POST", "/v1/auth/sso/proofs", {}))[0] == 201
        await signs_out_there_and_here(boss, provider, f"ivy@{domain}")
        await links_an_account(boss, provider, f"lou@{domain}", {"password": PASSWORD})
        await boss.do("PATCH", path, {"new_users": "approval"})
        await links_an_account(boss, provider, f"pia@{domain}", {"mail": True})
        for name, method, rest in (("joe", "POST", "/approval"), ("kim", "DELETE", "")):
            await comes(boss, provider, f"{name}@{domain}")
            waiting = await until(
                lambda: boss.person.ask("GET", "/v1/users/approvals"), lambda reply: bool(reply.ok()["data"])
            )
            await boss.do(method, f"/v1/users/approvals/{waiting.json['data'][0]['id']}{rest}")
    await boss.do("PUT", "/v1/sso-enforcement", {"enforced": False})
    await boss.do("POST", f"/v1/users/{user_id}/sso-unlinking")
    await boss.anyone("POST", "/v1/auth/break-glass", {"email": boss.person.email})
    token = await product.gateway.mailed_token(boss.person.email, "emergency")
    await boss.anyone("POST", "/v1/auth/break-glass-sessions", {"token": token})
    await boss.do("POST", f"{path}/deactivation")
    await boss.do("DELETE", path)


async def provisioned_elsewhere(product: WholeProduct, email: str) -> None:
    """An account without a password, of an organization that had the domain before."""
    name, _, domain = email.partition("@")
    other = Acting(product, await with_proven_domain(product, f"other-{domain}"))
    claimed = await other.do("POST", "/v1/domains", {"name": domain})
    RECORDS[claimed["record"]["name"]] = [claimed["record"]["value"]]
    await other.do("POST", f"/v1/domains/{claimed['id']}/verifications")
    token = (await other.do("POST", "/v1/scim-tokens", {"name": "Okta"}))["token"]
    sent = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    made = await product.gateway.send("POST", "/scim/v2/Users", {"userName": email, "displayName": name}, sent)
    assert made.status == 201, made
    await other.do("DELETE", f"/v1/domains/{claimed['id']}")


async def joins(boss: Acting, email: str) -> None:
    """By an invitation, with a password."""
    await boss.do("POST", "/v1/invitations", {"email": email, "role": "viewer", "group_ids": []})
    person = Person(boss.product.gateway, email, "Lou")
    await person.accept(await boss.product.gateway.mailed_token(email))


async def links_an_account(boss: Acting, provider: RealProvider, email: str, proof: dict[str, Any]) -> None:
    """Somebody who was there before comes by the provider for the first time."""
    browser = Browser(boss.product.gateway.url)
    _, way, _ = await browser.ask("POST", "/v1/auth/discovery", {"email": email})
    _, _, there = await browser.ask("GET", way["sso"]["url"])
    await browser.comes_back(provider, there, email.partition("@")[0])
    _, came, _ = await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "cookie"})
    asked = came["account_proof"]
    if "mail" in proof:
        token = await boss.product.gateway.mailed_token(email)
        await boss.anyone("POST", "/v1/auth/sso/link-confirmations", {"token": token})
    shown = {"challenge_id": asked["id"], "token": asked["token"], **proof}
    await boss.anyone("POST", "/v1/auth/sso/links", shown)


async def signs_out_there_and_here(boss: Acting, provider: RealProvider, email: str) -> None:
    """At the provider, which tells the gateway; then here, and by the way that is shown then also there."""
    jar = CookieJar(unsafe=True)
    ivy = await comes(boss, provider, email, jar)
    await provider.sign_out(f"{provider.url}/session/end", jar)
    await patiently(ivy, "GET", "/v1/me", lambda reply: reply.status == 401)
    ivy = await comes(boss, provider, email, jar)
    left = (await patiently(ivy, "POST", "/v1/me/sign-out")).ok()
    assert ivy.cookies["__Host-session"] == ""
    assert await provider.sign_out(left["at_provider"]["url"], jar) == provider.signed_out_uri


async def comes(boss: Acting, provider: RealProvider, email: str, jar: CookieJar | None = None) -> Browser:
    """By the provider, to a session that the browser keeps."""
    browser = Browser(boss.product.gateway.url)
    _, way, _ = await browser.ask("POST", "/v1/auth/discovery", {"email": email})
    _, _, there = await browser.ask("GET", way["sso"]["url"])
    assert await browser.comes_back(provider, there, email.partition("@")[0], jar) == "/console/sign-in/sso"
    status, _, _ = await browser.ask("POST", "/v1/auth/sso/sign-ins", {"keep": "cookie"})
    assert status == 201
    browser.csrf = (await patiently(browser, "GET", "/v1/me")).ok()["csrf_token"]
    return browser


async def patiently(browser: Browser, method: str, path: str, enough: Callable[[Reply], bool] = is_no_wait) -> Reply:
    """503 says that nothing was done, and to ask again."""

    async def asked() -> Reply:
        status, answer, _ = await browser.ask(method, path)
        return Reply(status, {}, answer)

    return await until(asked, enough)


async def a_day_of_saml(product: WholeProduct) -> None:
    domain = f"saml-{token_hex(4)}.example"
    boss = Acting(product, await with_proven_domain(product, domain))
    connection: Any = await connection_of(boss.person, domain)
    us, path = connection["service_provider"], f"/v1/sso-connections/{connection['id']}"
    ours = await certificate_in(product, connection)
    with saml_provider(provider_signer(), us["entity_id"], us["acs_url"], ours) as provider:
        document = (await provider.metadata()).decode()
        await boss.do("PUT", f"{path}/metadata", {"saml": {"document": document, "sign_requests": True}})
        mine = VisitedBrowser(product.gateway.url)
        _, begun, _ = await mine.ask("POST", f"{path}/verification", {}, Authorization=f"Bearer {boss.person.token}")
        await mine.posts(await provider.sign_in(begun["url"], boss.person.email))
        await boss.do("POST", f"{path}/activation")
        await signs_in(product, provider, f"ivy@{domain}")
