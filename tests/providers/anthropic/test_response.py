"""The Messages API's stream: every recording is decoded correctly and can be sent back unchanged."""

from __future__ import annotations

import importlib
import importlib.util
import json
import typing
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import (
    AttemptStarted,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    ProviderItemMade,
    ReasoningEnded,
    RunStarted,
    SourceFound,
    StepStarted,
    TextDelta,
    UsageReported,
    Warned,
)
from headwater.events.fold import Fold
from headwater.events.messages import Message, Reasoning, Text, ToolCall, ToolResult, Usage
from headwater.providers.anthropic import response
from headwater.providers.anthropic.response import Decoder, encode
from headwater.providers.decoder import Place
from headwater.providers.request import Endpoint, Request
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
    recordings,
    splits,
    telling,
)

API = "anthropic-messages"


# --- handwritten streams


def frame(value: object, name: str = "") -> bytes:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


def start(**message: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": {"id": "msg_1", "model": "claude-opus-5", **message}}


def opened(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stopped(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def ending(reason: str | None = "end_turn", **fields: Any) -> list[dict[str, Any]]:
    usage = fields.pop("usage", {"output_tokens": 7})
    end = {"type": "message_delta", "delta": {"stop_reason": reason, **fields}, "usage": usage}
    return [end, {"type": "message_stop"}]


def stream(*values: object) -> bytes:
    return b"".join(frame(value) for value in values)


def read(body: bytes, decoder: Decoder | None = None) -> tuple[Decoder, list[Event]]:
    """Decodes the body whole, and checks that any split gives the same."""
    whole = decoder or Decoder()
    events = decode(whole, [body])
    check_grammar(events)
    for pieces in (one_byte_at_a_time(body), splits(body, 7)):
        other = Decoder(Place(step=whole.place.step, part=whole.place.part, lead=whole.place.lead))
        assert decode(other, pieces) == events
        assert (other.complete, str(other.error)) == (whole.complete, str(whole.error))
    return whole, events


def of(kind: type[Any], events: Iterable[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- recordings


@pytest.mark.long
@pytest.mark.parametrize("recording", cases(API))
def test_recording(recording: Recording) -> None:
    check_decoding(recording, Decoder)


@pytest.mark.parametrize("recording", cases(API))
def test_recording_cut(recording: Recording) -> None:
    check_cuts(recording, Decoder, times=20)


@pytest.mark.parametrize("recording", cases(API, failures))
def test_failure(recording: Recording) -> None:
    check_failure(recording)


def change_block(block: dict[str, Any], change: dict[str, Any]) -> None:
    match change["type"]:
        case "text_delta":
            block["text"] += change["text"]
        case "thinking_delta":
            block["thinking"] += change["thinking"]
        case "signature_delta":
            block["signature"] = change["signature"]
        case "input_json_delta":
            block["_json"] += change["partial_json"]
        case "citations_delta":
            block["citations"] = [*(block.get("citations") or []), change["citation"]]
        case other:
            raise AssertionError(f"a delta of the type {other}")


def assembled(body: bytes) -> list[dict[str, Any]]:
    """The content blocks of a stream, assembled naively: what the next request has to contain."""
    blocks: dict[int, dict[str, Any]] = {}
    order: list[dict[str, Any]] = []
    for line in body.decode().splitlines():
        value = json.loads(line.removeprefix("data:")) if line.startswith("data: {") else {}
        if value.get("type") == "content_block_start":
            blocks[value["index"]] = {**value["content_block"], "_json": ""}
            order.append(blocks[value["index"]])
        if value.get("type") == "content_block_delta":
            change_block(blocks[value["index"]], value["delta"])
    for block in order:
        if written := block.pop("_json"):
            block["input"] = json.loads(written)
        elif block["type"] in ("tool_use", "server_tool_use"):
            block.setdefault("input", {})
        if "input" in block and block.get("caller") == {"type": "direct"}:
            del block["caller"]
        if block["type"] == "text" and not block.get("citations"):
            block.pop("citations", None)
    return [block for block in order if block["type"] != "text" or block["text"].strip()]


def whole_answers(api: str) -> list[Recording]:
    """The answers that have content and were not cut off by the token limit."""
    complete = [recording for recording in recordings(api) if recording.complete]
    return [r for r in complete if r.expected["finish_reason"] != "max_tokens" and assembled(r.body)]


def message_of(events: Sequence[Event], model: str = "claude-opus-5") -> Message:
    fold = Fold()
    for event in (RunStarted(), StepStarted(step=1), AttemptStarted(step=1), *events):
        fold.add(event)
    return fold.message("anthropic", model)


def sent(*messages: Message) -> dict[str, Any]:
    """The body of a request that continues these messages."""
    here = Endpoint(provider="anthropic", api="anthropic", base_url="https://api.anthropic.com")
    body: dict[str, Any] = json.loads(encode(Request(model="claude-opus-5", messages=messages), here).body)
    return body


@pytest.mark.parametrize("recording", cases(API, whole_answers))
def test_an_answer_is_sent_back_unchanged(recording: Recording) -> None:
    message = message_of(decode(Decoder(), [recording.body]))
    turns = sent(Message.user("hi"), message, Message.user("go on"))["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"] == assembled(recording.body)


# --- beyond the recordings


def test_part_numbers_follow_the_place() -> None:
    body = stream(start(), opened(0, type="text", text=""), delta(0, "text_delta", text="a"), stopped(0), *ending())
    _, events = read(body, Decoder(Place(step=3, part=5, lead="\n\n")))
    started = events[0]
    assert (started.type, events[1]) == ("text.started", TextDelta(step=3, part=5, text="a"))
    assert getattr(started, "lead", None) == "\n\n"


def test_part_is_opened_by_its_first_text() -> None:
    _, events = read(stream(start(), opened(0, type="text", text=""), stopped(0), *ending()))
    assert [event.type for event in events] == ["usage.reported"]


def test_event_name_replaces_a_missing_type() -> None:
    body = (
        frame({"message": {"id": "m"}}, "message_start")
        + frame({"index": 0, "content_block": {"type": "text", "text": "He"}}, "content_block_start")
        + frame({"index": 0, "delta": {"type": "text_delta", "text": "llo"}}, "content_block_delta")
        + frame({"index": 0}, "content_block_stop")
        + frame({"delta": {"stop_reason": "stop_sequence"}}, "message_delta")
        + frame({}, "message_stop")
        + frame(b"[DONE]")
    )
    decoder, events = read(body)
    assert (telling(events).text, decoder.complete, decoder.finish_reason) == ("Hello", True, "stop")


def test_deltas_without_a_start_or_after_a_stop_are_read() -> None:
    late = delta(0, "text_delta", text="c")
    body = stream(delta(0, "text_delta", text="a"), stopped(0), late, delta(1, "thinking_delta", thinking="t"), late)
    _, events = read(body + stream(*ending()))
    assert (telling(events).text, telling(events).reasoning) == ("acc", "t")


def test_odd_values_are_not_an_answer() -> None:
    odd = [
        start(content=[{"type": "text", "text": "twice"}], usage="?"),
        opened(0, type="text", text=None),
        delta(0, "text_delta", text=None),
        delta(0, "text_delta", text="a"),
        delta(0, "input_json_delta", partial_json="{"),
        {"type": "content_block_start", "index": 2, "content_block": None},
        {"type": "content_block_delta", "index": None, "delta": None},
        delta(0, "sound_delta", sound="?"),
        [1],
        {"type": "news"},
        {"type": "vertex_event"},
        {"type": "ping"},
    ]
    decoder, events = read(stream(*odd, *ending(None)))
    codes = {event.code for event in of(Warned, events)}
    assert codes == {"content_in_start", "stray_arguments", "unknown_block", "unknown_delta", "unknown_event"}
    assert (telling(events).text, decoder.complete, decoder.finish_reason) == ("a", True, None)


def test_unknown_block_is_kept() -> None:
    block = {"type": "hologram", "data": {"x": 1}}
    _, events = read(stream(start(), opened(0, **block), stopped(0), *ending()))
    assert [event.item for event in of(ProviderItemMade, events)] == [block]
    assert [event.code for event in of(Warned, events)] == ["unknown_block"]
    turns = sent(Message.user("hi"), message_of(events))["messages"]
    assert turns[1]["content"] == [block]


def test_overlapping_blocks() -> None:
    body = stream(
        start(),
        opened(0, type="thinking", thinking="", signature=""),
        opened(1, type="tool_use", id="toolu_1", name="now", input={}),
        delta(0, "thinking_delta", thinking="hm"),
        delta(1, "input_json_delta", partial_json='{"a":'),
        opened(2, type="text", text=""),
        delta(2, "text_delta", text="x"),
        delta(0, "thinking_delta", thinking="m"),
        delta(1, "input_json_delta", partial_json="1}"),
        delta(0, "signature_delta", signature="sig"),
        delta(2, "text_delta", text="y"),
        stopped(0),
        stopped(1),
        stopped(2),
        *ending(),
    )
    decoder, events = read(body)
    assert (telling(events).text, telling(events).reasoning) == ("xy", "hmm")
    assert decoder.finish_reason == "tool_calls"
    assert message_of(events).content == (
        Reasoning(text="hmm", signature="sig"),
        ToolCall(id="toolu_1", name="now", arguments={"a": 1}),
        Text(text="xy"),
    )


def test_block_started_twice_ends_the_first() -> None:
    one = opened(0, type="tool_use", id="a", name="f", input={"whole": True})
    two = opened(0, type="tool_use", id="b", name="g", input={})
    _, events = read(stream(one, two, delta(0, "input_json_delta", partial_json="{}"), *ending("tool_use")))
    assert telling(events).calls == [("a", "f", {"whole": True}), ("b", "g", {})]


def call_then(written: str, reason: str, *more: dict[str, Any]) -> list[Event]:
    begun = opened(0, type="tool_use", id="a", name="f", input={})
    body = stream(start(), begun, delta(0, "input_json_delta", partial_json=written), stopped(0), *more)
    return read(body + stream(*ending(reason)))[1]


def test_a_call_cut_off_by_the_token_limit_is_never_ready() -> None:
    for written in ("", '{"a":'):
        (rejected,) = of(CallRejected, call_then(written, "max_tokens"))
        assert (rejected.cut, rejected.raw) == (True, written)
    assert len(of(CallReady, call_then('{"a": 1}', "max_tokens"))) == 1


def test_a_call_without_arguments_is_complete_once_the_model_continues() -> None:
    more = opened(1, type="text", text="and")
    assert of(CallReady, call_then("", "max_tokens", more))[0].arguments == {}
    assert of(CallReady, call_then("", "tool_use"))[0].arguments == {}


def test_invalid_arguments_go_back_to_the_model() -> None:
    (rejected,) = of(CallRejected, call_then("[1]", "tool_use"))
    assert (rejected.cut, rejected.raw) == (False, "[1]")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("tool_use", "stop"),  # without a call there is no reason to stop for tools
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "stop"),
        ("compaction", "stop"),
        ("whim", None),
    ],
)
def test_finish_reason(word: str, reason: str | None) -> None:
    decoder, events = read(stream(start(), *ending(word)))
    assert (decoder.finish_reason, decoder.provider_finish_reason, decoder.complete) == (reason, word, True)
    warned = {event.code for event in of(Warned, events)}
    assert warned == {"pause_turn": {"paused"}, "refusal": {"refusal"}, "whim": {"unknown_finish_reason"}}.get(
        word, set()
    )


def test_refusal_says_why() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
    _, events = read(stream(start(), *ending("refusal", stop_details=details)))
    assert of(Warned, events)[0].message == "Not this."


def test_usage_is_cumulative() -> None:
    first = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}
    last = {"input_tokens": None, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}}
    decoder, events = read(stream(start(usage=first), *ending(usage=last)))
    reports = of(UsageReported, events)
    assert [report.usage.output_tokens for report in reports] == [1, 30]
    assert decoder.usage == Usage(
        input_tokens=17,
        output_tokens=30,
        cached_input_tokens=5,
        cache_write_tokens=2,
        reasoning_tokens=20,
        raw={**first, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}},
    )


