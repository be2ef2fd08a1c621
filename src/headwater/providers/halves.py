"""Characters that a server cut in two: a surrogate pair whose halves came in two JSON strings.

Gateways that slice a text by UTF-16 units send `"\\ud83d"` in one delta and `"\\ude00"` in the next. Each half alone is
no character, and no strict parser takes it. A half at the end of a string waits here for the next string of the same
kind; a half that stays alone becomes U+FFFD, as every browser shows it. Only frames that could not be parsed come here,
so that all others cost nothing. Pure; it must never see what a frame means.
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
"""Fields that tell one stream of text from another inside the same answer."""

_Names = tuple[str, ...]
_Marks = tuple[Any, ...]


class Halves:
    """`mend` what could not be parsed; `waiting` is what waits for its other half, nothing nearly always."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: dict[tuple[_Names, _Marks], str] = {}

    def mend(self, data: bytes) -> bytes | None:
        """Returns JSON without lone halves that says what `data` does.

        None where `data` could not be parsed for another reason.
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
        """The half of the same stream of text; else the oldest of the same kind."""
        keys = [(names, marks), *(key for key in self.waiting if key[0] == names)]
        return next((self.waiting.pop(key) for key in keys if key in self.waiting), "")


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")
