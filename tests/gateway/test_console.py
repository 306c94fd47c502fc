"""How the console is served: by the hash of its content, pressed, under a policy that allows it nothing but itself."""

from __future__ import annotations

import ast
import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from multidict import CIMultiDict

from services.gateway.console import FOLDER, POLICY, Console, accepts_gzip
from services.identity.usecases.sso_callback import ERRORS
from services.launcher import PRODUCT
from shared.errors import KINDS, Problem
from shared.web.server import Request
from tools.vendor_js import LIBRARIES, digest_of, loadable

FIRST_LOAD = 90 * 1024
DOCS = Path(__file__).parents[2] / "docs"
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
    said: set[str] = set()
    for path in FOLDER.rglob("*.js"):
        if path.parent.name not in ("vendor", "i18n"):
            for one, many in CALL.findall(path.read_text()):
                said |= {json.loads(f'"{text}"') for text in (one, many) if text}
    sentences = (FOLDER / "lib" / "sentences.js").read_text().partition("const SENTENCES")[2].partition("const BAD")[0]
    said |= {text for text in re.findall(r'"([^"\n]*)"', sentences) if " " in text}
    map_of_pages = (FOLDER / "screens" / "map.js").read_text()
    said |= set(re.findall(r'title: "([^"]+)"', map_of_pages))
    assert len(said) > 100
    assert said - german() == set()


def test_every_german_word_is_said_somewhere() -> None:
    """By the console itself, as the name or a field of an event, or by a service whose sentence is the key."""
    console = "\n".join(path.read_text() for path in FOLDER.rglob("*.js") if path.parent.name not in ("vendor", "i18n"))
    root = FOLDER.parents[2]
    services = "\n".join(path.read_text() for name in ("services", "shared") for path in (root / name).rglob("*.py"))
    better = dict(re.findall(r'"([\w.]+)": "([^"]+)"', (FOLDER / "lib" / "events.js").read_text()))
    fields = {name.replace("_", " ").capitalize() for name in re.findall(r"^    (\w+): ", services, re.MULTILINE)}
    known = fields | {in_words(kind, better) for kind in published_events()}
    coded = re.compile(
        r"(problem|help|why|fault|because|fact|change|attempt|embed|foreseen|line|reach|cause|group|members):[\w.]+"
    )
    sources = console + services
    silent = [word for word in german() - known if not coded.fullmatch(word) and quoted(word) not in sources]
    assert sorted(silent) == []


def quoted(word: str) -> str:
    return json.dumps(word, ensure_ascii=False)


@cache
def german() -> set[str]:
    """Each word once: of two, nobody would know which is shown."""
    known: set[str] = set()
    for path in sorted((FOLDER / "i18n").glob("de*.js")):
        found = re.search(r"words = ({.*?\n});", path.read_text(), re.DOTALL)
        assert found is not None, path
        for word, _ in json.loads(found[1], object_pairs_hook=list):
            assert word not in known, f"{path.name} has {word!r} a second time"
            known.add(word)
    return known


def test_every_problem_of_the_api_has_its_german_title_and_way_out() -> None:
    documented = json.loads((DOCS / "openapi.json").read_text())["components"]["schemas"]["Problem"]["properties"]
    codes = set(documented["code"]["description"].removeprefix("stable: ").split(", "))
    assert codes == set(KINDS)
    assert {f"{kind}:{code}" for code in codes for kind in ("problem", "help")} - german() == set()


def test_every_reason_and_fault_that_a_service_names_has_its_german() -> None:
    """A detail that says more than its code has a `because` in its meta; a fault has a code of its own."""
    named = {"fault:value_error"}  # what a validator's ValueError is called
    for call in calls_in_services():
        name = getattr(call.func, "id", None) or getattr(call.func, "attr", "")
        first = call.args[0] if call.args else None
        if name in ("invalid", "FieldError") and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
            named.add(f"fault:{call.args[1].value!s}")
        elif name == "PydanticCustomError" and isinstance(first, ast.Constant):
            named.add(f"fault:{first.value!s}")
        elif name == "Problem" and isinstance(first, ast.Constant):
            named |= {f"why:{first.value!s}.{reason}" for reason in reasons_of(call)}
        elif name in ("Refused", "Unreachable") and len(call.args) == 2 and isinstance(call.args[1], ast.Constant):
            named.add(f"reach:{call.args[1].value!s}")
        elif name == "refused" and len(call.args) > 1:
            named.add(f"why:scim_refused.{scim_reason(call)}")
        elif name == "Because":
            named |= {f"because:{value.value!s}" for value in said(call, "code") if isinstance(value, ast.Constant)}
    assert len(named) > 150
    assert named - german() == set()
    reasons = {word.rpartition(".")[2] for word in german() if word.startswith("why:")}
    assert {reason for dictionary in dictionaries_in_services() for reason in because_in(dictionary)} - reasons == set()


