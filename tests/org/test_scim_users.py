"""Users that an identity provider creates, changes, deactivates and removes."""

from __future__ import annotations

from typing import Any

import pytest

from services.org.rules import scim
from shared.ids import new_id
from tests.org.provider import ENTERPRISE, ERROR, USER, Provider, provided
from tests.world import Reply, World


@pytest.fixture
async def idp(world: World) -> Provider:
    return await provided(world)


def is_refused(reply: Reply, status: int, scim_type: str | None = None) -> bool:
    """In the shape of RFC 7644, 3.12, and nothing but."""
    body = reply.json
    assert reply.headers["content-type"] == "application/scim+json"
    assert (body["schemas"], body["status"]) == ([ERROR], str(reply.status))
    assert set(body) <= {"schemas", "status", "detail", "scimType"}
    return (reply.status, body.get("scimType")) == (status, scim_type)


async def test_a_created_user_is_a_member_with_the_role_that_new_ones_get(idp: Provider) -> None:
    reply = await idp.ask("POST", "/Users", idp.user("carla", nickName="Cc", **{ENTERPRISE: {"department": "Sales"}}))
    made = reply.ok()
    assert (reply.status, reply.headers["content-type"]) == (201, "application/scim+json")
    assert reply.headers["location"] == made["meta"]["location"]
    assert reply.headers["etag"] == made["meta"]["version"]
    assert made["meta"]["location"].endswith(f"/scim/v2/Users/{made['id']}")
    assert (made["externalId"], made["active"], made[ENTERPRISE]) == ("ext-carla", True, {"department": "Sales"})
    assert USER in made["schemas"]
    user = (await idp.house.ask("GET", f"/v1/users/{made['id']}")).ok()
    assert (user["role"], user["status"], user["name"]) == ("viewer", "active", "Carla Provided")
    assert (await idp.ask("GET", f"/Users/{made['id']}")).ok() == made
    assert await idp.house.said() == [*(await idp.house.said())[:-1], "member.joined"]


async def test_new_users_get_the_role_that_an_admin_chose_and_it_is_never_admin(idp: Provider) -> None:
    refused = await idp.house.ask("PATCH", "/v1/provisioning", {"default_role": "admin"}, headers={"If-Match": "*"})
    assert refused.code == "invalid"
    changed = await idp.house.ask("PATCH", "/v1/provisioning", {"default_role": "analyst"}, headers={"If-Match": '"0"'})
    assert (changed.ok()["default_role"], changed.headers["etag"]) == ("analyst", '"1"')
    made = await idp.creates(roles=[{"value": "admin", "primary": True}], userType="admin")
    assert (await idp.house.ask("GET", f"/v1/users/{made['id']}")).ok()["role"] == "analyst"


async def test_a_user_who_is_there_is_found_by_address_and_taken_over(idp: Provider) -> None:
    ben = await idp.house.member("analyst", "Benno Hand")
    (found,) = await idp.finds("Users", f'userName eq "BENNO@{idp.house.domain.upper()}"')
    assert (found["id"], found["displayName"], found["active"]) == (ben.user_id, "Benno Hand", True)
    assert "externalId" not in found
    assert is_refused(await idp.ask("POST", "/Users", idp.user("benno")), 409, "uniqueness")
    linked = (await idp.ask("PUT", f"/Users/{ben.user_id}", idp.user("benno", displayName="Benno Hand"))).ok()
    assert (linked["externalId"], linked["name"]["givenName"]) == ("ext-benno", "Benno")
    assert [one["id"] for one in await idp.finds("Users", 'externalId eq "ext-benno"')] == [ben.user_id]
    assert (await idp.house.user(ben))["role"] == "analyst", "a role that was given by hand stays"


