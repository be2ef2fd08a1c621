"""Shows a run of another process: all that is known about its agents is in the log so far.

Owns the choice of a printer, and its change when the log shows that the choice was wrong. `terminal` owns the output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, cast

from headwater.cli.output import Outlet, Printer, Watching, leave_it_to_the_screen
from headwater.cli.watching import Whole
from headwater.events import Event, Handoff, RunFailed, RunFinished, RunStarted

if TYPE_CHECKING:
    from headwater.errors import HeadwaterError

__all__ = ("Following",)


class Following(Watching):
    """Shows a run from its log: the answer of one agent as it streams, or several agents in one section each.

    Sections stream while one agent writes at a time, else each is shown when it is complete. `dashboard` shows a
    workflow on a terminal as a dashboard. `look` has the options of the terminal's `Look`.
    """

    def __init__(self, out: Outlet, *, dashboard: bool = False, **look: bool) -> None:
        self._out = out
        self._dashboard = dashboard and out.isatty()
        self._look = look
        self._past: list[Event] = []
        self._show: Callable[[Event], Any] | None = None
        self._live = True
        self._one = False
        """Whether the run is a single agent's without a handoff so far."""

    def __call__(self, event: Event) -> None:
        """Shows the event."""
        if self._show is None:
            self._begin(event)
        elif isinstance(event, RunStarted) and event.workflow is not None and self._several_at_once(event):
            self._in_sections(live=False)
        if self._dashboard and isinstance(event, RunFailed) and event.run == self._past[0].run:
            event = RunFinished(run=event.run, path=event.path)  # the run has ended; the command reports why
        if self._show is not None:
            self._show(event)
        self._past.append(event)
        if self._one and isinstance(event, Handoff):
            self._one = False
            self._in_sections(live=True)

    def pause(self) -> None:
        """Ends the open output."""
        if (end := getattr(self._show, "pause", None) or getattr(self._show, "close", None)) is not None:
            end()

    def close(self) -> None:
        """Ends the output after the last event."""
        if (close := getattr(self._show, "close", None)) is not None:
            close()

    def ended(self, response: Any) -> None:
        """Writes the answer if it was not streamed."""
        if isinstance(self._show, Whole):
            self._show.ended(response)
        elif self._dashboard:
            Whole(self._out).ended(response)

    def failed(self, error: HeadwaterError) -> None:
        """Writes the partial answer if it was not streamed."""
        if isinstance(self._show, Whole):
            self._show.failed(error)

    def _begin(self, first: Event) -> None:
        shape = first.workflow if isinstance(first, RunStarted) else None
        if shape is None:
            self._one, self._dashboard = True, False
            self._show = Printer(first.agent, self._out, **self._look)
        elif not self._out.isatty():
            self._show = Whole(self._out)
            self._dashboard = False
        elif self._dashboard:
            from headwater.terminal.dashboard.dashboard import Dashboard

            leave_it_to_the_screen()
            self._show = Dashboard(first.agent, [*shape.members], file=cast(TextIO, self._out))
        else:
            self._in_sections(live=shape.kind == "sequential")

    def _several_at_once(self, event: RunStarted) -> bool:
        shape = event.workflow
        in_sections = not (self._one or self._dashboard or isinstance(self._show, Whole))
        return in_sections and self._live and shape is not None and shape.kind != "sequential"

    def _in_sections(self, *, live: bool) -> None:
        from headwater.terminal.look import Look
        from headwater.terminal.section_printer import SectionPrinter

        self.close()
        leave_it_to_the_screen()
        look = Look(**{"errors": False, **self._look})
        self._live = live
        self._show = SectionPrinter(live=live, file=cast(TextIO, self._out), look=look, past=self._past)
