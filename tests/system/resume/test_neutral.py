"""What must make no difference: who is answered first, how often a run is left, how a log was cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater import AgentStream
from headwater.errors import InvalidRecord
from headwater.events import (
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    Custom,
    Event,
    MessageReceived,
    ReasoningDelta,
    RunWaiting,
    TextDelta,
    ToolProgress,
    Unknown,
    Warned,
    tree_response,
)
from headwater.events.questions import Answer
from headwater.testing import check_log
from tests.support.effort import tries
from tests.support.virtual import run_virtual
from tests.system.resume.kills import Drive, Went, _check_allowed, _check_once, _end, _messages, saved, undisturbed
from tests.system.resume.people import answer
from tests.system.resume.scenarios import SCENARIOS, done

SURE: Final = [name for name, scenario in SCENARIOS.items() if not scenario.ends]
"""Those that come to one end, wherever they are stopped."""

ASKED: Final = [name for name in SURE if name.startswith(("asked", "two", "three", "a waiting", "allowed", "every"))]

many: Final = settings(
    max_examples=tries(8, 400),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def same(went: Went, whole: Went) -> None:
    """It came to the same end, with the same messages, and did the same."""
    check_log(went.log)
    assert _end(went) == _end(whole)
    assert _messages(went.log) == _messages(whole.log)
    _check_allowed(went)


# --- left and gone on with, again and again


@pytest.mark.long
@many
@given(
    name=st.sampled_from(SURE),
    stops=st.lists(st.tuples(st.integers(1, 60), st.sampled_from(["park", "park now", "kill", "kill"])), max_size=5),
)
def test_how_often_a_run_is_left_and_in_which_way(name: str, stops: list[tuple[int, str]]) -> None:
    scenario = SCENARIOS[name]
    whole, log = undisturbed(scenario), list[Event]()
    for at, way in stops:
        if way == "kill":
            went = Drive(scenario, saved(log)).go()
            _check_once(log, went)
            log = went.log[: len(log) + at]
        else:
            went = Drive(scenario, saved(log), park=at, now=way == "park now").go()
            _check_once(log, went)
            if went.left and way == "park" and len(went.log) > len(log):
                check_log(went.log, parked=True)
            log = went.log
        _check_allowed(went)
    same(Drive(scenario, saved(log)).go(), whole)


@pytest.mark.parametrize("name", SURE)
def test_a_log_can_be_resumed_more_than_once(name: str) -> None:
    scenario = SCENARIOS[name]
    whole = undisturbed(scenario)
    half = saved(whole.log[: len(whole.log) // 2])
    kept = [msgspec.structs.replace(event) for event in half]
    for _ in range(2):
        same(Drive(scenario, half).go(), whole)
        assert half == kept, "what was given is not touched"


# --- who is answered first


class InAnyOrder:
    """People who answer a question at a time, whichever comes at that place of the order."""

    def __init__(self, order: Sequence[int], patient: bool) -> None:
        self._order = [*order]
        self._patient = patient

    def __call__(self, stream: AgentStream[object], log: Sequence[Event]) -> None:
        """Look at the run."""
        pending = stream.pending
        if not pending or (self._patient and not (isinstance(log[-1], RunWaiting) and len(log[-1].path) == 1)):
            return
        which = pending[(self._order.pop(0) if self._order else 0) % len(pending)]
        answer(stream, which, Answer(by="ann"))


@pytest.mark.long
@many
@given(name=st.sampled_from(ASKED), order=st.lists(st.integers(0, 5), max_size=8), patient=st.booleans())
def test_who_is_answered_first(name: str, order: list[int], patient: bool) -> None:
    scenario = SCENARIOS[name]
    one, other = (
        Drive(replace(scenario, people=people)).go()
        for people in (lambda: InAnyOrder([], True), lambda: InAnyOrder(order, patient))
    )
    same(other, one)
    assert sorted(line.split(" ", 1)[1] for line in other.ran) == sorted(line.split(" ", 1)[1] for line in one.ran)


# --- who is asked at all, and which model


def test_for_run_applies_to_that_agents_run_only() -> None:
    """After a handoff another run has the conversation, so its person is asked again."""
    scenario = SCENARIOS["allowed for the run, before handoffs"]
    whole = undisturbed(scenario)
    charged = sorted(line.split(" ")[0].split("/")[0] for line in whole.ran if " charge " in line)
    asked = [event.run for event in whole.log if isinstance(event, ApprovalAsked)]
    assert (len(charged), len(asked), len({*asked})) == (4, 3, 3)
    assert {*charged} == {*asked}


@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_which_model_is_asked_and_how_often(step: int) -> None:
    """Killed in any attempt of any model, the run goes on with that model, with the retries that are left."""
    scenario = SCENARIOS["a broken model and a fallback"]
    whole = undisturbed(scenario)
    assert [model for _, model in _attempts(whole.log)] == ["offline", "offline", "other"] * 2
    for at in range(1, len(whole.log), step):
        went = Drive(scenario, saved(whole.log[:at])).go()
        assert _attempts(went.log) == _attempts(whole.log), at


def _attempts(log: Sequence[Event]) -> list[tuple[int, str]]:
    """The steps and models of the attempts that no dead process has left unfinished."""
    attempts: list[tuple[int, str]] = []
    for event in log:
        if isinstance(event, AttemptStarted):
            attempts.append((event.step, event.model))
        elif isinstance(event, AttemptFailed) and event.then == "resume":
            attempts.pop()
    return attempts


# --- how the log was written


def numbered(events: Sequence[Event]) -> list[Event]:
    return [msgspec.structs.replace(event, seq=seq) for seq, event in enumerate(events)]


def joined(events: Sequence[Event]) -> Iterator[Event]:
    """Neighboring pieces of one part as one."""
    last: Any = None
    for event in events:
        field = "json" if isinstance(event, CallDelta) else "text"
        pieces = isinstance(event, (TextDelta, ReasoningDelta, CallDelta))
        if pieces and type(event) is type(last) and _place(event) == _place(last):
            last = msgspec.structs.replace(last, **{field: getattr(last, field) + getattr(event, field)})
            continue
        if last is not None:
            yield last
        last = event
    if last is not None:
        yield last


def _place(event: Any) -> tuple[Any, ...]:
    return event.run, event.step, getattr(event, "part", None), getattr(event, "call", None)


def split(events: Sequence[Event]) -> Iterator[Event]:
    """Each piece as its characters."""
    for event in events:
        if isinstance(event, (TextDelta, ReasoningDelta)):
            yield from (msgspec.structs.replace(event, text=letter) for letter in event.text)
        elif isinstance(event, CallDelta):
            yield from (msgspec.structs.replace(event, json=letter) for letter in event.json)
        else:
            yield event


def said_between(events: Sequence[Event]) -> Iterator[Event]:
    """After each event something that a newer version, or whoever listens, has to say."""
    for event in events:
        yield event
        for more in (
            Unknown(name="weather.changed", body={"v": 1, "type": "weather.changed", "to": "rain"}),
            Custom(name="note", data=1),
            Warned(code="odd", message="Something is odd."),
        ):
            if event.type not in ("run.finished", "run.failed", "run.cancelled"):
                yield msgspec.structs.replace(more, run=event.run, path=event.path, time=event.time)


def later(events: Sequence[Event]) -> Iterator[Event]:
    """As if it had all happened an hour earlier; nothing here has an hour's limit."""
    return (msgspec.structs.replace(event, time=event.time - 3600.0) for event in events)