@pytest.mark.parametrize(
    ("change", "status", "scim_type"),
    [
        ({"userName": "eve@elsewhere.example", "emails": []}, 400, "invalidValue"),
        ({"userName": ""}, 400, "invalidValue"),
        ({"userName": 7}, 400, "invalidValue"),
        ({"emails": "eve"}, 400, "invalidValue"),
        ({"emails": [{"value": "no address"}]}, 400, "invalidValue"),
        ({"displayName": "a\u202eb"}, 400, "invalidValue"),
        ({"active": "perhaps"}, 400, "invalidValue"),
    ],
)
async def test_who_cannot_become_a_member_is_refused_in_the_words_of_scim(
    idp: Provider, change: dict[str, Any], status: int, scim_type: str
) -> None:
    assert is_refused(await idp.ask("POST", "/Users", idp.user("eve", **change)), status, scim_type)
    assert await idp.finds("Users", 'userName sw "eve"') == []


async def test_a_domain_that_is_not_proven_provisions_nobody(world: World, idp: Provider) -> None:
    async with world.started["org"].env.database.tx(idp.house.org_id, lambda event: event) as tx:  # type: ignore[arg-type, return-value]
        await tx.run("update domains set status = 'claimed' where org_id = $1", idp.house.org_id)
    assert is_refused(await idp.ask("POST", "/Users", idp.user()), 400, "invalidValue")


async def test_an_open_invitation_gives_its_slot_to_who_is_provisioned(idp: Provider) -> None:
    await idp.house.on("business", viewer_slots=1)
    (await idp.house.invite(f"dora@{idp.house.domain}")).ok()
    await idp.creates("dora")
    assert (await idp.house.slots())["viewer"]["used"] == 1
    assert is_refused(await idp.ask("POST", "/Users", idp.user()), 403)
    absent = await idp.creates("later", active=False)
    assert is_refused(await idp.patches(f"/Users/{absent['id']}", {"op": "replace", "value": {"active": True}}), 403)


OFF: dict[str, list[dict[str, Any]]] = {
    "okta": [{"op": "replace", "value": {"active": False}}],
    "entra": [{"op": "Replace", "path": "active", "value": "False"}],
    "entra old": [{"op": "Replace", "value": {"active": "False"}}],
    "rfc": [{"op": "replace", "path": f"{USER}:active", "value": False}],
}


@pytest.mark.parametrize("dialect", OFF)
async def test_deactivating_takes_access_away_in_every_dialect_and_twice_is_once(idp: Provider, dialect: str) -> None:
    made = await idp.creates()
    path = f"/Users/{made['id']}"
    assert await idp.house.since(idp.patches(path, *OFF[dialect])) == ["member.deactivated"]
    assert await idp.house.since(idp.patches(path, *OFF[dialect])) == []
    assert (await idp.ask("GET", path)).ok()["active"] is False
    assert (await idp.house.ask("GET", f"/v1/users/{made['id']}")).ok()["status"] == "inactive"
    on = [{**one, "value": {"active": True} if isinstance(one["value"], dict) else "True"} for one in OFF[dialect]]
    assert await idp.house.since(idp.patches(path, *on)) == ["member.reactivated"]


async def test_what_entra_sends_in_one_patch_is_applied_as_a_whole(idp: Provider) -> None:
    made = await idp.creates()
    reply = await idp.patches(
        f"/Users/{made['id']}",
        {"op": "Replace", "path": "displayName", "value": "Zoë Entra"},
        {"op": "Add", "path": 'emails[type eq "home"].value', "value": "zoe@home.example"},
        {"op": "Replace", "path": 'emails[type eq "work"].primary', "value": "True"},
        {"op": "Add", "path": "name.familyName", "value": "Entra"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "Finance"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "usr_boss"},
        {"op": "Replace", "value": {"id": made["id"], "name.givenName": "Zoë", f"{ENTERPRISE}:costCenter": "12"}},
    )
    user = reply.ok()
    assert (user["displayName"], user["name"]) == ("Zoë Entra", {"givenName": "Zoë", "familyName": "Entra"})
    assert {one["type"]: one["value"] for one in user["emails"]}["home"] == "zoe@home.example"
    assert user[ENTERPRISE] == {"department": "Finance", "costCenter": "12", "manager": {"value": "usr_boss"}}
    told = [e for e in await idp.house.world.said("org") if e.type == "org.provisioning.name_changed.v1"]
    assert (told[-1].data["user_id"], told[-1].data["name"]) == (made["id"], "Zoë Entra")
    bad = await idp.patches(
        f"/Users/{made['id']}",
        {"op": "replace", "path": "title", "value": "X"},
        {"op": "replace", "path": "active", "value": "perhaps"},
    )
    assert is_refused(bad, 400, "invalidValue")
    assert bad.json["detail"] == "Input should be a valid boolean, unable to interpret input: active"
    assert "title" not in (await idp.ask("GET", f"/Users/{made['id']}")).ok()


