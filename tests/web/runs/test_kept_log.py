from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater import ConcurrentWorkflow
from headwater.backends.offline import Say
from headwater.events import (
    CallDelta,
    Custom,
    Event,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    StepFinished,
    TextDelta,
)
from headwater.testing import sample_logs
from headwater.web.runs.kept_log import KeptLog
from tests.support.members import log_of, speaker


def kept(events: Any) -> KeptLog:
    log = KeptLog()
    for event in events:
        log.append(event)
    return log


@pytest.mark.parametrize("name", sample_logs())
def test_every_log_is_handed_out_as_it_was(name: str) -> None:
    events = sample_logs()[name]
    log = kept(events)
    assert list(log) == list(events)
    assert [type(event) for event in log] == [type(event) for event in events]
    for place in range(len(events)):
        assert log[place] == events[place]
        assert list(log.between(place, len(events) + 5)) == list(events[place:])
    assert log.started == next(event for event in events if isinstance(event, RunStarted))
    ends = [event for event in events[-1:] if event.run == events[0].run and event.type.startswith("run.")]
    assert log.end == (ends[0] if ends and "wait" not in ends[0].type else None)


def a_log(pieces: list[tuple[str, int, int, str]]) -> list[Event]:
    """Steps of two runs at once, whose deltas come in any order."""
    events: list[Event] = [RunStarted(run="a", path=("a",))]
    for kind, run, part, text in pieces:
        place: dict[str, Any] = {"seq": len(events), "time": 1.5 * len(events), "run": "ab"[run], "path": ("a",)}
        match kind:
            case "text":
                events.append(TextDelta(step=0, part=part, text=text, **place))
            case "reasoning":
                events.append(ReasoningDelta(step=0, part=part, text=text, **place))
            case "call":
                events.append(CallDelta(step=0, call=str(part), json=text, **place))
            case "end":
                events.append(StepFinished(step=0, **place))
            case _:
                events.append(Custom(name=text, **place))
    return events


PIECE = st.tuples(
    st.sampled_from(["text", "text", "reasoning", "call", "end", "custom"]),
    st.integers(0, 1),
    st.integers(0, 2),
    st.text(min_size=1, max_size=4) | st.text(st.characters(min_codepoint=0x1F300, max_codepoint=0x1F6FF), min_size=1),
)


@given(st.lists(PIECE, max_size=60))
def test_deltas_of_any_order_are_handed_out_as_they_were(pieces: list[tuple[str, int, int, str]]) -> None:
    events = a_log(pieces)
    assert list(kept(events)) == events


def test_events_of_a_newer_writer_survive() -> None:
    events = a_log([("text", 0, 0, "one"), ("text", 0, 0, "two"), ("end", 0, 0, "")])
    events[1] = TextDelta(step=0, part=0, text="one", seq=1, run="a", path=("a",), extra={"tone": "mild"})
    assert list(kept(events)) == events


def test_a_finished_step_takes_a_tenth_of_the_room() -> None:
    def memory(log: KeptLog) -> int:
        seen: set[int] = set()

        def size(thing: Any) -> int:
            if id(thing) in seen or isinstance(thing, type):
                return 0
            seen.add(id(thing))
            inside = [getattr(thing, name) for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ())]
            inside += thing if isinstance(thing, (list, tuple)) else []
            inside += thing.values() if isinstance(thing, dict) else []
            inside += [getattr(thing, name) for name in getattr(thing, "__struct_fields__", ())]
            return sys.getsizeof(thing) + sum(map(size, inside))

        return size(log)

    deltas = [("text", 0, 0, f"{number:04} ") for number in range(2000)]
    going, finished = kept(a_log(deltas)), kept(a_log([*deltas, ("end", 0, 0, "")]))
    assert memory(finished) < 0.2 * memory(going)
    assert memory(finished) / 2000 < 40  # bytes a delta of five characters


def test_the_size_grows_with_the_text() -> None:
    short, long = (kept(a_log([("text", 0, 0, "x" * length)])).size for length in (10, 1010))
    assert long - short == 1000
    assert kept(a_log([("text", 0, 0, "é" * 10)])).size - kept(a_log([("text", 0, 0, "e" * 10)])).size == 30
    asked = kept([RunStarted(run="a", context="x" * 5000)])
    assert asked.size > 5000
    assert kept([Custom(name="x", data=object())]).size == 200


def test_a_members_end_is_not_the_end() -> None:
    async def main() -> list[Event]:
        team = ConcurrentWorkflow([speaker("a", [Say(["one ", "two"])]), speaker("b")], name="team")
        return await log_of(team.run_stream("Go."))

    events = asyncio.run(main())
    log = KeptLog()
    for event in events:
        assert log.end is None
        log.append(event)
    assert isinstance(log.end, RunFinished)
    assert list(log) == events