def test_usage_that_was_not_reported_is_none() -> None:
    decoder, events = read(stream(start(), *ending(usage=None)))
    assert decoder.usage is None
    assert not of(UsageReported, events)


def test_stop_reason_ends_a_stream_that_lost_its_end_marker() -> None:
    text = opened(0, type="text", text="a")
    ended = stream(start(), text, stopped(0), ending()[0])
    for tail in (b"", b'data: {"type":"mess'):
        decoder, _ = read(ended + tail)
        assert decoder.complete
    decoder, _ = read(stream(start(), text, stopped(0)))
    assert (decoder.complete, decoder.error) == (False, None)


def test_redacted_thinking_is_kept() -> None:
    _, events = read(stream(start(), opened(0, type="redacted_thinking", data="EncRypted"), stopped(0), *ending()))
    assert of(ReasoningEnded, events)[0].redacted == "EncRypted"


def test_hidden_thinking_is_sent_back_signed() -> None:
    hidden = opened(0, type="thinking", thinking="", signature="")
    body = stream(start(), hidden, delta(0, "signature_delta", signature="sig"), stopped(0), *ending())
    message = message_of(read(body)[1])
    assert sent(Message.user("hi"), message)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "", "signature": "sig"}
    ]


def test_citations_are_sources_with_the_span_of_their_text() -> None:
    web = {"type": "web_search_result_location", "url": "https://a.b", "title": "A", "cited_text": "q"}
    page = {"type": "page_location", "document_title": "D", "cited_text": "p", "document_index": 0}
    page |= {"start_page_number": 1, "end_page_number": 2}
    other = {"type": "dream_location", "url": "https://c.d"}
    body = stream(
        start(),
        opened(0, type="text", text="12345"),
        stopped(0),
        opened(1, type="text", text="", citations=[page]),
        delta(1, "citations_delta", citation=web),
        delta(1, "text_delta", text="678"),
        delta(1, "citations_delta", citation=other),
        stopped(1),
        *ending(),
    )
    _, events = read(body)
    assert of(SourceFound, events) == [
        SourceFound(step=1, kind="document", title="D", quote="p", span=(5, 8)),
        SourceFound(step=1, kind="url", url="https://a.b", title="A", quote="q", span=(5, 8)),
        SourceFound(step=1, kind="url", url="https://c.d", span=(5, 8)),
    ]
    assert [event.code for event in of(Warned, events)] == ["unknown_citation"]
    content = sent(Message.user("hi"), message_of(events))["messages"][1]["content"]
    assert content == [
        {"type": "text", "text": "12345"},
        {"type": "text", "text": "678", "citations": [page, web, other]},
    ]


