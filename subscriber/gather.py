"""Builds the wheel: `shared/subscriber.py`, `shared/testkit.py` and what they import, as the package `tenantry_subscriber`.

The code stands in `shared/` alone. Only the name of the package changes on the way, because `shared` may be the name of anything.
"""

from __future__ import annotations

import ast
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
CHECKOUT = HERE.parent
PACKAGE = "tenantry_subscriber"
ROOTS = ("shared.subscriber", "shared.testkit")
EVENTS = "shared/events"
DATA = ("shared/migrations",)
OUR_IMPORT = re.compile(r"^(\s*(?:from|import)\s+)shared\b", re.MULTILINE)


class Gather(BuildHookInterface[Any]):
    """What hatchling calls before and after it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tenantry-subscriber-"))
        gather(self._folder)
        build_data["force_include"][str(self._folder)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def gather(folder: Path) -> None:
    """Writes the package into a folder."""
    for file in needed():
        place = folder / file.relative_to(CHECKOUT / "shared")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(OUR_IMPORT.sub(rf"\g<1>{PACKAGE}", file.read_text()))
    for name in DATA:
        shutil.copytree(CHECKOUT / name, folder / Path(name).name)
    shutil.copy(HERE / "init.py", folder / "__init__.py")
    shutil.copy(CHECKOUT / "LICENSE", folder / "LICENSE")
    (folder / "py.typed").touch()


def needed() -> list[Path]:
    """The files of the roots, of every event, and of all that they import when they run."""
    found: set[Path] = set()
    waiting = [path for root in ROOTS if (path := file_of(root))] + sorted((CHECKOUT / EVENTS).glob("*.py"))
    while waiting:
        file = waiting.pop()
        if file not in found:
            found.add(file)
            waiting += imported_by(file)
    return sorted(found - {CHECKOUT / "shared" / "__init__.py"})


def imported_by(file: Path) -> Iterator[Path]:
    """Ours among the modules that a file imports, and the packages that they are in; not what only a type checker reads."""
    for node in _run(ast.parse(file.read_text())):
        if isinstance(node, ast.Import) and any(name.name.partition(".")[0] == "shared" for name in node.names):
            raise ValueError(f"{file}: write `from shared.… import …`; `import shared` can't be renamed")
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "shared":
            module = str(node.module)
            for name in (module, *(f"{module}.{each.name}" for each in node.names)):
                if path := file_of(name):
                    yield path
                    package = path.parent / "__init__.py"
                    if package.exists():
                        yield package


def third_parties() -> set[str]:
    """The modules of others that the package imports."""
    return {
        name.partition(".")[0]
        for file in needed()
        for node in _run(ast.parse(file.read_text()))
        for name in _imported(node)
        if name.partition(".")[0] != "shared"
    }


def file_of(module: str) -> Path | None:
    stem = CHECKOUT.joinpath(*module.split("."))
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) else []


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """All that is below a node, without what stands under `if TYPE_CHECKING`."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _run(child)
