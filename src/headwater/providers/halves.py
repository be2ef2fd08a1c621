"""Repairs split characters: surrogate pairs whose halves arrived in two JSON strings.

Gateways that slice text by UTF-16 units send `"\\ud83d"` in one delta and `"\\ude00"` in the next. A lone half is not a
character, and strict parsers refuse it. A half at the end of a string waits here for the next string of the same kind;
a half that stays alone becomes U+FFFD, as in browsers. Only frames that could not be parsed come here, so all others
cost nothing. Pure; it must never interpret a frame.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

__all__ = ("Halves",)

_HIGH: Final = re.compile("[\ud800-\udbff]")
_ANY: Final = re.compile("[\ud800-\udfff]")
_ESCAPE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_REPLACEMENT: Final = "\ufffd"

_MARKS: Final = ("type", "index", "output_index", "content_index", "summary_index", "jsonPath")
"""Fields that distinguish streams of text inside the same answer."""

_Names = tuple[str, ...]
_Marks = tuple[Any, ...]


class Halves:
    """`repair` frames that could not be parsed; `waiting` holds halves without their other half, nearly always
    empty."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: dict[tuple[_Names, _Marks], str] = {}

    def repair(self, data: bytes) -> bytes | None:
        """Returns the same JSON without lone halves.

        None if `data` could not be parsed for another reason.
        """
        if not self.waiting and _ESCAPE.search(data) is None:
            return None
        try:
            value = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None
        return json.dumps(self._whole(value, (), ()), ensure_ascii=False).encode()

    def _whole(self, value: Any, names: _Names, marks: _Marks) -> Any:
        if isinstance(value, str):
            return self._text(value, names, marks)
        if isinstance(value, list):
            return [
                self._whole(one, names, marks if isinstance(one, dict) and "index" in one else (*marks, place))
                for place, one in enumerate(value)
            ]
        if isinstance(value, dict):
            marks = (*marks, *(repr(value[name]) for name in _MARKS if name in value))
            return {
                _ANY.sub(_REPLACEMENT, name): self._whole(one, (*names, name), marks) for name, one in value.items()
            }
        return value

    def _text(self, text: str, names: _Names, marks: _Marks) -> str:
        if not text:
            return text
        if self.waiting:
            if "\udc00" <= text[0] <= "\udfff":
                text = self._waiting_for(names, marks) + text
            elif half := self.waiting.pop((names, marks), ""):
                text = half + text
        if _ANY.search(text) is None:
            return text
        if _HIGH.match(text, len(text) - 1):
            self.waiting[names, marks] = text[-1]
            text = text[:-1]
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return _ANY.sub(_REPLACEMENT, whole)

    def _waiting_for(self, names: _Names, marks: _Marks) -> str:
        """Returns the waiting half of the same stream of text; else the oldest of the same kind."""
        keys = [(names, marks), *(key for key in self.waiting if key[0] == names)]
        return next((self.waiting.pop(key) for key in keys if key in self.waiting), "")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
