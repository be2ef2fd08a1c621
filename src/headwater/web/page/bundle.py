"""Bundles the page's script and style, each into one text, from the modules in `page/`.

Owns how ES modules become one script: each becomes a function that returns its exports, in order of dependencies. So a
page needs one request, and a saved run is one file. It must never change the content of a vendored module.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Final

from headwater.web.page import minify

__all__ = ("index", "script", "style", "text")

_ENTRY: Final = "app.js"

_IMPORT: Final = re.compile(
    r'^import (?:\{(?P<names>[^}]*)\}|\* as (?P<all>\w+)|(?P<default>\w+)) from "(?P<path>[^"]+)";\n?', re.M
)
_DECLARED: Final = re.compile(r"^export (?=(?:async )?(?:function\*?|class|const|let) (?P<name>\w+))", re.M)
_LISTED: Final = re.compile(r"export\s*\{(?P<names>[^}]*)\};?")
_DEFAULT: Final = re.compile(r"export default ")
_ALL: Final = "*"
_MAP: Final = re.compile(r"^//# sourceMappingURL=.*$", re.M)


def text(path: str) -> str:
    """Returns a file of the page by its path in `page/`."""
    return (files("headwater.web") / "page").joinpath(*path.split("/")).read_text(encoding="utf-8")


def index() -> str:
    """Returns the HTML document that the server sends."""
    return text("index.html")


@cache
def style() -> str:
    """Returns the style sheet, without comments and unnecessary whitespace."""
    return minify.style(text("style.css"))


@cache
def script() -> str:
    """Returns all modules as one strict script without global names."""
    order: list[str] = []
    _visit(_ENTRY, order, [])
    wanted: dict[str, set[str]] = {}
    for path in order:
        for found in _IMPORT.finditer(text(path)):
            names = found["names"] or (_ALL if found["all"] else "default")
            of = wanted.setdefault(_resolve(path, found["path"]), set())
            of.update(one.split(" as ")[0].strip() for one in names.split(","))
    body = "".join(_as_function(path, order, wanted.get(path, set())) for path in order)
    return f'"use strict";(() => {{\n{body}}})();\n'


def _visit(path: str, order: list[str], above: list[str]) -> None:
    if path in above:
        raise ValueError(f"The page's modules import each other in a circle: {' → '.join([*above, path])}")
    if path in order:
        return
    for found in _IMPORT.finditer(text(path)):
        _visit(_resolve(path, found["path"]), order, [*above, path])
    order.append(path)


def _resolve(path: str, wanted: str) -> str:
    parts = path.split("/")[:-1]
    for part in wanted.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _as_function(path: str, order: list[str], wanted: set[str]) -> str:
    """Converts a module to a function: imports become constants, the wanted exports the return value."""
    source = text(path)
    exported: dict[str, str] = {}

    def imported(found: re.Match[str]) -> str:
        of = _name(order, _resolve(path, found["path"]))
        if found["all"]:
            return f"const {found['all']} = {of};\n"
        if found["default"]:
            return f"const {found['default']} = {of}.default;\n"
        return f"const {{{found['names'].replace(' as ', ':').replace(' ', '')}}}={of};\n"

    def declared(found: re.Match[str]) -> str:
        exported[found["name"]] = found["name"]
        return ""

    def listed(found: re.Match[str]) -> str:
        for one in found["names"].split(","):
            inner, _, outer = one.strip().partition(" as ")
            if inner:
                exported[outer or inner] = inner
        return ""

    def default(_: re.Match[str]) -> str:
        exported["default"] = "$default"
        return "const $default = "

    source = _IMPORT.sub(imported, source)
    source = _DEFAULT.sub(default, _LISTED.sub(listed, _DECLARED.sub(declared, _MAP.sub("", source))))
    if not path.startswith("vendor/"):
        source = minify.script(source)
    returned = ",".join(
        outer if outer == inner else f"{outer}:{inner}"
        for outer, inner in exported.items()
        if outer in wanted or _ALL in wanted
    )
    return f"const {_name(order, path)} = (() => {{\n{source.strip()}\nreturn {{{returned}}};\n}})();\n"


def _name(order: list[str], path: str) -> str:
    return f"$m{order.index(path)}"
