"""Texts in several parts, a message's or a tool's result: what a guard is asked about them, and where its words go.

What a reader puts together may be split over parts, and what stands alone in a part need not stand alone beside the
others. So several texts are checked twice: joined as they are, and with a line break between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from headwater.events.messages import Part, Text
from headwater.runtime.guards.gate import changed_range
from headwater.runtime.guards.guard import Guard, GuardContext, Replace, Verdict
from headwater.runtime.guards.verdicts import judge

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = ("judged_parts",)

AnyPart = TypeVar("AnyPart", bound=Part)

_BETWEEN: Final = ("", "\n")


async def judged_parts(
    run: Run, guard: Guard, parts: Sequence[AnyPart], about: GuardContext
) -> tuple[tuple[AnyPart, ...], Verdict, int]:
    """Asks the guard about the texts among the parts; returns the parts as they passed, the verdict, and how many
    characters it is about. Only after a Replace do the parts differ."""
    given, said, chars = tuple(parts), None, 0
    several = sum(isinstance(part, Text) for part in given) > 1
    for between in _BETWEEN if several else _BETWEEN[:1]:
        text = between.join(part.text for part in given if isinstance(part, Text))
        verdict = await judge(run, guard, text, about) if text else None
        if verdict is None:
            continue
        said, chars = verdict, len(text)
        if not isinstance(verdict, Replace):
            break
        given = _replaced(given, between, text, verdict.text)
    return given, said, chars


def _replaced(parts: tuple[Any, ...], between: str, old: str, new: str) -> tuple[Any, ...]:
    """Puts what differs between the joined texts in the place of what it replaces; the other parts stay as they are."""
    if old == new:
        return parts
    start, end = changed_range(old, new)
    words = new[start : len(new) - (len(old) - end)]
    given: list[Any] = []
    at, put = 0, False
    for part in parts:
        if not isinstance(part, Text):
            given.append(part)
            continue
        text, size = part.text, len(part.text)
        first, last = min(max(start - at, 0), size), min(max(end - at, 0), size)
        here = not put and (start < at + size or at + size == len(old))
        text = text[:first] + (words if here else "") + text[last:]
        put = put or here
        at += size + len(between)
        if text == part.text:
            given.append(part)
        elif text:
            given.append(msgspec.structs.replace(part, text=text, signature=None))
    return tuple(given) or (Text(text=""),)
