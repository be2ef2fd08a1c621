"""How much work something is: the lines of this library that are carried out, and how that grows.

Lines are counted and no time is measured, so that the answer is the same on every machine. What C does in one line
(a search in a tuple, a copy of a list) counts as one; what grows there shows in benchmarks/.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import headwater

__all__ = ("Growth", "lines_of")

ROOT: Final = str(Path(headwater.__file__).parent)
NOT_COUNTED: Final = (f"{ROOT}/backends/offline", f"{ROOT}/testing")
"""What stands in for a model: it reads the whole conversation at each step, as a model does."""


def lines_of(work: Callable[[], Any]) -> int:
    """How many lines of headwater's own code `work` carries out in this thread."""
    counted: dict[str, bool] = {}
    lines = 0

    def line(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
        return line

    def call(frame: FrameType, event: str, arg: object) -> Any:
        name = frame.f_code.co_filename
        ours = counted.get(name)
        if ours is None:
            ours = counted[name] = name.startswith(ROOT) and not name.startswith(NOT_COUNTED)
        return line if ours else None

    gc.collect()  # what others have left behind is closed before, and not while we count
    before = sys.gettrace()
    sys.settrace(call)
    try:
        work()
    finally:
        sys.settrace(before)
    return lines


class Growth:
    """The work at three sizes, each twice the one before."""

    def __init__(self, make: Callable[[int], Callable[[], Any]], size: int) -> None:
        make(1)()  # what is imported, read or kept at the first time
        self.lines = [lines_of(make(size * times)) for times in (1, 2, 4)]

    @property
    def factor(self) -> float:
        """By how much the second doubling costs more than the first: 2 where it is linear, 4 where it is quadratic."""
        one, two, four = self.lines
        return (four - two) / max(1, two - one)
