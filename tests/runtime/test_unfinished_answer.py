"""A reader says that an answer cannot be valid while it is generated: its attempt is cut off, and the run goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headwater import Agent
from headwater.backends.offline import Say, ScriptedModel
from headwater.events import AttemptStarted, Event, MessageAdded, RunFinished, StepFinished, TextDelta
from headwater.events.checker import check_log
from headwater.runtime.agent_loop import Loop, State
from headwater.runtime.played import Played
from headwater.runtime.run import Run
from headwater.runtime.unfinished_answer import output_type_of, refuse_answer
from tests.support.virtual import run_virtual


def run_of(*answers: str, **options: Any) -> Run:
    turns = [[Say([*answer])] for answer in answers]
    return Agent(model=ScriptedModel(turns, rate=200), output_type=list[int], **options).run_stream("q").claim()


async def read(run: Run, on: Callable[[Event], None] = lambda event: None) -> list[Event]:
    """Reads the run as a reader does."""
    found: list[Event] = []
    while events := await run.pull():
        for event in events:
            run.append(event)
            found.append(event)
            on(event)
    return found


def refusing(run: Run, at: str, *, step: int = 1, attempt: int = 1) -> Callable[[Event], None]:
    def on(event: Event) -> None:
        if isinstance(event, TextDelta) and event.text == at:
            refuse_answer(run, run.id, step, attempt, "no good")

    return on


def steps(events: list[Event]) -> list[tuple[str | None, str]]:
    finished = (event for event in events if isinstance(event, StepFinished))
    return [(event.finish_reason, event.message.text if event.message else "") for event in finished]


def test_the_request_ends_and_the_answer_is_sent_back() -> None:
    run = run_of("[1, x, 2]", "[3]")
    events = run_virtual(read(run, refusing(run, "x")))[0]
    check_log(events)
    assert steps(events) == [("cancelled", "[1, x"), ("stop", "[3]")]
    (added,) = (event.message.text for event in events if isinstance(event, MessageAdded))
    assert added.startswith("Your answer is invalid:\nno good\n")
    assert run.response().output == [3]


def test_the_loop_can_be_rebuilt_from_any_prefix_of_such_a_log() -> None:
    run = run_of("[1, x, 2]", "[3]")
    events = run_virtual(read(run, refusing(run, "x")))[0]
    added = next(at for at, event in enumerate(events) if isinstance(event, MessageAdded))
    assert Loop.of(events[:added]).state is State.CHECKING
    assert (Loop.of(events[: added + 1]).state, Loop.of(events[: added + 1]).repairs) == (State.ASKING, 1)


@pytest.mark.parametrize(("step", "attempt"), [(2, 1), (1, 2)])
def test_another_attempt_is_not_cut_off(step: int, attempt: int) -> None:
    run = run_of("[1, 2]")
    events = run_virtual(read(run, refusing(run, "1", step=step, attempt=attempt)))[0]
    assert steps(events) == [("stop", "[1, 2]")]


def test_what_is_complete_is_not_cut_off() -> None:
    run = run_of("[1]")

    def on(event: Event) -> None:
        if isinstance(event, StepFinished | RunFinished | AttemptStarted):
            refuse_answer(run, run.id, 1, 1, "too late")

    events = run_virtual(read(run, on))[0]
    assert isinstance(events[-1], RunFinished)


def test_a_run_from_a_log_has_no_type_and_is_not_changed() -> None:
    live = run_of("[1]")
    known = output_type_of(live, live.id)
    assert known is not None
    assert known.type == list[int]
    assert output_type_of(live, "run_other") is None
    events = run_virtual(read(live))[0]
    played = Played(events, speed=0)
    assert output_type_of(played, played.id) is None
    assert run_virtual(read(played, refusing(played, "1")))[0] == events
