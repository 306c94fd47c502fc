"""What people do to their accounts, and Admins to those of others: sessions, second factors, addresses, keys."""

from __future__ import annotations

from datetime import timedelta
from secrets import token_hex

from shared.cli.demo.api import PASSWORD, Person, sign_up, until
from tests.identity.authenticator import Authenticator
from tests.system.days.acting import Acting
from tests.system.whole import Cast, WholeProduct, a_cast

PROOF = {"password": PASSWORD}


async def a_day_of_accounts(product: WholeProduct) -> None:
    cast = await a_cast(product.gateway)
    admin, viewer = Acting(product, cast.admin), Acting(product, cast.viewer)
    await sessions(admin)
    await second_factors(viewer)
    await keys(admin)
    await what_an_admin_does_to_others(admin, cast)
    await two_organizations(product, Acting(product, cast.analyst))
    await addresses(product, Acting(product, cast.analyst))
    await enrolment(admin, viewer)


async def a_closed_account(product: WholeProduct, viewer: Person) -> None:
    await Acting(product, viewer).do("POST", "/v1/me/closure", PROOF)


async def sessions(me: Acting) -> None:
    person = me.person
    await me.anyone("POST", "/v1/auth/discovery", {"email": person.email})
    await me.do("POST", "/v1/auth/reauthentications", PROOF)
    renewed = await me.anyone("POST", "/v1/auth/tokens", {"refresh_token": person.refresh_token})
    person.token, person.refresh_token = renewed["access_token"], renewed["refresh_token"]
    await me.do("PATCH", "/v1/me/profile", {"name": "Ada Lovelace", "language": "de"})
    await me.do("PATCH", "/v1/me/profile", {"language": "en"})
    for _ in range(2):
        await me.anyone("POST", "/v1/auth/sessions", {"email": person.email, "password": PASSWORD})
    other = next(one for one in (await me.sees("/v1/me/sessions"))["data"] if not one["current"])
    await me.do("DELETE", f"/v1/me/sessions/{other['id']}")
    await me.do("DELETE", "/v1/me/sessions")
    new = "Drei blaue Fahrräder"
    await me.do("PUT", "/v1/me/password", {"current_password": PASSWORD, "new_password": new})
    await me.do("PUT", "/v1/me/password", {"current_password": new, "new_password": PASSWORD})


async def two_organizations(product: WholeProduct, me: Acting) -> None:
    other = Acting(product, await sign_up(product.gateway, f"boss@{token_hex(4)}.example", "Bo Boss", "Osprey"))
    await other.do("POST", "/v1/subscription/trial")
    domain = me.person.email.partition("@")[2]
    await other.do("POST", "/v1/domains", {"name": domain, "affirmed": True})
    invitation = {"email": me.person.email, "role": "viewer", "group_ids": []}
    await other.do("POST", "/v1/invitations", invitation)
    token = await product.gateway.mailed_token(me.person.email, "Osprey")
    accepted = await me.do("POST", f"/v1/invitation-tokens/{token}/acceptance")
    await me.do("POST", "/v1/me/active-organization", {"org_id": accepted["org_id"]})


async def second_factors(me: Acting) -> None:
    secret = (await me.do("POST", "/v1/me/totp"))["secret"]
    await me.do("POST", "/v1/me/totp/activation", {"code": me.code(secret)})
    await me.do("POST", "/v1/me/recovery-codes")
    await me.signs_in_with(totp=me.code(secret))
    await me.do("POST", "/v1/me/totp/removal", PROOF)
    device = Authenticator(me.product.settings.public_url)
    begun = await me.do("POST", "/v1/me/passkeys/options")
    made = {"challenge_id": begun["id"], "token": begun["token"], "credential": device.create(begun["passkey"])}
    path = f"/v1/me/passkeys/{(await me.do('POST', '/v1/me/passkeys', {**made, 'name': 'Key'}))['id']}"
    await me.do("PATCH", path, {"name": "Blue key"})
    challenge = await me.anyone("POST", "/v1/auth/challenges")
    shown = {"token": challenge["token"], "passkey": device.get(challenge["passkey"])}
    session = await me.anyone("POST", f"/v1/auth/challenges/{challenge['id']}/answers", shown)
    me.person.token = session["access_token"]
    await me.do("POST", f"{path}/removal", PROOF)


