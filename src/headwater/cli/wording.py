"""The library's words for programmers, as words for who typed a command.

Errors say what to write in Python; here the same advice names options. Nothing but the advice is changed.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("for_the_command_line",)

_REPLACED: Final = (
    (re.compile(r'\bmodel="([^"]*)"'), r"--model \1"),
    (re.compile(r'\bbase_url="([^"]*)"'), r"--base-url \1"),
    (re.compile(r"\bor pass api_key=(?=[.,;])"), "in the environment"),
    (re.compile(r"\bpass base_url="), "pass --base-url"),
    (re.compile(r"\bbase_url\b"), "--base-url"),
    (re.compile(r"\bpass a token as api_key="), "set the provider's key in the environment"),
    (re.compile(r"\btimeouts\.run\b"), "--timeout"),
)


def for_the_command_line(text: str) -> str:
    """`text` with options where it names keyword arguments."""
    for pattern, replacement in _REPLACED:
        text = pattern.sub(replacement, text)
    return text
