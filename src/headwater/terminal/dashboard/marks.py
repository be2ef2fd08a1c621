"""Inline Markdown marks in incomplete text: closes them for a parser, or converts them to styles.

Pure. Streaming text is styled from its first word on, before its closing mark arrives; a part from the middle has no
unmatched marks left. `terminal.markdown` handles blocks and complete text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from headwater.terminal.spans import Span

__all__ = ("closed", "styled")

_MARK: Final = re.compile(r"\\[!-/:-@\[-`{-~]|`+|\*{1,3}|(?<!\w)_{1,3}|_{1,3}(?!\w)|~~")
_LINK: Final = re.compile(r"!?\[([^\[\]\n]*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s\"[^\"\n]*\")?(?:\)|$)")
_LINK_BEGUN: Final = re.compile(r"(?:^|(?<=[\s(]))!?\[([^\[\]\n]*)(?:\](?:\([^()\s]*)?)?$")
_LINK_ENDED: Final = re.compile(r"^([^\[\]\n]*)\]\([^()\s]*\)")
_LAST_MARK: Final = re.compile(r"(?<!\\)[*_~`]+$")
_STYLES: Final = {"*": ("emphasis", "strong", "strong emphasis"), "_": ("emphasis", "strong", "strong emphasis")}


class _Mark(NamedTuple):
    """A mark outside of code: its position, and whether it may open or close."""

    start: int
    end: int
    text: str
    opens: bool
    closes: bool


def closed(text: str) -> str:
    """Returns `text` with the marks closed that are open at its end, and an unfinished link as its text only."""
    text = _LINK_BEGUN.sub(r"\1", text).rstrip(" ")
    open_: list[_Mark] = []
    done = 0
    for mark in _marks(text):
        at = next((at for at, other in enumerate(open_) if other.text == mark.text), None)
        if mark.closes and at is not None:
            del open_[at:]
            done = mark.end
        elif mark.opens:
            open_.append(mark)
    if done < len(text) and (last := _LAST_MARK.search(text)):  # it opens nothing yet, or is half of what closes
        text = text[: last.start()].rstrip(" ")
    return text + "".join(mark.text for mark in reversed(open_) if mark.end <= len(text))


def styled(text: str, style: str = "") -> list[Span]:
    """A part of a line as spans, its marks made styles; those that were opened before it hold from its beginning."""
    if "[" in text or "]" in text:
        text = _LINK_BEGUN.sub(r"\1", _LINK.sub(r"\1", _LINK_ENDED.sub(r"\1", text)))
    found: list[Span] = []
    open_: list[str] = []
    at = 0

    def say(until: int) -> None:
        if until > at:
            own = style
            for mark in open_:
                own = f"{own} {_style(mark)}" if own else _style(mark)
            found.append(Span(text[at:until], own))

    for mark in _marks(text, part=True):
        if mark.text[0] == "\\":
            say(mark.start)
            at = mark.start + 1
            continue
        if mark.closes and mark.text in open_:
            say(mark.start)
            del open_[open_.index(mark.text) :]
        elif mark.opens:
            say(mark.start)
            open_.append(mark.text)
        elif mark.closes:
            say(mark.start)
            found = [Span(words, f"{own} {_style(mark.text)}".strip()) for words, own in found]
        else:
            continue
        at = mark.end
    say(len(text))
    return found


def _style(mark: str) -> str:
    if mark[0] == "`":
        return "code"
    return "struck" if mark == "~~" else _STYLES[mark[0]][len(mark) - 1]


def _marks(text: str, *, part: bool = False) -> Iterator[_Mark]:
    """The marks of `text` in order, but for those in code.

    Of a `part` escaped ones too, and the end of code that began before it.
    """
    code = ""
    first = part
    for found in _MARK.finditer(text):
        mark, (start, end) = found[0], found.span()
        if mark[0] == "`":
            if first and _ends(text, start, end):
                yield _Mark(start, end, mark, False, True)
            elif not code or code == mark:
                yield _Mark(start, end, mark, not code, bool(code))
                code = "" if code else mark
            first = False
        elif not code and mark[0] == "\\":
            if part:
                yield _Mark(start, end, mark, False, False)
        elif not code:
            before, after = text[start - 1 : start] if start else "", text[end : end + 1]
            opens, closes = bool(after.strip()), bool(before.strip())
            yield _Mark(start, end, mark, opens and not (closes and before.isalnum() and not after.isalnum()), closes)


def _ends(text: str, start: int, end: int) -> bool:
    """Whether the mark can be a closing one."""
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not before.isspace() and not after.isalnum() and (bool(before) or bool(after)) and before != "("
