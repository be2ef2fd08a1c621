"""The loop's table: it is complete, every state is reachable and has a way out, and the counts are right."""

from __future__ import annotations

import itertools
import runpy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.runtime.agent_loop import TRANSITIONS, Command, Limits, Loop, Signal, State
from tests.support.effort import tries
from tests.support.paths import ROOT

# What can be said to a loop, with how often the model errs in its calls.
_steps = st.tuples(st.sampled_from(Signal), st.booleans())
_limits = st.builds(
    Limits,
    max_loops=st.integers(1, 3),
    max_steps=st.integers(1, 4),
    max_repairs=st.integers(0, 2),
    max_bad_call_steps=st.integers(1, 3),
)


@pytest.mark.parametrize(("state", "signal"), [*itertools.product(State, Signal)])
def test_each_state_and_signal_has_a_row_or_raises(state: State, signal: Signal) -> None:
    loop = Loop()
    loop.state = state
    if (state, signal) in TRANSITIONS:
        assert isinstance(loop.take(signal), Command)
        assert loop.state in [following for _, following, _ in TRANSITIONS[state, signal]]
    else:
        with pytest.raises(ValueError, match="no such row"):
            loop.take(signal)
        assert loop.state is state, "a signal that is refused changes nothing"


@pytest.mark.parametrize("signal", Signal)
def test_a_rejected_signal_counts_nothing(signal: Signal) -> None:
    loop = Loop(Limits(max_bad_call_steps=1))
    loop.state = State.ENDED
    with pytest.raises(ValueError, match="no such row"):
        loop.take(signal, all_calls_bad=True)
    assert (loop.steps, loop.loops, loop.repairs, loop.too_many_bad_calls) == (0, 1, 0, False)


def test_every_entry_ends_with_its_only_unguarded_row() -> None:
    for key, rows in TRANSITIONS.items():
        assert [guard is None for guard, _, _ in rows] == [False] * (len(rows) - 1) + [True], key


def test_every_guard_is_a_property_of_loop() -> None:
    guards = {guard for rows in TRANSITIONS.values() for guard, _, _ in rows if guard is not None}
    assert {guard: type(getattr(Loop(), guard)) for guard in guards} == dict.fromkeys(guards, bool)


def test_every_state_is_reached_and_the_end_from_each() -> None:
    arrows = {(state, following) for (state, _), rows in TRANSITIONS.items() for _, following, _ in rows}
    assert _reached(State.READY, arrows) == set(State)
    for state in State:
        assert State.ENDED in _reached(state, arrows)


def _reached(start: State, arrows: set[tuple[State, State]]) -> set[State]:
    reached = {start}
    while further := {after for before, after in arrows if before in reached} - reached:
        reached |= further
    return reached


def test_every_signal_and_command_is_used_and_nothing_follows_the_end() -> None:
    assert {signal for _, signal in TRANSITIONS} == set(Signal)
    assert {command for rows in TRANSITIONS.values() for _, _, command in rows} == set(Command)
    assert State.ENDED not in {state for state, _ in TRANSITIONS}


def test_every_state_can_fail_and_be_cancelled() -> None:
    for state in set(State) - {State.ENDED}:
        assert TRANSITIONS[state, Signal.FAILED] == ((None, State.ENDED, Command.FAIL),)
        assert TRANSITIONS[state, Signal.CANCELLED] == ((None, State.ENDED, Command.CANCEL),)


# --- counting


def _after(loop: Loop, *signals: Signal, bad: bool = False) -> list[Command]:
    return [loop.take(signal, all_calls_bad=bad) for signal in signals]


def test_an_answer_without_calls_is_one_step() -> None:
    loop = Loop()
    assert _after(loop, Signal.BEGIN, Signal.ANSWERED, Signal.VALID) == [Command.ASK, Command.CHECK, Command.FINISH]
    assert (loop.state, loop.steps, loop.loops) == (State.ENDED, 1, 1)


def test_the_last_step_allowed_may_not_call() -> None:
    loop = Loop(Limits(max_steps=2))
    _after(loop, Signal.BEGIN, Signal.CALLED, Signal.TOOLS_DONE)
    assert loop.steps == 2
    assert loop.take(Signal.CALLED) is Command.FAIL_STEPS
    assert loop.state is State.ENDED


def test_a_refused_conversation_takes_a_step() -> None:
    loop = Loop(Limits(max_steps=2))
    assert _after(loop, Signal.BEGIN, Signal.TOO_LONG) == [Command.ASK, Command.ASK]
    assert (loop.state, loop.steps) == (State.ASKING, 2)
    assert loop.take(Signal.TOO_LONG) is Command.FAIL_STEPS


