"""What a tree of runs shares: the numbering, the clock that never falls, and which runs are going on."""

from __future__ import annotations

import time
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
        self.runs: dict[str, Run] | None = None
        """The runs below the outermost whose events may still be to come, by id; made when there is one.

        They are held, for a run may be over long before its last events are read, and who watches it is to be told.
        """

    def tick(self) -> None:
        """Read the clock: once a batch, not once an event."""
        now = time.time()
        if now > self.now:
            self.now = now

    def add(self, run: Run) -> None:
        """A run below the outermost has joined."""
        if self.runs is None:
            self.runs = {}
        self.runs[run.id] = run

    def remove(self, run: str) -> None:
        """The end of a run below was appended."""
        if self.runs is not None:
            self.runs.pop(run, None)
