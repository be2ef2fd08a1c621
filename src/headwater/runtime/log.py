"""What a tree of runs shares: the numbering, the clock that never falls, and which runs are going on."""

from __future__ import annotations

import time
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = ("Log",)


class Log:
    """The numbering of one tree of runs. It keeps no events: whoever wants them keeps them."""

    __slots__ = ("now", "runs", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self.now = 0.0
        self.runs: weakref.WeakValueDictionary[str, Run] | None = None
        """The runs below the outermost, by id; made when there is one."""

    def tick(self) -> None:
        """Read the clock: once a batch, not once an event."""
        now = time.time()
        if now > self.now:
            self.now = now

    def add(self, run: Run) -> None:
        """A run below the outermost has joined."""
        if self.runs is None:
            self.runs = weakref.WeakValueDictionary()
        self.runs[run.id] = run
