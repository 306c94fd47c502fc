"""What people do in the console, done in a real browser."""

from __future__ import annotations

import secrets

from playwright.async_api import expect

from shared.cli.demo.api import PASSWORD, Person
from tests.console.browser import Window
from tests.console.conftest import Opens
from tests.system.test_accounts import is_out
from tests.system.whole import Cast, WholeProduct


async def test_a_company_signs_up_confirms_and_arrives_in_its_own_organization(
    opens: Opens, product: WholeProduct
) -> None:
    email = f"nora@{secrets.token_hex(4)}.example"
    async with opens() as nora:
        await nora.go("/sign-up", "Create your organization")
        await nora.field("Company name").fill("Northwind")
        await nora.field("Your name").fill("Nora North")
        await nora.field("Work e-mail").fill(email)
        await nora.field("Password").fill(PASSWORD)
        await nora.button("Create organization").click()
        await nora.page.get_by_text("Accept the terms to go on.").wait_for()
        await nora.page.get_by_label("I accept the terms").check()
        await nora.button("Create organization").click()
        await nora.page.get_by_role("heading", name="Look into your mailbox").wait_for()
        link = await mailed_link(product, email)
        assert "/console/verify/" in link
        await nora.page.goto(link)
        await nora.page.get_by_role("link", name="Sign in").click()
        await expect(nora.field("Work e-mail")).to_have_value(email)
        await nora.field("Password").fill(PASSWORD)
        await nora.button("Sign in").click()
        await nora.page.get_by_role("heading", level=1, name="Overview").wait_for()
        await nora.page.get_by_text("Northwind").first.wait_for()


async def test_an_invited_person_makes_an_account_and_joins_and_sees_what_their_role_allows(
    admin: Window, opens: Opens, product: WholeProduct, cast: Cast
) -> None:
    guest, second = (f"{secrets.token_hex(4)}@{cast.admin.email.partition('@')[2]}" for _ in range(2))
    await admin.button("Invite users").click()
    await admin.field("E-mail addresses").fill(f"Gus Guest <{guest}>, not-an-address")
    await admin.page.keyboard.press("Enter")
    await admin.page.get_by_text("not-an-address isn't an e-mail address.").wait_for()
    await admin.button("Remove not-an-address").click()
    await admin.field("E-mail addresses").fill(second)
    await admin.page.keyboard.press("Enter")
    await admin.button("Send 2 invitations").click()
    await admin.said("2 invitations are on their way.").wait_for()
    await admin.page.get_by_role("link", name="Pending").click()
    await admin.page.get_by_text(guest, exact=True).wait_for()

    async with opens() as gus:
        await gus.page.goto(await mailed_link(product, guest))
        await gus.page.get_by_role("heading", name="Join Cast").wait_for()
        assert await gus.flaws() == []
        await gus.field("Your name").fill("Gus Guest")
        await gus.field("Password").fill("short")
        await gus.button("Accept invitation").click()
        await gus.page.locator(".wrong").wait_for()
        await gus.field("Password").fill(PASSWORD)
        await gus.button("Accept invitation").click()
        await gus.page.get_by_role("heading", level=1, name="Sharing").wait_for()
        assert await gus.page.get_by_role("link", name="Users").count() == 0

    await admin.button(f"Actions for {second}").click()
    await admin.page.get_by_role("menuitem", name="Revoke…").click()
    await admin.button("Revoke invitation").click()
    await admin.said("is revoked").wait_for()
    await admin.page.get_by_role("heading", name="No invitation is open").wait_for()


async def test_a_refused_address_stays_in_the_invitation_with_its_reason(admin: Window, cast: Cast) -> None:
    await admin.button("Invite users").click()
    await admin.field("E-mail addresses").fill(cast.viewer.email)
    await admin.page.keyboard.press("Enter")
    await admin.button("Send invitation").click()
    await admin.page.get_by_text("1 address was refused").wait_for()
    assert await admin.page.locator(".chip.bad").count() == 1
    await admin.page.keyboard.press("Escape")
    await admin.page.locator("dialog").wait_for(state="detached")
    await admin.page.locator(":focus", has_text="Invite users").wait_for()


async def test_a_role_changes_and_somebody_leaves_and_comes_back(admin: Window, cast: Cast, opens: Opens) -> None:
    async with opens() as viewer:
        await viewer.sign_in(cast.viewer.email, PASSWORD)
        await admin.button("Actions for Some Viewer").click()
        await admin.page.get_by_role("menuitem", name="Role & groups…").click()
        await admin.page.get_by_role("radio", name="Analyst").check()
        await admin.page.get_by_text("Viewer → Analyst").wait_for()
        await admin.button("Save").click()
        await admin.said("Some Viewer is changed.").wait_for()
        row = admin.page.get_by_role("row", name="Some Viewer")
        await row.get_by_text("Analyst").wait_for()
        await admin.button("Actions for Some Viewer").click()
        await admin.page.get_by_role("menuitem", name="Deactivate…").click()
        await admin.button("Deactivate").click()
        await admin.said("is deactivated").wait_for()
        await row.wait_for(state="detached")
        await is_out(cast.viewer)
        await viewer.page.reload()
        await viewer.page.get_by_role("heading", name="Sign in").wait_for()
    await admin.page.get_by_role("link", name="Inactive").click()
    await admin.button("Actions for Some Viewer").click()
    await admin.page.get_by_role("menuitem", name="Reactivate…").click()
    await admin.button("Reactivate").click()
    await admin.said("is active again").wait_for()
    (await cast.admin.write("PUT", f"/v1/users/{cast.viewer.user_id}/role-and-groups", VIEWER, headers=ANY)).ok()


