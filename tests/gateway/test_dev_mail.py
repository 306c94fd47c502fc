"""The mail of a development system: for this machine alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.ids import new_id
from shared.mailbox import FileMailbox
from tests.gateway.standins import House, a_house
from tests.world import Databases

JSON = {"Accept": "application/json"}


def deliver(house: House, subject: str, text: str) -> str:
    mail = EmailMessage()
    mail["To"], mail["Subject"], mail["Date"] = "ana@example.com", subject, datetime.now(UTC)
    mail.set_content(text)
    mail.add_alternative("<p onclick='alert(1)'>html</p>", subtype="html")
    mail_id = new_id("evt")
    FileMailbox(Path(urlsplit(house.settings.mail).path)).write(mail_id, datetime.now(UTC), mail.as_bytes())
    return mail_id


async def test_mails_are_listed_newest_first_with_their_links(house: House) -> None:
    first = deliver(
        house, "First <b>", "Open http://tenantry.test/confirm?token=tms_1 now.\n<script>alert(1)</script>\n"
    )
    second = deliver(house, "Second", "Nothing to open.\n")
    listed = (await house.ask("GET", "/dev/mail", JSON)).ok()["data"]
    assert [mail["id"] for mail in listed][:2] == [second, first]
    assert (listed[1]["to"], listed[1]["subject"]) == ("ana@example.com", "First <b>")
    assert listed[1]["links"] == ["http://tenantry.test/confirm?token=tms_1"]
    page = (await house.ask("GET", "/dev/mail")).body.decode()
    assert '<a href="http://tenantry.test/confirm?token=tms_1"' in page
    assert "First &lt;b&gt;" in page
    one = await house.ask("GET", f"/dev/mail/{first}")
    assert '<a href="http://tenantry.test/confirm?token=tms_1"' in one.body.decode()
    assert "<script" not in one.body.decode()
    assert "default-src 'none'" in one.headers["content-security-policy"]
    assert (await house.ask("GET", f"/dev/mail/{first}", JSON)).ok() == listed[1]
    assert (await house.ask("GET", f"/dev/mail/{new_id('evt')}")).code == "not_found"
    assert (await house.ask("GET", "/dev/mail/..%2f..%2fetc%2fpasswd")).status == 400


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080"])
async def test_names_of_this_machine_are_served(house: House, host: str) -> None:
    assert b" 200 " in await house.raw(f"GET /dev/mail HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "lines",
    [
        "Host: evil.example",
        "Host: localhost.evil.example",
        "Host: 127.0.0.1.evil.example",
        "Host: 127.0.0.1@evil.example",
        "Host: 192.168.1.4:8080",
        "Host: [::1",
        "Host:",
        "Host: localhost\r\nX-Forwarded-For: 203.0.113.9",
        "Host: localhost\r\nX-Forwarded-For: 127.0.0.1",
        "Host: localhost\r\nForwarded: for=203.0.113.9",
        "Host: localhost\r\nVia: 1.1 proxy",
    ],
)
async def test_rebound_names_and_proxies_are_not_served(house: House, lines: str) -> None:
    for path in ("/dev/mail", f"/dev/mail/{new_id('evt')}"):
        answer = await house.raw(f"GET {path} HTTP/1.1\r\n{lines}\r\n\r\n".encode())
        assert answer.split(b" ")[1] in (b"404", b"400"), answer


async def test_elsewhere_there_is_no_such_page(databases: Databases, tmp_path: Path) -> None:
    async with a_house(databases, tmp_path, mail="smtp://mail.example:25") as house:
        for path in ("/dev/mail", "/dev/mail/x"):
            assert (await house.ask("GET", path, JSON)).code == "not_found"
        assert b"/dev/mail" not in (await house.ask("GET", "/")).body
    async with a_house(databases, tmp_path, listen="tcp://0.0.0.0:0") as house:
        deliver(house, "Secret", "x\n")
        assert b" 404 " in await house.raw(b"GET /dev/mail HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with a_house(databases, tmp_path, listen=f"unix://{tmp_path}/g.sock") as house:
        assert (await house.ask("GET", "/dev/mail", JSON)).code == "not_found"
