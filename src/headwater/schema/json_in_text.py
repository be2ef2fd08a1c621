"""Finds the JSON in a model's text while it arrives: the whole text, the content of a fence, or what follows words.

`OutputType.parse` decides what a complete text means. Here the likeliest place is shown at once; if it turns out not to
be the answer it is dropped, and `restarted` says so. Once the text has ended, its reading is that of `parse`. Owns
fences and the object `{"result": …}` around values that are not objects; it must never validate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

from headwater.schema.growing_json import GrowingJSON, Path

__all__ = ("JSONInText",)

MAX_FENCE: Final = 64
"""Maximum length of the beginning of a fence: its language and the space after it. Longer than any in use."""

WRAPPER: Final = "result"
"""The name in the object around a value that is not an object; see `OutputType`."""

_FENCE = r"(?:`{3,}+|~{3,}+)[\w-]*+\s*+(?=\S)"
_find_fence = re.compile(_FENCE).search
_find_beginning = re.compile(rf"[{{\[]|{_FENCE}").search
_find_half_a_fence = re.compile(r"(?:`+|~+)[\w-]*\s*\Z").search
_skip_space = re.compile(r"[\s\ufeff]*").match
_VALUE_BEGINS: Final = frozenset('"{[tfnNI-0123456789')
_CLOSERS: Final = ("```", "~~~")

_SEARCHING, _READING, _FOLLOWED, _OVER = range(4)


class JSONInText:
    """The JSON in one answer. `wrapped` says whether its type is wrapped; None: unknown, so the text decides."""

    __slots__ = (
        "_any",
        "_broken",
        "_fenced",
        "_held",
        "_looked",
        "_shown",
        "_state",
        "_text",
        "_wrapped",
        "document",
        "inner",
        "restarted",
        "settled",
    )

    def __init__(self, wrapped: bool | None = None) -> None:
        self._wrapped = wrapped
        self._text = StringIO()
        """All of it, to be read again at its end if the value was not found."""
        self._state = _SEARCHING
        self._any = False
        """Whether anything but space has arrived."""
        self._looked = False
        """Whether there was a candidate."""
        self._held = ""
        """The end of the text, if it may be a part of a fence."""
        self._fenced = False
        self._broken = False
        """Whether a candidate with content broke off: the brackets that follow are its own, and only a fence counts."""
        self._shown = False
        """Whether `take` has returned anything of the candidate."""
        self.document: GrowingJSON | None = None
        """The candidate."""
        self.inner: bool | None = None
        """Whether the value is inside a wrapper; None while that is unknown."""
        self.settled: Any = None
        """The value, if only the complete text told where it is."""
        self.restarted: bool = False
        """Whether something that `take` returned was dropped; the caller resets it."""

    # --- reading

    def feed(self, text: str) -> None:
        """Reads the next piece of the text."""
        self._text.write(text)
        document = self.document
        if document is not None and self._state == _READING and document.feed_string(text):
            return  # the most frequent piece is inside a string
        at = 0
        while at < len(text):
            at = _STEPS[self._state](self, text, at)

    def end(self) -> None:
        """The text has ended: if the candidate is not the answer, reads the text as `OutputType.parse` does."""
        if self.document is not None and self._state == _READING:
            self.document.end()
            if self.document.complete:
                self._state = _FOLLOWED
        if self._state in (_FOLLOWED, _OVER) or not self._looked:
            return
        from headwater.schema.output import readings

        found, _ = readings(self._text.getvalue())
        if found:
            self._drop()
            self._state = _OVER
            self.settled, _ = found[0]
            self.document = None

    def _search(self, text: str, at: int) -> int:
        """Searches for the beginning of a value."""
        if not self._any:
            at = _skip_space(text, at).end()  # type: ignore[union-attr]  # it matches the empty string too
            if at == len(text):
                return at
            self._any = True
            if text[at] in _VALUE_BEGINS:
                return self._begin(at, fenced=False)
        rest = self._held + text[at:]
        found = (_find_fence if self._broken else _find_beginning)(rest)
        if found is not None:
            fenced = found[0] not in ("{", "[")
            at += (found.end() if fenced else found.start()) - len(self._held)
            return self._begin(at, fenced=fenced)
        half = _find_half_a_fence(rest, max(0, len(rest) - MAX_FENCE))
        self._held = half[0] if half is not None else ""
        return len(text)

    def _begin(self, at: int, *, fenced: bool) -> int:
        self.document = GrowingJSON()
        self.inner = False if self._wrapped is False else None
        self._fenced = fenced
        self._held = ""
        self._looked = True
        self._state = _READING
        return at

    def _read(self, text: str, at: int) -> int:
        document = self.document
        assert document is not None
        at += document.feed(text[at:] if at else text)
        if document.complete:
            self._state = _FOLLOWED
        elif document.broken:
            self._broken = self._broken or bool(document.root)
            self._drop()
        return at

    def _follow(self, text: str, at: int) -> int:
        """Reads what follows a complete value: nothing may, except the end of its fence."""
        rest = (self._held + text[at:]).lstrip()
        if not rest:
            return len(text)
        if self._fenced and rest.startswith(_CLOSERS):
            self._state = _OVER
            self._held = ""
            return len(text)
        if self._fenced and any(closer.startswith(rest) for closer in _CLOSERS):
            self._held = rest
            return len(text)
        self._drop()
        return at

    def _skip(self, text: str, at: int) -> int:
        return len(text)

    def _drop(self) -> None:
        """The candidate is not the answer."""
        self.restarted = self.restarted or self._shown
        self._shown = False
        self.document = None
        self.inner = None
        self._state = _SEARCHING

    # --- what is there

    def take(self) -> tuple[list[Path], str, bool]:
        """Returns what is new: the completed values, what the open string gained, and whether anything was added."""
        document = self.document
        if document is None:
            return self._take_settled()
        if self.inner is not False:
            return self._take_wrapped(document)
        done, grew = document.done, document.grew
        if done:
            document.done = []
        document.grew = False
        appended = document.take_appended()
        if grew or done or appended:
            self._shown = True
        return done, appended, grew

    def _take_wrapped(self, document: GrowingJSON) -> tuple[list[Path], str, bool]:
        """The same where the value is, or may be, inside a wrapper."""
        root = document.root
        if root.__class__ is not dict:
            inner: bool | None = False if document.begun else None
        elif not root:
            inner = False if document.complete else None
        else:
            inner = root.keys() == {WRAPPER}
        was, self.inner = self.inner, inner
        if inner is None:
            return [], "", False
        if inner:
            done = [path[1:] for path in document.done if path]
            document.done.clear()
            grew, document.grew = document.grew, False
            appended = document.take_appended()
            self._shown = self._shown or grew or bool(done)
            return done, appended, grew
        if was:  # what was shown is only a member of the answer
            self.restarted = self.restarted or self._shown
            open_path = document.open_path if not document.complete else None
            document.done = [*completed(root, open_path)]
        return self.take()

    def _take_settled(self) -> tuple[list[Path], str, bool]:
        if self._state != _OVER or self._shown:
            return [], "", False
        self._shown = True
        value = self.settled
        self.inner = self._wrapped is not False and isinstance(value, dict) and value.keys() == {WRAPPER}
        if self.inner:
            self.settled = value = value[WRAPPER]
        return [*completed(value, None)], "", True

    @property
    def value(self) -> Any:
        """The value so far; None if there is none."""
        if self.document is None:
            return self.settled
        if self.inner is None:
            return None
        return self.document.value[WRAPPER] if self.inner else self.document.value

    @property
    def open_path(self) -> Path:
        """The path of the value that is being written; () if it is the whole one."""
        if self.document is None or self.inner is None:
            return ()
        return self.document.open_path[1:] if self.inner else self.document.open_path


_STEPS: Final = {
    _SEARCHING: JSONInText._search,
    _READING: JSONInText._read,
    _FOLLOWED: JSONInText._follow,
    _OVER: JSONInText._skip,
}


def completed(value: Any, open_path: Path | None) -> Iterator[Path]:
    """Returns the paths of all complete values in `value`, innermost first; `open_path` is still being written."""
    return _completed(value, (), open_path)


def _completed(value: Any, path: Path, open_path: Path | None) -> Iterator[Path]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from _completed(member, (*path, key), open_path)
    if open_path is None or open_path[: len(path)] != path:
        yield path