def test_provider_tools_are_sent_back_whole() -> None:
    call = {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {"a": 1}}
    result = {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []}
    coded = {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}
    ours = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": coded}
    summary = {"type": "compaction", "content": None}
    body = stream(
        start(),
        opened(0, **call),
        stopped(0),
        opened(1, **result),
        stopped(1),
        opened(2, **summary),
        delta(2, "compaction_delta", content="So far.", encrypted_content="e"),
        stopped(2),
        opened(3, **ours),
        stopped(3),
        *ending("tool_use", container={"id": "container_1"}),
    )
    decoder, events = read(body)
    assert [event.by for event in of(CallStarted, events)] == ["provider", "agent"]
    assert decoder.finish_reason == "tool_calls"
    message = message_of(events)
    answer = Message.tool(ToolResult(id="toolu_1", name="f", content="ok"))
    request = sent(Message.user("hi"), message, answer)
    assert request["messages"][1]["content"] == [
        call,
        result,
        {**summary, "content": "So far.", "encrypted_content": "e"},
        ours,
    ]
    assert request["container"] == "container_1"
    assert "container" not in sent(Message.user("hi"), message, answer, Message.user("and?"))


def test_fallback_names_the_model_that_answered() -> None:
    hop = {"type": "fallback", "from": {"model": "claude-fable-5"}, "to": {"model": "claude-opus-5-5"}}
    decoder, _ = read(stream(start(), opened(0, **hop), stopped(0), *ending()))
    assert decoder.model == "claude-opus-5-5"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (frame({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}), errors.Overloaded),
        (frame({"type": "error", "error": {"type": "rate_limit_error", "message": "Slow"}}), errors.RateLimited),
        (frame({"type": "error", "error": {"type": "api_error", "message": "Oh"}}), errors.ServerError),
        (frame({"type": "error", "error": {"type": "invalid_request_error", "message": "No"}}), errors.InvalidRequest),
        (frame({"error": {"type": "overloaded_error", "message": "Busy"}}), errors.Overloaded),
        (frame({"type": "overloaded_error", "message": "Busy"}, "error"), errors.Overloaded),
        (frame(b"upstream went away", "error"), errors.ServerError),
        (b'error: {"error": {"type": "overloaded_error", "message": "Busy"}}\n', errors.Overloaded),
        (b'{"type": "error",\n "error": {"type": "overloaded_error", "message": "Busy"}}', errors.Overloaded),
        (frame(b"{no json}"), errors.MalformedResponse),
    ],
)
def test_error_in_the_stream(body: bytes, kind: type[errors.ProviderError]) -> None:
    decoder, _ = read(body)
    assert type(decoder.error) is kind
    assert not decoder.complete


