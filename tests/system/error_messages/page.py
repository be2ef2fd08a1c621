"""Reads docs/errors.md for the tests: each message under its heading, and its advice."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "errors.md"

_ENTRY = re.compile(
    r"^### (?P<title>.+)\n\n```text\n(?P<message>.*?)\n```\n\n(?P<advice>(?:(?!#).+\n?)+)", re.MULTILINE
)


class Entry(NamedTuple):
    """One message of the page."""

    message: str
    advice: str


def entries() -> dict[str, Entry]:
    """Every message of the page by its heading."""
    found: dict[str, Entry] = {}
    for match in _ENTRY.finditer(PAGE.read_text(encoding="utf-8")):
        assert match["title"] not in found, f"{match['title']} stands twice"
        found[match["title"]] = Entry(match["message"], " ".join(match["advice"].split()))
    return found
