"""Parses JSON while it arrives: each character is read once, and the value so far is available at any time.

    reader = GrowingJSON()
    reader.feed('{"ports": ["Brest", "Cam')
    reader.value  # {"ports": ["Brest", "Cam"]}

The grammar is that of `json.loads`, which also accepts NaN and Infinity, except that no name may come twice in an
object: the last one would count, and the value of the first one is known already. An open string is part of the value,
without an incomplete escape; a number counts once the character after it has arrived, a member of an object once its
value has begun. Owns the grammar alone: where the JSON begins in a text is up to `json_in_text`.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

__all__ = ("MAX_DEPTH", "GrowingJSON", "Path")

Path: TypeAlias = tuple[str | int, ...]
"""The names and indexes that lead to a value; () is the whole one."""

MAX_DEPTH: Final = 200
"""Maximum nesting, as in pydantic's parser: what is nested deeper would not be accepted as an answer."""

_VALUE, _FIRST, _NAME, _FIRST_NAME, _COLON, _AFTER, _STRING, _ESCAPE, _HIGH, _NUMBER, _WORD, _END, _BROKEN = range(13)

_stop = re.compile(r'["\\\x00-\x1f]').search
_space = re.compile(r"[ \t\n\r]*").match
_digits = re.compile(r"[-+0-9.eE]*").match
_is_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?").fullmatch
_WORDS: Final = {
    "t": ("true", True),
    "f": ("false", False),
    "n": ("null", None),
    "N": ("NaN", float("nan")),
    "I": ("Infinity", float("inf")),
}
_ESCAPES: Final = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX: Final = frozenset("0123456789abcdefABCDEF")


