"""A workflow on the terminal without a dashboard: each member's words under its own header.

Where one speaks at a time its words are shown as they come, else whole when it has ended: two voices in one line can be
read by nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from headwater.events import ChildStarted, Event, Handoff, RunCancelled, RunFailed, RunFinished, RunStarted
from headwater.terminal.line_printer import LinePrinter

__all__ = ("SectionPrinter",)


class SectionPrinter:
    """An observer of a run: a printer for each agent that speaks in it, made when it begins.

    `run` is the id of a workflow's run, or of an agent's that may hand the conversation on. `file` is standard output
    unless given. `holds` says of a run's id whether its words may be taken back; see `LinePrinter`.
    """

    def __init__(
        self,
        run: str,
        *,
        live: bool,
        file: TextIO | None = None,
        holds: Callable[[str], bool] = lambda run: False,
    ) -> None:
        self._run = run
        self._live = live
        self._file = file
        self._holds = holds
        self._voices = {run}
        """Runs that speak through others: workflows, and agents that have handed the conversation on."""
        self._printers: dict[str, LinePrinter] = {}
        self._called: set[str] = set()

    def __call__(self, event: Event) -> None:
        """Show `event`. Never raises."""
        if isinstance(event, ChildStarted):
            if event.call is not None:
                self._called.add(event.child)  # an agent that another one called: its words are that one's to tell
        elif isinstance(event, RunStarted):
            self._begin(event)
        printer = self._printers.get(event.run)
        if printer is not None:
            printer(event)
            if isinstance(event, Handoff | RunFinished | RunFailed | RunCancelled):
                del self._printers[event.run]
                if isinstance(event, Handoff):
                    self._voices.add(event.run)

    def _begin(self, event: RunStarted) -> None:
        if event.run != self._run and (event.run in self._called or event.parent not in self._voices):
            return
        if event.model:
            holds = self._holds(event.run)
            self._printers[event.run] = LinePrinter(event.agent, file=self._file, live=self._live, holds=holds)
        else:
            self._voices.add(event.run)  # a workflow, which has no model of its own