@pytest.mark.parametrize(
    ("body", "scim_type"),
    [
        ({"Operations": []}, "invalidSyntax"),
        ({}, "invalidSyntax"),
        ({"Operations": [{"op": "shout", "path": "title", "value": "x"}]}, "invalidValue"),
        ({"Operations": [{"op": "remove"}]}, "noTarget"),
        ({"Operations": [{"op": "replace", "path": "title[", "value": "x"}]}, "invalidPath"),
        ({"Operations": [{"op": "replace", "path": "id", "value": "x"}]}, "mutability"),
        ({"Operations": [{"op": "remove", "path": "userName"}]}, "mutability"),
        ({"Operations": "x"}, "invalidSyntax"),
        ({"Operations": [7]}, "invalidValue"),
    ],
)
async def test_a_patch_that_makes_no_sense_changes_nothing(idp: Provider, body: dict[str, Any], scim_type: str) -> None:
    made = await idp.creates()
    reply = await idp.ask("PATCH", f"/Users/{made['id']}", body)
    assert reply.status == 400, reply.body
    assert is_refused(reply, 400, reply.json["scimType"])
    assert reply.json["scimType"] in (
        scim_type,
        "invalidSyntax",
        "invalidPath",
        "invalidValue",
        "mutability",
        "noTarget",
    )
    assert (await idp.ask("GET", f"/Users/{made['id']}")).ok() == made


async def test_the_same_put_twice_is_one_change_and_another_name_must_be_free(idp: Provider) -> None:
    one, two = await idp.creates("eins"), await idp.creates("zwei")
    wanted = idp.user("drei", title="Chief")
    first = await idp.ask("PUT", f"/Users/{one['id']}", wanted)
    assert (first.ok()["userName"], first.ok()["title"]) == (f"drei@{idp.house.domain}", "Chief")
    assert await idp.house.since(idp.ask("PUT", f"/Users/{one['id']}", wanted)) == []
    again = await idp.ask("PUT", f"/Users/{one['id']}", wanted)
    assert again.headers["etag"] == first.headers["etag"]
    assert is_refused(await idp.ask("PUT", f"/Users/{two['id']}", wanted), 409, "uniqueness")
    user = (await idp.house.ask("GET", f"/v1/users/{one['id']}")).ok()
    assert user["email"] == f"eins@{idp.house.domain}", "an address is changed by its person alone"


async def test_a_deleted_user_is_no_member_any_more_and_can_be_made_again(idp: Provider) -> None:
    made = await idp.creates("again")
    assert (await idp.ask("DELETE", f"/Users/{made['id']}")).status == 204
    assert is_refused(await idp.ask("GET", f"/Users/{made['id']}"), 404)
    assert is_refused(await idp.ask("DELETE", f"/Users/{made['id']}"), 404)
    assert (await idp.house.ask("GET", f"/v1/users/{made['id']}")).status == 404
    assert (await idp.creates("again"))["id"] == made["id"], "the account is the same"


