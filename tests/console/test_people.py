"""What an admin does about people beyond inviting them: leaving, sessions, second factors, many at once, lists, in a real browser."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.async_api import Route, expect

from shared.cli.demo.api import PASSWORD, Person, sign_up, until
from tests.console.browser import Window
from tests.console.conftest import Opens
from tests.console.test_second_step import with_an_app
from tests.system.whole import Cast, WholeProduct


async def invited(product: WholeProduct, cast: Cast, name: str, role: str = "analyst") -> Person:
    """Somebody new in the admin's organization."""
    domain = cast.admin.email.partition("@")[2]
    person = Person(product.gateway, f"{name.lower()}-{secrets.token_hex(3)}@{domain}", name)
    wanted = {"email": person.email, "role": role, "group_ids": []}
    (await cast.admin.write("POST", "/v1/invitations", wanted, after=cast.admin.last_change[-1])).ok()
    await person.accept(await product.gateway.mailed_token(person.email))
    await until(lambda: person.ask("GET", "/v1/dashboards"), lambda answer: answer.status == 200)
    cast.admin.last_change.append(person.last_change[-1])
    return person


async def choose(admin: Window, name: str, item: str) -> None:
    await admin.button(f"Actions for {name}").click()
    await admin.page.get_by_role("menuitem", name=item).click()


async def test_who_leaves_is_shown_with_what_they_own_and_hands_it_over(
    admin: Window, cast: Cast, product: WholeProduct
) -> None:
    lea = await invited(product, cast, "Lea", "admin")
    board = f"d-{secrets.token_hex(4)}"
    wanted = {"name": "Nightly sync", "access": "view", "areas": ["users"]}
    (await lea.write("POST", "/v1/api-keys", wanted, after=cast.trial)).ok()
    (await lea.write("POST", "/v1/dashboards", {"id": board, "title": "Lea's numbers"})).ok()
    await admin.go("/users", "Users")
    await choose(admin, "Lea", "Deactivate…")
    await admin.page.get_by_text("Lea owns 1 dashboard").wait_for()
    await admin.page.get_by_text("Lea's numbers").wait_for()
    await admin.page.get_by_text("A key made by Lea goes on working: Nightly sync.").wait_for()
    assert await admin.flaws() == []
    await admin.field("Hand the dashboards over to").select_option(label=f"Ada Admin ({cast.admin.email})")
    await admin.button("Hand over and Deactivate").click()
    await admin.said("Lea is deactivated.").wait_for()
    owner = (await cast.admin.ask("GET", f"/v1/dashboards/{board}", after=lea.last_change[-1])).ok()["owner"]
    assert owner["user_id"] == cast.admin.user_id


async def test_the_last_admin_cant_leave_and_the_menu_says_why(admin: Window) -> None:
    await admin.button("Actions for Ada Admin").click()
    item = admin.page.get_by_role("menuitem", name="Deactivate…")
    assert await item.get_attribute("aria-disabled") == "true"
    assert "That is you." in await item.inner_text()
    assert await admin.flaws() == []


async def test_a_menu_stays_while_something_else_scrolls_and_closes_when_its_button_moves(admin: Window) -> None:
    await admin.button("Actions for Ada Admin").click()
    item = admin.page.get_by_role("menuitem", name="Deactivate…")
    await item.wait_for()
    await admin.page.evaluate("dispatchEvent(new Event('scroll'))")
    await expect(item).to_be_visible()
    await admin.page.set_viewport_size({"width": 900, "height": 300})
    await admin.button("Actions for Ada Admin").scroll_into_view_if_needed()
    await expect(item).to_have_count(0)


async def test_an_admin_ends_sessions_and_removes_second_factors_with_their_own_password(
    admin: Window, opens: Opens, cast: Cast, product: WholeProduct
) -> None:
    max_ = await invited(product, cast, "Max", "viewer")
    async with opens() as his:
        await his.sign_in(max_.email, PASSWORD)
        await admin.go("/users", "Users")
        await choose(admin, "Max", "End sessions…")
        await admin.button("End sessions").click()
        await admin.said("Max is signed out of this organization.").wait_for()
    await max_.sign_in()
    await with_an_app(product, max_)
    await choose(admin, "Max", "Remove second factors…")
    await admin.page.get_by_text("This is what impostors ask for").wait_for()
    assert await admin.flaws() == []
    await admin.page.get_by_label("I have made sure that Max is asking").check()
    await admin.field("Your password").fill("certainly not this one")
    await admin.button("Remove second factors").click()
    await admin.page.get_by_text("That isn't your password.").wait_for()
    await admin.field("Your password").fill(PASSWORD)
    await admin.button("Remove second factors").click()
    await admin.said("The second factors of Max are removed.").wait_for()