def test_an_error_has_its_request_id() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}, "request_id": "req_1"}
    decoder, events = read(stream(start(), opened(0, type="text", text="par"), error, delta(0, "text_delta", text="x")))
    assert isinstance(decoder.error, errors.Overloaded)
    assert (decoder.error.request_id, decoder.error.code) == ("req_1", "overloaded_error")
    assert telling(events).text == "par"


def test_plain_json_body_is_read() -> None:
    message = {
        "type": "message",
        "id": "msg_1",
        "model": "claude-opus-5",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "text", "text": "Hello\n\nthere"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    for indent in (None, 2):
        decoder, events = read(json.dumps(message, indent=indent).encode())
        assert (decoder.complete, decoder.finish_reason, decoder.model) == (True, "tool_calls", "claude-opus-5")
        assert telling(events).text == "Hello\n\nthere"
        assert telling(events).calls == [("t", "f", {"a": 1})]
        assert decoder.usage is not None


def test_another_answer_in_the_same_body_continues_the_first() -> None:
    first = stream(start(), opened(0, type="text", text="a"), stopped(0), *ending())
    second = stream(start(id="msg_2"), opened(0, type="text", text="b"), stopped(0), *ending("max_tokens"))
    decoder, events = read(first + second)
    assert (telling(events).text, decoder.finish_reason, decoder.response_id) == ("ab", "length", "msg_2")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=4) | st.sampled_from(["error", "text", "{}"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "text", "id", "message", "input", "citation"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KINDS = sorted({*response._EVENTS, *response.IGNORED, "news"})
BLOCKS = sorted({*response._BLOCKS, *response.KEPT, "news"})
DELTAS = sorted({*response._DELTAS, "news"})
FRAMES = st.one_of(
    st.fixed_dictionaries(
        {"type": st.sampled_from([kind for kind in KINDS if kind != "error"])},
        optional={"index": st.integers(0, 2) | VALUES, "delta": VALUES, "content_block": VALUES, "message": VALUES},
    ),
    st.builds(
        opened,
        st.integers(0, 2),
        type=st.sampled_from(BLOCKS),
        text=VALUES,
        id=st.sampled_from(["a", "b"]) | VALUES,
        name=VALUES,
        input=VALUES,
        citations=VALUES,
    ),
    st.builds(
        delta,
        st.integers(0, 2),
        st.sampled_from(DELTAS),
        text=st.text(max_size=3) | VALUES,
        thinking=st.text(max_size=3) | VALUES,
        partial_json=st.sampled_from(["{", "}", '"a":1', ""]) | VALUES,
        citation=VALUES,
        signature=VALUES,
    ),
    st.builds(stopped, st.integers(0, 2)),
)


@pytest.mark.long
@settings(max_examples=tries(20, 600), deadline=None)
@given(values=st.lists(FRAMES, max_size=12), seed=st.integers(0, 1000), end=st.booleans())
def test_any_frames_give_a_valid_log(values: list[dict[str, Any]], seed: int, end: bool) -> None:
    body = stream(*values, *(ending() if end else ()))
    decoder = Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    other = Decoder()
    assert decode(other, splits(body, seed)) == events
    assert (other.complete, type(other.error)) == (decoder.complete, type(decoder.error))
    message_of(events)


@settings(max_examples=tries(50, 200), deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_raise_nothing(data: bytes) -> None:
    check_grammar(decode(Decoder(), [data, b"\n\ndata: ", data, b"\n\n"]))


# --- the official package's types


@pytest.fixture(scope="module")
def package() -> Any:
    if importlib.util.find_spec("anthropic") is None:
        pytest.skip("the anthropic package is not installed")
    return importlib.import_module("anthropic.types")


def kinds(union: Any) -> set[str]:
    """The `type` values of all members of a (nested, annotated) union of models."""
    if typing.get_origin(union) is typing.Annotated:
        return kinds(typing.get_args(union)[0])
    if members := typing.get_args(union):
        return {kind for member in members for kind in kinds(member)}
    return set(typing.get_args(union.model_fields["type"].annotation))


@pytest.mark.parametrize("prefix", ["", "Beta"])
def test_every_type_of_the_package_is_decoded_or_ignored_by_name(package: Any, prefix: str) -> None:
    types = importlib.import_module("anthropic.types.beta") if prefix else package
    known = {
        "RawMessageStreamEvent": {*response._EVENTS, *response.IGNORED},
        "ContentBlock": {*response._BLOCKS, *response.KEPT},
        "RawContentBlockDelta": set(response._DELTAS),
        "TextCitation": set(response.CITATIONS),
    }
    for name, handled in known.items():
        found = kinds(getattr(types, prefix + name))
        assert found, f"{prefix}{name} has no members"
        assert found <= handled, f"{prefix}{name}: neither decoded nor ignored"
    assert set(typing.get_args(getattr(types, f"{prefix}StopReason"))) <= set(response._FINISH)


# --- deviations of gateways


def test_a_stop_reason_in_the_first_frame_counts_if_no_other_follows() -> None:
    text = [opened(0, type="text", text=""), delta(0, "text_delta", text="a"), stopped(0), {"type": "message_stop"}]
    decoder, events = read(stream(start(stop_reason="max_tokens"), *text))
    assert (decoder.complete, decoder.finish_reason, telling(events).text) == (True, "length", "a")


def test_a_start_without_an_id_keeps_the_earlier_id() -> None:
    again = {"type": "message_start", "message": {"model": "m"}}
    decoder, _ = read(stream(start(), again, opened(0, type="text", text="a"), stopped(0), *ending()))
    assert (decoder.response_id, decoder.model) == ("msg_1", "m")


def test_a_stray_line_in_a_stream_is_not_an_answer() -> None:
    whole = {"type": "message", "content": [{"type": "text", "text": "Other."}], "stop_reason": "end_turn"}
    cut = stream(start(), opened(0, type="text", text=""), delta(0, "text_delta", text="a"))
    decoder, events = read(cut + json.dumps(whole).encode() + b"\n")
    assert not decoder.complete
    assert telling(events).text == "a"
