"""Ollama's wire: recordings, what they do not hold, and requests that give back what was received."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import CallReady, CallRejected, Event, ReasoningStarted, RunStarted, StepStarted
from headwater.events.fold import Fold
from headwater.events.messages import File, Image, Message, ProviderItem, Reasoning, Text, ToolCall, ToolResult, Usage
from headwater.providers.decoder import Place
from headwater.providers.ollama import encode, response
from headwater.providers.request import Endpoint, OutputSpec, Quirks, Request, Secret, Settings, ToolSpec
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

ENDPOINT = Endpoint(provider="ollama", api="ollama-chat", base_url="http://localhost:11434")
JPEG = b"\xff\xd8\xff"


# --- recordings


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
def test_recording_goes_back_as_it_came(recording: Recording) -> None:
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
    """The decoder and its events, the same however the bytes are split."""
    body = lines(*values)
    decoder = response.Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    assert decode(response.Decoder(), one_byte_at_a_time(body)) == events
    return decoder, events


def as_message(events: Sequence[Event]) -> Message:
    folded = Fold()
    for event in (RunStarted(), StepStarted(step=1), *events):
        folded.add(event)
    return folded.message("ollama-chat", "m")


def request(*messages: Message, **fields: Any) -> Request:
    return Request(model="qwen3", messages=messages, **fields)


def body_of(asked: Request, endpoint: Endpoint = ENDPOINT) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(asked, endpoint).body)
    return body


def messages_of(*messages: Message) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = body_of(request(*messages))["messages"]
    return written


# --- what comes back


@pytest.mark.parametrize(
    ("word", "common"), [("stop", "stop"), ("length", "length"), ("load", None), ("unload", None), (None, None)]
)
def test_done_reasons(word: str | None, common: str | None) -> None:
    decoder, _ = read(said("a"), {"done": True, "done_reason": word})
    assert decoder.complete
    assert (decoder.finish_reason, decoder.provider_finish_reason) == (common, word)


def test_a_call_makes_stop_tool_calls_but_not_length() -> None:
    call = said(tool_calls=[{"function": {"name": "f", "arguments": {}}}])
    assert read(call, DONE)[0].finish_reason == "tool_calls"
    assert read(call, {**DONE, "done_reason": "length"})[0].finish_reason == "length"


def test_thinking_text_and_calls_of_one_line_in_their_order() -> None:
    whole = said("I call.", thinking="hm", tool_calls=[{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}])
    decoder, events = read({**whole, "done": True, "done_reason": "stop"})
    calls = (ToolCall(id="c1", name="f", arguments={"a": 1}),)
    assert as_message(events).content == (Reasoning(text="hm"), Text(text="I call."), *calls)
    assert decoder.finish_reason == "tool_calls"


def test_calls_without_ids_get_some_that_no_one_else_has() -> None:
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


def test_arguments_that_are_no_object_are_rejected() -> None:
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


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=8), st.integers())
def test_texts_are_joined_in_order(pieces: list[tuple[str, str]], seed: int) -> None:
    body = lines(*(said(text, thinking=thought) for thought, text in pieces), DONE)
    decoder = response.Decoder()
    events = decode(decoder, splits(body, seed))
    check_grammar(events)
    assert telling(events).text == "".join(text for _, text in pieces)
    assert telling(events).reasoning == "".join(thought for thought, _ in pieces)
    assert decoder.complete


# --- cuts and errors


def test_a_last_line_counts_without_its_line_feed_where_it_ends_the_answer() -> None:
    decoder = response.Decoder()
    events = decode(decoder, [lines(said("a"), {**DONE, "message": {"content": "b"}}).rstrip()])
    assert (decoder.complete, telling(events).text) == (True, "ab")
    decoder = response.Decoder()
    events = decode(decoder, [lines(said("a"), said("b")).rstrip()])
    assert (decoder.complete, decoder.error, telling(events).text) == (False, None, "a")


def test_what_follows_the_end_marker_is_ignored() -> None:
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
def test_what_is_not_this_api_is_an_error(line: bytes) -> None:
    decoder = response.Decoder()
    assert telling(decode(decoder, [lines(said("a")) + line])).text == "a"
    assert isinstance(decoder.error, errors.MalformedResponse)


@settings(max_examples=200, deadline=None)
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
def test_no_json_makes_it_raise(value: Any, as_call: bool) -> None:
    decoder = response.Decoder()
    wrapped = said(tool_calls=[value]) if as_call else value
    check_grammar(decode(decoder, [lines(said("x"), wrapped, DONE)]))
    assert decoder.error is None or isinstance(decoder.error, errors.HeadwaterError)


# --- requests


@pytest.mark.parametrize(
    ("base_url", "wanted"),
    [
        ("http://localhost:11434", "http://localhost:11434/api/chat"),
        ("http://h/under/", "http://h/under/api/chat"),
        ("https://response.com/api", "https://response.com/api/chat"),
    ],
)
def test_address(base_url: str, wanted: str) -> None:
    endpoint = Endpoint(provider="ollama", api="ollama-chat", base_url=base_url)
    sent = encode(request(Message.user("hi")), endpoint)
    assert sent.url == wanted
    assert sent.headers == {"content-type": "application/json"}
    assert json.loads(sent.body) == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }


def test_a_key_where_one_is_given() -> None:
    endpoint = Endpoint(
        provider="ollama", api="ollama-chat", base_url="http://h", key=Secret("k"), headers={"a": "b"}, query={"x": "1"}
    )
    sent = encode(request(Message.user("hi")), endpoint)
    assert sent.headers == {"content-type": "application/json", "authorization": "Bearer k", "a": "b"}
    assert sent.url == "http://h/api/chat?x=1"


def test_settings_are_options() -> None:
    given = Settings(
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        max_tokens=10,
        stop=("x",),
        seed=1,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        extra={"keep_alive": "5m", "options": {"num_ctx": 8192, "seed": 2}},
    )
    body = body_of(request(Message.user("hi"), settings=given))
    assert body["options"] == {
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "num_predict": 10,
        "stop": ["x"],
        "seed": 2,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "num_ctx": 8192,
    }
    assert body["keep_alive"] == "5m"


@pytest.mark.parametrize(
    ("reasoning", "wanted"),
    [(True, True), (False, False), ("none", False), (0, False), ("low", "low"), ("high", "high")],
)
def test_reasoning(reasoning: Any, wanted: Any) -> None:
    think = body_of(request(Message.user("hi"), settings=Settings(reasoning=reasoning)))["think"]
    assert think is wanted if isinstance(wanted, bool) else think == wanted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reasoning", 1),
        ("reasoning", 1024),
        ("reasoning", "xhigh"),
        ("tool_choice", "required"),
        ("tool_choice", "f"),
        ("verbosity", "low"),
        ("service_tier", "flex"),
        ("user", "me"),
        ("store", True),
        ("parallel_tool_calls", False),
    ],
)
def test_settings_that_cannot_be_honoured(name: str, value: Any) -> None:
    with pytest.raises(errors.UnsupportedSetting, match=name):
        body_of(request(Message.user("hi"), settings=Settings(**{name: value})))


def test_settings_that_a_server_refuses() -> None:
    endpoint = Endpoint(
        provider="p", api="ollama-chat", base_url="http://h", quirks=Quirks(unsupported=frozenset({"seed"}))
    )
    with pytest.raises(errors.UnsupportedSetting, match="seed"):
        body_of(request(Message.user("hi"), settings=Settings(seed=1)), endpoint)


def test_settings_that_are_so_anyway() -> None:
    given = Settings(store=False, parallel_tool_calls=True, cache=True, tool_choice="auto")
    assert body_of(request(Message.user("hi"), settings=given)) == body_of(request(Message.user("hi")))


def test_tools() -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}}
    tools = (ToolSpec(name="f", description="does", parameters=parameters), ToolSpec(name="g"))
    body = body_of(request(Message.user("hi"), tools=tools))
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "description": "does", "parameters": parameters}},
        {
            "type": "function",
            "function": {"name": "g", "description": "", "parameters": {"type": "object", "properties": {}}},
        },
    ]
    none = body_of(request(Message.user("hi"), tools=tools, settings=Settings(tool_choice="none")))
    assert "tools" not in none


def test_structured_output() -> None:
    schema = {"type": "object"}
    assert body_of(request(Message.user("hi"), output=OutputSpec(name="A", schema=schema)))["format"] == schema


def test_messages() -> None:
    call = ToolCall(id="c1", name="f", arguments={"a": 1})
    written = messages_of(
        Message.system("Be brief."),
        Message.user("one", "two", Image(data=JPEG)),
        Message(role="assistant", api="ollama-chat", content=(Reasoning(text="hm"), Text(text="I call."), call)),
        Message.tool(
            ToolResult(id="c1", name="f", content="found"),
            ToolResult(id="c2", name="g", content="no such file", error=True),
            ToolResult(id="c3", name="h", content=(Text(text="see"), Image(data=JPEG))),
        ),
        Message.assistant(""),
    )
    assert written == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one\n\ntwo", "images": ["/9j/"]},
        {
            "role": "assistant",
            "content": "I call.",
            "thinking": "hm",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"a": 1}}}],
        },
        {"role": "tool", "tool_name": "f", "tool_call_id": "c1", "content": "found"},
        {"role": "tool", "tool_name": "g", "tool_call_id": "c2", "content": "Error: no such file"},
        {"role": "tool", "tool_name": "h", "tool_call_id": "c3", "content": "see", "images": ["/9j/"]},
    ]


def test_anothers_reasoning_and_items_stay_away() -> None:
    other = Message(
        role="assistant",
        api="anthropic",
        content=(
            Reasoning(text="hm"),
            Text(text="I call."),
            ProviderItem(api="anthropic", item={}),
            ToolCall(id="srv", name="web_search", arguments={}, by="provider"),
            ToolCall(id="c", name="f", arguments="not json"),
        ),
    )
    assert messages_of(other) == [
        {
            "role": "assistant",
            "content": "I call.",
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"input": "not json"}}}],
        }
    ]


def test_pictures_are_sent_as_bytes() -> None:
    pictures = (Image(url="data:image/gif;base64,R0lG"), File(data=b"GIF89a"))
    assert messages_of(Message.user("see", *pictures))[0]["images"] == ["R0lG", "R0lGODlh"]


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://a.example/b.png"),
        File(data=b"%PDF-1.7"),
        File(id="f1", media_type="image/png"),
        ToolCall(id="a", name="f", arguments={}),
    ],
)
def test_what_has_no_place_is_an_error(part: Any) -> None:
    with pytest.raises(errors.InvalidRequest, match="Ollama takes"):
        messages_of(Message(role="user", content=(part,)))


def test_a_tools_message_holds_results() -> None:
    with pytest.raises(errors.InvalidRequest, match="Text"):
        messages_of(Message(role="tool", content=(Text(text="a"),)))