def test_every_cause_that_ends_a_sign_in_at_a_provider_has_a_code_and_its_german() -> None:
    """What is said to a provider that signs people out, or to whoever runs the house, is no page of the console."""
    root = Path(__file__).parents[2] / "services" / "identity"
    elsewhere = (
        "oidc_sign_out.py",
        "sign_outs.py",
        "saml_sign_outs.py",
        "redirects.py",
        "signing_out.py",
        "sso_checkup.py",
    )
    causes, steps = set(ERRORS), set()
    for path in (one for one in root.rglob("*.py") if one.name not in elsewhere):
        for call in (one for one in ast.walk(ast.parse(path.read_text())) if isinstance(one, ast.Call)):
            if getattr(call.func, "id", "") in ("StepFailed", "_only"):
                assert len(call.args) > 2, f"{path.name}:{call.lineno} has no code"
                causes |= {one.value for one in call.args[-1:] if isinstance(one, ast.Constant)}
                steps |= {one.value for one in call.args[:1] if isinstance(one, ast.Constant)}
    assert len(causes) > 90
    assert len(steps) > 20
    page = (FOLDER / "screens" / "sso.js").read_text()
    assert steps - set(re.findall(r"^  (\w+): t\(", page, re.MULTILINE)) == set()
    assert {f"cause:{cause}" for cause in causes} - german() == set()


def test_every_fact_and_change_of_an_explanation_has_its_german() -> None:
    """As rules/explanation.py names them; those of built-in groups and plans are made of their kinds."""
    source = (Path(__file__).parents[2] / "services" / "sharing" / "rules" / "explanation.py").read_text()
    kinds = {"mode": ["all_users", "all_analysts"], "feature": ["custom_groups", "share_all_analysts"]}
    named: set[str] = set()
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", "")
        if name in ("Fact", "Change"):
            code = ast.unparse(call.args[3])
            for variable, values in kinds.items():
                if f"{{{variable}}}" in code:
                    named |= {f"{name.lower()}:{code[2:-1].replace(f'{{{variable}}}', value)}" for value in values}
            if isinstance(call.args[3], ast.Constant):
                named.add(f"{name.lower()}:{call.args[3].value}")
    assert len(named) > 25
    assert named - german() == set()


@cache
def nodes_in_services() -> tuple[ast.AST, ...]:
    """What services say to people: not what is said on the command line."""
    root = Path(__file__).parents[2]
    files = [*(root / "services").rglob("*.py"), *(root / "shared").rglob("*.py")]
    heard = [path for path in files if path.name not in ("operator.py", "clocks.py")]
    return tuple(
        node
        for path in heard
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call | ast.Dict)
    )


def calls_in_services() -> Iterator[ast.Call]:
    return (node for node in nodes_in_services() if isinstance(node, ast.Call))


def dictionaries_in_services() -> Iterator[ast.Dict]:
    return (node for node in nodes_in_services() if isinstance(node, ast.Dict))


def said(call: ast.Call, name: str) -> list[ast.expr]:
    return [keyword.value for keyword in call.keywords if keyword.arg == name]


def scim_reason(call: ast.Call) -> str:
    """The third word of `refused`, or the kind of SCIM error itself."""
    because = call.args[2] if len(call.args) > 2 else call.args[0]
    kinds = because.values if isinstance(because, ast.BoolOp) else [because]
    return next(str(one.value) for one in kinds if isinstance(one, ast.Constant))


def reasons_of(call: ast.Call) -> set[str]:
    """What is said beside a code; elsewhere a dictionary is made first, and then it is at least a reason of some code."""
    return {reason for meta in said(call, "meta") if isinstance(meta, ast.Dict) for reason in because_in(meta)}


def because_in(dictionary: ast.Dict) -> set[str]:
    return {
        str(each.value)
        for key, value in zip(dictionary.keys, dictionary.values, strict=True)
        if isinstance(key, ast.Constant) and key.value in ("because", "for")
        for each in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])
        if isinstance(each, ast.Constant)
    }


def test_every_event_has_a_name_in_german() -> None:
    """As lib/events.js names them."""
    better = dict(re.findall(r'"([\w.]+)": "([^"]+)"', (FOLDER / "lib" / "events.js").read_text()))
    nameless = [kind for kind in published_events() if in_words(kind, better) not in german()]
    assert nameless == []


def in_words(kind: str, better: dict[str, str]) -> str:
    words = re.sub(r"[._]", " ", kind.partition(".")[2])
    words = re.sub(r"^(api|sso)\b", lambda found: found[0].upper(), words)
    return better.get(kind, words[0].upper() + words[1:])


def published_events() -> list[str]:
    return sorted(re.sub(r"\.v\d+$", "", path.stem) for path in (DOCS / "events").glob("*.json"))


def test_every_event_is_told_in_a_sentence() -> None:
    told = (FOLDER / "lib" / "sentences.js").read_text()
    families = (".action.refused", ".organization.erased", "audit.head.signed", "billing.catalogue.applied", "billing.test_clock", "courier.mail.requested", "org.organization.erasure_started")  # fmt: skip
    services = [PRODUCT.service(name) for name in PRODUCT.storing]
    types = {event.TYPE.rpartition(".v")[0] for service in services for event in service.publishes}
    assert len(types) > 100
    assert {one for one in types if f'"{one}": ' not in told and not any(family in one for family in families)} == set()


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