async def test_many_are_changed_at_once_and_each_is_answered(admin: Window, cast: Cast, product: WholeProduct) -> None:
    for name in ("Una", "Udo"):
        await invited(product, cast, name, "viewer")
    await admin.go("/users?q=u", "Users")
    await admin.go("/users", "Users")
    for name in ("Una", "Udo", "Ada Admin"):
        await admin.page.get_by_label(f"Choose {name}", exact=True).check()
    await admin.page.get_by_text("3 chosen").wait_for()
    await admin.button("Deactivate…").click()
    await admin.page.get_by_role("heading", name="Deactivate 3 people?").wait_for()
    assert await admin.flaws() == []
    await admin.page.locator("dialog").get_by_role("button", name="Deactivate", exact=True).click()
    await admin.page.get_by_role("heading", name="1 person couldn't be changed").wait_for()
    await admin.page.locator("dialog .impact", has_text="Ada Admin").wait_for()
    await admin.page.locator("dialog footer").get_by_role("button", name="Close").click()
    await admin.page.get_by_label("Choose Udo", exact=True).wait_for(state="detached")


async def test_a_list_is_invited_and_the_users_become_a_file(admin: Window, cast: Cast) -> None:
    domain = cast.admin.email.partition("@")[2]
    await admin.button("More ways to invite and list").click()
    await admin.page.get_by_role("menuitem", name="Invite from a list…").click()
    rows = f"email,role,groups\nnew-{secrets.token_hex(3)}@{domain},viewer,\nnot-an-address,viewer,\n"
    await admin.field("CSV file").set_input_files({"name": "list.csv", "mimeType": "text/csv", "buffer": rows.encode()})
    await admin.page.get_by_text("2 rows", exact=True).wait_for()
    assert await admin.flaws() == []
    await admin.button("Invite everybody").click()
    await admin.page.get_by_text("1 invitation is on its way.").wait_for()
    await admin.page.get_by_text("1 row was refused").wait_for()
    assert await admin.flaws() == []
    async with admin.page.expect_download() as answers:
        await admin.page.get_by_role("link", name="Every row's answer (CSV)").click()
    assert (await answers.value).suggested_filename == "invitations.csv"
    await admin.page.keyboard.press("Escape")

    await admin.field("Role").select_option("admin")
    await admin.button("Export…").click()
    async with admin.page.expect_download() as users:
        await admin.page.get_by_role("link", name="Download the file (CSV)").click()
    content = (await (await users.value).path()).read_text()
    assert cast.admin.email in content
    assert cast.viewer.email not in content


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
async def test_a_list_is_read_in_the_letters_that_its_spreadsheet_wrote(
    admin: Window, cast: Cast, encoding: str
) -> None:
    domain = cast.admin.email.partition("@")[2]
    await admin.button("More ways to invite and list").click()
    await admin.page.get_by_role("menuitem", name="Invite from a list…").click()
    rows = f"sep=;\r\nRole;E-Mail;Groups\r\nviewer;jörg@{domain};Büro Süd\r\n"
    await admin.field("CSV file").set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": rows.encode(encoding)}
    )
    await admin.page.get_by_text("1 row", exact=True).wait_for()
    await expect(admin.field("Or paste it here")).to_have_value(re.compile(f"viewer;jörg@{domain};Büro Süd"))


async def test_a_role_shows_what_it_changes_before_it_is_saved(admin: Window, cast: Cast) -> None:
    board = f"d-{secrets.token_hex(4)}"
    (await cast.admin.write("POST", "/v1/dashboards", {"id": board, "title": "For analysts"})).ok()
    shared = {"mode": "all_analysts"}
    reply = await cast.admin.write("PUT", f"/v1/dashboards/{board}/sharing", shared, headers={"If-Match": "*"})
    reply.ok()
    await admin.go("/users", "Users")
    await choose(admin, "Some Viewer", "Role & groups…")
    await expect(admin.page.get_by_role("radio", name="Viewer")).to_be_focused()
    await admin.page.get_by_role("radio", name="Analyst").check()
    await admin.page.get_by_text("Some Viewer sees 1 more dashboard").wait_for()
    await admin.page.keyboard.press("Escape")


