"""The story itself: seven chapters, each checked as it goes."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

from shared.cli.demo.api import PASSWORD, Gateway, Person, Reply, expect, sign_up, until
from shared.cli.demo.narrator import Narrator


class Story:
    """The cast and what they have made so far."""

    def __init__(self, gateway: Gateway, narrator: Narrator) -> None:
        self.gateway = gateway
        self.narrator = narrator
        self.domain = f"brightline-{secrets.token_hex(3)}.example"
        self.seen: set[str] = set()
        self.groups: dict[str, str] = {}
        gateway.watch = narrator.wire

    def at(self, name: str) -> str:
        return f"{name}@{self.domain}"

    async def told(self) -> None:
        """Prints the events since the last time, as the organization's audit log has them."""
        for _ in range(50):
            reply = await self.ada.ask("GET", "/v1/audit-entries?limit=100", quietly=True)
            if reply.status == 200:
                break
            await asyncio.sleep(0.1)
        fresh = [entry for entry in reversed(reply.ok()["data"]) if entry["id"] not in self.seen]
        self.seen |= {entry["id"] for entry in fresh}
        self.narrator.caused(fresh)

    async def dashboards_of(self, person: Person, after: str) -> list[str]:
        page = (await person.ask("GET", "/v1/dashboards", after=after)).ok()
        return sorted(dashboard["title"] for dashboard in page["data"])

    async def may_see(self, person: Person, dashboard_id: str, after: str) -> bool:
        question = {
            "subject": {"type": "user", "id": person.user_id},
            "action": {"name": "dashboard.view"},
            "resource": {"type": "dashboard", "id": dashboard_id},
        }
        return bool((await person.ask("POST", "/access/v1/evaluation", question, after=after)).ok()["decision"])

    async def explain(self, person: Person, dashboard_id: str, after: str) -> dict[str, Any]:
        reply = await person.ask("POST", "/v1/access-explanations", {"dashboard_id": dashboard_id}, after=after)
        explanation: dict[str, Any] = reply.ok()
        for link in explanation["chain"]:
            self.narrator.say(f"{'✓' if link['holds'] else '✗'} {link['detail']}")
        return explanation

    ada: Person
    ana: Person
    vera: Person
    viktor: Person


async def tell(gateway: Gateway, narrator: Narrator) -> Story:
    """Plays all chapters; returns who was in it."""
    story = Story(gateway, narrator)
    for chapter in (found, sign_in, invite, share, downgrade, while_suspended, upgrade):
        await chapter(story)
    narrator.say(f"Sign in at {gateway.url}/console as {story.ada.email}; the password is {PASSWORD}")
    narrator.end()
    return story


async def found(story: Story) -> None:
    story.narrator.step("Ada signs up, confirms her address, and has an organization")
    story.ada = await sign_up(story.gateway, story.at("ada"), "Ada Brandt", "Brightline Analytics")
    ada = story.ada
    organization = (await ada.ask("GET", "/v1/organization")).ok()
    expect(
        organization["name"] == "Brightline Analytics" and organization["location"] == "eu",
        f"the organization is {organization}",
    )
    domains = (await ada.ask("GET", "/v1/domains")).ok()["data"]
    expect([domain["name"] for domain in domains] == [story.domain], f"the domains are {domains}")
    groups = (await ada.ask("GET", "/v1/groups")).ok()["data"]
    expect(sorted(group["name"] for group in groups) == ["All Analysts", "All Users"], f"the groups are {groups}")
    dpa = (await ada.ask("GET", "/v1/legal/dpa")).ok()
    expect(dpa["status"] == "undecided", f"the DPA is {dpa}")
    subscription = await until(
        lambda: ada.ask("GET", "/v1/subscription", quietly=True), lambda answer: answer.status == 200
    )
    expect(subscription.json["plan"] == "free", f"the plan is {subscription.json}")
    secrets_ = await until(
        lambda: ada.ask("GET", "/v1/embed-secrets", quietly=True), lambda answer: bool(answer.json.get("data"))
    )
    story.narrator.say(
        f"{organization['name']} in {organization['location'].upper()}, domain {story.domain}, plan Free, {len(secrets_.json['data'])} embed secret"
    )
    await story.told()


async def sign_in(story: Story) -> None:
    story.narrator.step("She refreshes her session; capabilities say what the plan leaves out, and why")
    ada = story.ada
    fresh = (await story.gateway.send("POST", "/v1/auth/tokens", {"refresh_token": ada.refresh_token})).ok()
    ada.token, ada.refresh_token = fresh["access_token"], fresh["refresh_token"]
    me = (await ada.ask("GET", "/v1/me")).ok()
    expect(me["organization"]["role"] == "admin", f"she is {me}")
    capabilities = (await ada.ask("GET", "/v1/me/capabilities")).ok()["capabilities"]
    for one in capabilities:
        if not one["allowed"]:
            expect(bool(one["because"]), f"{one} has no reason")
            story.narrator.say(f"✗ {one['action']}: {one['because'].get('detail') or one['because']}")
    cookie = await story.gateway.send(
        "POST", "/v1/auth/sessions", {"email": ada.email, "password": "wrong-password-here"}
    )
    expect(cookie.code == "invalid_credentials", f"a wrong password got {cookie}")


