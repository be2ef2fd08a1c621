"""Content after a finish reason reopens the answer: it is complete at the next one, or at the end marker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.events import CallReady, CallRejected
from headwater.providers import anthropic, gemini, openai_chat
from headwater.testing import check_provider
from tests.support.recordings import decode, telling


def sse(*frames: Any) -> bytes:
    return b"".join(
        b"data: " + (frame.encode() if isinstance(frame, str) else json.dumps(frame).encode()) + b"\n\n"
        for frame in frames
    )


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def piece(index: int, arguments: str, **named: str) -> dict[str, Any]:
    function = {"arguments": arguments, **({"name": named["name"]} if named else {})}
    ident = {"id": named["ident"]} if named else {}
    return {"tool_calls": [{"index": index, **ident, "function": function}]}


FIRST = chunk(piece(0, '{"sum": 5}', ident="a", name="pay"), "tool_calls")
SECOND = chunk(piece(1, '{"sum"', ident="b", name="refund"))
REST = chunk(piece(1, ": 9}"), "tool_calls")


def test_a_stream_cut_inside_the_second_of_two_ended_calls_is_not_complete() -> None:
    decoder = openai_chat.Decoder()
    events = decode(decoder, [sse(FIRST, SECOND)])
    assert not decoder.complete
    assert decoder.finish_reason is None
    assert [(one.name, one.raw, one.cut) for one in events if isinstance(one, CallRejected)][-1] == (
        "refund",
        '{"sum"',
        True,
    )
    assert not [one for one in events if isinstance(one, CallReady)], "nothing runs of an answer that was cut"


@pytest.mark.parametrize("end", [(), ("[DONE]",)])
def test_the_next_finish_reason_completes_it(end: tuple[str, ...]) -> None:
    decoder = openai_chat.Decoder()
    events = decode(decoder, [sse(FIRST, SECOND, REST, *end)])
    assert decoder.complete
    assert decoder.finish_reason == "tool_calls"
    assert telling(events).calls == [("a", "pay", {"sum": 5}), ("b", "refund", {"sum": 9})]


def test_done_completes_it_with_the_earlier_reason() -> None:
    decoder = openai_chat.Decoder()
    decode(decoder, [sse(FIRST, SECOND, chunk(piece(1, ": 9}")), "[DONE]")])
    assert (decoder.complete, decoder.finish_reason, decoder.provider_finish_reason) == (
        True,
        "tool_calls",
        "tool_calls",
    )


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "b"},
        {"reasoning": "b"},
        {"reasoning_content": "b"},
        {"refusal": "b"},
        {"function_call": {"name": "x"}},
    ],
)
def test_more_content_reopens_a_chat_answer(delta: dict[str, Any]) -> None:
    decoder = openai_chat.Decoder()
    decode(decoder, [sse(chunk({"content": "a"}), chunk({"content": "a"}), chunk({}, "stop"), chunk(delta))])
    assert not decoder.complete
    decoder = openai_chat.Decoder()
    decode(decoder, [sse(chunk({"content": "a"}), chunk({}, "stop"), chunk({"content": "", "role": "assistant"}))])
    assert decoder.complete, "an empty delta is nothing"


def test_a_reopened_chat_answer_in_any_split() -> None:
    body = sse(chunk({"content": "a"}), FIRST, SECOND, REST, "[DONE]")
    calls = [("pay", {"sum": 5}), ("refund", {"sum": 9})]
    # After the first call it is unknown that another one follows.
    check_provider("openai-chat", body, cuts=None, answers=2, calls=calls, text="a", finish_reason="tool_calls")


def text(value: str, finish: str | None = None) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": [{"text": value}]}, **({"finishReason": finish} if finish else {})}]}


def test_more_content_reopens_a_gemini_answer() -> None:
    for last, whole in ((text("b"), False), (text(""), True), (text("b", "STOP"), True)):
        decoder = gemini.Decoder()
        decode(decoder, [sse(text("a", "STOP"), last)])
        assert decoder.complete is whole
        assert decoder.finish_reason == ("stop" if whole else None)


def block(index: int, value: str) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": value}},
    ]


STOPPED = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
ENDED = {"type": "message_stop"}


@pytest.mark.parametrize(
    ("frames", "whole", "said"),
    [
        ([*block(0, "a"), STOPPED], True, "a"),
        ([*block(0, "a"), STOPPED, block(0, "b")[1]], False, "ab"),
        ([*block(0, "a"), STOPPED, *block(1, "b")], False, "ab"),
        ([*block(0, "a"), STOPPED, ENDED, *block(1, "b")], False, "ab"),
        ([*block(0, "a"), STOPPED, block(0, "b")[1], STOPPED], True, "ab"),
        ([*block(0, "a"), STOPPED, *block(1, "b"), ENDED], True, "ab"),
    ],
)
def test_more_content_reopens_an_anthropic_answer(frames: list[Any], whole: bool, said: str) -> None:
    decoder = anthropic.Decoder()
    events = decode(decoder, [sse({"type": "message_start", "message": {"model": "m"}}, *frames)])
    assert decoder.complete is whole
    assert telling(events).text == said


@pytest.mark.parametrize("arguments", [[1], 5, True, "x"])
def test_arguments_that_are_not_an_object_are_rejected(arguments: Any) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "pay", "arguments": arguments}}
    block = {"type": "tool_use", "id": "a", "name": "pay", "input": arguments}
    bodies = [
        (openai_chat.Decoder(), sse(chunk({"tool_calls": [call]}, "tool_calls"), "[DONE]")),
        (
            anthropic.Decoder(),
            sse(
                {"type": "message_start", "message": {}},
                {"type": "content_block_start", "index": 0, "content_block": block},
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
                ENDED,
            ),
        ),
    ]
    for decoder, body in bodies:
        events = decode(decoder, [body])
        assert decoder.complete
        assert [event.type for event in events if event.type.startswith("call.re")] == ["call.rejected"]