def without_progress(events: Sequence[Event]) -> Iterator[Event]:
    return (event for event in events if not isinstance(event, ToolProgress))


CHANGES: Final[dict[str, Callable[[Sequence[Event]], Iterator[Event]]]] = {
    "joined": joined,
    "split": split,
    "with more said between": said_between,
    "an hour ago": later,
    "without progress": without_progress,
}


@pytest.mark.long
@many
@given(name=st.sampled_from(SURE), change=st.sampled_from([*CHANGES]), at=st.floats(0.0, 1.0))
def test_how_the_log_was_written(name: str, change: str, at: float) -> None:
    scenario = SCENARIOS[name]
    whole = undisturbed(scenario)
    before = whole.log[: 1 + int(at * (len(whole.log) - 1))]
    changed = numbered([*CHANGES[change](before)])
    assert tree_response(changed).usage == tree_response(before).usage
    went = Drive(scenario, saved(changed)).go()
    _check_once(changed, went)
    same(went, whole)


@pytest.mark.parametrize("name", ["allowed", "concurrent"])
def test_a_duplicate_or_missing_event_is_rejected(name: str) -> None:
    scenario = SCENARIOS[name]
    log = saved(undisturbed(scenario).log)
    for at in range(1, len(log) - 1, 5):
        for wrong in ([*log[:at], log[at], *log[at:]], [*log[:at], *log[at + 1 :]]):
            with pytest.raises(InvalidRecord, match="has the number"):
                scenario.make().resume(wrong)


# --- what people said


def test_messages_are_received_in_the_order_they_were_sent() -> None:
    """Two messages before the same request are heard as two, in the order in which they were said."""

    async def main() -> None:
        done.clear()
        stream = SCENARIOS["steered twice"].make().run_stream("go", keep_log=True)
        log: list[Event] = []
        async for event in stream.events():
            log.append(event)
            if event.type == "tool.started" and not any(isinstance(one, MessageReceived) for one in log):
                assert stream.steer("hurry")
                assert stream.steer("be kind")
        check_log(log)
        assert "with hurry and be kind" in str(stream.response)

    run_virtual(main())
