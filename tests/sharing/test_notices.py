"""Mails about a shared dashboard: once per person and dashboard, ever, to who gains access by the change, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from services.courier.app import service as courier
from services.sharing.app import service
from services.sharing.usecases import notices
from services.sharing.usecases.notices import send_notices
from shared.auth import Actor
from shared.db import EVERY_ORG
from shared.events.courier import MailRequested
from shared.events.identity import Person, UserRegistered
from shared.events.sharing import DashboardShared
from shared.jobs import run_job
from shared.links import link_token
from shared.mailbox import FileMailbox
from shared.outbound import Fetched, Unreachable
from shared.service import Job
from tests.sharing.company import Company, entitlements
from tests.sharing.conftest import alone, listener
from tests.world import Databases, Reply, World, world_of

PNG = b"\x89PNG\r\n\x1a\n..."
THUMBNAIL = "https://bi.example.com/thumbs/1.png?signature=s3cret"


async def share(company: Company, mode: str, *groups: str, owner: str = "ben", **options: Any) -> Reply:
    body = {"mode": mode, "group_ids": [company.groups[name].group_id for name in groups], **options}
    return await company.ask(owner, "PUT", "/v1/dashboards/board-1/sharing", body, headers={"If-Match": "*"})


async def waiting(world: World) -> int:
    async with world.started["sharing"].env.database.read(EVERY_ORG) as read:
        count: int = await read.value("select count(*) from share_notices where told_at is null")
    return count


async def send(world: World) -> None:
    """Until no notice waits, whoever gives them."""
    async with asyncio.timeout(60):
        while await waiting(world):
            if not await run_job(world.started["sharing"].env, Job(send_notices, 1)):
                await asyncio.sleep(0.01)


async def told(company: Company) -> list[str]:
    """Who was told so far, by name, in order."""
    await send(company.world)
    names = {member.email: name for name, member in company.people.items()}
    return [names[mail.data["to"]] for mail in await company.world.said("sharing", MailRequested)]


@pytest.fixture
async def board(company: Company) -> Company:
    """Ben's board-1, with a picture; it isn't shared yet."""
    body = {"id": "board-1", "title": "Revenue <2026>", "thumbnail_url": THUMBNAIL}
    (await company.ask("ben", "POST", "/v1/dashboards", body)).ok()
    return company


async def test_a_second_group_mails_only_the_rest(board: Company) -> None:
    await board.group("Berlin", "dan", "eve")
    (await share(board, "groups", "Sales")).ok()
    assert await told(board) == ["dan"]
    (await share(board, "groups", "Sales", "Berlin")).ok()
    assert await told(board) == ["dan", "eve"]
    (await share(board, "all_users")).ok()
    assert sorted((await told(board))[2:]) == ["ana", "cyd"], "the owner gains nothing"
    events = await board.world.said("sharing", DashboardShared)
    assert [event.data["mails"] for event in events] == [1, 1, 2]


async def test_nobody_is_told_twice_however_often_they_lose_and_gain_it(board: Company) -> None:
    for _ in range(2):
        for mode, groups in (("groups", ("Sales",)), ("nobody", ()), ("all_users", ()), ("nobody", ())):
            (await share(board, mode, *groups)).ok()
            await send(board.world)
    assert sorted(await told(board)) == ["ana", "cyd", "dan", "eve"]


async def test_who_isnt_to_be_notified_is_told_when_they_gain_it_again(board: Company) -> None:
    (await share(board, "groups", "Sales", notify=False)).ok()
    (await share(board, "all_analysts")).ok()
    assert sorted(await told(board)) == ["ana", "cyd"]
    (await share(board, "all_users")).ok()
    assert sorted(await told(board)) == ["ana", "cyd", "dan", "eve"]


async def test_who_joins_a_group_later_sees_the_dashboard_without_a_mail(board: Company) -> None:
    (await share(board, "groups", "Sales")).ok()
    await board.add("Sales", "eve")
    assert await board.may("eve", "board-1")
    assert await told(board) == ["dan"]


async def test_only_active_members_are_told(board: Company) -> None:
    await board.deactivate("eve")
    (await share(board, "all_users")).ok()
    await board.remove("cyd")
    assert sorted(await told(board)) == ["ana", "dan"], "Cyd left before the mail was asked for"
    await board.reactivate("eve")
    await board.rejoin("cyd")
    (await share(board, "nobody")).ok()
    (await share(board, "all_users")).ok()
    assert sorted(await told(board)) == ["ana", "cyd", "dan", "eve"], "who was never told still is"


async def test_a_sharing_that_is_taken_back_at_once_tells_nobody(board: Company) -> None:
    (await share(board, "all_users")).ok()
    (await share(board, "nobody")).ok()
    assert await told(board) == []
    (await share(board, "groups", "Sales")).ok()
    assert await told(board) == ["dan"]


async def test_the_preview_says_to_how_many_it_is_news(board: Company) -> None:
    (await share(board, "groups", "Sales")).ok()

    async def mails(mode: str, **options: Any) -> int:
        path, body = "/v1/dashboards/board-1/sharing-preview", {"mode": mode, **options}
        return int((await board.ask("ben", "POST", path, body)).ok()["mails"])

    assert (await mails("all_users"), await mails("all_users", notify=False), await mails("nobody")) == (3, 0, 0)
    (await share(board, "nobody")).ok()
    assert await mails("all_users") == 3, "Dan was told before"


async def test_every_mail_is_asked_for_once_when_senders_race_and_fall(
    board: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "AT_ONCE", 3)
    await board.join(**dict.fromkeys([f"p{n}" for n in range(20)], "viewer"))
    asked = notices._mail
    fall = iter([False, False, True, False, True, True, *[False] * 100])

    def failing(*args: Any) -> MailRequested:
        if next(fall):
            raise RuntimeError("killed in between")
        return asked(*args)

    monkeypatch.setattr(notices, "_mail", failing)
    (await share(board, "all_users")).ok()
    env = board.world.started["sharing"].env

    async def sender() -> None:
        async with asyncio.timeout(60):
            while await waiting(board.world):
                try:
                    await run_job(env, Job(send_notices, 1))
                except RuntimeError:
                    continue
                await asyncio.sleep(0)

    await asyncio.gather(*(sender() for _ in range(3)))
    assert sorted(await told(board)) == sorted(name for name in board.people if name != "ben")


async def test_no_event_holds_the_address_of_the_picture(board: Company) -> None:
    (await share(board, "groups", "Sales")).ok()
    await send(board.world)
    for event in await board.world.said("sharing"):
        assert b"s3cret" not in event.body()
    (mail,) = await board.world.said("sharing", MailRequested)
    assert mail.data["picture"]["purpose"] == "dashboard_picture"


@dataclass
class Site:
    """What keeps the pictures."""

    answer: Fetched | None = field(default_factory=lambda: Fetched(200, {"content-type": "image/png"}, PNG))
    asked: list[str] = field(default_factory=list)

    async def get(self, url: str, headers: Any = None) -> Fetched:
        self.asked.append(url)
        if self.answer is None:
            raise Unreachable("it doesn't answer", "no_connection")
        return self.answer


def with_site(world: World) -> Site:
    env = world.started["sharing"].env
    site = Site()
    env.own = replace(env.own, outbound=site)
    return site


async def test_the_picture_is_shown_to_its_reader_while_they_see_the_dashboard(board: Company) -> None:
    site = with_site(board.world)
    (await share(board, "groups", "Sales")).ok()
    await send(board.world)
    (mail,) = await board.world.said("sharing", MailRequested)
    key = board.world.settings.secrets.bytes("links")
    picture = mail.data["picture"]
    token = link_token(key, picture["purpose"], picture["id"], picture["version"])

    async def show(token: str = token) -> Reply:
        return await board.world.ask("sharing", "GET", f"/v1/dashboard-pictures/{token}")

    shown = await show()
    assert (shown.status, shown.headers["content-type"], shown.body) == (200, "image/png", PNG)
    assert shown.headers["cache-control"] == "private, max-age=300"
    assert site.asked == [THUMBNAIL]
    other = link_token(key, "invitation", picture["id"], picture["version"])
    for wrong in (token[:-1], token[:-1] + ("a" if token[-1] != "a" else "b"), other, "x"):
        assert (await show(wrong)).status == 404
    for odd in (
        None,
        Fetched(302, {"location": "https://elsewhere.example"}, b""),
        Fetched(200, {"content-type": "image/svg+xml"}, b"<svg onload=alert(1)>"),
        Fetched(200, {"content-type": "text/html"}, b"<script>"),
        Fetched(200, {}, PNG),
    ):
        site.answer = odd
        assert (await show()).status == 404
    site.answer = Fetched(200, {"content-type": "image/png; charset=binary"}, PNG)
    assert (await show()).status == 200
    asked = len(site.asked)
    env = board.world.started["sharing"].env
    usual, env.own = env.own, replace(env.own, pictures=asyncio.Semaphore(0))
    assert (await show()).code == "overloaded", "nobody makes us fetch as often as they like"
    env.own = usual
    await board.take_out("Sales", "dan")
    assert (await show()).status == 404, "who sees it no more doesn't see its picture either"
    await board.add("Sales", "dan")
    (await board.ask("ben", "PATCH", "/v1/dashboards/board-1", {"thumbnail_url": None})).ok()
    assert (await show()).status == 404
    assert len(site.asked) == asked, "and nothing is fetched for them"


@pytest.fixture
async def post(databases: Databases, tmp_path: Path) -> AsyncIterator[tuple[Company, FileMailbox]]:
    sending = replace(alone, jobs=service.jobs)
    async with world_of([sending, courier, listener], databases, tmp_path) as world:
        company = await Company(world).found()
        await company.join(ben="analyst", dan="viewer", eve="viewer")
        person = Person(email="dan@example.com", name="Dan")
        await world.hear("identity", UserRegistered(user_id=company.id_of("dan"), person=person, language="de"))
        yield company, FileMailbox(tmp_path / "mail")


async def test_the_mail_is_in_the_readers_language_with_the_picture_or_without(
    post: tuple[Company, FileMailbox],
) -> None:
    company, mailbox = post
    body = {"id": "board-1", "title": "Revenue <2026>", "thumbnail_url": THUMBNAIL}
    (await company.ask("ben", "POST", "/v1/dashboards", body)).ok()
    await company.group("German", "dan")
    await company.group("English", "eve")
    (await share(company, "groups", "German")).ok()
    (await share(company, "groups", "German", "English", include_thumbnail=False)).ok()
    async with asyncio.timeout(60):
        while len(mails := list(mailbox.list())) < 2:
            await asyncio.sleep(0.01)
    by_reader = {mail.to: mail for mail in mails}
    german, english = by_reader["dan@example.com"], by_reader["eve@example.com"]
    assert german.subject == "Revenue <2026> wurde mit Ihnen geteilt"
    assert "Ben hat das Dashboard „Revenue <2026>“ mit Ihnen geteilt (Northwind)." in german.text
    assert 'alt="Vorschau von Revenue &lt;2026&gt;"' in german.html
    assert "/v1/dashboard-pictures/tms_pic" in german.html
    assert "s3cret" not in german.html
    assert english.subject == "Revenue <2026> was shared with you"
    assert "Ben shared the dashboard “Revenue <2026>” with you in Northwind." in english.text
    assert "<img" not in english.html


async def test_a_preview_of_a_plan_stays_good_while_mails_about_sharing_go_out(board: Company) -> None:
    async def state() -> int:
        asked = {"org_id": board.org_id, "entitlements": entitlements("pro", board.version + 1).model_dump()}
        billing = Actor("service", service="billing")
        said = (await board.world.ask("sharing", "POST", "/internal/plan-effects", asked, actor=billing)).ok()
        return int(said["state"])

    (await share(board, "groups", "Sales")).ok()
    shown = await state()
    assert await told(board) == ["dan"]
    assert await state() == shown
    (await share(board, "nobody")).ok()
    assert await state() > shown
