"""The import graph, read from the source, including imports for type checking and inside functions."""

from __future__ import annotations

import ast
from collections.abc import Collection, Container, Iterator, Mapping
from functools import cache
from pathlib import Path

__all__ = ("circles", "import_graph")


@cache
def import_graph(root: Path) -> Mapping[str, frozenset[str]]:
    """The modules under `root`, and those of them that each imports."""
    files = {_name(path, root): path for path in root.rglob("*.py")}
    return {name: frozenset(_imported(path, name, files)) for name, path in files.items()}


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, name: str, known: Container[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known and alias.name != name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"a relative import in {path}"
            base = node.module or ""
            if base in known and base != name:
                targets = (f"{base}.{alias.name}" for alias in node.names)
                yield from (target if target in known else base for target in targets)


def circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The import cycles (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    open_path: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        open_path.append(name)
        for target in sorted(graph[name]):
            if target not in order:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in open_path:
                lowest[name] = min(lowest[name], order[target])
        if lowest[name] == order[name]:
            at = open_path.index(name)
            group = sorted(open_path[at:])
            del open_path[at:]
            if len(group) > 1:
                found.append(group)

    for name in sorted(graph):
        if name not in order:
            visit(name)
    return found