async def test_who_was_removed_by_hand_leaves_their_name_free_and_nothing_that_was_said_of_them(idp: Provider) -> None:
    made = await idp.creates("gone", nickName="Secret nick")
    assert (await idp.house.ask("DELETE", f"/v1/users/{made['id']}")).status == 204
    async with idp.house.world.started["org"].env.database.read(idp.house.org_id) as read:
        assert await read.value("select count(*) from scim_users where org_id = $1", idp.house.org_id) == 0
    other = idp.user("other", userName=made["userName"])
    assert (await idp.ask("POST", "/Users", other)).status == 201


async def test_the_last_admin_cannot_be_taken_away(idp: Provider) -> None:
    path = f"/Users/{idp.house.admin.user_id}"
    assert is_refused(await idp.patches(path, {"op": "replace", "path": "active", "value": False}), 403)
    assert is_refused(await idp.ask("DELETE", path), 403)
    assert (await idp.ask("GET", path)).ok()["active"] is True


async def test_an_etag_protects_from_overwriting_and_saves_reading(idp: Provider) -> None:
    made = await idp.creates()
    path, tag = f"/Users/{made['id']}", made["meta"]["version"]
    assert (await idp.ask("GET", path, headers={"If-None-Match": tag})).status == 304
    change = {"op": "replace", "path": "title", "value": "Dr."}
    new = (await idp.patches(path, change, headers={"If-Match": tag})).ok()["meta"]["version"]
    assert new != tag
    assert is_refused(await idp.patches(path, change, headers={"If-Match": tag}), 412)
    assert is_refused(await idp.ask("DELETE", path, headers={"If-Match": tag}), 412)
    assert (await idp.ask("DELETE", path, headers={"If-Match": new})).status == 204


async def test_lists_are_paged_filtered_and_cut_to_what_was_asked_for(idp: Provider) -> None:
    made = [await idp.creates(f"list{place}", title=f"T{place}", active=place != 2) for place in range(4)]
    whole = (await idp.ask("GET", "/Users")).ok()
    assert (whole["totalResults"], whole["startIndex"], whole["itemsPerPage"]) == (5, 1, 5)
    second = (await idp.ask("GET", "/Users", startIndex=2, count=2)).ok()
    assert [one["id"] for one in second["Resources"]] == [one["id"] for one in whole["Resources"][1:3]]
    assert (await idp.ask("GET", "/Users", count=0)).ok()["totalResults"] == 5
    assert (await idp.ask("GET", "/Users", startIndex=-3, count=-1)).ok()["itemsPerPage"] == 0
    narrow = (await idp.ask("GET", f"/Users/{made[0]['id']}", attributes="userName,emails.value")).ok()
    assert set(narrow) == {"schemas", "id", "userName", "emails"}
    assert "emails" not in (await idp.ask("GET", f"/Users/{made[0]['id']}", excludedAttributes="emails")).ok()
    for filter, names in {
        'title eq "t1"': [1],
        'title co "T" and active eq false': [2],
        'title sw "T" and not (title eq "T0" or title ew "3")': [1, 2],
        'emails[type eq "work" and value co "list3"]': [3],
        f'userName eq "list0@{idp.house.domain}"': [0],
        'name.familyName eq "Provided" and title gt "T1"': [2, 3],
        'title ge "T1" and title le "T2"': [1, 2],
        'title lt "T1"': [0],
        "title pr": [0, 1, 2, 3],
        f'meta.created gt "2020-01-01T00:00:00Z" and {USER}:title eq "T3"': [3],
    }.items():
        found = await idp.finds("Users", filter)
        assert [one["id"] for one in found] == [made[place]["id"] for place in names], filter