VIEWER = {"role": "viewer", "group_ids": []}
ANY = {"If-Match": "*"}


async def test_two_admins_change_one_person_and_the_later_one_sees_what_is_there(admin: Window, cast: Cast) -> None:
    await admin.button("Actions for Some Viewer").click()
    await admin.page.get_by_role("menuitem", name="Role & groups…").click()
    await admin.page.get_by_role("radio", name="Admin").check()
    analyst = {"role": "analyst", "group_ids": []}
    (await cast.admin.write("PUT", f"/v1/users/{cast.viewer.user_id}/role-and-groups", analyst, headers=ANY)).ok()
    await admin.button("Save").click()
    await admin.button("Show what is there now").click()
    await admin.page.locator("dialog input[value=analyst]:checked").wait_for()
    (await cast.admin.write("PUT", f"/v1/users/{cast.viewer.user_id}/role-and-groups", VIEWER, headers=ANY)).ok()


async def test_a_group_is_made_filled_renamed_and_deleted(admin: Window, cast: Cast) -> None:
    await admin.page.get_by_role("link", name="User groups").click()
    await admin.page.locator(".page-head").get_by_role("button", name="Add group").click()
    await admin.field("Name").fill("Finance")
    await admin.field("Description").fill("Who counts the money")
    await admin.page.locator("dialog").get_by_role("button", name="Add group").click()
    await admin.page.get_by_role("heading", level=1, name="Finance").wait_for()
    await admin.button("Add members").click()
    await admin.page.get_by_role("checkbox", name="Some Analyst").check()
    await admin.page.get_by_label("Search by name or e-mail").last.fill("Some Viewer")
    await expect(admin.page.get_by_role("checkbox", name="Some Analyst")).to_have_count(0)
    await admin.page.get_by_role("checkbox", name="Some Viewer").check()
    await admin.page.get_by_role("list", name="Chosen people").get_by_text("Some Analyst").wait_for()
    assert await admin.flaws() == []
    await admin.button("Add").click()
    await admin.said("2 people are added.").wait_for()
    assert [one for one in admin.exchanges if "bulk-actions" in one[1]] == [("POST", "/v1/users/bulk-actions", 200)]
    await admin.page.get_by_text(cast.analyst.email, exact=True).wait_for()
    await admin.button("Remove Some Viewer").click()
    await admin.page.locator("dialog").get_by_role("button", name="Remove", exact=True).click()
    await expect(admin.page.get_by_role("link", name="Some Viewer")).to_have_count(0)
    await admin.button("Edit…").click()
    await admin.field("Name").fill("Finances")
    await admin.button("Save").click()
    await admin.page.get_by_role("heading", level=1, name="Finances").wait_for()
    await admin.button("Remove Some Analyst").click()
    await admin.page.locator("dialog").get_by_role("button", name="Remove", exact=True).click()
    await admin.page.get_by_role("heading", name="Nobody is in this group").wait_for()
    await admin.button("Delete group…").click()
    await admin.button("Delete group Finances").click()
    await admin.said("is deleted").wait_for()
    await expect(admin.page.get_by_role("link", name="Finances")).to_have_count(0)


async def test_a_wrong_password_is_told_and_what_was_typed_stays(opens: Opens, cast: Cast) -> None:
    async with opens() as it:
        await it.go("/groups")
        await it.page.get_by_role("heading", name="Sign in").wait_for()
        await it.field("Work e-mail").fill(cast.admin.email)
        await it.field("Password").fill("not the password at all")
        await it.button("Sign in").click()
        await it.page.get_by_role("alert").wait_for()
        assert await it.field("Work e-mail").input_value() == cast.admin.email
        await it.field("Password").fill(PASSWORD)
        await it.button("Sign in").click()
        await it.page.get_by_role("heading", level=1, name="User groups").wait_for()


async def test_a_session_that_ends_under_an_open_form_asks_for_the_password_and_goes_on(
    admin: Window, cast: Cast
) -> None:
    await admin.go("/groups", "User groups")
    await admin.page.locator(".page-head").get_by_role("button", name="Add group").click()
    await admin.field("Name").fill("Kept")
    elsewhere = Person(cast.admin.gateway, cast.admin.email, "Ada Admin")
    await elsewhere.sign_in()
    (await cast.admin.write("DELETE", "/v1/me/sessions")).ok()
    await is_out(elsewhere)
    await admin.page.locator("dialog").get_by_role("button", name="Add group").click()
    await admin.page.get_by_role("heading", name="Your session has ended").wait_for()
    await admin.page.locator("dialog").last.get_by_label("Password", exact=True).fill(PASSWORD)
    await admin.button("Confirm").click()
    await admin.page.get_by_role("heading", level=1, name="Kept").wait_for()


async def test_a_mailed_link_names_its_sign_up_whatever_the_id_ends_with(opens: Opens) -> None:
    for last in "7k":
        signup = f"sgn_01m8e7rxzhen0v8chd3qwb4e7{last}"
        async with opens() as it:
            await it.go(
                f"/verify/tms_{signup.replace('_', '')}1-OKxBCF5MyQ9eKqYnpfFk7PDKzAz", "This link no longer works"
            )
            asked = [path for method, path, _ in it.exchanges if method == "POST"]
            assert asked == [f"/v1/signups/{signup}/confirmation"]


async def mailed_link(product: WholeProduct, email: str) -> str:
    token = await product.gateway.mailed_token(email)
    for mail in (await product.gateway.send("GET", "/dev/mail", headers={"Accept": "application/json"})).ok()["data"]:
        for link in mail["links"]:
            if token in link:
                return str(link)
    raise AssertionError("the mail has no link")