class GrowingJSON:
    """One JSON value that arrives in pieces. `feed` reads the next piece; `value` is the value so far."""

    __slots__ = (
        "_escape",
        "_fresh",
        "_high",
        "_is_name",
        "_keys",
        "_pieces",
        "_root",
        "_said",
        "_stack",
        "_state",
        "_string",
        "_word",
        "done",
        "grew",
    )

    def __init__(self) -> None:
        self.done: list[Path] = []
        """The paths of values that were completed, innermost first. The caller empties it."""
        self.grew: bool = False
        """Whether anything was added to the value; the caller resets it."""
        self._state = _VALUE
        self._root: Any = None
        self._stack: list[Any] = []
        self._keys: list[Any] = []
        """For each open container, the name or index of its current member."""
        self._pieces: list[str] = []
        """The current string or number, as far as it is not in `_string`."""
        self._string = ""
        self._fresh: list[str] = []
        self._is_name = False
        self._escape = ""
        self._high = ""
        self._word: tuple[str, Any] = ("", None)
        self._said = 0
        """Number of characters of the word that have arrived."""

    # --- what is there

    @property
    def value(self) -> Any:
        """The value so far, None if nothing has arrived. It is live: it grows with the next `feed`."""
        if self._pieces and not self._is_name and self._state in (_STRING, _ESCAPE, _HIGH):
            self._join()
        return self._root

    @property
    def root(self) -> Any:
        """Like `value`, but an open string may lack what came last."""
        return self._root

    @property
    def begun(self) -> bool:
        """Whether any part of a value is there: false while a number or a word is incomplete."""
        state = self._state
        return bool(self._stack) or state == _END or (state in (_STRING, _ESCAPE, _HIGH) and not self._is_name)

    @property
    def complete(self) -> bool:
        """Whether the value is complete."""
        return self._state == _END

    @property
    def broken(self) -> bool:
        """Whether it is not JSON; nothing more is read."""
        return self._state == _BROKEN

    @property
    def open_path(self) -> Path:
        """The path of the innermost value that is being written."""
        is_scalar = self.in_string or self._state in (_NUMBER, _WORD)
        return tuple(self._keys if is_scalar else self._keys[:-1])

    @property
    def in_string(self) -> bool:
        """Whether a string is open that is a value, and not a name."""
        return self._state in (_STRING, _ESCAPE, _HIGH) and not self._is_name

    def take_appended(self) -> str:
        """Returns what was added to the open string since the last call; empty if none is open."""
        fresh = self._fresh
        if not fresh:
            return ""
        text = "".join(fresh) if self.in_string else ""
        fresh.clear()
        return text

    # --- reading

    def feed_string(self, text: str) -> bool:
        """Reads the next piece if all of it is inside the open string, as most pieces are; returns whether it is."""
        if self._state != _STRING or _stop(text) is not None:
            return False
        self._pieces.append(text)
        if not self._is_name:
            self._fresh.append(text)
        return True

    def feed(self, text: str) -> int:
        """Reads the next piece; returns how many of its characters belong to the value or precede it."""
        if self.feed_string(text):
            return len(text)
        return self._read(text)

    def end(self) -> None:
        """The text has ended: a number as the whole value is complete only now."""
        if self._state == _NUMBER and not self._stack:
            self._end_number()

    def _read(self, text: str) -> int:
        at, size = 0, len(text)
        while at < size:
            state = self._state
            if state == _STRING:
                at = self._read_string(text, at)
            elif state == _NUMBER:
                at = self._read_number(text, at)
            elif state == _ESCAPE:
                at = self._read_escape(text, at)
            elif state == _HIGH:
                if text[at] == "\\":
                    at += 1
                    self._state = _ESCAPE
                else:
                    self._add_half()
                    self._state = _STRING
            elif state == _WORD:
                at = self._read_word(text, at)
            elif state >= _END:
                return at
            elif text[at] in " \t\n\r":
                at = _space(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too
            else:
                self._read_mark(text[at])
                if self._state == _BROKEN:
                    return at
                at += 1
        return at

    def _read_mark(self, mark: str) -> None:
        """Reads a character between values, or the first one of a value."""
        state = self._state
        if state == _AFTER:
            self._read_after(mark)
        elif state == _COLON:
            self._state = _VALUE if mark == ":" else _BROKEN
        elif state in (_NAME, _FIRST_NAME):
            if mark == '"':
                self._begin_string(is_name=True)
            elif mark == "}" and state == _FIRST_NAME:
                self._close()
            else:
                self._state = _BROKEN
        elif mark == '"':
            self._put("")
            self._begin_string(is_name=False)
        elif mark == "{":
            self._open({}, _FIRST_NAME, None)
        elif mark == "[":
            self._open([], _FIRST, 0)
        elif mark == "]" and state == _FIRST:
            self._close()
        elif mark in _WORDS:
            self._word = _WORDS[mark]
            self._begin_scalar(mark, _WORD)
        elif mark in "-0123456789":
            self._begin_scalar(mark, _NUMBER)
        else:
            self._state = _BROKEN

    def _read_after(self, mark: str) -> None:
        is_list = self._stack[-1].__class__ is list
        if mark == ",":
            if is_list:
                self._keys[-1] += 1
                self._state = _VALUE
            else:
                self._state = _NAME
        elif mark == ("]" if is_list else "}"):
            self._close()
        else:
            self._state = _BROKEN

    # --- containers

    def _open(self, container: Any, state: int, key: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            self._state = _BROKEN
            return
        self._put(container)
        self._stack.append(container)
        self._keys.append(key)
        self._state = state

    def _close(self) -> None:
        self._stack.pop()
        self._keys.pop()
        self._complete()

    def _put(self, value: Any) -> None:
        """Adds a value at the current place."""
        self.grew = True
        if not self._stack:
            self._root = value
        elif (container := self._stack[-1]).__class__ is list:
            container.append(value)
        else:
            container[self._keys[-1]] = value

    def _replace(self, value: Any) -> None:
        """Replaces the value at the current place, which is the last."""
        if not self._stack:
            self._root = value
        else:
            self._stack[-1][self._keys[-1]] = value

    def _complete(self) -> None:
        self.done.append(tuple(self._keys))
        self._state = _AFTER if self._stack else _END

    # --- strings

    def _begin_string(self, *, is_name: bool) -> None:
        self._is_name = is_name
        self._string = ""
        self._pieces.clear()
        self._fresh.clear()
        self._state = _STRING

    def _read_string(self, text: str, at: int) -> int:
        found = _stop(text, at)
        end = found.start() if found is not None else len(text)
        if end > at:
            self._say(text[at:end])
        if found is None:
            return end
        if (mark := text[end]) == '"':
            self._end_string()
        elif mark == "\\":
            self._state = _ESCAPE
        else:
            self._state = _BROKEN
            return end
        return end + 1

    def _say(self, text: str) -> None:
        self._pieces.append(text)
        if not self._is_name:
            self._fresh.append(text)

    def _end_string(self) -> None:
        if self._is_name:
            self._keys[-1] = name = "".join(self._pieces)
            self._pieces.clear()
            self._state = _BROKEN if name in self._stack[-1] else _COLON
            return
        self._join()
        self._fresh.clear()
        self._complete()

    def _join(self) -> None:
        """Joins the open string. Nothing else refers to it then, unless the program does, so that it grows in place."""
        more = "".join(self._pieces)
        self._pieces.clear()
        string, self._string = self._string, ""
        self._replace("")
        string += more
        self._string = string
        self._replace(string)

    def _read_escape(self, text: str, at: int) -> int:
        mark = text[at]
        if not self._escape:
            if mark == "u":
                self._escape = "u"
            elif (char := _ESCAPES.get(mark)) is not None:
                self._add_half()
                self._say(char)
                self._state = _STRING
            else:
                self._state = _BROKEN
                return at
            return at + 1
        if mark not in _HEX:
            self._state = _BROKEN
            return at
        self._escape += mark
        if len(self._escape) == 5:
            self._add_unit(int(self._escape[1:], 16))
            self._escape = ""
        return at + 1

    def _add_unit(self, unit: int) -> None:
        """Adds a UTF-16 unit; the first half of a pair waits for the second."""
        if self._high and 0xDC00 <= unit < 0xE000:
            high, self._high = ord(self._high), ""
            self._say(chr(0x10000 + ((high - 0xD800) << 10) + unit - 0xDC00))
            self._state = _STRING
            return
        self._add_half()
        if 0xD800 <= unit < 0xDC00:
            self._high = chr(unit)
            self._state = _HIGH
        else:
            self._say(chr(unit))
            self._state = _STRING

    def _add_half(self) -> None:
        """Adds the first half of a pair that has no second."""
        if self._high:
            half, self._high = self._high, ""
            self._say(half)

    # --- numbers and words

    def _begin_scalar(self, mark: str, state: int) -> None:
        self._pieces[:] = [mark]
        self._is_name = True  # it is not a part of the value yet
        self._said = 1
        self._state = state

    def _read_number(self, text: str, at: int) -> int:
        end = _digits(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too
        if end > at:
            self._pieces.append(text[at:end])
        if end < len(text):
            if text[end] == "I" and self._pieces == ["-"]:
                self._word, self._state = ("-Infinity", float("-inf")), _WORD
            else:
                self._end_number()
        return end

    def _end_number(self) -> None:
        text = "".join(self._pieces)
        self._pieces.clear()
        if _is_number(text) is None:
            self._state = _BROKEN
            return
        try:
            value = int(text)
        except ValueError:
            if text.lstrip("-").isdigit():  # more digits than Python converts
                self._state = _BROKEN
                return
            value = float(text)  # type: ignore[assignment]
        self._put(value)
        self._complete()

    def _read_word(self, text: str, at: int) -> int:
        word, value = self._word
        said = self._said
        more = min(len(word) - said, len(text) - at)
        if text[at : at + more] != word[said : said + more]:
            self._state = _BROKEN
            return at
        self._said += more
        if self._said == len(word):
            self._pieces.clear()
            self._put(value)
            self._complete()
        return at + more
