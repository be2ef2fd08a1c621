"""Anthropic's Messages API as the simulator writes it."""

from __future__ import annotations

import json

import pytest

from headwater.backends.offline.script import Call, Fail, Say, Think
from headwater.events import ReasoningEnded
from headwater.events.messages import Usage
from headwater.testing.wires import WIRES, Trouble
from tests.testing.wires.writing import body_of, decoded, frames, written


def test_every_block_has_its_start_its_deltas_and_its_stop_under_one_index() -> None:
    events = frames("anthropic", [Think(["Hm", "."], signature="sig"), Say(["Hi", "."]), Call("look", {})])
    kinds = [(event["type"], event.get("index")) for event in events]
    assert kinds[:2] == [("message_start", None), ("ping", None)]
    assert kinds[-2:] == [("message_delta", None), ("message_stop", None)]
    for index, deltas in ((0, 3), (1, 2), (2, 1)):
        mine = [kind for kind, at in kinds if at == index]
        assert mine == ["content_block_start", *["content_block_delta"] * deltas, "content_block_stop"]
    assert [event["delta"]["type"] for event in events if event.get("index") == 0 and "delta" in event] == [
        "thinking_delta",
        "thinking_delta",
        "signature_delta",
    ]


def test_each_event_is_named_by_its_type() -> None:
    lines = body_of(written("anthropic", [Say("Hi.")])).decode().splitlines()
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    assert names == [json.loads(line[6:])["type"] for line in lines if line.startswith("data: ")]


def test_redacted_thinking_and_cached_tokens_come_through() -> None:
    usage = Usage(input_tokens=10, output_tokens=2, cached_input_tokens=4)
    events, decoder = decoded("anthropic", [usage, Think(redacted="sealed"), Say("Hi.")])
    assert [event.redacted for event in events if isinstance(event, ReasoningEnded)] == ["sealed"]
    assert (decoder.usage.input_tokens, decoder.usage.cached_input_tokens) == (10, 4)
    counts = frames("anthropic", [usage, Say("Hi.")])[-2]["usage"]
    assert (counts["input_tokens"], counts["cache_read_input_tokens"]) == (6, 4), "this API counts them apart"


def test_calls_have_ids_counted_or_given() -> None:
    events = frames("anthropic", [Call("a", {}), Call("b", {}, id="mine"), Call("c", {})])
    started = [event["content_block"]["id"] for event in events if event["type"] == "content_block_start"]
    assert started == ["toolu_1", "mine", "toolu_3"]


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid_request_error"), (429, "rate_limit_error"), (529, "overloaded_error"), (500, "api_error")],
)
def test_an_error_is_the_same_inside_the_stream_and_instead_of_it(status: int, code: str) -> None:
    refused = json.loads(WIRES["anthropic"].refusal(Trouble(status, None, "Why.")))
    assert refused["error"] == {"type": code, "message": "Why."}
    assert frames("anthropic", [Say("Hi."), Fail(status, "Why.")])[-1] == refused
