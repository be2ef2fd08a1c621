"""Ollama's /api/chat as the simulator writes it."""

from __future__ import annotations

import pytest

from headwater.backends.offline.script import Call, Fail, Finish, Say, Think
from headwater.events.messages import Usage
from headwater.testing.wires import Unspeakable
from tests.testing.wires.writing import body_of, frames, written


def test_every_line_is_an_object_and_the_last_one_says_that_it_is_done() -> None:
    lines = frames("ollama", [Think(["Hm", "."]), Say(["Hi", "."]), Call("look", {"city": "Paris"})])
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    assert {line["model"] for line in lines} == {"model-1"}
    assert body_of(written("ollama", [Say("Hi.")])).endswith(b"}\n")
    assert lines[0]["message"]["thinking"] == "Hm"


def test_calls_come_whole_and_counted() -> None:
    lines = frames("ollama", [Call("a", {"n": 1}), Call("b", {}, id="mine")])
    calls = [call for line in lines for call in line["message"].get("tool_calls", ())]
    assert calls == [
        {"function": {"index": 0, "name": "a", "arguments": {"n": 1}}},
        {"id": "mine", "function": {"index": 1, "name": "b", "arguments": {}}},
    ]
    with pytest.raises(Unspeakable, match="not an object"):
        written("ollama", [Call("a", "[1]")])


def test_the_last_line_counts_tokens() -> None:
    last = frames("ollama", [Usage(input_tokens=10, output_tokens=3), Say("Hi.")])[-1]
    assert (last["prompt_eval_count"], last["eval_count"]) == (10, 3)
    assert last["done_reason"] == "stop"
    assert "done_reason" not in frames("ollama", [Say("Hi."), Finish(None)])[-1]


def test_an_error_is_a_line_without_a_code() -> None:
    assert frames("ollama", [Say("Hi."), Fail(503, "Why.")])[-1] == {"error": "Why."}
