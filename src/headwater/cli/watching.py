"""Which of a run is shown where: as it comes, as events, or the whole answer at its end.

Owns the choice alone. How an answer is drawn is the terminal's; how standard output fails is `output`'s.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TextIO, cast

from headwater.cli.output import JSONLines, Outlet, Printer, Watching, leave_it_to_the_screen, tell
from headwater.events import Event, Handoff, RunFailed, RunFinished, RunStarted

if TYPE_CHECKING:
    from headwater.agents.runnable import Runnable
    from headwater.errors import HeadwaterError
    from headwater.events import WorkflowShape

__all__ = ("Replayed", "Value", "Whole", "watching_for", "watching_for_log")


def watching_for(runnable: Runnable, out: Outlet, *, json: bool = False, value: bool = False, **look: bool) -> Watching:
    """Who shows the runs of an agent or a workflow on `out`.

    `json`: its events. `value`: the answer is to be JSON. A terminal is shown what is said as it comes, each agent's
    words under its name where there are several; elsewhere a workflow's answer and a value are written when they are
    whole. `look` are the switches of the terminal's `Look`.
    """
    from headwater.agents.agent import Agent

    if json:
        return JSONLines(out)
    if value and not out.isatty():
        return Value(out)
    if isinstance(runnable, Agent):
        return Sections(out, runnable, **look) if runnable.handoffs else Printer(runnable.name, out, **look)
    return Sections(out, runnable, **look) if out.isatty() else Whole(out)


def watching_for_log(events: Sequence[Event], out: Outlet) -> Watching:
    """Who shows a run again whose log there is, as `watching_for` shows it the first time."""
    first = events[0]
    assert isinstance(first, RunStarted)
    if first.workflow is None and not any(isinstance(event, Handoff) for event in events):
        return Printer(first.agent_name, out)
    if first.workflow is not None and not out.isatty():
        return Whole(out)
    return Replayed(out, live=all(shape.kind == "sequential" for shape in _shapes(events)))


def _shapes(events: Sequence[Event]) -> Iterator[WorkflowShape]:
    return (event.workflow for event in events if isinstance(event, RunStarted) and event.workflow is not None)


class Sections(Watching):
    """Shows runs in which several speak: in a section each, or in the dashboard where the workflow has one."""

    def __init__(self, out: Outlet, runnable: Any, **look: bool) -> None:
        self._out = out
        self._runnable = runnable
        self._look = look
        if out.isatty():
            leave_it_to_the_screen()
        # Nobody can be asked anything below a dashboard: it stands at the bottom of the screen.
        asks = hasattr(runnable, "wants_log") and runnable.wants_log(set())
        self._dashboard = bool(getattr(runnable, "show_dashboard", False)) and out.isatty() and not asks
        self._show: Callable[[Event], Any] | None = None
        self._outermost = ""

    def __call__(self, event: Event) -> None:
        """Show the event."""
        if self._show is None:
            self._show = self._begin()
            self._outermost = event.run
        if self._dashboard and isinstance(event, RunFailed) and event.run == self._outermost:
            event = RunFinished(run=event.run, path=event.path)  # over, and nothing more about it here
        self._show(event)

    def pause(self) -> None:
        """End what is open."""
        if (end := getattr(self._show, "pause", None) or getattr(self._show, "close", None)) is not None:
            end()

    def close(self) -> None:
        """End what is open; what comes next is another run."""
        if (close := getattr(self._show, "close", None)) is not None:
            close()
        self._show = None

    def ended(self, response: Any) -> None:
        """Write the answer below the dashboard."""
        if self._dashboard:
            _write(self._out, response.text)

    def _begin(self) -> Callable[[Event], Any]:
        file = cast(TextIO, self._out)
        if self._dashboard:
            from headwater.terminal.dashboard.dashboard import Dashboard

            return Dashboard(self._runnable.name, [one.name for one in self._runnable.agents], file=file)
        from headwater.terminal.look import Look
        from headwater.terminal.section_printer import SectionPrinter
        from headwater.workflows.base import one_at_a_time

        look = Look(**{"errors": False, **self._look})
        return SectionPrinter(live=one_at_a_time(self._runnable), file=file, look=look, parted=self._out.noted)


class Replayed(Watching):
    """Shows a saved run in which several spoke, in a section each; the agents themselves are not needed."""

    def __init__(self, out: Outlet, *, live: bool) -> None:
        from headwater.terminal.look import Look
        from headwater.terminal.section_printer import SectionPrinter

        self._show = SectionPrinter(live=live, file=cast(TextIO, out), look=Look(errors=False))

    def __call__(self, event: Event) -> None:
        """Show the event."""
        self._show(event)

    def close(self) -> None:
        """End what is open."""
        self._show.close()


class Whole(Watching):
    """Writes a run's answer when it is whole; of one that failed, what there is of it."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def ended(self, response: Any) -> None:
        """Write the answer."""
        _write(self._out, response.text)

    def failed(self, error: HeadwaterError) -> None:
        """Write what was said."""
        _write(self._out, getattr(error.response, "text", ""))


class Value(Watching):
    """Writes the value that an answer is, as JSON in one line; of one that is none, the text on standard error."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def ended(self, response: Any) -> None:
        """Write the value."""
        plain = self._out.encoding.lower().replace("-", "") not in ("utf8", "utf16", "utf32")
        _write(self._out, json.dumps(response.output, ensure_ascii=plain))

    def failed(self, error: HeadwaterError) -> None:
        """Tell what was said instead."""
        if text := getattr(error.response, "text", ""):
            tell(f"it said: {text}")


def _write(out: Outlet, text: str) -> None:
    from headwater.events.controls import harmless

    if text:
        shown = harmless(text) if out.isatty() else text
        out.write(shown if shown.endswith("\n") else f"{shown}\n")
        out.flush()
