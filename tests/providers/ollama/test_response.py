"""Ollama's answers: recordings, handwritten streams, and sending answers back unchanged."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import CallReady, CallRejected, Event, ReasoningStarted
from headwater.events.messages import Message, Reasoning, Text, ToolCall, Usage
from headwater.providers.decoder import Place
from headwater.providers.ollama import response
from tests.providers.ollama.asking import as_message, messages_of
from tests.support.effort import tries
from tests.support.recordings import (
    Recording,
    cases,
    check_cuts,
    check_decoding,
    check_failure,
    check_grammar,
    decode,
    failures,
    one_byte_at_a_time,
    splits,
    telling,
)

# --- recordings


@pytest.mark.long
@pytest.mark.parametrize("recording", cases("ollama-chat"))
def test_recording(recording: Recording) -> None:
    check_decoding(recording, response.Decoder)


@pytest.mark.parametrize("recording", cases("ollama-chat"))
def test_recording_cut_short(recording: Recording) -> None:
    check_cuts(recording, response.Decoder)


@pytest.mark.parametrize("recording", cases("ollama-chat", failures))
def test_http_error(recording: Recording) -> None:
    check_failure(recording)


@pytest.mark.parametrize("recording", cases("ollama-chat"))
def test_a_recorded_answer_is_sent_back_unchanged(recording: Recording) -> None:
    want = recording.expected
    message = as_message(decode(response.Decoder(), [recording.body]))
    sent = messages_of(Message.user("go on"), message)[1:]
    if not (want["text"] or want["reasoning_text"] or want["tool_calls"]):
        assert sent == []
        return
    (wire,) = sent
    assert wire["content"] == want["text"]
    assert wire.get("thinking", "") == want["reasoning_text"]
    calls = [(call["function"]["name"], call["function"]["arguments"]) for call in wire.get("tool_calls", ())]
    assert calls == [(call["name"], call["arguments"]) for call in want["tool_calls"]]
    for call, wanted in zip(wire.get("tool_calls", ()), want["tool_calls"], strict=True):
        assert call["id"] == (wanted["id"] or call["id"])


# --- helpers


def lines(*values: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(value).encode() + b"\n" for value in values)


def said(content: str = "", **fields: Any) -> dict[str, Any]:
    return {"model": "m", "message": {"role": "assistant", "content": content, **fields}, "done": False}


DONE: dict[str, Any] = {
    "model": "m",
    "message": {"role": "assistant", "content": ""},
    "done": True,
    "done_reason": "stop",
}


def read(*values: dict[str, Any]) -> tuple[response.Decoder, list[Event]]:
    """Returns the decoder and its events, checked to be the same for any split."""
    body = lines(*values)
    decoder = response.Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    assert decode(response.Decoder(), one_byte_at_a_time(body)) == events
    return decoder, events


# --- answers


@pytest.mark.parametrize(
    ("word", "common"), [("stop", "stop"), ("length", "length"), ("load", None), ("unload", None), (None, None)]
)
def test_done_reasons(word: str | None, common: str | None) -> None:
    decoder, _ = read(said("a"), {"done": True, "done_reason": word})
    assert decoder.complete
    assert (decoder.finish_reason, decoder.provider_finish_reason) == (common, word)


def test_a_call_turns_stop_but_not_length_into_tool_calls() -> None:
    call = said(tool_calls=[{"function": {"name": "f", "arguments": {}}}])
    assert read(call, DONE)[0].finish_reason == "tool_calls"
    assert read(call, {**DONE, "done_reason": "length"})[0].finish_reason == "length"


def test_thinking_text_and_calls_of_one_line_keep_their_order() -> None:
    whole = said("I call.", thinking="hm", tool_calls=[{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}])
    decoder, events = read({**whole, "done": True, "done_reason": "stop"})
    calls = (ToolCall(id="c1", name="f", arguments={"a": 1}),)
    assert as_message(events).content == (Reasoning(text="hm"), Text(text="I call."), *calls)
    assert decoder.finish_reason == "tool_calls"


def test_calls_without_ids_get_unique_ids() -> None:
    place = Place(call_prefix="step1", calls={"step1_0"})
    calls = [{"function": {"index": 0, "name": "f", "arguments": {}}}] * 2
    events = decode(response.Decoder(place), [lines(said(tool_calls=calls), DONE)])
    keys = [event.call for event in events if isinstance(event, CallReady)]
    assert len(set(keys)) == 2
    assert "step1_0" not in keys


@pytest.mark.parametrize(
    ("arguments", "wanted"), [({"a": [1]}, {"a": [1]}), (None, {}), ('{"a": 1}', {"a": 1}), ("", {})]
)
def test_arguments(arguments: Any, wanted: dict[str, Any]) -> None:
    _, events = read(said(tool_calls=[{"function": {"name": "f", "arguments": arguments}}]), DONE)
    assert [event.arguments for event in events if isinstance(event, CallReady)] == [wanted]


def test_arguments_that_are_not_an_object_are_rejected() -> None:
    _, events = read(said(tool_calls=[{"function": {"name": "f", "arguments": "{cut"}}]), DONE)
    assert [event.raw for event in events if isinstance(event, CallRejected)] == ["{cut"]


def test_lines_of_generate() -> None:
    decoder, events = read(
        {"model": "m", "response": "", "thinking": "hm", "done": False},
        {"model": "m", "response": "a", "done": False},
        {"model": "m", "response": "b", "done": True, "done_reason": "stop", "eval_count": 2},
    )
    assert (telling(events).reasoning, telling(events).text) == ("hm", "ab")
    assert [event.kind for event in events if isinstance(event, ReasoningStarted)] == ["full"]
    assert (decoder.complete, decoder.model) == (True, "m")


def test_usage_as_reported() -> None:
    counts = {"prompt_eval_count": 3, "eval_count": 4, "total_duration": 5}
    decoder, _ = read(said("a"), {**DONE, **counts})
    assert decoder.usage == Usage(input_tokens=3, output_tokens=4, raw=counts)
    decoder, events = read(said("a"), DONE)
    assert decoder.usage is None
    assert telling(events).usage is None
    decoder, _ = read(said("a"), {**DONE, "eval_count": 4})
    assert decoder.usage == Usage(output_tokens=4, raw={"eval_count": 4})


@settings(max_examples=tries(25, 100), deadline=None)
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=8), st.integers())
def test_texts_are_joined_in_order(pieces: list[tuple[str, str]], seed: int) -> None:
    body = lines(*(said(text, thinking=thought) for thought, text in pieces), DONE)
    decoder = response.Decoder()
    events = decode(decoder, splits(body, seed))
    check_grammar(events)
    assert telling(events).text == "".join(text for _, text in pieces)
    assert telling(events).reasoning == "".join(thought for thought, _ in pieces)
    assert decoder.complete


# --- truncation and errors


def test_an_unterminated_last_line_counts_if_it_ends_the_answer() -> None:
    decoder = response.Decoder()
    events = decode(decoder, [lines(said("a"), {**DONE, "message": {"content": "b"}}).rstrip()])
    assert (decoder.complete, telling(events).text) == (True, "ab")
    decoder = response.Decoder()
    events = decode(decoder, [lines(said("a"), said("b")).rstrip()])
    assert (decoder.complete, decoder.error, telling(events).text) == (False, None, "a")


def test_half_a_character_in_an_unterminated_last_line() -> None:
    decoder = response.Decoder()
    last = lines({**DONE, "message": {"content": "b\ud83dc"}}).rstrip()
    events = decode(decoder, [lines(said("a")) + last])
    assert b"\\ud83d" in last
    assert (decoder.complete, telling(events).text) == (True, "ab\ufffdc")


def test_a_last_line_that_was_cut_is_an_error() -> None:
    decoder = response.Decoder()
    events = decode(decoder, [lines(said("a")) + lines(DONE)[:-5]])
    assert (decoder.complete, telling(events).text) == (False, "a")


def test_anything_after_the_end_marker_is_ignored() -> None:
    _, events = read(said("a"), DONE, said("b"))
    assert telling(events).text == "a"


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"error": "llama runner process has terminated: exit status 2"}', errors.ServerError),
        (b'{"error": {"message": "rate limit", "code": "rate_limit_exceeded"}}', errors.RateLimited),
    ],
)
def test_errors_in_the_stream(line: bytes, kind: type[errors.HeadwaterError], end: bytes) -> None:
    decoder = response.Decoder()
    events = decode(decoder, [lines(said("a")) + line + end])
    assert type(decoder.error) is kind
    assert telling(events).text == "a"
    assert not decoder.complete


@pytest.mark.parametrize("line", [b"<html>\n", b"5\n", b'{"message": 5}\n', b'{"message": {"tool_calls": [5]}}\n'])
def test_another_apis_response_is_an_error(line: bytes) -> None:
    decoder = response.Decoder()
    assert telling(decode(decoder, [lines(said("a")) + line])).text == "a"
    assert isinstance(decoder.error, errors.MalformedResponse)


@settings(max_examples=tries(50, 200), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["message", "content", "thinking", "tool_calls", "function", "name", "arguments", "done", "error"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    ),
    st.booleans(),
)
def test_no_json_raises(value: Any, as_call: bool) -> None:
    decoder = response.Decoder()
    wrapped = said(tool_calls=[value]) if as_call else value
    check_grammar(decode(decoder, [lines(said("x"), wrapped, DONE)]))
    assert decoder.error is None or isinstance(decoder.error, errors.HeadwaterError)


@pytest.mark.parametrize("arguments", [["*.tmp"], "not json", 5, True, [{"a": 1}], [], False, 0])
def test_invalid_arguments_never_run_the_tool(arguments: Any) -> None:
    wire = {"function": {"name": "delete", "arguments": arguments}}
    events = decode(response.Decoder(), [lines(said(tool_calls=[wire]), DONE)])
    assert [event.type for event in events if event.type.startswith("call.re")] == ["call.rejected"]


@pytest.mark.parametrize("function", [{"name": "delete"}, {"name": "delete", "arguments": None}])
def test_missing_arguments_are_empty(function: dict[str, Any]) -> None:
    events = decode(response.Decoder(), [lines(said(tool_calls=[{"function": function}]), DONE)])
    assert [event.arguments for event in events if isinstance(event, CallReady)] == [{}]
