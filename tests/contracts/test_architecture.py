"""The rules that keep the house in order, read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import pytest

from tests.contracts.source import ROOT, Module, modules, tracked

LONGEST_FILE = 400
LONGEST_TEST = 600  # a story may be told in one piece
LAUNCHER = "services/launcher.py"

# What a service's file may import of its own service: itself, and what stands before it.
ORDER = ("rules", "store", "usecases", "consumers", "routes", "app")
# Files beyond the usual ones, each between two of them, and why it is there.
EXTRA = {"billing": {"catalogue": ("rules", "the plans are data that an operator edits, read when billing starts")}}
STORING = {"identity", "org", "sharing", "billing", "audit", "courier"}

RULES_MAY_IMPORT = ("shared.errors", "shared.events")
IO_MODULES = {
    "aiohttp", "asyncio", "asyncpg", "aiormq", "aio_pika", "aiosmtplib", "http", "httptools", "multiprocessing",
    "os", "pathlib", "requests", "shutil", "socket", "ssl", "subprocess", "tempfile", "threading", "uvloop",
}  # fmt: skip

KERNEL_WITH_SQL = re.compile(
    r"^shared/(outbox|inbox|receiving|refusals|replay|rewinding|snapshots|subscriber|testkit|idempotency|operations|oversight|erasure|emptying|records|migrate|jobs|db|service|admin|postgres/\w+|backups/\w+|cli/\w+)\.py$"
)
SQL = re.compile(
    r"\b(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s)", re.IGNORECASE | re.DOTALL
)
VAGUE = {"utils", "util", "helpers", "helper", "manager", "managers", "base", "common", "misc"}
FORBIDDEN = re.compile(r"\b(TODO|FIXME|XXX)\b|/(?:work|root)/\w|/home/(?!tenantry|you)\w")

OURS = modules("shared", "services")
ALL = modules("shared", "services", "tests", "bench")


def offenders(found: Iterable[str]) -> str:
    return "\n".join(sorted(set(found)))


def place(parts: tuple[str, ...]) -> tuple[str, int] | None:
    """The service that a dotted name belongs to, and its file's place in the order (-1: the package itself)."""
    if len(parts) < 2 or parts[0] != "services" or parts[1] not in STORING:
        return None
    if len(parts) == 2:
        return parts[1], -1
    extra = EXTRA.get(parts[1], {}).get(parts[2])
    name = extra[0] if extra else parts[2]
    return (parts[1], ORDER.index(name)) if name in ORDER else (parts[1], -1)


def test_shared_imports_no_service() -> None:
    assert not offenders(
        f"{module.name} imports {name}"
        for module in modules("shared")
        for name in module.imports
        if name.split(".")[0] == "services"
    )


def test_no_service_imports_another() -> None:
    assert not offenders(
        f"{module.name} imports {name}"
        for module in modules("services")
        if module.name != LAUNCHER
        for name in module.imports
        if name.split(".")[0] == "services" and name.split(".")[1:2] != [module.package[1]]
    )


def test_inside_a_service_files_import_only_what_stands_before_them() -> None:
    found = []
    for module in modules("services"):
        mine = place(module.package)
        for name in module.imports:
            theirs = place(tuple(name.split(".")))
            if mine and theirs and mine[1] >= 0 and theirs[1] > mine[1]:
                found.append(f"{module.name} imports {name}")
    assert not offenders(found)


def test_rules_do_no_input_or_output() -> None:
    found = []
    for module in modules("services"):
        if module.package[2:3] != ("rules",):
            continue
        service = module.package[1]
        found += [
            f"{module.name} imports {name}"
            for name in module.imports
            if name.split(".")[0] in IO_MODULES
            or (name.split(".")[0] == "shared" and not name.startswith(RULES_MAY_IMPORT))
            or (name.split(".")[0] == "services" and not name.startswith(f"services.{service}.rules"))
        ]
        asynchronous = (ast.AsyncFunctionDef, ast.Await, ast.AsyncWith, ast.AsyncFor)
        found += [f"{module.name} is asynchronous" for node in ast.walk(module.tree) if isinstance(node, asynchronous)]
    assert not offenders(found)


def test_sql_stands_only_in_stores_migrations_and_the_kernels_own_files() -> None:
    assert not offenders(
        f"{module.name}: {' '.join(text.split())[:80]}"
        for module in OURS
        if module.package[2:3] != ("store",) and not KERNEL_WITH_SQL.match(module.name)
        for text in module.strings
        if SQL.search(text)
    )


def test_a_service_has_the_files_that_every_service_has() -> None:
    found = []
    for module in modules("services"):
        if len(module.package) < 3 or module.package[1] not in STORING:
            continue
        service, file = module.package[1:3]
        if file not in ORDER and file not in EXTRA.get(service, {}):
            found.append(f"{module.name} is none of {', '.join(ORDER)}")
        if len(module.package) > 3 and file not in ("rules", "store", "usecases"):
            found.append(f"{module.name}: only rules, store and usecases may become folders")
    assert not offenders(found)


def test_migrations_are_numbered_without_gaps_or_repetitions() -> None:
    folders = {path.parent for path in tracked("*.sql") if path.parent.name == "migrations"}
    for folder in folders:
        numbers = [int(file.name.split("_")[0]) for file in sorted(folder.glob("*.sql"))]
        assert numbers == list(range(1, len(numbers) + 1)), folder.relative_to(ROOT)


@pytest.mark.parametrize("kind", ["py", "sql", "js", "css"])
def test_every_file_fits_in_a_head(kind: str) -> None:
    assert not offenders(
        f"{path.relative_to(ROOT)} has {lines} lines"
        for path in tracked(f"*.{kind}")
        if "vendor" not in path.parts
        and (lines := len(path.read_text().splitlines()))
        > (LONGEST_TEST if path.relative_to(ROOT).parts[0] == "tests" else LONGEST_FILE)
    )


def test_every_module_says_in_a_sentence_what_it_is_for() -> None:
    assert not offenders(
        module.name for module in ALL if module.tree.body and not (ast.get_docstring(module.tree) or "").strip()
    )


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not offenders(str(path.relative_to(ROOT)) for path in tracked("*") if path.stem.lower() in VAGUE)


def test_nothing_is_left_to_do_and_no_path_of_a_machine_is_named() -> None:
    kinds = (".py", ".sql", ".md", ".yml", ".yaml", ".toml", ".sh", ".js", ".css", ".html", ".json", "")
    here = "tests/contracts/test_architecture.py"
    assert not offenders(
        f"{name}:{number}: {line.strip()[:80]}"
        for path in tracked("*")
        if path.suffix in kinds and (name := path.relative_to(ROOT).as_posix()) != here
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if FORBIDDEN.search(line)
    )


def test_the_rules_see_what_breaks_them(tmp_path: object) -> None:
    wrong = Module(ROOT / "services" / "org" / "rules.py")
    object.__setattr__(
        wrong, "text", 'import asyncio\nfrom services.billing import store\nX = "select 1 from members"\n'
    )
    assert list(wrong.imports) == ["asyncio", "services.billing.store"]
    assert any(SQL.search(text) for text in wrong.strings)
    assert place(("services", "org", "routes")) > place(("services", "org", "rules"))  # type: ignore[operator]
