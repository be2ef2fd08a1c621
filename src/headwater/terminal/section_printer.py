"""A run of several agents on the terminal without a dashboard: each one's words under its own header.

Where one speaks at a time its words are shown as they come, else whole when it has ended: two voices in one line can be
read by nobody. Who speaks is worked out from the log (`events.tree`).
"""

from __future__ import annotations

from typing import TextIO

from headwater.events import Event, Handoff, RunCancelled, RunFailed, RunFinished, RunStarted, TextDelta
from headwater.events.tree import Tree
from headwater.terminal.line_printer import LinePrinter

__all__ = ("SectionPrinter",)


class SectionPrinter:
    """An observer of a run: a printer for each agent that speaks in it, made when it begins.

    The run is a workflow's, or an agent's that may hand the conversation on. `live` shows the words as they come.
    `file` is standard output unless given.
    """

    def __init__(self, *, live: bool, file: TextIO | None = None) -> None:
        self._live = live
        self._file = file
        self._tree = Tree()
        self._printers: dict[str, LinePrinter] = {}

    def __call__(self, event: Event) -> None:
        """Show `event`. Never raises."""
        if event.__class__ is not TextDelta:
            self._tree.add(event)
        if isinstance(event, RunStarted) and event.model and event.run in self._tree.speakers:
            self._printers[event.run] = LinePrinter(event.agent, file=self._file, live=self._live)
        printer = self._printers.get(event.run)
        if printer is not None:
            printer(event)
            if isinstance(event, Handoff | RunFinished | RunFailed | RunCancelled):
                del self._printers[event.run]
