from __future__ import annotations

from typing import Any

from headwater.web.ag_ui.document import Document

HI = {"id": "u1", "role": "user", "content": "Hi"}


def test_it_contains_text_calls_and_results() -> None:
    document = Document([HI])
    document.open("m1", "assistant")
    document.say("m1", "I ")
    document.call("c1", "look", "m1")
    document.say("c1", '{"q":')
    document.call("c2", "ask", "m2", subagentRunId="s")
    document.open("m3", "assistant")
    document.say("m1", "look.")
    document.say("c1", "1}")
    document.answer("c1", "r1", "2 hits", metadata={"a": 1})
    document.answer("unknown", "r2", "x")
    assert document.snapshot() == [
        HI,
        {
            "id": "m1",
            "role": "assistant",
            "content": "I look.",
            "toolCalls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"q":1}'}}],
        },
        {"id": "r1", "role": "tool", "toolCallId": "c1", "content": "2 hits", "metadata": {"a": 1}},
        {
            "id": "m2",
            "role": "assistant",
            "subagentRunId": "s",
            "toolCalls": [{"id": "c2", "type": "function", "function": {"name": "ask", "arguments": ""}}],
        },
        {"id": "m3", "role": "assistant", "content": ""},
        {"id": "r2", "role": "tool", "toolCallId": "unknown", "content": "x"},
    ]


def test_results_follow_the_calls_that_the_client_has() -> None:
    calls: Any = [
        {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in ("c1", "c2")
    ]
    held: list[dict[str, Any]] = [
        {"id": "m1", "role": "assistant", "toolCalls": calls},
        {"id": "r1", "role": "tool", "toolCallId": "c1", "content": "a"},
        {"id": "u2", "role": "user", "content": "And?"},
    ]
    document = Document(held)
    document.answer("c2", "r2", "b")
    assert [one["id"] for one in document.snapshot()] == ["m1", "r1", "r2", "u2"]
    assert held[0]["toolCalls"] == calls


def test_retracted_messages_are_removed_and_the_last_reasoning_is_emptied() -> None:
    document = Document([HI])
    for name in ("t1", "t2"):
        document.open(name, "reasoning")
        document.say(name, "Hm.")
    document.open("m1", "assistant")
    document.call("c1", "look", "m1")
    document.answer("c1", "r1", "gone")
    document.forget(["t1", "t2", "m1", "c1"])
    assert document.snapshot() == [HI, {"id": "t2", "role": "reasoning", "content": ""}]


def test_calls_that_a_client_made_up_are_sent_back_unchanged() -> None:
    calls = [{"id": [], "function": None}, {"function": None}, {"id": 7}]
    held = [{"id": "m", "role": "system", "toolCalls": calls}]
    assert Document(held).snapshot() == held
