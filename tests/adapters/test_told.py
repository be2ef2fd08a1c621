from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.adapters.adapted_run import AdaptedRun
from headwater.adapters.told import MAX_RESULT_CHARS, NO_RESULT, ToldRun
from headwater.errors import ConfigurationError
from headwater.events import Event, ToolFinished
from headwater.events.answers import tree_response
from headwater.events.messages import Message, Usage
from headwater.readers.stream import AgentStream
from headwater.testing import check_log
from tests.support.effort import tries

Words = Callable[[ToldRun], None]


def told(*words: Words, then: BaseException | None = None, turns: bool = True) -> list[Event]:
    """The log of a run of which these words are said."""
    log: list[Event] = []

    async def tell(run: AdaptedRun) -> None:
        for word in words:
            word(run)
            if turns:
                await run.turn()
        if then is not None:
            raise then

    stream: AgentStream[Any, Any] = AgentStream(lambda: AdaptedRun("told", tell, (Message.user("Hi"),)))
    with contextlib.nullcontext() if then is None else pytest.raises(type(then), match=str(then)):
        for event in stream.events():
            log.append(event)  # noqa: PERF402
    return log


def types(log: list[Event]) -> list[str]:
    return [event.type for event in log]


def text(*pieces: str) -> Words:
    def say(run: ToldRun) -> None:
        for piece in pieces:
            run.text(piece)

    return say


# --- any words, in any order


_IDS = st.sampled_from(["a", "b", "c", ""])
_TEXTS = st.sampled_from(["", "one", " two", "\n", "é", "\ud800"])
_REASONS = st.sampled_from([None, "stop", "length", "tool_calls", "content_filter"])

_WORD = st.one_of(
    st.tuples(st.just("begin_step")),
    st.tuples(st.just("accepted"), _IDS, _IDS),
    st.tuples(st.just("text"), _TEXTS),
    st.tuples(st.just("refusal"), _TEXTS),
    st.tuples(st.just("reasoning"), _TEXTS),
    st.tuples(st.just("end_part")),
    st.tuples(st.just("begin_call"), _IDS, _IDS),
    st.tuples(st.just("call_piece"), _IDS, st.sampled_from(["", "{", "}", '{"x": 1}', "no"])),
    st.tuples(st.just("end_call"), _IDS, _IDS, st.sampled_from([None, "", "{}", "[]", "no", {"x": [1]}])),
    st.tuples(st.just("usage"), st.builds(lambda n: Usage(input_tokens=n, output_tokens=n), st.integers(0, 9))),
    st.tuples(st.just("end_step"), _REASONS),
    st.tuples(st.just("tool_started"), _IDS, _IDS),
    st.tuples(st.just("tool_progress"), _IDS, st.sampled_from([None, {"n": 1}])),
    st.tuples(st.just("tool_finished"), _IDS, _TEXTS),
    st.tuples(st.just("added"), st.just(Message.user("more"))),
    st.tuples(st.just("custom"), st.just("node"), st.just({"n": 1})),
    st.tuples(st.just("warn"), st.just("odd"), _TEXTS),
    st.tuples(st.just("below"), _IDS, _IDS),
    st.tuples(st.just("hand_over"), _IDS),
    st.tuples(st.just("finish"), _REASONS),
)