def test_steps_are_counted_for_each_loop_and_numbered_over_all() -> None:
    loop = Loop(Limits(max_steps=2, max_loops=2))
    round_ = (Signal.CALLED, Signal.TOOLS_DONE, Signal.ANSWERED, Signal.VALID)
    assert _after(loop, Signal.BEGIN, *round_)[-1] is Command.GO_ON
    assert (loop.steps, loop.loops) == (3, 2)
    assert _after(loop, *round_)[-1] is Command.FINISH
    assert loop.steps == 4


def test_repairs_are_counted_for_each_loop() -> None:
    loop = Loop(Limits(max_repairs=1, max_loops=2))
    loop.take(Signal.BEGIN)
    for ends_in in (Command.GO_ON, Command.FINISH):
        assert _after(loop, Signal.ANSWERED, Signal.INVALID)[-1] is Command.REPAIR
        assert _after(loop, Signal.ANSWERED, Signal.VALID)[-1] is ends_in


def test_an_answer_is_sent_back_as_often_as_allowed() -> None:
    loop = Loop(Limits(max_repairs=2))
    loop.take(Signal.BEGIN)
    told = [_after(loop, Signal.ANSWERED, Signal.INVALID)[-1] for _ in range(3)]
    assert told == [Command.REPAIR, Command.REPAIR, Command.FAIL_OUTPUT]


def test_a_repair_is_a_step_too() -> None:
    loop = Loop(Limits(max_steps=1))
    assert _after(loop, Signal.BEGIN, Signal.ANSWERED, Signal.INVALID)[-1] is Command.FAIL_STEPS


def test_only_bad_calls_in_a_row_end_the_run() -> None:
    loop = Loop(Limits(max_bad_call_steps=2, max_loops=3))
    loop.take(Signal.BEGIN)
    for mended in ([Signal.CALLED, Signal.TOOLS_DONE], [Signal.ANSWERED, Signal.VALID]):
        _after(loop, Signal.CALLED, Signal.TOOLS_DONE, bad=True)
        _after(loop, *mended)
    assert _after(loop, Signal.CALLED, Signal.TOOLS_DONE, bad=True)[-1] is Command.ASK
    assert _after(loop, Signal.CALLED, Signal.TOOLS_DONE, bad=True)[-1] is Command.FAIL_CALLS


def test_the_last_step_may_contain_only_an_answer_tool_call() -> None:
    loop = Loop(Limits(max_steps=1))
    assert _after(loop, Signal.BEGIN, Signal.GIVES, Signal.VALID) == [Command.ASK, Command.RUN_TOOLS, Command.FINISH]
    for after in (Signal.INVALID, Signal.TOOLS_DONE):
        loop = Loop(Limits(max_steps=1))
        assert _after(loop, Signal.BEGIN, Signal.GIVES, after)[-1] is Command.FAIL_STEPS


def test_an_answer_by_a_call_is_sent_back_as_often_as_any() -> None:
    loop = Loop(Limits(max_repairs=2, max_bad_call_steps=1))
    loop.take(Signal.BEGIN)
    told = [_after(loop, Signal.GIVES, Signal.INVALID)[-1] for _ in range(3)]
    assert told == [Command.REPAIR, Command.REPAIR, Command.FAIL_OUTPUT], "it does not count as a bad call too"


@pytest.mark.parametrize("signal", [Signal.VALID, Signal.INVALID, Signal.STEERED])
def test_client_calls_precede_an_answer_tool_call(signal: Signal) -> None:
    loop = Loop(Limits(max_loops=3))
    _after(loop, Signal.BEGIN, Signal.GIVES)
    loop.client_calls = True
    assert loop.take(signal) is Command.FINISH


@settings(max_examples=tries(50, 200), deadline=None)
@given(_limits, st.lists(_steps, max_size=60))
def test_no_run_exceeds_its_limits(limits: Limits, said: list[tuple[Signal, bool]]) -> None:
    loop, steered = Loop(limits), 0
    for signal, bad in said:
        if (loop.state, signal) not in TRANSITIONS or signal in (Signal.FAILED, Signal.CANCELLED):
            continue
        before = loop.steps
        command = loop.take(signal, all_calls_bad=bad)
        steered += signal is Signal.STEERED  # someone said more, which is answered from the first step on
        asks = command in (Command.ASK, Command.GO_ON, Command.REPAIR)
        assert loop.steps == before + asks, "a step is a request"
        assert (loop.state is State.ASKING) == asks
    assert loop.loops <= limits.max_loops
    assert loop.repairs <= limits.max_repairs
    assert loop.steps <= (limits.max_loops + steered) * limits.max_steps


# --- the diagram


def test_the_page_matches_the_table() -> None:
    drawing: str = runpy.run_path(str(ROOT / "scripts" / "draw_loop.py"))["drawing"]()
    page = (ROOT / "docs" / "loop.md").read_text(encoding="utf-8")
    assert page == drawing, "the table has changed: run python scripts/draw_loop.py"
    for state, signal in TRANSITIONS:
        assert f"| {state.value} | {signal.value} |" in page
