"""`check_surface` passes the surfaces that are here, and tells of each way in which one can be wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent
from headwater.events import (
    CallReady,
    Event,
    ReasoningDelta,
    Retracted,
    StepFinished,
    TextDelta,
    TextEnded,
    TextStarted,
    Unknown,
)
from headwater.events.codec import EVENT_TYPES, encode
from headwater.events.fold import fold
from headwater.terminal.dashboard.state import Board
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.run_view import RunView
from headwater.testing import (
    LogError,
    ScriptedModel,
    SurfaceBreach,
    check_log,
    check_surface,
    sample_logs,
    shown_text,
)

BY_HAND = "of a newer version"


@pytest.mark.parametrize("name", sample_logs())
def test_a_sample_keeps_the_laws(name: str) -> None:
    log = sample_logs()[name]
    if name == BY_HAND:
        with pytest.raises(LogError, match="waiting"):
            check_log(log)  # it waits inside a step: readers have to bear more than writers do
    else:
        check_log(log, parked=name.startswith("parked"))


def test_the_samples_hold_every_event_there_is() -> None:
    seen = {event.type for log in sample_logs().values() for event in log}
    assert set(EVENT_TYPES) == seen - {"unknown"}
    assert any(isinstance(event, Unknown) for event in sample_logs()[BY_HAND])


# --- the surfaces that are here


def test_the_line_printer_is_a_surface() -> None:
    check_surface(lambda: LinePrinter("writer", file=io.StringIO()))


def test_the_view_behind_it_is_a_surface() -> None:
    check_surface(lambda: RunView("writer").feed)


def test_the_dashboard_is_a_surface() -> None:
    def fed() -> Callable[[Event], bool]:
        board = Board("writers", ["writer"])
        return lambda event: board.feed(event) is not None  # what it gives is its own, and never equal to another's

    check_surface(fed)


def test_the_codec_is_a_surface() -> None:
    check_surface(lambda: encode)


def test_a_runs_own_text_is_what_check_surface_expects() -> None:
    agent = Agent(model=ScriptedModel([["One ", "two."]]))
    stream = agent.run_stream("Go")
    log = list(stream.events())
    assert shown_text(log) == stream.response.transcript == "One two."
    assert shown_text(sample_logs()["retracted"]) == "Good morning."
    assert shown_text(sample_logs()["tools"]) == "Let me look.\n\nIt is sunny."
    assert shown_text(()) == ""


# --- ways to be wrong


class Screen:
    """Shows text; takes it back where `honest`."""

    def __init__(self, honest: bool = True) -> None:
        self.text = ""
        self.run = ""
        self.lead = ""
        self.kind = ""
        self._honest = honest

    def __call__(self, event: Event) -> None:
        self.run = self.run or event.run
        if event.run != self.run:
            return
        if isinstance(event, TextStarted):
            self.lead = event.lead or self.lead
            self.kind = event.kind
        elif isinstance(event, TextDelta) and self.shows(event):
            self.text += self.lead + event.text
            self.lead = ""
        elif isinstance(event, Retracted) and self._honest:
            self.retract(event)

    def shows(self, event: TextDelta) -> bool:
        """Whether it is text; overridden by those that show more."""
        return self.kind != "refusal"

    def retract(self, event: Retracted) -> None:
        """Take back what was shown of the attempt; overridden by those that err."""
        self.text = self.text[: -event.chars]
        self.lead = ""


def _text(screen: Screen) -> str:
    return screen.text


def test_an_honest_screen_passes() -> None:
    check_surface(Screen, shown=_text)


def test_two_attempts_joined_are_reported() -> None:
    with pytest.raises(SurfaceBreach, match=r"events of the log 'retracted' it shows 'Hello, ', but the text is ''"):
        check_surface(lambda: Screen(honest=False), shown=_text)


class Clearing(Screen):
    """Takes back the text of earlier steps too."""

    def retract(self, event: Retracted) -> None:
        self.text = ""


class TakingTooLittle(Screen):
    """Takes back one character too few."""

    def retract(self, event: Retracted) -> None:
        self.text = self.text[: 1 - event.chars] if event.chars > 1 else self.text


class ShowingRefusals(Screen):
    """Takes a refusal for text."""

    def shows(self, event: TextDelta) -> bool:
        return True


class Late:
    """Shows all once the run has ended, and nothing of a log that only stops."""

    def __init__(self) -> None:
        self.text = ""
        self._screen = Screen()

    def __call__(self, event: Event) -> None:
        self._screen(event)
        if event.run == self._screen.run and event.type in ("run.finished", "run.failed", "run.cancelled"):
            self.text = self._screen.text


class ShowingMembers(Screen):
    """Shows what any run says, as if the outermost had said it."""

    def __call__(self, event: Event) -> None:
        self.run = event.run
        super().__call__(event)


class ShowingThoughts(Screen):
    """Shows reasoning."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, ReasoningDelta) and event.run == self.run:
            self.text += event.text


class Repeating(Screen):
    """Says a text again where its part ends."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if isinstance(event, TextEnded) and event.run == self.run and len(self.text) > 12:
            self.text += self.text


class ByPiece(Screen):
    """Takes back the last piece, however much is retracted."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.last = event.text if isinstance(event, TextDelta) else self.last

    def retract(self, event: Retracted) -> None:
        self.text = self.text.removesuffix(self.last)


class LeadLosing(Screen):
    """Joins steps without what parts them."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        self.lead = ""


@pytest.mark.parametrize(
    ("make", "log"),
    [
        (Clearing, "retracted in a later step"),
        (TakingTooLittle, "retracted"),
        (ShowingRefusals, "refused"),
        (Late, "text"),
        (LeadLosing, "tools"),
        (ShowingMembers, "an agent as a tool"),
        (ShowingThoughts, "reasoning"),
        (Repeating, "text"),
        (ByPiece, "retracted"),
    ],
)
def test_a_screen_that_shows_something_else_is_reported(make: Callable[[], Any], log: str) -> None:
    with pytest.raises(SurfaceBreach, match=f"'{log}'"):
        check_surface(make, shown=_text)


@pytest.mark.parametrize("name", sample_logs())
def test_the_text_of_a_sample_is_its_transcript(name: str) -> None:
    log = sample_logs()[name]
    own = [event for event in log if event.run == log[0].run]
    assert shown_text(log) == fold(own).transcript


def _narrow(event: Event) -> None:
    if isinstance(event, Unknown):
        raise KeyError(event.name)


def _meddling(event: Event) -> None:
    if isinstance(event, CallReady) and isinstance(event.arguments, dict):
        event.arguments["city"] = "London"


class Counting:
    total = 0

    def __call__(self, event: Event) -> int:
        Counting.total += 1
        return Counting.total


class Impatient:
    """Wants a step to be finished when it is closed."""

    def __init__(self) -> None:
        self.steps: list[StepFinished] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepFinished):
            self.steps.append(event)

    def close(self) -> None:
        _ = self.steps[-1]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: _narrow, "It raised KeyError at seq .* 'of a newer version': 'weather.changed'"),
        (lambda: _meddling, "It changed the event at seq"),
        (Counting, "a different result the second time"),
        (Impatient, r"Closing it after 0 events of the log 'text' raised IndexError"),
    ],
)
def test_each_way_to_be_wrong_is_reported(make: Callable[[], Any], why: str) -> None:
    with pytest.raises(SurfaceBreach, match=why):
        check_surface(make)
