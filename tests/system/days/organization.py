"""What is done to an organization: its record, people, invitations, groups, what its identity provider sends, and its end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from shared.cli.demo.api import Person, until
from shared.links import link_token
from tests.org.provider import PATCH
from tests.system.days.acting import Acting
from tests.system.test_scim import prove
from tests.system.whole import Cast, WholeProduct, a_cast

OFF = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}


async def a_day_of_an_organization(product: WholeProduct, texts: Path) -> None:
    cast = await a_cast(product.gateway)
    admin = Acting(product, cast.admin)
    org_id = (await admin.sees("/v1/me"))["organization"]["id"]
    (texts / "terms-2099-01.md").write_text("# Terms & Conditions\n\nEverything is better now.\n")
    await record(admin)
    await domains(admin)
    await invitations(admin)
    await users(admin, cast)
    await groups(admin, cast)
    await prove(product, cast)
    await provisioning(admin)
    token = link_token(product.settings.secrets.bytes("links"), "unsubscribe", org_id, 1)
    await admin.do("PATCH", "/v1/organization", {"product_mails": True})
    await admin.anyone("POST", f"/v1/mail-unsubscriptions/{token}")
    await the_end(admin)


async def record(me: Acting) -> None:
    await me.do("PATCH", "/v1/organization", {"contact_email": me.person.email, "time_zone": "Europe/Berlin"})
    await me.do("PATCH", "/v1/organization/preferences", {"country": "CH"})
    terms = await me.sees("/v1/legal/documents/terms")
    await me.do("POST", "/v1/legal/acceptances", {"document_id": terms["id"], "sha256": terms["sha256"]})
    first = (await me.sees("/v1/legal/acceptances"))["data"][0]
    verified = {"document_sha256": first["sha256"]}
    await me.do("POST", f"/v1/legal/acceptances/{first['id']}/verifications", verified)
    await me.do("POST", "/v1/legal/dpa/decisions", {"decision": "not_applicable", "reason": "No personal data."})
    await me.do("POST", "/v1/organization/exports")


async def domains(me: Acting) -> None:
    claimed = await me.do("POST", "/v1/domains", {"name": f"other-{me.person.email.partition('@')[2]}"})
    await me.do("POST", f"/v1/domains/{claimed['id']}/verifications")
    await me.do("DELETE", f"/v1/domains/{claimed['id']}")


async def invitations(me: Acting) -> None:
    domain = me.person.email.partition("@")[2]

    def invited(name: str) -> dict[str, Any]:
        return {"email": f"{name}@{domain}", "role": "viewer", "group_ids": []}

    one = f"/v1/invitations/{(await me.do('POST', '/v1/invitations', invited('one')))['id']}"
    await me.do("POST", f"{one}/resends")
    await me.do("DELETE", one)
    many = {"invitations": [invited("two"), invited("three")]}
    await me.do("POST", "/v1/invitations/checks", many)
    await me.do("POST", "/v1/invitations/batches", many)
    begun = await me.do("POST", "/v1/invitations/imports", {"csv": f"email,role\nfour@{domain},viewer\n"})
    await until(
        lambda: me.person.ask("GET", f"/v1/operations/{begun['id']}"), lambda reply: bool(reply.ok()["finished_at"])
    )


async def late(product: WholeProduct) -> None:
    """Who comes too late with an invitation asks for another."""
    admin = Acting(product, (await a_cast(product.gateway)).admin)
    email = f"late@{admin.person.email.partition('@')[2]}"
    await admin.do("POST", "/v1/invitations", {"email": email, "role": "viewer", "group_ids": []})
    token = await product.gateway.mailed_token(email)
    product.clock.advance(timedelta(days=14))
    await admin.anyone("POST", f"/v1/invitation-tokens/{token}/renewal-request")


async def users(me: Acting, cast: Cast) -> None:
    viewer, analyst = f"/v1/users/{cast.viewer.user_id}", f"/v1/users/{cast.analyst.user_id}"
    await me.do("POST", "/v1/users/exports", {})
    await me.do("POST", f"/v1/users/{cast.deactivated.user_id}/reactivation")
    wanted = {"role": "viewer", "group_ids": []}
    await me.do("POST", f"{analyst}/role-and-groups-preview", wanted)
    await me.do("PUT", f"{analyst}/role-and-groups", wanted)
    await me.do("POST", f"{analyst}/deactivation")
    bulk = {"action": "reactivate", "user_ids": [cast.analyst.user_id]}
    await me.do("POST", "/v1/users/bulk-actions", bulk)
    await me.do("DELETE", viewer)


async def groups(me: Acting, cast: Cast) -> None:
    group = f"/v1/groups/{(await me.do('POST', '/v1/groups', {'name': 'Finance'}))['id']}"
    await me.do("PATCH", group, {"name": "Treasury"})
    await me.do("PUT", f"{group}/members/{cast.analyst.user_id}")
    await me.do("DELETE", f"{group}/members/{cast.analyst.user_id}")
    await me.do("DELETE", group)
    await me.do("POST", f"{group}/restoration", {})


async def provisioning(me: Acting) -> None:
    domain = me.person.email.partition("@")[2]
    token = (await me.do("POST", "/v1/scim-tokens", {"name": "Okta"}))["token"]
    provider = Acting(me.product, Person(me.product.gateway, "", "", token=token))
    await me.do("POST", "/v1/provisioning/previews", {"users": [{"userName": f"p0@{domain}"}]})
    people = []
    for n in range(1, 5):
        made = await provider.do("POST", "/scim/v2/Users", {"userName": f"p{n}@{domain}", "displayName": "Provided"})
        people.append(made)
    first = f"/scim/v2/Users/{people[0]['id']}"
    await provider.do("PUT", first, {"userName": people[0]["userName"], "displayName": "Renamed", "active": False})
    await provider.do("PATCH", f"/scim/v2/Users/{people[1]['id']}", OFF)
    await provider.do("DELETE", f"/scim/v2/Users/{people[2]['id']}")
    await me.do("PATCH", "/v1/provisioning", {"removals_per_hour": 0})
    held = people[3]["id"]
    await provider.do("PATCH", f"/scim/v2/Users/{held}", OFF)
    await me.do("POST", "/v1/provisioning/removals/decisions", {"user_ids": [held], "approve": True})
    made = await provider.do("POST", "/scim/v2/Groups", {"displayName": "Provided"})
    group = f"/scim/v2/Groups/{made['id']}"
    rename = {"op": "replace", "path": "displayName", "value": "Renamed"}
    await provider.do("PATCH", group, {"schemas": [PATCH], "Operations": [rename]})
    await provider.do("PUT", group, {"displayName": "Again", "members": []})
    await provider.do("DELETE", group)
    made = await provider.do("POST", "/scim/v2/Groups", {"displayName": "Handed over"})
    await me.do("POST", f"/v1/groups/{made['id']}/detachment")


async def the_end(me: Acting) -> None:
    name = (await me.sees("/v1/organization"))["name"]
    await me.do("POST", "/v1/organization/closure", {"name": name})
    await me.do("DELETE", "/v1/organization/closure")
