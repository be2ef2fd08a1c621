"""A run of several agents on the terminal without a dashboard: each one's text under its own header.

If one agent writes at a time, its text is streamed; else it is shown complete when the agent has ended, because two
streams in one line are unreadable. The current agent is computed from the log (`events.tree`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TextIO

from headwater.events import Event, Handoff, RunCancelled, RunFailed, RunFinished, RunStarted, TextDelta
from headwater.events.tree import Tree
from headwater.terminal.device import is_screen
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.look import Look
from headwater.terminal.render import Plain

__all__ = ("SectionPrinter",)


class _Kept(NamedTuple):
    """What one speaker has done so far: its name, what was shown before, and its events since."""

    name: str
    past: Sequence[Event]
    events: list[Event]


class SectionPrinter:
    """An observer of a run: a printer for each agent in it, created when the agent starts.

    The run is a workflow's, or an agent's that may hand over. `live` streams the text.
    `file` is standard output unless given; `look`, `past` and `parted` are as the line printer has them.
    """

    def __init__(
        self,
        *,
        live: bool,
        file: TextIO | None = None,
        look: Look = Look(),  # noqa: B008  # frozen
        past: Iterable[Event] = (),
        parted: bool = False,
    ) -> None:
        self._live = live
        self._file = file if file is not None else sys.stdout
        self._plain = Plain(screen=is_screen(self._file))
        self._look = look
        self._tree = Tree()
        self._printers: dict[str, LinePrinter] = {}
        self._kept: dict[str, _Kept] = {}
        """What speakers have done who are shown when they have ended, by run."""
        self._past: dict[str, list[Event]] = {}
        """The events of each speaker that has not ended, before those to be shown."""
        self._first = not parted
        for event in past:
            self._remember(event)

    def __call__(self, event: Event) -> None:
        """Shows `event`. Never raises."""
        if event.__class__ is not TextDelta:
            self._tree.add(event)
        ended = isinstance(event, Handoff | RunFinished | RunFailed | RunCancelled)
        if (kept := self._kept.get(event.run)) is not None:
            kept.events.append(event)
            if ended:
                self._tell(self._kept.pop(event.run))
            return
        printer = self._printers.get(event.run)
        if printer is None:
            begins = isinstance(event, RunStarted) and event.model and event.run in self._tree.speakers
            past = self._past.pop(event.run, ())
            if not begins and not past:
                return
            if not (self._live or ended):
                self._kept[event.run] = _Kept(event.agent, past, [event])
                return
            printer = self._printers[event.run] = self._printer(event.agent, past)
        printer(event)
        if ended:
            del self._printers[event.run]

    def pause(self) -> None:
        """Ends the open output, before other output between events."""
        for printer in self._printers.values():
            printer.pause()

    def close(self) -> None:
        """Name who has not ended, with what they did so far, and end what is open. May be called twice."""
        for run in [*self._kept]:
            self._tell(self._kept.pop(run)).close()  # before the next one, because only one can be open
        for printer in self._printers.values():
            printer.close()

    def _tell(self, kept: _Kept) -> LinePrinter:
        printer = self._printer(kept.name, kept.past)
        for event in kept.events:
            printer(event)
        return printer

    def _printer(self, name: str, past: Iterable[Event]) -> LinePrinter:
        first, self._first = self._first, False
        return LinePrinter(
            name,
            file=self._file,
            live=self._live,
            look=self._look,
            past=past,
            parted=not first,
            plain=self._plain,
        )

    def _remember(self, event: Event) -> None:
        """Stores an event that has been shown."""
        self._tree.add(event)
        if isinstance(event, RunStarted) and event.model and event.run in self._tree.speakers:
            self._past[event.run] = []
            self._first = False
        if event.run in self._past:
            self._past[event.run].append(event)
            if isinstance(event, Handoff | RunFinished | RunFailed | RunCancelled):
                del self._past[event.run]
