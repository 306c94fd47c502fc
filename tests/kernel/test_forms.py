"""Routes for browsers that another's page sends here: forms, fields that nobody asked for, cookies, and who came by break-glass."""

from __future__ import annotations

import pytest

from shared.auth import BREAK_GLASS, Actor
from shared.endpoint import _cookie, read_message
from shared.errors import Problem
from shared.fields import Message
from shared.service import Ctx, Route, admin, anyone, post

FORM = "application/x-www-form-urlencoded"


class Posted(Message):
    SAMLResponse: str
    RelayState: str | None = None


async def take(ctx: Ctx, posted: Posted) -> None:
    """Takes a form."""


ROUTE = post("/v1/forms", take, anyone("forms.take"), form=True, lenient=True, cookie="__Host-sso")


def read(body: bytes, content_type: str = FORM, route: Route = ROUTE, query: dict[str, str] | None = None) -> Posted:
    found = read_message(route, Posted, {}, query or {}, body, content_type)
    assert isinstance(found, Posted)
    return found


def test_a_form_is_read_and_what_else_is_in_it_is_ignored() -> None:
    posted = read(b"SAMLResponse=a%2Bb%3D%3D&RelayState=x+y&other=1", f"{FORM}; charset=utf-8", query={"more": "2"})
    assert (posted.SAMLResponse, posted.RelayState) == ("a+b==", "x y")


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"SAMLResponse=a", "application/json", "unsupported_media_type"),
        (b"SAMLResponse=a", "text/plain", "unsupported_media_type"),
        (b'{"SAMLResponse": "a"}', FORM, "malformed_request"),
        (b"SAMLResponse=a&SAMLResponse=b", FORM, "malformed_request"),
        (b"SAMLResponse=%ff", FORM, "malformed_request"),
        (b"SAMLResponse=\xc3\xa4", FORM, "malformed_request"),
        (b"SAMLResponse", FORM, "malformed_request"),
        (b"&".join(b"f%d=1" % n for n in range(60)), FORM, "malformed_request"),
        (b"RelayState=a", FORM, "invalid"),
        (b"SAMLResponse=a%00b", FORM, "invalid"),
        (b"SAMLResponse=a\x00b", FORM, "invalid"),
        (b"", FORM, "invalid"),
    ],
)
def test_what_is_no_such_form_is_refused(body: bytes, content_type: str, code: str) -> None:
    with pytest.raises(Problem) as refused:
        read(body, content_type)
    assert refused.value.code == code


def test_elsewhere_a_form_is_no_body_and_unknown_fields_are_faults() -> None:
    plain = post("/v1/forms", take, anyone("forms.take"))
    with pytest.raises(Problem, match="unsupported_media_type"):
        read(b"SAMLResponse=a", route=plain)
    with pytest.raises(Problem, match="invalid"):
        read(b'{"SAMLResponse": "a", "other": 1}', "application/json", plain)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("__Host-sso=abc", "abc"),
        ("a=b; __Host-sso=abc ; c=d", "abc"),
        ("__Host-sso=abc; __Host-sso=def", None),
        ("__Host-session=abc", None),
        ("x__Host-sso=abc", None),
        ("", None),
    ],
)
def test_one_cookie_reaches_the_use_case_and_no_other(header: str, value: str | None) -> None:
    assert _cookie(ROUTE, header) == value
    assert _cookie(post("/v1/forms", take, anyone("forms.take")), header) is None


def test_who_came_by_break_glass_finds_everything_closed_but_what_is_for_that() -> None:
    boss = Actor("person", "usr_x", "org_x", "admin", amr=(BREAK_GLASS, "otp", "mfa"))
    route = post("/v1/things", take, admin("things.make"))
    assert route.is_closed_to(boss)
    assert not route.is_closed_to(Actor("person", "usr_x", "org_x", "admin", amr=("pwd",)))
    assert not post("/v1/things", take, admin("things.make"), emergency=True).is_closed_to(boss)
    assert not ROUTE.is_closed_to(boss)
    assert not post("/internal/things", take, admin("things.make")).is_closed_to(boss)
