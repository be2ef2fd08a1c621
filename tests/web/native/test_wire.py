from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from headwater.events import Custom, Event, TextDelta, Unknown
from headwater.events.codec import decode, encode
from headwater.readers.selection import Choice, Selection
from headwater.testing import sample_logs
from headwater.web.native.wire import NDJSON, SSE, json_line, native, socket_wire, sse_frame
from headwater.web.wires.wire import Wire


def frames(data: bytes) -> list[dict[str, str]]:
    """Server-sent events, read as the standard says, comments left out; each with its own fields."""
    events: list[dict[str, str]] = []
    for block in data.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            events.append(fields)
    return events


def sent(wire: Wire, log: Iterable[Event]) -> bytes:
    of = wire.make()
    return b"".join(map(of, log))


def written(events: Iterable[Event]) -> list[str]:
    return [encode(event, stamps=True).decode() for event in events]


def test_every_log_is_sent_as_it_is_in_either_form() -> None:
    for log in sample_logs().values():
        events = frames(sent(SSE, log))
        assert [event["data"] for event in events] == written(log)
        assert [int(event["id"]) for event in events] == [event.seq for event in log]
        assert [event["event"] for event in events] == [json.loads(event["data"])["type"] for event in events]
        assert sent(NDJSON, log).decode().splitlines() == written(log)


def test_the_common_fields_are_always_written() -> None:
    event = json.loads(json_line(TextDelta(step=0, part=0, text="x")))
    assert event == {"v": 1, "type": "text.delta", "step": 0, "part": 0, "text": "x"} | {
        "seq": 0,
        "time": 0.0,
        "run": "",
        "path": [],
    }


@pytest.mark.parametrize("hostile", ["\r\nevent: forged\r\n\r\n", "\n\ndata: x\n\n", "a\rid: 7", "\u2028\x00\x1b[2J"])
def test_no_text_can_forge_an_event(hostile: str) -> None:
    event = TextDelta(step=0, part=0, text=hostile, seq=3, run="r", path=(hostile,))
    frame = sse_frame(event)
    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert decode(frames(frame)[0]["data"]) == event
    assert json_line(event).count(b"\n") == 1


def test_the_name_of_an_unknown_event_cannot_either() -> None:
    frame = sse_frame(
        Unknown(name="new\r\nid: 9\n\nx", body={"type": "new\r\nid: 9\n\nx"}, seq=1, run="r", path=("a",))
    )
    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert frame.startswith(b"id: 1\nevent: new id: 9  x\n")


def test_what_has_no_json_form_does_not_end_the_wire() -> None:
    event = Custom(name="x", data=object(), seq=4, time=1.0, run="r", path=("a",))
    told = json.loads(frames(sse_frame(event))[0]["data"])
    assert {name: told[name] for name in ("type", "seq", "run", "path")} == {
        "type": "custom",
        "seq": 4,
        "run": "r",
        "path": ["a"],
    }
    assert "cannot be written as JSON" in told["unwritable"]


CHOICES: list[Any] = [
    {"final_only": True},
    {"depth": 0},
    {"depth": 1},
    {"agent": "a"},
    {"final_only": True, "depth": 1},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_choice_is_what_a_selection_hands_out(choice: dict[str, Any]) -> None:
    chosen = Choice.of(choice.get("final_only", False), choice.get("agent"), choice.get("depth"))
    assert chosen is not None
    for log in sample_logs().values():
        select = Selection(chosen)
        wanted = [(event.seq, select(event)) for event in log]
        events = frames(sent(native(chosen), log))
        assert [event["data"] for event in events] == written(event for _, some in wanted for event in some)
        assert [int(event["id"]) for event in events if "id" in event] == [seq for seq, some in wanted if some]
        lines = sent(native(chosen, lines=True), log).decode().splitlines()
        assert lines == written(event for _, some in wanted for event in some)


def test_wires_of_one_choice_are_shared_and_others_are_not() -> None:
    one, same, other = (native(Choice(tail=(name,))) for name in ("a", "a", "b"))
    assert one.key == same.key != other.key != native(None).key
    assert native(None) is SSE
    assert native(None, lines=True) is NDJSON
    assert SSE.anywhere
    assert not one.anywhere


def test_over_a_socket_each_line_says_whose_event_it_is() -> None:
    for log in sample_logs().values():
        lines = sent(socket_wire(log[0].run, None), log).decode().splitlines()
        assert [json.loads(line) for line in lines] == [
            {"run": log[0].run, "event": json.loads(event)} for event in written(log)
        ]
        chosen = Choice(depth=0)
        select = Selection(chosen)
        few = [json.loads(line)["event"] for line in sent(socket_wire(log[0].run, chosen), log).decode().splitlines()]
        assert few == [json.loads(event) for event in written(event for one in log for event in select(one))]