async def test_a_filter_that_would_look_at_too_many_is_refused_and_one_that_names_somebody_is_not(
    idp: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.org.usecases.scim_users.MOST_LOOKED_AT", 2)
    made = [await idp.creates(f"many{place}") for place in range(4)]
    address = f"MANY2@{idp.house.domain}"
    for filter in (
        f'emails.value eq "{address}"',
        f'emails[type eq "work"].value eq "{address}"',
        f'emails[type eq "work" and value eq "{address}"]',
    ):
        assert [one["id"] for one in await idp.finds("Users", filter)] == [made[2]["id"]], filter
    for filter in ("active eq true", 'userName co "many"', f'emails.value eq "{address}" or title pr'):
        assert is_refused(await idp.ask("GET", "/Users", filter=filter), 400, "tooMany"), filter


@pytest.mark.parametrize(
    ("filter", "needle"),
    [
        ('displayName eq "Ann B"', "ann b"),
        ('emails[type eq "work" and value co "x@y"] and active eq true', "x@y"),
        ('title eq "a" and nickName sw "LONGER"', "longer"),
        ('title eq "a" or nickName eq "b"', None),
        ('not (title eq "a")', None),
        ('title eq "x or y"', "x or y"),
        ("title pr", None),
        ('title gt "a"', None),
        ('groups.display eq "Sales"', None),
        ('meta.version eq "x"', None),
        ('title eq "q\\"uote"', None),
        ('title eq "Zoë"', None),
    ],
)
def test_what_whoever_fits_must_hold_is_read_from_the_filter_or_nothing_is(filter: str, needle: str | None) -> None:
    assert scim.needle(filter) == needle


@pytest.mark.parametrize(
    "filter",
    [
        "userName",
        "userName eq",
        'userName zz "x"',
        "(" * 500,
        'userName eq "x',
        "not",
        'userName eq "x" and',
        "x" * 2001,
        '"',
        "emails[",
        "active gt true",
    ],
)
async def test_a_hostile_filter_is_refused(idp: Provider, filter: str) -> None:
    reply = await idp.ask("GET", "/Users", filter=filter)
    assert reply.status == 400
    assert reply.json["scimType"] in ("invalidFilter", "invalidValue")


async def test_a_filter_is_text_to_the_database(idp: Provider) -> None:
    for value in ("' or 1=1 --", "%", "_", "\\u0000x", 'a\\"b'):
        assert await idp.finds("Users", f'userName eq "{value}"') == []


async def test_another_organizations_users_are_not_there(world: World, idp: Provider) -> None:
    other = await provided(world)
    made = await other.creates()
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        body = idp.user() if method in ("PUT", "PATCH") else None
        foreign = await idp.ask(method, f"/Users/{made['id']}", body)
        absent = await idp.ask(method, f"/Users/{new_id('usr')}", body)
        assert (foreign.status, foreign.body) == (absent.status, absent.body)
        assert is_refused(foreign, 404)
    assert await idp.finds("Users", 'externalId pr and userName co "other"') == []
    assert is_refused(await idp.ask("GET", "/Users/1"), 404)


async def test_only_a_provisioning_token_opens_scim(idp: Provider) -> None:
    for path in ("/scim/v2/Users", "/scim/v2/ServiceProviderConfig"):
        reply = await idp.house.ask("GET", path)
        assert is_refused(reply, 403)


async def test_what_is_supported_is_told(idp: Provider) -> None:
    config = (await idp.ask("GET", "/ServiceProviderConfig")).ok()
    supported = {
        name: config[name]["supported"] for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag")
    }
    assert supported == {
        "patch": True,
        "bulk": False,
        "filter": True,
        "changePassword": False,
        "sort": False,
        "etag": True,
    }
    types = (await idp.ask("GET", "/ResourceTypes")).ok()
    assert [one["endpoint"] for one in types["Resources"]] == ["/Users", "/Groups"]
    assert (await idp.ask("GET", "/ResourceTypes/User")).ok()["schema"] == USER
    schemas = (await idp.ask("GET", "/Schemas")).ok()["Resources"]
    assert {one["id"] for one in schemas} >= {USER, ENTERPRISE}
    assert (await idp.ask("GET", f"/Schemas/{USER}")).ok()["name"] == "User"
    assert is_refused(await idp.ask("GET", "/Schemas/urn:none"), 404)