async def invite(story: Story) -> None:
    story.narrator.step(
        "The Business trial starts; an Analyst and two Viewers are invited with their groups, and accept"
    )
    ada = story.ada
    trial = await ada.write("POST", "/v1/subscription/trial")
    trial.ok()
    await applied(story, trial.headers["tenantry-change"])
    for name, description in (("Finance", "Money in, money out"), ("Field Sales", "Everybody on the road")):
        group = (await ada.write("POST", "/v1/groups", {"name": name, "description": description})).ok()
        story.groups[name] = group["id"]
    cast: tuple[tuple[str, str, str, list[str]], ...] = (
        ("ana", "Ana Lindt", "analyst", ["Finance"]),
        ("vera", "Vera Holm", "viewer", ["Finance"]),
        ("viktor", "Viktor Sand", "viewer", []),
    )
    for short, _, role, groups in cast:
        body = {"email": story.at(short), "role": role, "group_ids": [story.groups[group] for group in groups]}
        (await ada.write("POST", "/v1/invitations", body)).ok()
    for short, name, _, _ in cast:
        guest = Person(story.gateway, story.at(short), name)
        await guest.accept(await story.gateway.mailed_token(guest.email))
        setattr(story, short, guest)
        ada.last_change.append(guest.last_change[-1])
    members = (await ada.ask("GET", f"/v1/groups/{story.groups['Finance']}/members")).ok()["data"]
    expect(sorted(member["name"] for member in members) == ["Ana Lindt", "Vera Holm"], f"Finance has {members}")
    added = await ada.write("PUT", f"/v1/groups/{story.groups['Field Sales']}/members/{story.viktor.user_id}")
    added.ok()
    await story.told()


async def share(story: Story) -> None:
    story.narrator.step("Ana registers three dashboards: one for Finance, one for everybody, one for herself")
    ana, everyone = story.ana, [story.ada, story.ana, story.vera, story.viktor]
    await applied(story, story.ada.last_change[-1])
    for dashboard_id, title in (("dsh-cash", "Cash flow"), ("dsh-sales", "Sales overview"), ("dsh-draft", "Draft")):
        (
            await ana.write(
                "POST",
                "/v1/dashboards",
                {"id": dashboard_id, "title": title, "parameters": ["region"]},
                after=ana.last_change[-1],
            )
        ).ok()
    await set_sharing(ana, "dsh-cash", {"mode": "groups", "group_ids": [story.groups["Finance"]]})
    await set_sharing(ana, "dsh-sales", {"mode": "all_users", "group_ids": []})
    after = ana.last_change[-1]
    wanted = {
        "ada": ["Sales overview"],
        "ana": ["Cash flow", "Draft", "Sales overview"],
        "vera": ["Cash flow", "Sales overview"],
        "viktor": ["Sales overview"],
    }
    for person in everyone:
        titles = await story.dashboards_of(person, after)
        expect(titles == wanted[person.email.partition("@")[0]], f"{person.name} sees {titles}")
        expect(
            await story.may_see(person, "dsh-cash", after) == ("Cash flow" in titles),
            f"list and decision differ for {person.name}",
        )
        story.narrator.say(f"{person.name} sees {', '.join(titles)}")
    story.narrator.say("Why does Vera see Cash flow?")
    expect((await story.explain(story.vera, "dsh-cash", after))["decision"], "the explanation says no")
    await story.told()


async def downgrade(story: Story) -> None:
    story.narrator.step("Going to Pro: the preview names who loses what; an old preview is refused; then it happens")
    ada, vera = story.ada, story.vera
    ada.last_change.append(story.ana.last_change[-1])
    wanted = {"plan": "pro", "interval": "month"}
    preview = (await ada.ask("POST", "/v1/subscription/change-previews", wanted, after=ada.last_change[-1])).ok()
    tell_preview(story, preview)
    lost = {
        (board["title"], person["name"])
        for board in preview["resources"]["dashboards_losing"]
        for person in board["losing"]
    }
    expect(lost == {("Cash flow", "Vera Holm")}, f"the preview says {lost}")
    changed = await ada.write(
        "PATCH",
        f"/v1/groups/{story.groups['Field Sales']}",
        {"description": "Everybody on the road, and at fairs"},
        headers={"If-Match": "*"},
    )
    changed.ok()
    stale = await ada.write("POST", "/v1/subscription/changes", {**wanted, "fingerprint": preview["fingerprint"]})
    expect((stale.status, stale.code) == (409, "fingerprint_mismatch"), f"the old preview got {stale}")
    preview = (await ada.ask("POST", "/v1/subscription/change-previews", wanted, after=ada.last_change[-1])).ok()
    done = await ada.write("POST", "/v1/subscription/changes", {**wanted, "fingerprint": preview["fingerprint"]})
    done.ok()
    after = done.headers["tenantry-change"]
    expect(await story.dashboards_of(vera, after) == ["Sales overview"], "Vera still sees Cash flow")
    expect(not await story.may_see(vera, "dsh-cash", after), "Vera may still open Cash flow")
    story.narrator.say("How it spread:")
    story.narrator.spread(await applied(story, after))
    story.narrator.say("Why doesn't Vera see Cash flow any more?")
    expect(not (await story.explain(vera, "dsh-cash", after))["decision"], "the explanation says yes")
    await story.told()


