"""The title of a panel: a workflow's name in title case.

Pure. Only a slug is rewritten: capitals or spaces are intentional.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("titled",)

_SLUG: Final = re.compile("[a-z0-9]+(?:[-_][a-z0-9]+)*")
_SMALL: Final = frozenset(
    ("a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with")
)
_LETTERS: Final = frozenset(("ai", "api", "faq", "hr", "llm", "ml", "nlp", "pdf", "qa", "rag", "seo", "sql", "ui"))
"""Abbreviations that are written in capitals in titles."""


def titled(name: str) -> str:
    """`market-analysis-workflow` as "Market Analysis Workflow"; other names unchanged."""
    if not _SLUG.fullmatch(name):
        return name
    words = re.split("[-_]", name)
    last = len(words) - 1
    return " ".join(_word(word, inside=0 < at < last) for at, word in enumerate(words))


def _word(word: str, *, inside: bool) -> str:
    if word in _LETTERS:
        return word.upper()
    return word if inside and word in _SMALL else word.capitalize()
