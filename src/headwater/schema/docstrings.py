"""Parses docstrings in the Google, NumPy and Sphinx styles into a description and a description of each argument.

Reads text only; it never looks at the function, and text that it does not recognize stays in the description.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import NamedTuple

__all__ = ("Docstring", "read_docstring")


class Docstring(NamedTuple):
    """`description` is the function's description; `arguments` the description of each argument, on one line."""

    description: str
    arguments: dict[str, str]


_ARGUMENTS = frozenset(
    {"args", "arguments", "params", "parameters", "other parameters", "keyword args", "keyword arguments"}
)
# Sections meant for callers in code, not for a model; notes and examples are kept.
_DROPPED = frozenset({"return", "returns", "yield", "yields", "raise", "raises", "warns", "see also", "todo"})
_KEPT = frozenset({"note", "notes", "example", "examples", "warning", "warnings", "references", "attributes"})
_SECTIONS = _ARGUMENTS | _DROPPED | _KEPT

_FIELD = re.compile(r":(\w+)(?:\s+([^:]*))?:\s*(.*)$")
_GOOGLE_ITEM = re.compile(r"(\*{0,2}\w+)\s*(?:\(.*?\))?\s*:(?:\s+|$)(.*)$")
_NUMPY_ITEM = re.compile(r"(\*{0,2}\w+(?:\s*,\s*\*{0,2}\w+)*)\s*(?::.*)?$")


def read_docstring(text: str | None) -> Docstring:
    """Returns the description and the argument descriptions of a docstring in any style; empty without a docstring."""
    lines = cleandoc(text).splitlines() if text else []
    kept: list[str] = []
    arguments: dict[str, str] = {}
    at = 0
    while at < len(lines):
        if (title := _numpy_title(lines, at)) is not None:
            body, at = _numpy_body(lines, at + 2)
            _take(title, body, arguments, kept, numpy=True)
        elif (title := _google_title(lines, at)) is not None:
            body, at = _google_body(lines, at + 1)
            _take(title, body, arguments, kept, numpy=False)
        elif (field := _FIELD.match(lines[at])) is not None:
            at = _take_field(field, lines, at + 1, arguments)
        else:
            kept.append(lines[at])
            at += 1
    description = re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip()
    return Docstring(description, {name: said for name, said in arguments.items() if said})


def _numpy_title(lines: list[str], at: int) -> str | None:
    title = lines[at].strip().lower()
    ruled = at + 1 < len(lines) and re.fullmatch(r"\s*-{3,}\s*", lines[at + 1]) is not None
    return title if ruled and title in _SECTIONS else None


def _google_title(lines: list[str], at: int) -> str | None:
    line = lines[at].rstrip()
    title = line[:-1].strip().lower()
    indented = at + 1 < len(lines) and _indent(lines[at + 1]) > _indent(line)
    return title if line.endswith(":") and title in _SECTIONS and indented else None


def _numpy_body(lines: list[str], at: int) -> tuple[list[str], int]:
    start = at
    while at < len(lines) and _numpy_title(lines, at) is None:
        at += 1
    return lines[start:at], at


def _google_body(lines: list[str], at: int) -> tuple[list[str], int]:
    start, outer = at, _indent(lines[at - 1])
    while at < len(lines) and (not lines[at].strip() or _indent(lines[at]) > outer):
        at += 1
    return lines[start:at], at


def _take(title: str, body: list[str], arguments: dict[str, str], kept: list[str], *, numpy: bool) -> None:
    if title in _ARGUMENTS:
        arguments.update(_items(body, _NUMPY_ITEM if numpy else _GOOGLE_ITEM, one_line=not numpy))
    elif title in _KEPT:
        kept.extend(("", f"{title.capitalize()}:", *body, ""))


def _items(body: list[str], pattern: re.Pattern[str], *, one_line: bool) -> dict[str, str]:
    """Items start at the body's smallest indent; deeper lines continue the item above."""
    base = min((_indent(line) for line in body if line.strip()), default=0)
    said: dict[str, list[str]] = {}
    current: list[str] = []
    for line in body:
        item = pattern.match(line.strip()) if line.strip() and _indent(line) == base else None
        if item is None:
            current.append(line.strip())
            continue
        current = [item[2]] if one_line else []
        said.update(dict.fromkeys((name.strip().lstrip("*") for name in item[1].split(",")), current))
    return {name: " ".join(filter(None, words)) for name, words in said.items()}


def _take_field(field: re.Match[str], lines: list[str], at: int, arguments: dict[str, str]) -> int:
    words = [field[3]]
    while at < len(lines) and lines[at].strip() and _FIELD.match(lines[at]) is None:
        words.append(lines[at].strip())
        at += 1
    if field[1] in ("param", "parameter", "arg", "argument", "key", "keyword") and field[2]:
        arguments[field[2].split()[-1].lstrip("*")] = " ".join(filter(None, words))
    return at


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