async def test_an_invitation_that_has_expired_says_so_on_a_phone_too(admin: Window, cast: Cast) -> None:
    email = f"late-{secrets.token_hex(4)}@{cast.admin.email.partition('@')[2]}"
    (await cast.admin.write("POST", "/v1/invitations", {"email": email, "role": "viewer", "group_ids": []})).ok()

    async def expired(route: Route) -> None:
        answer = await route.fetch()
        found = await answer.json()
        for one in found["data"]:
            one |= {"status": "expired", "expires_at": "2026-01-01T00:00:00Z"}
        await route.fulfill(response=answer, json=found)

    await admin.page.route("**/v1/invitations?status=pending&limit=50", expired)
    await admin.page.set_viewport_size({"width": 320, "height": 640})
    await admin.go("/users?status=pending", "Users")
    await expect(admin.page.get_by_role("row", name=email).get_by_text("Expired")).to_be_visible()
    assert await admin.overflow() <= 0


async def test_a_second_factor_is_required_by_who_has_one_and_the_roster_says_who_hasnt(
    opens: Opens, product: WholeProduct
) -> None:
    ria = await sign_up(product.gateway, f"ria@{secrets.token_hex(4)}.example", "Ria", "Strict")
    async with opens() as it:
        await it.sign_in(ria.email, PASSWORD)
        await it.go("/two-factor", "Two-factor")
        await it.page.get_by_text("0 of 1 have a second factor").wait_for()
        await it.button("Change…").click()
        await it.page.get_by_role("radio", name="Required", exact=False).last.check()
        await it.page.get_by_text("You have to go first").wait_for()
        await it.page.get_by_text("then sign out, and in again.").wait_for()
        assert await it.flaws() == []
    _, codes = await with_an_app(product, ria)
    async with opens() as it:
        await it.go("/sign-in", "Sign in")
        await it.field("Work e-mail").fill(ria.email)
        await it.field("Password").fill(PASSWORD)
        await it.button("Sign in").click()
        await it.field("Code").fill(codes[0])
        await it.button("Go on").click()
        await it.page.locator(".side").wait_for(state="attached")
        await it.go("/two-factor", "Two-factor")
        await it.button("Change…").click()
        await it.page.get_by_role("radio", name="Required", exact=False).last.check()
        await it.button("Save").click()
        await it.said("A second factor is required from").wait_for()
        await it.page.get_by_text("1 of 1 have a second factor").wait_for()
        await it.page.get_by_label("Second factor", exact=True).select_option("false")
        await it.page.get_by_role("heading", name="Nothing matches").wait_for()


async def test_who_is_in_two_organizations_switches_between_them(
    opens: Opens, cast: Cast, product: WholeProduct
) -> None:
    domain = cast.admin.email.partition("@")[2]
    bea = await sign_up(product.gateway, f"bea-{secrets.token_hex(3)}@{domain}", "Bea", "Second Home")
    wanted = {"email": cast.viewer.email, "role": "viewer", "group_ids": []}
    (await bea.write("POST", "/v1/invitations", wanted, after=bea.last_change[-1])).ok()
    token = await product.gateway.mailed_token(cast.viewer.email, "Second Home")
    (await cast.viewer.write("POST", f"/v1/invitation-tokens/{token}/acceptance")).ok()
    async with opens() as it:
        await it.sign_in(cast.viewer.email, PASSWORD)
        before = await it.page.locator(".side .org").inner_text()
        other = "Cast" if "Second Home" in before else "Second Home"
        await it.button("Your account").first.click()
        await it.page.get_by_role("menuitem", name=f"Switch to {other}").click()
        await it.page.locator(".side .org", has_text=other).wait_for()
        for path, heading in (("/domains", "Domains"), ("/legal", "Legal & compliance"), ("/two-factor", "Two-factor")):
            await it.go(path, heading)
            await it.page.get_by_role("heading", name="You can't see this").wait_for()
