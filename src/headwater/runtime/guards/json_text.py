"""JSON text in one spelling: a guard that looks for a text in an answer must not miss it for the escapes in it.

JSON may write any character as an escape. Here each one has the spelling it needs: itself, or the shortest escape of a
quote, a backslash or a control character. The value is the same. Pure; text that is not JSON passes, whatever it is.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ("JSONText", "spelled_out")

_UNIT: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_BEGINNING: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?")
_NEEDED: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
}
"""The characters that JSON can only hold as an escape, beside the other control characters."""


class JSONText:
    """Spells out a text that comes in pieces; what may be the beginning of an escape waits for the next piece."""

    __slots__ = ("_held", "changed")

    def __init__(self) -> None:
        self.changed: bool = False
        """Whether anything had another spelling."""
        self._held = ""

    def add(self, piece: str) -> str:
        """Returns what is known now."""
        if "\\" not in piece and not self._held:
            return piece
        text, self._held = self._held + piece, ""
        out: list[str] = []
        at = 0
        while (start := text.find("\\", at)) >= 0:
            out.append(text[at:start])
            said, at = _escape(text, start)
            if at < 0:
                self._held = text[start:]
                return "".join(out)
            self.changed = self.changed or said != text[start:at]
            out.append(said)
        out.append(text[at:])
        return "".join(out)

    def end(self) -> str:
        """Returns what was waiting: the text is complete."""
        rest, self._held = self._held, ""
        return rest


def spelled_out(text: str) -> str:
    """Returns a whole text in this spelling."""
    if "\\" not in text:
        return text
    made = JSONText()
    return made.add(text) + made.end()


def _escape(text: str, start: int) -> tuple[str, int]:
    """Returns the spelling of the escape at `start` and where it ends; -1 if more of it has to come."""
    first = _UNIT.match(text, start)
    if first is None:
        if _BEGINNING.fullmatch(text, start):
            return "", -1
        pair = text[start : start + 2]
        return "/" if pair == "\\/" else pair, start + 2
    end = start + 6
    code = int(first[1], 16)
    if 0xD800 <= code < 0xDC00:
        second = _UNIT.match(text, end)
        if second is not None and 0xDC00 <= (low := int(second[1], 16)) < 0xE000:
            return chr(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)), end + 6
        if second is None and (end == len(text) or _BEGINNING.fullmatch(text, end)):
            return "", -1
    char = chr(code)
    if code < 0x20 or 0xD800 <= code < 0xE000 or char in _NEEDED:
        return _NEEDED.get(char, first[0]), end
    return char, end