async def while_suspended(story: Story) -> None:
    story.narrator.step("While suspended: listed with cause and date, renamed, even deleted; but not widened")
    ada, finance, sales = story.ada, story.groups["Finance"], story.groups["Field Sales"]
    group = (await ada.ask("GET", f"/v1/groups/{finance}")).ok()
    expect(group["suspended"]["cause"] == "plan", f"the group is {group}")
    story.narrator.say(
        f"{group['name']}: suspended by plan {group['suspended']['plan']} since {group['suspended']['since'][:19]}"
    )
    renamed = await ada.write(
        "PATCH", f"/v1/groups/{finance}", {"name": "Finance & Controlling"}, headers={"If-Match": "*"}
    )
    renamed.ok()
    refused = await ada.write("PUT", f"/v1/groups/{finance}/members/{story.viktor.user_id}")
    expect((refused.status, refused.code) == (409, "suspended"), f"adding somebody got {refused}")
    refused = await set_sharing(story.ana, "dsh-draft", {"mode": "groups", "group_ids": [finance]}, must=False)
    expect(refused.status in (403, 409), f"sharing with it got {refused}")
    (await ada.write("DELETE", f"/v1/groups/{sales}")).ok()
    await story.told()


async def upgrade(story: Story) -> None:
    story.narrator.step(
        "Back to Business: everything returns exactly, edits included; then Vera is deactivated, and refused at once"
    )
    ada, vera = story.ada, story.vera
    wanted = {"plan": "business", "interval": "month"}
    preview = (await ada.ask("POST", "/v1/subscription/change-previews", wanted, after=ada.last_change[-1])).ok()
    tell_preview(story, preview)
    done = await ada.write("POST", "/v1/subscription/changes", {**wanted, "fingerprint": preview["fingerprint"]})
    done.ok()
    after = done.headers["tenantry-change"]
    expect(await story.dashboards_of(vera, after) == ["Cash flow", "Sales overview"], "Vera's dashboard didn't return")
    group = (await ada.ask("GET", f"/v1/groups/{story.groups['Finance']}")).ok()
    expect(group["name"] == "Finance & Controlling" and group["suspended"] is None, f"the group is {group}")
    story.narrator.spread(await applied(story, after))
    (await ada.write("POST", f"/v1/users/{vera.user_id}/deactivation")).ok()
    began = time.perf_counter()
    refused = await until(
        lambda: vera.ask("GET", "/v1/me", after="", quietly=True), lambda answer: answer.status == 401
    )
    story.narrator.say(
        f"Vera's live session: {refused.status} {refused.code}, {(time.perf_counter() - began) * 1000:.0f} ms after the answer to the deactivation"
    )
    await story.told()


def tell_preview(story: Story, preview: dict[str, Any]) -> None:
    resources, money = preview["resources"], preview["money"]
    for group in resources["groups_suspended"]:
        story.narrator.say(f"suspended: group {group['name']} (members: {group['members']})")
    for board in resources["dashboards_losing"]:
        story.narrator.say(
            f"{board['title']}: {', '.join(person['name'] for person in board['losing'])} no longer see it (through {', '.join(board['through'])})"
        )
    slots = resources["author_slots"]
    story.narrator.say(
        f"author slots: {slots['used']} used of {slots['limit']}; due now {money['due_now']['amount_minor'] / 100:.2f} {money['due_now']['currency']}, {preview['effective']}"
    )


async def set_sharing(person: Person, dashboard_id: str, wanted: dict[str, Any], *, must: bool = True) -> Reply:
    current = await person.ask("GET", f"/v1/dashboards/{dashboard_id}/sharing", quietly=True)
    reply = await person.write(
        "PUT", f"/v1/dashboards/{dashboard_id}/sharing", wanted, headers={"If-Match": current.headers["etag"]}
    )
    if must:
        reply.ok()
    return reply


async def applied(story: Story, change: str) -> dict[str, Any]:
    """Waits until every concerned service has applied a change, and returns how it went."""
    reply = await until(
        lambda: story.ada.ask("GET", f"/v1/changes/{change}", after="", quietly=True),
        lambda answer: answer.status == 200 and all(one["state"] == "applied" for one in answer.json["subscribers"]),
    )
    found: dict[str, Any] = reply.json
    return found
