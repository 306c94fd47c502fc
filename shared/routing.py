"""Finding the route of a path: a tree of segments, so that the sixtieth route costs what the first does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.errors import Problem

R = TypeVar("R")


@dataclass
class _Node(Generic[R]):
    fixed: dict[str, _Node[R]] = field(default_factory=dict)
    any: _Node[R] | None = None
    methods: dict[str, tuple[R, tuple[str, ...]]] = field(default_factory=dict)


class RouteTable(Generic[R]):
    """Paths are written `/v1/groups/{group_id}/members`; a fixed segment wins over a named one."""

    def __init__(self) -> None:
        self._root: _Node[R] = _Node()

    def add(self, method: str, path: str, route: R) -> None:
        node, names = self._root, []
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.fixed.setdefault(segment, _Node())
        if method in node.methods:
            raise ValueError(f"{method} {path} is there twice")
        node.methods[method] = (route, tuple(names))

    def find(self, method: str, path: str) -> tuple[R, dict[str, str]]:
        """The route and what the path names; `not_found` or `method_not_allowed` otherwise."""
        node, values = self._walk(self._root, path.split("/")[1:])
        if node is None:
            raise Problem("not_found", "There is nothing at this address.")
        found = node.methods.get("GET" if method == "HEAD" else method)
        if found is None:
            raise Problem("method_not_allowed", headers={"Allow": ", ".join(sorted(node.methods))})
        return found[0], dict(zip(found[1], values, strict=True))

    def _walk(self, node: _Node[R], segments: list[str]) -> tuple[_Node[R] | None, list[str]]:
        if not segments:
            return (node if node.methods else None), []
        head, rest = segments[0], segments[1:]
        if (fixed := node.fixed.get(head)) is not None:
            found, values = self._walk(fixed, rest)
            if found is not None:
                return found, values
        if node.any is not None and head:
            found, values = self._walk(node.any, rest)
            return found, [head, *values]
        return None, []
