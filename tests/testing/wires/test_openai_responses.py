"""OpenAI's Responses API as the simulator writes it."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.backends.offline.script import Call, Fail, Finish, Say, Think
from headwater.testing.wires import Unspeakable
from tests.support.recordings import telling
from tests.testing.wires.writing import decoded, frames, written

TURN: list[Any] = [
    Think("Hm.", kind="summary", signature="sealed"),
    Think("All of it."),
    Say(["Hi", "."]),
    Say("I will not.", refusal=True),
    Call("look", {"city": "Paris"}),
    Call("patch", "*** Begin", custom=True, id="call_9"),
]


def test_events_are_numbered_without_a_gap() -> None:
    events = frames("openai-responses", TURN)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]


def test_the_whole_response_is_repeated_at_the_end() -> None:
    events = frames("openai-responses", TURN)
    last = events[-1]
    assert last["type"] == "response.completed"
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert last["response"]["output"] == done
    assert [item["type"] for item in done] == [
        "reasoning",
        "reasoning",
        "message",
        "message",
        "function_call",
        "custom_tool_call",
    ]
    assert all(item.get("status", "completed") == "completed" for item in done)


def test_what_its_deltas_say_is_what_its_items_hold() -> None:
    events = frames("openai-responses", TURN)
    said: dict[str, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            said[event["item_id"]] = said.get(event["item_id"], "") + event["delta"]
    whole = {event["item"]["id"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert said.keys() == whole.keys()
    for name, text in said.items():
        assert text in str(whole[name])


def test_all_that_it_has_comes_through() -> None:
    events, _ = decoded("openai-responses", [TURN[0], TURN[3], TURN[5]])
    told = telling(events)
    assert (told.reasoning, told.refusal, told.calls) == ("Hm.", "I will not.", [("call_9", "patch", "*** Begin")])
    assert any(event.type == "provider.item" and "sealed" in str(event) for event in events)


def test_redacted_reasoning_has_no_place() -> None:
    with pytest.raises(Unspeakable, match="redacted"):
        written("openai-responses", [Think(redacted="x")])


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("cancelled", "cancelled", None),
        ("stop", "completed", None),
    ],
)
def test_the_status_says_how_it_ended(reason: Any, status: str, details: Any) -> None:
    last = frames("openai-responses", [Say("Hi."), Finish(reason)])[-1]
    assert last["type"] == f"response.{status}"
    assert (last["response"]["status"], last["response"]["incomplete_details"]) == (status, details)


def test_an_error_is_sent_twice_as_the_api_does() -> None:
    error, failed = frames("openai-responses", [Say("Hi."), Fail(429, "Why.")])[-2:]
    assert error["error"]["code"] == "rate_limit_exceeded"
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Why."}
    assert failed["response"]["status"] == "failed"