def say(run: ToldRun, words: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Says each word of one of the runs that there are by then."""
    runs = [run]
    for who, (word, *parts) in words:
        speaker = runs[who % len(runs)]
        if word == "finish" and speaker is run:
            continue  # the framework's end is the end of its stream
        try:
            made = getattr(speaker, word)(*parts)
        except ValueError:
            continue  # nothing runs for a call that has ended
        if isinstance(made, ToldRun) and made not in runs:
            runs.append(made)


@settings(max_examples=tries(50, 3000))
@given(words=st.lists(st.tuples(st.integers(0, 3), _WORD), max_size=30), fails=st.booleans(), turns=st.booleans())
def test_any_words_in_any_order_make_a_valid_log(
    words: list[tuple[int, tuple[Any, ...]]], fails: bool, turns: bool
) -> None:
    error = RuntimeError("no more") if fails else None
    log = told(lambda run: say(run, words), then=error, turns=turns)
    check_log(log)
    assert types(log)[-1] == ("run.failed" if fails else "run.finished")


def test_usage_that_is_reported_again_says_nothing_and_stops_nothing() -> None:
    usage = Usage(input_tokens=8, output_tokens=8)

    def report(run: ToldRun) -> None:
        run.begin_step()
        for _ in range(3):
            run.usage(usage)

    for turns in (True, False):
        log = told(report, turns=turns)
        check_log(log)
        assert types(log).count("usage.reported") == 1


def test_nothing_begins_below_a_run_that_has_ended() -> None:
    def late(run: ToldRun) -> None:
        below = run.below("1", "poet")
        run.begin_step()
        for begin in (below.hand_over, below.begin_member):
            with pytest.raises(ValueError, match="'poet' has ended"):
                begin("critic")

    check_log(told(late))


# --- the order that the grammar demands


def test_a_step_ends_before_its_tools_start() -> None:
    log = told(
        text("Let me look."),
        lambda run: run.end_call("1", "weather", {"city": "Paris"}),
        lambda run: run.tool_started("1"),
        lambda run: run.tool_finished("1", "sunny"),
        text("It is sunny."),
    )
    check_log(log)
    response: Any = tree_response(log)
    assert response == "It is sunny."
    assert response.transcript == "Let me look.\n\nIt is sunny."
    assert [(call.name, call.arguments) for call in response.tool_calls] == [("weather", {"city": "Paris"})]
    assert types(log).index("step.finished") < types(log).index("tool.started")


def test_a_call_without_a_result_is_ended_before_the_next_step() -> None:
    log = told(lambda run: run.end_call("1", "weather", {}), lambda run: run.begin_step(), text("Done."))
    check_log(log)
    ended = next(event for event in log if isinstance(event, ToolFinished))
    assert ended.error == NO_RESULT


def test_a_tool_that_nobody_called_gets_a_call() -> None:
    log = told(lambda run: run.tool_finished("1", "sunny", name="weather"))
    check_log(log)
    assert "call.ready" in types(log)


def test_a_second_result_is_ignored() -> None:
    log = told(*[lambda run: run.tool_finished("1", "sunny", name="weather")] * 2)
    check_log(log)
    assert types(log).count("tool.finished") == 1


def test_a_repeated_id_is_another_call() -> None:
    def once(run: ToldRun) -> None:
        run.end_call("1", "weather", {})
        run.tool_finished("1", "sunny")

    log = told(once, lambda run: run.begin_step(), once)
    check_log(log)
    ended = [event.call for event in log if isinstance(event, ToolFinished)]
    assert len(ended) == len({*ended}) == 2


def test_a_long_result_is_cut_in_the_log() -> None:
    log = told(lambda run: run.tool_finished("1", "x" * (MAX_RESULT_CHARS + 5), name="weather"))
    ended = next(event for event in log if isinstance(event, ToolFinished))
    assert (len(ended.result), ended.truncated_from) == (MAX_RESULT_CHARS, MAX_RESULT_CHARS + 5)


# --- the tree


def test_a_handoff_is_a_run_whose_text_is_the_answer() -> None:
    def hand_over(run: ToldRun) -> None:
        run.text("One moment.")
        other = run.hand_over("poet")
        other.text("Roses.")
        run.text("not heard")

    log = told(hand_over)
    check_log(log)
    response: Any = tree_response(log)
    assert (response, response.transcript, response.agent) == ("Roses.", "One moment.\n\nRoses.", "poet")


def test_an_agent_that_answers_a_call_is_a_run_below_it() -> None:
    def ask(run: ToldRun) -> None:
        run.end_call("1", "research", {})
        below = run.below("1", "researcher")
        assert run.below("1", "researcher") is below
        below.text("Found it.")
        below.usage(Usage(input_tokens=1, output_tokens=2))
        run.tool_finished("1", "Found it.")
        with pytest.raises(ValueError, match="has ended"):
            run.below("1", "researcher")
        run.text("Here it is.")
        run.usage(Usage(input_tokens=10, output_tokens=20))

    log = told(ask)
    check_log(log)
    response: Any = tree_response(log)
    assert response == "Here it is."
    assert (response.usage.input_tokens, response.usage.output_tokens) == (11, 22)
    assert {event.path for event in log} == {("told",), ("told", "researcher")}


def test_a_run_below_that_fails_says_so() -> None:
    def ask(run: ToldRun) -> None:
        run.end_call("1", "research", {})
        below = run.below("1", "researcher")
        below.text("Fou")
        below.fail(RuntimeError("no network"))
        run.tool_finished("1", "It failed.", error="It failed.")

    log = told(ask)
    check_log(log)
    assert "run.failed" in types(log)
    assert types(log)[-1] == "run.finished"


def test_no_message_can_be_sent_to_it() -> None:
    async def tell(run: AdaptedRun) -> None:
        run.text("One")

    stream: AgentStream[Any, Any] = AgentStream(lambda: AdaptedRun("told", tell, (Message.user("Hi"),)))
    for _ in stream.events():
        with pytest.raises(ConfigurationError, match="another framework"):
            stream.steer("Stop")


def test_the_outermost_run_may_be_said_to_fail() -> None:
    async def tell(run: AdaptedRun) -> None:
        run.text("Well")
        run.fail(RuntimeError("no network"))

    log: list[Event] = []
    stream: AgentStream[Any, Any] = AgentStream(lambda: AdaptedRun("told", tell, (Message.user("Hi"),)))
    with pytest.raises(RuntimeError, match="no network"):
        _read(stream, log)
    check_log(log)
    assert types(log)[-1] == "run.failed"


def _read(stream: AgentStream[Any, Any], into: list[Event]) -> None:
    for event in stream.events():
        into.append(event)  # noqa: PERF402  # kept also when the reading fails
