"""The queue of a slow reader: deltas are joined where allowed, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.events import (
    CallDelta,
    CallReady,
    Event,
    FileMade,
    ReasoningDelta,
    TextDelta,
    TextEnded,
    ToolFinished,
    ToolProgress,
)
from headwater.runtime.backlog import EVENT_CHARS, Joined
from tests.support.effort import tries


def text(said: str, run: str = "a", part: int = 0, step: int = 1) -> TextDelta:
    return TextDelta(step=step, part=part, text=said, run=run, path=(run,), time=1.0)


def progress(data: Any, run: str = "a", call: str = "c") -> ToolProgress:
    return ToolProgress(step=1, call=call, name="t", data=data, run=run, path=(run,))


def through(events: Iterable[Event], *, newest_only: bool = False) -> list[Event]:
    queue = Joined(newest_only=newest_only)
    for event in events:
        queue.add([event])
    assert bool(queue) is bool(list(events))
    taken = queue.take()
    assert not queue
    assert queue.take() == []
    return taken


def test_adjacent_deltas_of_one_part_are_joined() -> None:
    assert through([text("a"), text("b"), text("c")]) == [text("abc")]
    reasoning = [ReasoningDelta(step=1, part=0, text=piece, run="a") for piece in "xy"]
    assert through(reasoning) == [ReasoningDelta(step=1, part=0, text="xy", run="a")]
    calls = [CallDelta(step=1, call="c", json=piece, run="a") for piece in ("{", "}")]
    assert through(calls) == [CallDelta(step=1, call="c", json="{}", run="a")]


def test_pieces_of_different_parts_steps_runs_and_kinds_are_not() -> None:
    apart = [text("a"), text("b", part=1), text("c", step=2), ReasoningDelta(step=2, part=0, text="d", run="a")]
    assert through(apart) == apart
    assert through([text("a"), text("b", run="b"), text("c"), text("d", run="b")]) == [text("ac"), text("bd", run="b")]


def test_no_piece_crosses_another_event_of_its_run() -> None:
    ended = TextEnded(step=1, part=7, run="a", path=("a",))
    assert through([text("a"), ended, text("b")]) == [text("a"), ended, text("b")]
    other = TextEnded(step=1, part=7, run="b", path=("b",))
    assert through([text("a"), other, text("b")]) == [text("ab"), other]


def test_progress_is_dropped_only_on_request() -> None:
    told = [progress(1), text("a"), progress(2, call="d"), progress(3), text("b"), progress(4, run="b")]
    assert through(told) == told
    assert through(told, newest_only=True) == [told[1], told[2], told[3], told[4], told[5]]


def test_nothing_is_joined_to_taken_events() -> None:
    queue = Joined(newest_only=True)
    queue.add([text("a"), progress(1)])
    first = queue.take()
    queue.add([progress(2), text("b")])
    assert first == [text("a"), progress(1)]
    assert queue.take() == [progress(2), text("b")]


def test_queued_characters_are_counted() -> None:
    queue = Joined(newest_only=False)
    assert queue.add([text("hello")]) == EVENT_CHARS + 5
    assert queue.add([text(" you"), text("!")]) == 5
    assert queue.add([FileMade(step=1, data=b"12345678")]) == EVENT_CHARS + 8
    assert queue.add([ToolFinished(step=1, call="c", name="t", result="1234")]) == EVENT_CHARS + 4
    assert queue.add([CallReady(step=1, call="c", name="t", arguments={})]) == EVENT_CHARS


def _events() -> st.SearchStrategy[list[Event]]:
    runs = st.sampled_from("ab")
    words = st.text("xyz", min_size=1, max_size=3)
    small = st.integers(0, 1)
    return st.lists(
        st.one_of(
            st.builds(text, words, run=runs, part=small),
            st.builds(text, words, run=runs, part=small),
            st.builds(lambda said, run: ReasoningDelta(step=1, part=0, text=said, run=run), words, runs),
            st.builds(lambda said, run: CallDelta(step=1, call="c", json=said, run=run), words, runs),
            st.builds(lambda run: TextEnded(step=1, part=9, run=run), runs),
            st.builds(progress, st.integers(), run=runs),
        ),
        max_size=30,
    )


def _spelled(events: Iterable[Event], run: str) -> list[Any]:
    """One run's log with each delta as single characters, each with its place: what joining must not change."""
    spelled: list[Any] = []
    for event in events:
        if event.run != run:
            continue
        if isinstance(event, (TextDelta, ReasoningDelta)):
            spelled += [(event.type, event.part, letter) for letter in event.text]
        elif isinstance(event, CallDelta):
            spelled += [(event.type, event.call, letter) for letter in event.json]
        else:
            spelled.append(event)
    return spelled


@settings(max_examples=tries(50, 200), deadline=None)
@given(_events())
def test_each_runs_log_keeps_its_content(events: list[Event]) -> None:
    taken = through(events)
    for run in "ab":
        assert _spelled(taken, run) == _spelled(events, run)
    without_news = [event for event in taken if not isinstance(event, ToolProgress)]
    newest = through(events, newest_only=True)
    assert [event for event in newest if not isinstance(event, ToolProgress)] == without_news
    for run in "ab":
        assert [event for event in newest if isinstance(event, ToolProgress) and event.run == run] == [
            event for event in taken if isinstance(event, ToolProgress) and event.run == run
        ][-1:]
