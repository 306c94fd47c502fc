"""How the console is served: by the hash of its content, pressed, under a policy that allows it nothing but itself."""

from __future__ import annotations

import gzip
import json
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from services.gateway.console import FOLDER, POLICY, Console, accepts_gzip
from shared.errors import Problem
from shared.web.server import Request
from tools.vendor_js import LIBRARIES, digest_of, loadable

FIRST_LOAD = 90 * 1024
CALL = re.compile(r"""\b(?:t|tn)\(\s*(?:(?:[^"()]|\([^()]*\))*?,\s*)?"((?:[^"\\]|\\.)*)"(?:,\s*"((?:[^"\\]|\\.)*)")?""")


def asking(path: str, method: str = "GET", **headers: str) -> Request:
    named = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return cast(Request, SimpleNamespace(method=method, safe_path=path, headers=named))


@pytest.fixture(scope="module")
def console() -> Console:
    return Console()


def body_of(response: Any) -> bytes:
    return cast(bytes, response.body)


def test_every_path_below_the_console_is_its_page(console: Console) -> None:
    for path in ("/console", "/console/", "/console/users", "/console/users/usr_1/anything"):
        assert console.owns(path)
        answer = console.answer(asking(path))
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers["Cache-Control"] == "no-cache"
    for path in ("/", "/consoles", "/v1/console"):
        assert not console.owns(path)


def test_the_page_names_its_files_by_their_hash_and_browsers_may_keep_them(console: Console) -> None:
    page = body_of(console.answer(asking("/console"))).decode()
    named = re.findall(r'(?:href|src)="([^"]+)"', page)
    assert len(named) > 10
    for path in named:
        assert path.startswith(console.base + "/")
        answer = console.answer(asking(path))
        assert "immutable" in answer.headers["Cache-Control"]


def test_a_file_of_another_version_is_not_found(console: Console) -> None:
    for path in ("/console/_/0000000000000000/main.js", f"{console.base}/nothing.js", f"{console.base}/index.html"):
        with pytest.raises(Problem, match="not_found"):
            console.answer(asking(path))


def test_it_is_read_only(console: Console) -> None:
    with pytest.raises(Problem) as refused:
        console.answer(asking("/console", "POST"))
    assert refused.value.code == "method_not_allowed"
    assert refused.value.headers["Allow"] == "GET, HEAD"


def test_who_accepts_gzip_gets_it(console: Console) -> None:
    path = f"{console.base}/app.css"
    plain, pressed = console.answer(asking(path)), console.answer(asking(path, Accept_Encoding="br, gzip"))
    assert "Content-Encoding" not in plain.headers
    assert pressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body_of(pressed)) == body_of(plain)
    assert {plain.headers["Vary"], pressed.headers["Vary"]} == {"Accept-Encoding"}
    assert [accepts_gzip(one) for one in ("", "br", "gzip;q=0", "GZIP", "gzip;q=0.5")] == [False] * 3 + [True] * 2


def test_what_a_browser_has_already_isnt_sent_again(console: Console) -> None:
    etag = console.answer(asking("/console")).headers["ETag"]
    answer = console.answer(asking("/console", If_None_Match=etag))
    assert (answer.status, answer.body) == (304, None)


def test_the_policy_allows_no_inline_script_and_no_html_from_strings(console: Console) -> None:
    answer = console.answer(asking("/console"))
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert "require-trusted-types-for 'script'" in POLICY
    page = body_of(answer).decode()
    assert re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", page) is None
    own = [path for path in FOLDER.rglob("*.js") if path.parent.name != "vendor"]
    for path in own:
        assert re.search(r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function", path.read_text()) is None, (
            path
        )
        assert ("fetch(" in path.read_text()) == (path.name == "api.js"), path


def test_the_first_load_is_light(console: Console) -> None:
    page = body_of(console.answer(asking("/console", Accept_Encoding="gzip")))
    names = re.findall(r'(?:href|src)="([^"]+)"', gzip.decompress(page).decode())
    weights = {
        name: len(body_of(console.answer(asking(name, Accept_Encoding="gzip"))))
        for name in [*names, f"{console.base}/icons.svg"]
    }
    assert len(page) + sum(weights.values()) <= FIRST_LOAD, weights


def test_what_isnt_needed_at_first_comes_with_its_screen(console: Console) -> None:
    page = body_of(console.answer(asking("/console"))).decode()
    for name in ("main.js", "ui/shell.js", "vendor/preact.js"):
        assert f'"{console.base}/{name}"' in page
    for name in ("screens/users.js", "screens/billing.js", "i18n/de.js"):
        assert name not in page


def test_every_word_of_the_console_has_its_german() -> None:
    known: set[str] = set()
    for path in (FOLDER / "i18n").glob("de*.js"):
        found = re.search(r"words = ({.*?\n});", path.read_text(), re.DOTALL)
        assert found is not None, path
        known |= json.loads(found[1]).keys()
    said: set[str] = set()
    for path in FOLDER.rglob("*.js"):
        if path.parent.name not in ("vendor", "i18n"):
            for one, many in CALL.findall(path.read_text()):
                said |= {json.loads(f'"{text}"') for text in (one, many) if text}
    map_of_pages = (FOLDER / "screens" / "map.js").read_text()
    said |= set(re.findall(r'title: "([^"]+)"', map_of_pages))
    assert len(said) > 100
    assert said - known == set()


def test_the_vendored_files_are_those_that_were_checked() -> None:
    listed = json.loads((FOLDER / "vendor" / "VENDOR.json").read_text())
    assert [(one["name"], one["integrity"]) for one in listed] == [(one.name, one.integrity) for one in LIBRARIES]
    for one in listed:
        assert one["licence"] in ("MIT", "Apache-2.0")
        for name, digest in one["files"].items():
            assert digest_of((FOLDER / "vendor" / name).read_text()) == digest, name


def test_vendoring_makes_imports_relative_and_drops_source_maps() -> None:
    script = 'import{h as n}from"preact";import * as s from"@preact/signals-core";\n//# sourceMappingURL=x.map\n'
    assert loadable(script) == 'import{h as n}from"./preact.js";import * as s from"./signals.js";\n'
