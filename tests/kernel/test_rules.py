"""The kernel's small parts: ids, links, cursors, routes, tokens, logs, configuration."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api_keys import PREFIXES
from shared.auth import Actor
from shared.config import SERVICES, Misconfigured, Secrets, settings_from, signing_key
from shared.errors import Problem
from shared.ids import is_id, may_come_from, new_event_id, new_id
from shared.links import link_token, read_link_token
from shared.log import REDACTED, redact
from shared.paging import Cursors, ListQuery
from shared.routing import RouteTable

SECRETS = Secrets.generate()
names = st.sampled_from(SERVICES)
key = b"k" * 32


@given(source=names, other=names)
def test_an_event_id_tells_which_source_it_may_be_of(source: str, other: str) -> None:
    one = new_event_id(source)
    assert is_id(one, "evt")
    assert may_come_from(one, source)
    assert may_come_from(one, other) == (source == other)


@given(st.sets(st.integers(0, 2**42), min_size=2, max_size=20))
def test_ids_sort_by_the_millisecond(moments: set[int]) -> None:
    ids = [new_id("usr", now=moment / 1000 + 0.0004) for moment in sorted(moments)]
    assert ids == sorted(ids)


@given(st.text(max_size=40))
def test_nothing_else_is_an_id(text: str) -> None:
    assert not is_id(text, "usr")
    assert not may_come_from(text, "org")


def test_an_id_ends_where_it_ends() -> None:
    assert not is_id(new_id("usr") + "\n", "usr")
    assert not may_come_from(new_event_id("org") + "\n", "org")


@given(purpose=st.sampled_from(["invitation", "reset"]), version=st.integers(0, 999_999))
def test_a_link_is_good_for_its_purpose_id_and_version(purpose: str, version: int) -> None:
    subject = new_id("inv")
    token = link_token(key, purpose, subject, version)
    assert read_link_token(key, purpose, token) == (subject, version)
    assert read_link_token(key, purpose + "x", token) is None
    assert read_link_token(b"x" * 32, purpose, token) is None
    assert read_link_token(key, purpose, token + "\n") is None


@given(at=st.integers(0, 75), letter=st.sampled_from("0aA_-"))
def test_a_link_with_one_letter_changed_is_no_link(at: int, letter: str) -> None:
    token = link_token(key, "reset", new_id("usr"), 3)
    changed = token[:at] + letter + token[at + 1 :]
    assert changed == token or read_link_token(key, "reset", changed) is None


class Filtered(ListQuery):
    role: str | None = None


@given(position=st.lists(st.integers(-(2**53), 2**53) | st.text(max_size=10), max_size=4))
def test_a_cursor_comes_back_as_it_was_for_the_same_filter_only(position: list[Any]) -> None:
    cursors = Cursors(key)
    written = cursors.write(position, Filtered(role="admin"))
    assert cursors.read(Filtered(role="admin", cursor=written, limit=7)) == position
    for query in (Filtered(role="viewer", cursor=written), Filtered(cursor=written)):
        with pytest.raises(Problem) as told:
            cursors.read(query)
        assert told.value.errors[0].code == "cursor_of_another_list"


@given(st.text(max_size=80))
def test_what_nobody_wrote_is_no_cursor(text: str) -> None:
    with pytest.raises(Problem) as told:
        Cursors(key).read(ListQuery(cursor=text))
    assert told.value.status == 422


@given(count=st.integers(0, 30), limit=st.integers(1, 10))
def test_pages_show_every_row_once(count: int, limit: int) -> None:
    cursors, seen, cursor = Cursors(key), list[int](), None
    while True:
        query = ListQuery(limit=limit, cursor=cursor)
        after = (cursors.read(query) or [-1])[0]
        page = cursors.page([n for n in range(count) if n > after][: limit + 1], query, lambda n: [n])
        seen += page.data
        cursor = page.page.next_cursor
        if cursor is None:
            break
    assert seen == list(range(count))


def test_routes_prefer_what_is_fixed_and_say_which_methods_there_are() -> None:
    table: RouteTable[str] = RouteTable()
    table.add("GET", "/v1/groups/{group_id}", "one")
    table.add("GET", "/v1/groups/mine", "mine")
    table.add("POST", "/v1/groups/{group_id}/members", "add")
    table.add("DELETE", "/v1/groups/{group_id}/members/{user_id}", "remove")
    assert table.find("GET", "/v1/groups/mine") == ("mine", {})
    assert table.find("HEAD", "/v1/groups/g1") == ("one", {"group_id": "g1"})
    assert table.find("POST", "/v1/groups/mine/members") == ("add", {"group_id": "mine"})
    assert table.find("DELETE", "/v1/groups/g/members/u") == ("remove", {"group_id": "g", "user_id": "u"})
    for path in ("/v1/groups", "/v1/groups/", "/v1/groups/a/b", "/", "", "/v1/groups//members"):
        with pytest.raises(Problem) as told:
            table.find("GET", path)
        assert told.value.code == "not_found", path
    with pytest.raises(Problem) as told:
        table.find("PUT", "/v1/groups/g1")
    assert (told.value.code, told.value.headers) == ("method_not_allowed", {"Allow": "GET"})
    with pytest.raises(ValueError, match="twice"):
        table.add("GET", "/v1/groups/{other}", "again")


def test_a_token_is_for_one_service_and_only_the_gateway_speaks_for_persons() -> None:
    ana = Actor("person", new_id("usr"), new_id("org"), "admin", new_id("ses"), ("pwd", "otp"), int(time.time()))
    gateway, org, billing = (SECRETS.keyring(name) for name in ("gateway", "org", "billing"))
    token = gateway.issue(ana, "org")
    assert org.verify(token) == ana
    assert org.verify(billing.as_itself("org")) == Actor("service", service="billing")
    refused = [
        (billing, token),  # made for another service
        (org, billing.issue(ana, "org")),  # who isn't the gateway speaks for itself only
        (org, billing.issue(Actor("service", service="identity"), "org")),
        (org, Secrets.generate().keyring("gateway").issue(ana, "org")),  # another house's key
        (org, token[:-4] + "AAAA"),
        (org, ""),
        (org, "a.b.c"),
    ]
    for keyring, wrong in refused:
        with pytest.raises(Problem) as told:
            keyring.verify(wrong)
        assert told.value.code == "unauthenticated"


def test_a_token_of_a_newer_gateway_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    import shared.auth as auth

    pack = auth._pack
    monkeypatch.setattr(auth, "_pack", lambda actor: {**pack(actor), "device": "phone"})
    token = SECRETS.keyring("gateway").issue(Actor("person", "usr_1"), "org")
    assert SECRETS.keyring("org").verify(token) == Actor("person", "usr_1")


def test_a_token_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    org = SECRETS.keyring("org")
    token = SECRETS.keyring("billing").as_itself("org")
    org.verify(token)
    now = time.time()
    monkeypatch.setattr("shared.auth.time.time", lambda: now + 61)
    monkeypatch.setattr("jwt.api_jwt.datetime", _Later)
    with pytest.raises(Problem):
        org.verify(token)


class _Later:
    @staticmethod
    def now(tz: Any = None) -> Any:
        from datetime import datetime, timedelta

        return datetime.now(tz) + timedelta(seconds=61)


SECRET = "hunter2hunter2"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c3JfMSJ9.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "entry",
    [
        {"password": SECRET},
        {"new_password": SECRET},
        {"headers": {"Authorization": SECRET, "cookie": SECRET}},
        {"body": [{"client_secret": SECRET}]},
        {"database_url": SECRET},
        {"event": f"can't reach amqp://tenantry:{SECRET}@rabbit:5672/"},
        {"event": f"can't reach redis://:{SECRET}@cache/"},
        {"error": f"postgresql://org:{SECRET}@host/org refuses"},
        *({"exception": f"Traceback … {prefix}_{SECRET} …"} for prefix in PREFIXES),
        {"error": f"signed with whsec_{SECRET}"},
        {"event": f"tms_{SECRET}-x"},
        {"path": f"/v1/invitation-tokens/tms_inv{SECRET}-{SECRET}"},
        {"error": ValueError(f"amqp://u:{SECRET}@h/")},
        {"raw": f"amqp://u:{SECRET}@h/".encode()},
    ],
)
def test_a_log_line_has_no_secret(entry: dict[str, Any]) -> None:
    assert SECRET not in str(redact(None, "info", dict(entry)))


def test_a_log_line_has_no_token_and_keeps_what_is_harmless() -> None:
    entry = {"event": f"said Bearer {JWT}", "path": "/v1/groups", "count": 3, "ok": True}
    line = redact(None, "info", dict(entry))
    assert JWT not in str(line)
    assert line["event"] == f"said Bearer {REDACTED}"
    assert (line["path"], line["count"], line["ok"]) == ("/v1/groups", 3, True)


@pytest.fixture
def complete(tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "secrets.json"
    SECRETS.save(file)
    environ = {
        "TENANTRY_SECRETS_FILE": str(file),
        "TENANTRY_AMQP_URL": "amqp://u:p@rabbit/",
        "TENANTRY_MAIL": "smtp://mail:25",
        "TENANTRY_PUBLIC_URL": "https://admin.example.com",
    }
    for place, name in enumerate(SERVICES):
        environ[f"TENANTRY_{name.upper()}_LISTEN"] = f"tcp://127.0.0.1:{9000 + place}"
        environ[f"TENANTRY_{name.upper()}_DATABASE_URL"] = f"postgresql://{name}@db/{name}"
    return environ


def test_a_complete_configuration_starts(complete: dict[str, str]) -> None:
    assert settings_from(complete).services == SERVICES


def test_one_service_needs_only_its_own_database(complete: dict[str, str]) -> None:
    for name in SERVICES:
        if name != "org":
            del complete[f"TENANTRY_{name.upper()}_DATABASE_URL"]
            complete[f"TENANTRY_{name.upper()}_URL"] = complete.pop(f"TENANTRY_{name.upper()}_LISTEN")
    assert settings_from({**complete, "TENANTRY_SERVICES": "org"}).services == ("org",)


def test_every_fault_is_named_at_once(complete: dict[str, str]) -> None:
    faults = {
        "TENANTRY_ORG_DATABASE_URL": "",
        "TENANTRY_MAIL": "",
        "TENANTRY_SECRETS_FILE": "/nowhere/secrets.json",
        "TENANTRY_BILLING_LISTEN": "9000",
        "TENANTRY_AMQP_URL": "http://rabbit",
        "TENANTRY_POOL_SIZE": "many",
        "TENANTRY_LOG_LEVEL": "loud",
        "TENANTRY_SERVICES": ",".join((*SERVICES, "payments")),
    }
    with pytest.raises(Misconfigured) as told:
        settings_from({**complete, **faults})
    text = str(told.value)
    named = {
        "TENANTRY_ORG_DATABASE_URL is missing",
        "TENANTRY_MAIL is missing",
        "/nowhere/secrets.json is missing",
        "TENANTRY_BILLING_LISTEN",
        "TENANTRY_AMQP_URL",
        "TENANTRY_POOL_SIZE",
        "TENANTRY_LOG_LEVEL",
        "'payments'",
    }
    assert not {fault for fault in named if fault not in text}, text


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_a_pool_has_connections(complete: dict[str, str], value: str) -> None:
    with pytest.raises(Misconfigured, match="TENANTRY_POOL_SIZE"):
        settings_from({**complete, "TENANTRY_POOL_SIZE": value})


def test_a_fault_never_tells_a_secret(complete: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text(SECRETS.model_dump_json().replace('"cursors"', '"courses"'))
    with pytest.raises(Misconfigured) as told:
        settings_from({**complete, "TENANTRY_SECRETS_FILE": str(broken), "TENANTRY_AMQP_URL": f"http://u:{SECRET}@x"})
    assert SECRETS.cursors not in str(told.value)
    assert SECRET not in str(told.value)


def test_secrets_are_never_overwritten_and_nobody_else_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    SECRETS.save(file)
    with pytest.raises(FileExistsError):
        Secrets.generate().save(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert Secrets.load(file) == SECRETS
    assert list(tmp_path.iterdir()) == [file]


def test_the_next_access_key_is_published_before_it_signs_and_the_last_one_leaves_when_nothing_it_signed_is_valid() -> (
    None
):
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    first = SECRETS.access[0]
    assert signing_key(SECRETS.access, now) == first
    second = SECRETS.with_next_access_key(now)
    assert [key.signs_from for key in second.access] == [None, now + timedelta(minutes=15)]
    assert second.waiting_access_key(now) == second.access[1]
    assert signing_key(second.access, now + timedelta(minutes=14)) == first
    later = now + timedelta(minutes=15)
    assert signing_key(second.access, later) == second.access[1]
    assert second.waiting_access_key(later) is None
    at_once, a_day_later = second.with_next_access_key(later), second.with_next_access_key(later + timedelta(days=1))
    assert [key.kid for key in at_once.access[:2]] == [first.kid, second.access[1].kid]
    assert [key.kid for key in a_day_later.access[:1]] == [second.access[1].kid]
    assert (len(at_once.access), len(a_day_later.access)) == (3, 2)
    assert second.model_copy(update={"access": SECRETS.access}) == SECRETS, "nothing else changed"