async def enrolment(admin: Acting, member: Acting) -> None:
    """The organization requires a second factor, and the time for it is over."""
    mine = (await admin.do("POST", "/v1/me/totp"))["secret"]
    await admin.do("POST", "/v1/me/totp/activation", {"code": admin.code(mine)})
    await admin.signs_in_with(totp=admin.code(mine))
    deadline = admin.product.clock.now() + timedelta(days=2)
    wanted = {"two_factor_required": True, "two_factor_deadline": deadline.isoformat()}
    await admin.do("PATCH", "/v1/security-policy", wanted)
    await until(lambda: admin.person.ask("GET", "/v1/security-policy/roster"), lambda reply: bool(reply.ok()["data"]))
    admin.product.clock.advance(timedelta(days=2))
    asked = {"email": member.person.email, "password": PASSWORD}
    challenge = (await member.anyone("POST", "/v1/auth/sessions", asked))["challenge"]
    path, token = f"/v1/auth/challenges/{challenge['id']}", {"token": challenge["token"]}
    await member.anyone("POST", f"{path}/passkey", token)
    secret = (await member.anyone("POST", f"{path}/totp", token))["secret"]
    answered = await member.anyone("POST", f"{path}/answers", {**token, "totp": member.code(secret)})
    member.person.token = answered["access_token"]


async def keys(me: Acting) -> None:
    wanted = {"name": "Nightly", "access": "view", "areas": ["users"]}
    key = f"/v1/api-keys/{(await me.do('POST', '/v1/api-keys', wanted))['id']}"
    await me.do("PATCH", key, {"name": "Daily"})
    await me.do("POST", f"{key}/rotations", {})
    await me.do("DELETE", key)
    token = await me.do("POST", "/v1/scim-tokens", {"name": "Okta"})
    await me.do("DELETE", f"/v1/scim-tokens/{token['id']}")


async def what_an_admin_does_to_others(admin: Acting, cast: Cast) -> None:
    viewer = Acting(admin.product, cast.viewer)
    await viewer.person.sign_in()
    secret = (await viewer.do("POST", "/v1/me/totp"))["secret"]
    await viewer.do("POST", "/v1/me/totp/activation", {"code": viewer.code(secret)})
    user = f"/v1/users/{cast.viewer.user_id}"
    await admin.do("POST", f"{user}/two-factor-removal", {**PROOF, "reason": "The phone is lost."})
    await viewer.person.sign_in()
    await admin.do("POST", f"{user}/session-revocations")
    await admin.do("POST", f"{user}/password-resets")
    await viewer.person.sign_in()


async def addresses(product: WholeProduct, me: Acting) -> None:
    gateway, person = product.gateway, me.person
    before, after = person.email, f"new-{person.email}"
    await me.do("PUT", "/v1/me/email-change", {"email": f"other-{before}", **PROOF})
    await me.do("DELETE", "/v1/me/email-change")
    await me.do("PUT", "/v1/me/email-change", {"email": after, **PROOF})
    await me.anyone("POST", f"/v1/auth/email-changes/{await gateway.mailed_token(after)}/confirmation")
    undo = await gateway.mailed_token(before, "has another address")
    await me.anyone("POST", f"/v1/auth/email-changes/{undo}/undoing")
    token = await gateway.mailed_token(before, "new password")
    await me.anyone("PUT", f"/v1/auth/password-resets/{token}", {"new_password": "Drei blaue Fahrräder"})
    await me.anyone("POST", "/v1/auth/password-resets", {"email": before})
