"""Chooses how a run is shown: streamed, as events, or as the complete answer at its end.

Owns only this choice. `terminal` owns the rendering, `output` the errors of standard output.
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
    """Returns what shows the runs of an agent or a workflow on `out`.

    `json` writes the events. `value`: the answer is JSON. On a terminal the text is streamed, in one section per agent
    if there are several; elsewhere the answer of a workflow and a value are written when they are complete. `look` has
    the options of the terminal's `Look`.
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
    """Returns what shows a saved run from its log, in the same way as `watching_for`."""
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
    """Shows runs of several agents: in one section each, or in the workflow's dashboard."""

    def __init__(self, out: Outlet, runnable: Any, **look: bool) -> None:
        self._out = out
        self._runnable = runnable
        self._look = look
        if out.isatty():
            leave_it_to_the_screen()
        # A prompt does not fit below a dashboard, which is at the bottom of the screen.
        asks = hasattr(runnable, "wants_log") and runnable.wants_log(set())
        self._dashboard = bool(getattr(runnable, "show_dashboard", False)) and out.isatty() and not asks
        self._show: Callable[[Event], Any] | None = None
        self._outermost = ""

    def __call__(self, event: Event) -> None:
        """Shows the event."""
        if self._show is None:
            self._show = self._begin()
            self._outermost = event.run
        if self._dashboard and isinstance(event, RunFailed) and event.run == self._outermost:
            event = RunFinished(run=event.run, path=event.path)  # the run has ended
        self._show(event)

    def pause(self) -> None:
        """Ends the open output."""
        if (end := getattr(self._show, "pause", None) or getattr(self._show, "close", None)) is not None:
            end()

    def close(self) -> None:
        """Ends the open output; the next event is of another run."""
        if (close := getattr(self._show, "close", None)) is not None:
            close()
        self._show = None

    def ended(self, response: Any) -> None:
        """Writes the answer below the dashboard."""
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
    """Shows a saved run of several agents, in one section each; does not need the agents."""

    def __init__(self, out: Outlet, *, live: bool) -> None:
        from headwater.terminal.look import Look
        from headwater.terminal.section_printer import SectionPrinter

        self._show = SectionPrinter(live=live, file=cast(TextIO, out), look=Look(errors=False))

    def __call__(self, event: Event) -> None:
        """Shows the event."""
        self._show(event)

    def close(self) -> None:
        """Ends the open output."""
        self._show.close()


class Whole(Watching):
    """Writes a run's answer when it is complete; after a failure, the partial answer."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def ended(self, response: Any) -> None:
        """Writes the answer."""
        _write(self._out, response.text)

    def failed(self, error: HeadwaterError) -> None:
        """Writes the partial answer."""
        _write(self._out, getattr(error.response, "text", ""))


class Value(Watching):
    """Writes the value of the answer as one line of JSON; without a value, the text on standard error."""

    def __init__(self, out: Outlet) -> None:
        self._out = out

    def ended(self, response: Any) -> None:
        """Writes the value."""
        plain = self._out.encoding.lower().replace("-", "") not in ("utf8", "utf16", "utf32")
        _write(self._out, json.dumps(response.output, ensure_ascii=plain))

    def failed(self, error: HeadwaterError) -> None:
        """Reports the text on standard error."""
        if text := getattr(error.response, "text", ""):
            tell(f"the answer: {text}")


def _write(out: Outlet, text: str) -> None:
    from headwater.events.controls import harmless

    if text:
        shown = harmless(text) if out.isatty() else text
        out.write(shown if shown.endswith("\n") else f"{shown}\n")
        out.flush()
