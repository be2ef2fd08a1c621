"""A run of several agents on the terminal without a dashboard: each one's words under its own header.

Where one speaks at a time its words are shown as they come, else whole when it has ended: two voices in one line can be
read by nobody. Who speaks is worked out from the log (`events.tree`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from headwater.events import Event, Handoff, RunCancelled, RunFailed, RunFinished, RunStarted, TextDelta
from headwater.events.tree import Tree
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.look import Look

__all__ = ("SectionPrinter",)


class SectionPrinter:
    """An observer of a run: a printer for each agent that speaks in it, made when it begins.

    The run is a workflow's, or an agent's that may hand the conversation on. `live` shows the words as they come.
    `file` is standard output unless given; `look` and `past` are as the line printer has them.
    """

    def __init__(
        self,
        *,
        live: bool,
        file: TextIO | None = None,
        look: Look = Look(),  # noqa: B008  # frozen
        past: Iterable[Event] = (),
    ) -> None:
        self._live = live
        self._file = file
        self._look = look
        self._tree = Tree()
        self._printers: dict[str, LinePrinter] = {}
        self._past: dict[str, list[Event]] = {}
        """The events of each speaker that has not ended, before those to be shown."""
        self._first = True
        for event in past:
            self._remember(event)

    def __call__(self, event: Event) -> None:
        """Show `event`. Never raises."""
        if event.__class__ is not TextDelta:
            self._tree.add(event)
        printer = self._printers.get(event.run)
        if printer is None:
            begins = isinstance(event, RunStarted) and event.model and event.run in self._tree.speakers
            past = self._past.pop(event.run, ())
            if not begins and not past:
                return
            printer = self._printers[event.run] = self._printer(event.agent, past)
        printer(event)
        if isinstance(event, Handoff | RunFinished | RunFailed | RunCancelled):
            del self._printers[event.run]

    def close(self) -> None:
        """End what is open. May be called twice."""
        for printer in self._printers.values():
            printer.close()

    def _printer(self, name: str, past: Iterable[Event]) -> LinePrinter:
        first, self._first = self._first, False
        return LinePrinter(name, file=self._file, live=self._live, look=self._look, past=past, parted=not first)

    def _remember(self, event: Event) -> None:
        """Take in an event that has been shown."""
        self._tree.add(event)
        if isinstance(event, RunStarted) and event.model and event.run in self._tree.speakers:
            self._past[event.run] = []
            self._first = False
        if event.run in self._past:
            self._past[event.run].append(event)
            if isinstance(event, Handoff | RunFinished | RunFailed | RunCancelled):
                del self._past[event.run]
