"""The Responses API: every recorded stream, every way in which servers bend it, and conversations written back."""

from __future__ import annotations

import base64
import importlib.util
import json
import typing
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    RunStarted,
    SourceFound,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    Warned,
)
from headwater.fold import Fold
from headwater.messages import File, Image, Message, ProviderItem, Reasoning, Source, Text, ToolCall, ToolResult, Usage
from headwater.providers import openai_responses as api
from headwater.providers.base import Endpoint, OutputSpec, Place, Quirks, Request, Secret, Settings, ToolSpec
from headwater.providers.openai_responses import Decoder, encode
from headwater.providers.openai_responses_request import OWN_CALLS
from tests.recordings import (
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

JSON = dict[str, Any]

ENDPOINT = Endpoint(provider="openai", api=api.Decoder.api, base_url="https://api.openai.com/v1", key=Secret("sk-1"))
PNG = b"\x89PNG\r\n\x1a\nrest of it"


# --- making streams and reading what came of them


def stream(*frames: JSON, named: bool = True) -> bytes:
    """Frames as server-sent events, with or without event names."""
    out = b""
    for frame in frames:
        name = f"event: {frame['type']}\n".encode() if named and "type" in frame else b""
        out += name + b"data: " + json.dumps(frame).encode() + b"\n\n"
    return out


def made(*frames: JSON) -> tuple[Decoder, list[Event]]:
    """What a decoder makes of frames: the same in whatever pieces they come."""
    body = stream(*frames)
    decoder = Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    for pieces in (one_byte_at_a_time(body), splits(body, "seed"), [stream(*frames, named=False)]):
        assert decode(Decoder(), pieces) == events
    return decoder, events


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def warnings(events: Sequence[Event]) -> list[str]:
    return [event.code for event in of(Warned, events)]


def added(index: int | None, item: JSON) -> JSON:
    return {"type": "response.output_item.added", **place(index), "item": item}


def done(index: int | None, item: JSON) -> JSON:
    return {"type": "response.output_item.done", **place(index), "item": item}


def place(index: int | None) -> JSON:
    return {} if index is None else {"output_index": index}


def delta(
    text: str, *, kind: str = "output_text", item: str = "msg_1", index: int | None = 0, content: int = 0
) -> JSON:
    return {
        "type": f"response.{kind}.delta",
        **place(index),
        "item_id": item,
        "content_index": content,
        "delta": text,
    }


def said(*texts: str, ident: str = "msg_1", **fields: Any) -> JSON:
    """A message item."""
    content = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {
        "type": "message",
        "id": ident,
        "role": "assistant",
        "status": "completed",
        "content": content,
        **fields,
    }


def called(arguments: str, *, ident: str = "fc_1", call: str = "call_1", name: str = "now", **fields: Any) -> JSON:
    """A function call item."""
    return {
        "type": "function_call",
        "id": ident,
        "call_id": call,
        "name": name,
        "arguments": arguments,
        "status": "completed",
        **fields,
    }


def completed(*output: JSON, status: str = "completed", **fields: Any) -> JSON:
    kind = "response.completed" if status == "completed" else f"response.{status}"
    return {"type": kind, "response": {"id": "resp_1", "model": "m-1", "status": status, "output": output, **fields}}


def message_of(events: Sequence[Event]) -> Message:
    fold = Fold()
    for event in (RunStarted(run="r"), StepStarted(step=1), *events):
        fold.add(event)
    return fold.message(Decoder.api, "m-1")


def sent(*messages: Message, **fields: Any) -> JSON:
    """The body of a request with these messages."""
    body: JSON = json.loads(encode(Request(model="gpt-5.4", messages=messages, **fields), ENDPOINT).body)
    return body


def items_of(*messages: Message, **fields: Any) -> list[JSON]:
    items: list[JSON] = sent(*messages, **fields)["input"]
    return items


# --- recordings


@pytest.mark.parametrize("recording", cases("openai-responses"))
def test_recording(recording: Recording) -> None:
    check_decoding(recording, Decoder)


@pytest.mark.parametrize("recording", cases("openai-responses"))
def test_recording_cut(recording: Recording) -> None:
    check_cuts(recording, Decoder)


@pytest.mark.parametrize("recording", cases("openai-responses", failures))
def test_recorded_failure(recording: Recording) -> None:
    check_failure(recording)


@pytest.mark.parametrize("recording", cases("openai-responses"))
def test_recorded_answer_goes_back_as_it_came(recording: Recording) -> None:
    if not recording.complete:
        return
    events = decode(Decoder(), [recording.body])
    finished = items_recorded(recording.body)
    wanted = [item for item in finished if not lost(item)]
    if all(item["type"] == "reasoning" for item in wanted):
        wanted = []  # nothing follows it: the server would refuse it
    elif len(wanted) < len(finished):
        wanted = [without_id(item) for item in wanted]
    assert [bare(item) for item in items_of(message_of(events))] == [bare(item) for item in wanted]


def items_recorded(body: bytes) -> list[JSON]:
    """The items that were finished, in the order in which they began."""
    order: list[str] = []
    items: dict[str, JSON] = {}
    for line in body.decode().splitlines():
        if not line.startswith("data: {"):
            continue
        frame = json.loads(line[6:])
        if frame.get("type") in ("response.output_item.added", "response.output_item.done"):
            key = str(frame.get("output_index", frame["item"]["id"]))
            key = next((known for known in order if items[known]["id"] == frame["item"]["id"]), key)
            if key not in items:
                order.append(key)
            items[key] = frame["item"]
    return [items[key] for key in order if not empty(items[key])]


def empty(item: JSON) -> bool:
    """Whether an item says nothing: a message without text, or a call that was cut."""
    if item["type"] == "message":
        return not any(part.get("text") or part.get("refusal") for part in item["content"])
    return item["type"] in ("function_call", "custom_tool_call") and item.get("status") == "incomplete"


def lost(item: JSON) -> bool:
    return item["type"] == "reasoning" and not item.get("encrypted_content") and not item.get("content")


def without_id(item: JSON) -> JSON:
    """An item as it goes back without its id, which for a message makes it a plain one."""
    if item["type"] == "message":
        text = "".join(part["text"] for part in item["content"])
        phase = {"phase": item["phase"]} if "phase" in item else {}
        return {"role": "assistant", "content": text, **phase}
    return {name: value for name, value in item.items() if name != "id"} if item["type"] in OWN_CALLS else item


def bare(item: JSON) -> JSON:
    """An item less what need not go back: probabilities, and lists of annotations that are empty."""
    if item.get("type") != "message":
        return item
    content = [
        {name: value for name, value in part.items() if name != "logprobs" and (name != "annotations" or value)}
        for part in item["content"]
    ]
    return {**item, "content": content}


# --- text: never lost, never doubled


def test_deltas_are_the_text() -> None:
    decoder, events = made(
        {"type": "response.created", "response": {"id": "resp_1", "model": "m-1"}},
        added(0, said()),
        delta("Good "),
        delta(""),
        delta("day"),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Good day"},
        done(0, said("Good day")),
        completed(said("Good day"), usage={"input_tokens": 3, "output_tokens": 2}),
    )
    assert [event.text for event in of(TextDelta, events)] == ["Good ", "day"]
    assert len(of(TextStarted, events)) == len(of(TextEnded, events)) == 1
    assert (decoder.complete, decoder.finish_reason, decoder.provider_finish_reason) == (True, "stop", "completed")
    assert (decoder.model, decoder.response_id) == ("m-1", "resp_1")
    assert not warnings(events)


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([done(0, said("All of it")), completed()], id="only in the item"),
        pytest.param([added(0, said()), done(0, said("All of it")), completed()], id="begun, only in the item"),
        pytest.param([completed(said("All of it"))], id="only in the response"),
        pytest.param([added(0, said()), done(0, said()), completed(said("All of it"))], id="empty item, full response"),
        pytest.param([delta("All of it"), completed()], id="deltas of no item"),
        pytest.param([delta("All "), completed(said("All of it"))], id="the rest in the response"),
        pytest.param(
            [delta("All "), done(0, said("All of it")), completed(said("All of it"))], id="the rest in the item"
        ),
        pytest.param(
            [
                added(0, said()),
                {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "All of it"},
                done(0, said("All of it")),
                completed(said("All of it")),
            ],
            id="only in the text's end",
        ),
        pytest.param(
            [
                added(0, said()),
                {
                    "type": "response.content_part.done",
                    "output_index": 0,
                    "content_index": 0,
                    "part": {"type": "output_text", "text": "All of it"},
                },
                completed(),
            ],
            id="only in the part's end",
        ),
        pytest.param(
            [delta("All ", item="msg_1", index=0), delta("of it", item="msg_2", index=1), completed(said("All of it"))],
            id="two messages that the response joins",
        ),
        pytest.param(
            [delta("All of it"), completed(said("All "), said("of it", ident="msg_2"))],
            id="one message that the response parts",
        ),
        pytest.param(
            [delta("All ", item="a"), done(0, said("All ", ident="b")), completed(said("All ", "of it", ident="c"))],
            id="ids that change, a content more in the response",
        ),
    ],
)
def test_text_that_comes_in_odd_ways(frames: list[JSON]) -> None:
    decoder, events = made(*frames)
    assert telling(events).text == "All of it"
    assert decoder.complete
    assert not warnings(events)


def test_text_that_is_contradicted_stays() -> None:
    for last in (done(0, said("Nothing of it")), completed(said("Nothing of it"))):
        _, events = made(delta("All of it"), last)
        assert telling(events).text == "All of it"
        assert warnings(events) == ["text_differs"]


def test_a_message_that_was_never_streamed_is_not_lost_to_a_contradiction() -> None:
    _, events = made(added(0, said()), delta("one"), completed(said("two"), said(" more", ident="msg_2")))
    assert telling(events).text == "one more"
    assert warnings(events) == ["text_differs"]


def test_an_answer_cut_in_mid_stream_is_not_complete() -> None:
    decoder, events = made(added(0, said()), delta("All "))
    assert telling(events).text == "All "
    assert (decoder.complete, decoder.error, decoder.finish_reason) == (False, None, None)


def test_nothing_counts_after_the_end() -> None:
    decoder, events = made(completed(said("a")), delta("b"), completed(said("a"), said("b", ident="msg_2")))
    assert telling(events).text == "a"
    assert decoder.feed(stream(delta("c"))) == []


def test_two_messages_are_two_parts() -> None:
    _, events = made(
        added(0, said(ident="a")),
        delta("First", item="a"),
        done(None, said("First", ident="a")),
        added(1, said(ident="b")),
        delta("Second", item="b", index=1),
        done(None, said("Second", ident="b")),
        completed(said("First", ident="a"), said("Second", ident="b")),
    )
    assert [event.part for event in of(TextDelta, events)] == [0, 1]
    assert telling(events).text == "FirstSecond"


def test_interleaved_messages_keep_their_deltas_in_the_order_of_arrival() -> None:
    _, events = made(
        delta("a", item="x", index=None), delta("b", item="y", index=None), delta("c", item="x", index=None)
    )
    assert telling(events).text == "ab" + "c"


def test_the_lead_comes_once_and_parts_go_on_from_the_place() -> None:
    decoder = Decoder(Place(step=2, part=4, lead="\n\n"))
    events = decode(decoder, [stream(done(0, said("a", "b")), completed())])
    starts = of(TextStarted, events)
    assert [(start.step, start.part, start.lead) for start in starts] == [(2, 4, "\n\n"), (2, 5, "")]


def test_characters_cut_in_two_by_the_pieces() -> None:
    _, events = made(delta("né 😀"), completed())
    assert telling(events).text == "né 😀"


# --- refusals and reasons


def test_refusal() -> None:
    refusal = {"type": "message", "id": "m", "content": [{"type": "refusal", "refusal": "I will not."}]}
    for frames in ([delta("I will ", kind="refusal"), done(0, refusal)], [done(0, refusal)], []):
        decoder, events = made(*frames, completed(refusal))
        assert telling(events).refusal == "I will not."
        assert telling(events).text == ""
        assert decoder.finish_reason == "refusal"


@pytest.mark.parametrize(
    ("end", "reason", "word"),
    [
        (completed(), "stop", "completed"),
        (completed(called("{}")), "tool_calls", "completed"),
        (completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length", None),
        (
            completed(called("{}"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "length",
            None,
        ),
        (completed(status="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", None),
        (completed(status="incomplete", incomplete_details={"reason": "steered"}), None, "incomplete:steered"),
        (completed(status="incomplete", incomplete_details=None), None, "incomplete"),
        (completed(status="cancelled"), "cancelled", "cancelled"),
        ({"type": "response.done", "response": {"status": "incomplete"}}, None, "incomplete"),
        ({"type": "response.completed"}, "stop", "completed"),
    ],
)
def test_finish_reasons(end: JSON, reason: str | None, word: str | None) -> None:
    decoder, _ = made(end)
    assert decoder.complete
    assert decoder.finish_reason == reason
    if word is None:
        word = f"incomplete:{end['response']['incomplete_details']['reason']}"
    assert decoder.provider_finish_reason == word


def test_usage() -> None:
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
        "output_tokens": 40,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 140,
    }
    decoder, _ = made(completed(usage=usage))
    assert decoder.usage == Usage(
        input_tokens=100,
        output_tokens=40,
        cached_input_tokens=60,
        cache_write_tokens=5,
        reasoning_tokens=30,
        raw=usage,
    )
    decoder, _ = made(completed(usage={"input_tokens": 1, "output_tokens": 2, "input_tokens_details": None}))
    assert decoder.usage is not None
    assert decoder.usage.cached_input_tokens is None
    decoder, _ = made(completed(usage=None))
    assert decoder.usage is None


# --- errors


@pytest.mark.parametrize(
    ("frame", "kind", "words"),
    [
        ({"type": "error", "code": "server_error", "message": "boom"}, errors.ServerError, "boom"),
        ({"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow"}}, errors.RateLimited, "slow"),
        ({"error": {"type": "invalid_request_error", "message": "no"}}, errors.InvalidRequest, "no"),
        ({"type": "error", "code": None, "message": "boom"}, errors.ServerError, "boom"),
        (completed(status="failed", error={"code": "server_error", "message": "boom"}), errors.ServerError, "boom"),
        (completed(status="failed", error=None), errors.ServerError, "failed"),
        (completed(error={"code": "insufficient_quota", "message": "broke"}), errors.QuotaExhausted, "broke"),
    ],
)
def test_errors_inside_the_stream(frame: JSON, kind: type[errors.ProviderError], words: str) -> None:
    decoder, events = made(delta("so far"), frame, delta("never"))
    assert telling(events).text == "so far"
    assert type(decoder.error) is kind
    assert words in str(decoder.error)
    assert not decoder.complete


def test_a_failed_response_still_says_what_it_cost() -> None:
    decoder, _ = made(completed(status="failed", usage={"input_tokens": 1, "output_tokens": 2}, error={"message": "x"}))
    assert decoder.usage is not None
    assert decoder.usage.total_tokens == 3
    assert decoder.provider_finish_reason == "failed"


@pytest.mark.parametrize(
    "body",
    [
        b'error: {"message": "boom", "code": "server_error"}\n\n',
        b"event: error\ndata: boom\n\n",
        b'{"error": {"message": "boom"}}',
        b'{\n  "error": {\n    "message": "boom"\n  }\n}\n',
    ],
)
def test_errors_outside_any_event(body: bytes) -> None:
    for pieces in ([body], list(one_byte_at_a_time(body))):
        decoder = Decoder()
        decode(decoder, pieces)
        assert isinstance(decoder.error, errors.ServerError)
        assert "boom" in str(decoder.error)


def test_a_server_that_does_not_stream() -> None:
    response = {"object": "response", **completed(said("All of it"), called("{}"))["response"]}
    decoder = Decoder()
    events = decode(decoder, [json.dumps(response, indent=1).encode()])
    assert telling(events).text == "All of it"
    assert (decoder.complete, decoder.finish_reason) == (True, "tool_calls")


@pytest.mark.parametrize("body", [b"data: {not json}\n\n", b'data: {"type": "response.created", "response": 1,}\n\n'])
def test_what_is_not_json_is_malformed(body: bytes) -> None:
    decoder = Decoder()
    decode(decoder, [body])
    assert isinstance(decoder.error, errors.MalformedResponse)


@pytest.mark.parametrize("body", [b"", b"<html>nothing here</html>", b"data: [DONE]\n\n", b": comment\n\ndata:\n\n"])
def test_nothing_is_not_an_answer(body: bytes) -> None:
    decoder = Decoder()
    assert decode(decoder, [body]) == []
    assert (decoder.complete, decoder.error, decoder.finish_reason) == (False, None, None)


FIELDS = [
    *("type", "item", "part", "response", "output", "content", "delta", "text", "output_index", "content_index", "id"),
    *("item_id", "summary", "arguments", "call_id", "name", "annotations", "annotation", "status", "error", "usage"),
    "input_tokens_details",
]


@pytest.mark.parametrize("last", [completed(said("a")), {"type": "error", "message": "boom"}, "[DONE]", "{cut"])
def test_a_last_frame_without_its_blank_line(last: JSON | str) -> None:
    frame = last if isinstance(last, str) else json.dumps(last)
    for pieces in ([stream(delta("a")) + b"data: " + frame.encode()], [stream(delta("a")), b"data: " + frame.encode()]):
        decoder = Decoder()
        assert telling(decode(decoder, pieces)).text == "a"
        assert decoder.complete is ("completed" in frame)
        assert (decoder.error is not None) is ("boom" in frame)


def test_fields_of_an_unknown_shape_do_not_hide_a_rare_frame() -> None:
    item = {**done(0, said("a")), "output_index": "0", "item_id": 7}
    decoder, events = made({**delta("b"), "delta": {"text": "b"}}, item, completed(said("a")))
    assert telling(events).text == "a"
    assert decoder.complete
    assert warnings(events) == ["not_decoded"]


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from(sorted({*api.CONTENT_DELTAS, *api.CALL_DELTAS, *api._HANDLERS, "error", "what.is.this"})),
    st.sampled_from(["message", "reasoning", "function_call", "mcp_call", "web_search_call", "image_generation_call"]),
)
def test_frames_of_any_shape_never_raise(value: Any, kind: str, item: str) -> None:
    inside = value if isinstance(value, dict) else {"content": value, "summary": value, "output": value}
    frames = [
        {"type": kind, "delta": value, "item": {**inside, "type": item}, "part": inside, "response": inside},
        {"type": kind, **inside},
        {"type": "response.output_item.done", "item": {**inside, "type": item}},
        {"type": "response.completed", "response": {"output": [{**inside, "type": item}]}},
    ]
    decoder = Decoder()
    check_grammar(decode(decoder, [stream(*frames)]))
    assert decoder.complete or decoder.error is not None


# --- calls


def test_call_with_deltas() -> None:
    decoder, events = made(
        added(0, called("")),
        delta('{"a"', kind="function_call_arguments", item="fc_1"),
        delta(":1}", kind="function_call_arguments", item="fc_1"),
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
        done(0, called('{"a":1}')),
        completed(called('{"a":1}')),
    )
    assert [event.json for event in of(CallDelta, events)] == ['{"a"', ":1}"]
    (ready,) = of(CallReady, events)
    assert (ready.call, ready.name, ready.arguments, ready.item_id) == ("call_1", "now", {"a": 1}, "fc_1")
    assert decoder.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "frames",
    [
        pytest.param([done(0, called('{"a":1}'))], id="only in the item"),
        pytest.param([added(0, called("")), done(0, called('{"a":1}'))], id="no deltas"),
        pytest.param([added(0, called("", name="")), done(0, called('{"a":1}'))], id="a name that comes late"),
        pytest.param(
            [added(0, called("")), delta('{"a"', kind="function_call_arguments"), done(0, called('{"a":1}'))],
            id="deltas that stop short",
        ),
        pytest.param(
            [
                added(0, called("")),
                {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"a":1}'},
            ],
            id="no end of the item",
        ),
        pytest.param([completed(called('{"a":1}'))], id="only in the response"),
    ],
)
def test_arguments_that_come_in_odd_ways(frames: list[JSON]) -> None:
    decoder, events = made(*frames, completed())
    assert "".join(event.json for event in of(CallDelta, events)) == '{"a":1}'
    assert [(event.call, event.arguments) for event in of(CallReady, events)] == [("call_1", {"a": 1})]
    assert decoder.finish_reason == "tool_calls"
    assert not warnings(events)


def test_arguments_that_are_contradicted_are_the_final_ones() -> None:
    _, events = made(
        added(0, called("")), delta('{"b"', kind="function_call_arguments"), done(0, called('{"a":1}')), completed()
    )
    (ready,) = of(CallReady, events)
    assert ready.arguments == {"a": 1}
    assert warnings(events) == ["arguments_differ"]


def test_parallel_calls_without_indexes() -> None:
    _, events = made(
        added(None, called("", ident="fc_1", call="c1")),
        added(None, called("", ident="fc_2", call="c2")),
        delta("{", kind="function_call_arguments", item="fc_1", index=None),
        delta('{"x":2', kind="function_call_arguments", item="fc_2", index=None),
        delta("}", kind="function_call_arguments", item="fc_1", index=None),
        delta("}", kind="function_call_arguments", item="fc_2", index=None),
        done(None, called('{"x":2}', ident="fc_2", call="c2")),
        done(None, called("{}", ident="fc_1", call="c1")),
        completed(),
    )
    assert telling(events).calls == [("c1", "now", {}), ("c2", "now", {"x": 2})]


def test_a_call_that_was_cut_is_rejected() -> None:
    for end in (
        [],
        [completed(status="incomplete", incomplete_details={"reason": "max_output_tokens"})],
        [done(0, called('{"a":1}', status="incomplete"))],
    ):
        _, events = made(added(0, called("")), delta('{"a":1}', kind="function_call_arguments"), *end)
        (rejected,) = of(CallRejected, events)
        assert (rejected.raw, rejected.cut) == ('{"a":1}', True)


def test_custom_tool_call() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "sql", "input": "SELECT 1"}
    _, events = made(
        added(0, {**item, "input": ""}),
        delta("SELECT", kind="custom_tool_call_input", item="ctc_1"),
        done(0, item),
        completed(),
    )
    (ready,) = of(CallReady, events)
    assert (ready.arguments, ready.custom) == ("SELECT 1", True)
    answered = Message.tool(ToolResult(id="c1", name="sql", content="1", custom=True))
    assert items_of(message_of(events), answered) == [
        item,
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "1"},
    ]


def test_two_calls_with_one_id() -> None:
    place = Place()
    for _ in range(2):
        events = decode(Decoder(place), [stream(done(0, called("{}")), completed())])
    (start,) = of(CallStarted, events)
    assert (start.call, start.id) == ("call_1#2", "call_1")


# --- reasoning


def reasoned(*summary: str, ident: str = "rs_1", **fields: Any) -> JSON:
    parts = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": ident, "summary": parts, "encrypted_content": "gAAA", **fields}


def summary_delta(text: str, index: int) -> JSON:
    return {
        "type": "response.reasoning_summary_text.delta",
        "output_index": 0,
        "item_id": "rs_1",
        "summary_index": index,
        "delta": text,
    }


def test_summaries_are_parts_of_their_own() -> None:
    item = reasoned("**One**", "**Two**")
    _, events = made(
        added(0, reasoned()),
        summary_delta("**One", 0),
        summary_delta("**", 0),
        {
            "type": "response.reasoning_summary_part.done",
            "output_index": 0,
            "summary_index": 0,
            "part": item["summary"][0],
        },
        summary_delta("**Two**", 1),
        done(0, item),
        completed(item),
    )
    assert [event.kind for event in of(ReasoningStarted, events)] == ["summary", "summary"]
    assert [(event.part, event.text) for event in of(ReasoningDelta, events)] == [
        (0, "**One"),
        (0, "**"),
        (1, "**Two**"),
    ]
    assert [event.signature for event in of(ReasoningEnded, events)] == ["rs_1", "rs_1"]
    assert [event.item for event in of(ProviderItemMade, events)] == [item]


def test_reasoning_in_full() -> None:
    item = reasoned(content=[{"type": "reasoning_text", "text": "so it is"}])
    for frames in ([delta("so it is", kind="reasoning_text", item="rs_1"), done(0, item)], [done(0, item)], []):
        _, events = made(*frames, completed(item))
        assert [event.kind for event in of(ReasoningStarted, events)] == ["full"]
        assert telling(events).reasoning == "so it is"
        assert [event.item for event in of(ProviderItemMade, events)] == [item]


def test_reasoning_that_ends_after_the_answer_began_goes_back_before_it() -> None:
    item = reasoned(content=[{"type": "reasoning_text", "text": "hm"}])
    _, events = made(
        added(None, reasoned()),
        delta("hm", kind="reasoning_text", item="rs_1", index=None),
        added(None, said()),
        delta("Yes", index=None),
        done(None, item),
        done(None, said("Yes")),
        completed(item, said("Yes")),
    )
    assert [one["type"] for one in items_of(message_of(events))] == ["reasoning", "message"]


# --- citations, pictures, tools of the server


def cited(*annotations: JSON) -> JSON:
    content = [{"type": "output_text", "text": "Mont Blanc, they say.", "annotations": list(annotations)}]
    return said(ident="msg_2", content=content)


URL = {"type": "url_citation", "start_index": 0, "end_index": 10, "title": "Peaks", "url": "https://peaks.example"}


@pytest.mark.parametrize("early", [True, False])
def test_citations_say_where_in_the_whole_text_they_stand(early: bool) -> None:
    item = cited(URL)
    annotation = {
        "type": "response.output_text.annotation.added",
        "output_index": 1,
        "item_id": "msg_2",
        "content_index": 0,
        "annotation_index": 0,
        "annotation": URL,
    }
    _, events = made(
        done(0, said("Highest: ")),
        added(1, said(ident="msg_2")),
        delta("Mont Blanc, they say.", item="msg_2", index=1),
        *([annotation] if early else []),
        done(1, item),
        completed(said("Highest: "), item),
    )
    (source,) = of(SourceFound, events)
    assert (source.kind, source.url, source.title) == ("url", "https://peaks.example", "Peaks")
    assert telling(events).text[slice(*source.span)] == "Mont Blanc"
    assert items_of(message_of(events))[1] == item


def test_citations_of_files() -> None:
    item = cited(
        {"type": "file_citation", "file_id": "file-1", "filename": "alps.pdf", "index": 4},
        {
            "type": "container_file_citation",
            "container_id": "c",
            "file_id": "file-2",
            "filename": "map.png",
            "start_index": 0,
            "end_index": 4,
        },
        {"type": "file_path", "file_id": "file-3", "index": 1},
    )
    _, events = made(done(0, item), completed())
    found = [(source.kind, source.title, source.span) for source in of(SourceFound, events)]
    assert found == [("file", "alps.pdf", (4, 4)), ("file", "map.png", (0, 4)), ("file", "file-3", (1, 1))]
    assert items_of(message_of(events)) == [item]


def test_pictures_come_out_and_go_back() -> None:
    item = {
        "type": "image_generation_call",
        "id": "ig_1",
        "status": "completed",
        "revised_prompt": "a boat",
        "result": base64.b64encode(PNG).decode(),
    }
    _, events = made(
        added(0, {"type": "image_generation_call", "id": "ig_1", "status": "in_progress"}),
        {"type": "response.image_generation_call.partial_image", "output_index": 0, "partial_image_b64": "AAAA"},
        done(0, item),
        done(1, said("Here.")),
        completed(item, said("Here.")),
    )
    assert [(event.media_type, event.data) for event in of(FileMade, events)] == [("image/png", PNG)]
    assert items_of(message_of(events)) == [item, said("Here.")]
    assert not warnings(events)


def test_a_picture_that_failed_is_kept_as_an_item() -> None:
    item = {"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": None}
    _, events = made(done(0, item), completed())
    assert [event.item for event in of(ProviderItemMade, events)] == [item]


SERVER_ITEMS: list[tuple[JSON, str, Any]] = [
    (
        {
            "type": "web_search_call",
            "id": "ws_1",
            "action": {"type": "search", "query": "alps", "sources": [{"url": "u"}]},
        },
        "web_search",
        {"type": "search", "query": "alps"},
    ),
    ({"type": "file_search_call", "id": "fs_1", "queries": ["alps"]}, "file_search", {"queries": ["alps"]}),
    ({"type": "code_interpreter_call", "id": "ci_1", "code": "1+1", "outputs": []}, "code_interpreter", "1+1"),
    (
        {
            "type": "mcp_call",
            "id": "mcp_1",
            "name": "roll",
            "server_label": "dice",
            "arguments": '{"n":2}',
            "output": "7",
        },
        "roll",
        {"n": 2},
    ),
    (
        {"type": "tool_search_call", "id": "ts_1", "execution": "server", "arguments": {"goal": "g"}},
        "tool_search",
        {"goal": "g"},
    ),
]


@pytest.mark.parametrize(("item", "name", "arguments"), SERVER_ITEMS)
def test_tools_of_the_server_are_seen_and_go_back(item: JSON, name: str, arguments: Any) -> None:
    start = {key: value for key, value in item.items() if key in ("type", "id", "name", "execution")}
    for frames in ([added(0, start), done(0, item)], [done(0, item)], []):
        decoder, events = made(*frames, completed(item, said("Done.")))
        (ready,) = of(CallReady, events)
        assert (ready.by, ready.name, ready.arguments) == ("provider", name, arguments)
        assert decoder.finish_reason == "stop"
        assert items_of(message_of(events)) == [item, said("Done.")]
        assert not warnings(events)


def test_code_and_arguments_of_the_servers_tools_stream() -> None:
    code, mcp = SERVER_ITEMS[2][0], SERVER_ITEMS[3][0]
    _, events = made(
        added(0, {**code, "code": ""}),
        delta("1+", kind="code_interpreter_call_code", item="ci_1"),
        delta("1", kind="code_interpreter_call_code", item="ci_1"),
        {"type": "response.code_interpreter_call_code.done", "output_index": 0, "code": "1+1"},
        done(0, code),
        added(1, {**mcp, "arguments": ""}),
        delta('{"n":2}', kind="mcp_call_arguments", item="mcp_1", index=1),
        done(1, mcp),
        completed(code, mcp),
    )
    assert [event.json for event in of(CallDelta, events)] == ["1+", "1", '{"n":2}']


@pytest.mark.parametrize("kind", sorted(api.CLIENT_CALLS))
def test_what_the_caller_would_have_to_run_is_told_of(kind: str) -> None:
    item = {"type": kind, "id": "x_1", "call_id": "c1", "action": {"type": "screenshot"}}
    decoder, events = made(done(0, item), completed(item))
    assert warnings(events) == ["not_run"]
    assert [event.item for event in of(ProviderItemMade, events)] == [item]
    assert decoder.finish_reason == "stop"


def test_items_and_events_that_nobody_knows() -> None:
    item = {"type": "telepathy", "id": "t_1", "thought": "x"}
    _, events = made({"type": "response.telepathy.began"}, done(0, item), {"type": "keepalive"}, completed(item))
    assert warnings(events) == ["unknown_event"]
    assert [event.item for event in of(ProviderItemMade, events)] == [item]


def test_sound_is_told_of() -> None:
    _, events = made({"type": "response.audio.delta", "delta": "AAAA"}, completed())
    assert warnings(events) == ["not_decoded"]


# --- the vendor's own types


def variants(union: Any) -> Iterator[Any]:
    """The models in a union, however it is nested and annotated."""
    origin = typing.get_origin(union)
    if origin is typing.Annotated:
        yield from variants(typing.get_args(union)[0])
    elif typing.get_args(union) and origin is not typing.Literal:
        for one in typing.get_args(union):
            yield from variants(one)
    else:
        yield union


def type_names(union: Any) -> set[str]:
    names: set[str] = set()
    for model in variants(union):
        for literal in variants(model.model_fields["type"].annotation) if model is not type(None) else ():
            names |= set(typing.get_args(literal)) or set()
    return names


@pytest.fixture
def vendor() -> Any:
    if importlib.util.find_spec("openai") is None:
        pytest.skip("the openai package is not installed")
    from openai.types import responses

    return responses


def test_every_event_of_the_vendor_is_decoded_or_ignored_by_name(vendor: Any) -> None:
    names = type_names(vendor.ResponseStreamEvent)
    assert "response.output_text.delta" in names
    known = {*api.CONTENT_DELTAS, *api.CALL_DELTAS, *api._HANDLERS, *api.IGNORED, *api.UNTOLD, "error"}
    assert not names - known


def test_every_item_of_the_vendor_has_its_place(vendor: Any) -> None:
    names = type_names(vendor.ResponseOutputItem)
    assert "function_call" in names
    decoded = {"message", "reasoning", "image_generation_call", "tool_search_call"}
    known = {*decoded, *OWN_CALLS, *api.SERVER_CALLS, *api.CLIENT_CALLS, *api.OPAQUE}
    assert not names - known


def test_every_content_and_citation_of_the_vendor_is_decoded(vendor: Any) -> None:
    contents = type_names(vendor.ResponseOutputMessage.model_fields["content"].annotation)
    contents |= type_names(vendor.ResponseReasoningItem.model_fields["summary"].annotation)
    contents |= type_names(vendor.ResponseReasoningItem.model_fields["content"].annotation)
    assert contents == set(api.PART_KINDS)
    citations = type_names(vendor.ResponseOutputText.model_fields["annotations"].annotation)
    assert citations == {"url_citation", "file_citation", "container_file_citation", "file_path"}


def test_what_is_sent_fits_the_vendors_types(vendor: Any) -> None:
    from pydantic import TypeAdapter

    adapter = TypeAdapter(vendor.ResponseInputItemParam)
    items = items_of(
        Message.user("look", Image(data=PNG), File(data=b"%PDF-1", name="a.pdf"), File(id="file-1")),
        message_of(
            decode(
                Decoder(),
                [stream(done(0, reasoned("hm")), done(1, cited(URL)), done(2, called('{"a": 1}')), completed())],
            )
        ),
        Message.tool(
            ToolResult(id="call_1", name="now", content=(Text(text="t"), Image(url="https://x.example/a.png")))
        ),
        Message.assistant("from elsewhere", ToolCall(id="c9", name="now", arguments={})),
        Message.tool(ToolResult(id="c9", name="now", content="9")),
    )
    assert len(items) == 8
    for item in items:
        adapter.validate_python(item)
    allowed = set(vendor.response_create_params.ResponseCreateParamsBase.__annotations__) | {"stream"}
    body = sent(
        Message.system("s"),
        tools=(ToolSpec(name="now"),),
        output=OutputSpec(name="o", schema={"type": "object"}),
        thread="t",
        settings=Settings(
            temperature=1,
            top_p=1,
            max_tokens=1,
            reasoning="low",
            verbosity="low",
            tool_choice="auto",
            parallel_tool_calls=True,
            service_tier="flex",
            user="u",
        ),
    )
    assert not body.keys() - allowed


# --- requests: settings


def test_the_smallest_request() -> None:
    request = encode(Request(model="gpt-4.1", messages=(Message.user("hi"),)), ENDPOINT)
    assert (request.method, request.url) == ("POST", "https://api.openai.com/v1/responses")
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "authorization": "Bearer sk-1",
    }
    assert json.loads(request.body) == {
        "model": "gpt-4.1",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "stream": True,
        "store": False,
    }
    assert "sk-1" not in repr(request)


def test_where_it_goes() -> None:
    endpoint = Endpoint(
        provider="azure",
        api=Decoder.api,
        base_url="https://x.example/openai/v1/",
        headers={"API-Key": "k", "Accept": "*/*"},
        query={"api-version": "preview"},
    )
    request = encode(Request(model="d", messages=()), endpoint)
    assert request.url == "https://x.example/openai/v1/responses?api-version=preview"
    assert request.headers == {"content-type": "application/json", "accept": "*/*", "api-key": "k"}


def test_settings_by_their_names_on_the_wire() -> None:
    body = sent(
        Message.user("hi"),
        thread="conversation 7",
        settings=Settings(
            temperature=0.5,
            top_p=0.9,
            max_tokens=5,
            verbosity="low",
            parallel_tool_calls=False,
            service_tier="flex",
            user="me",
            tool_choice="required",
            cache=True,
            extra={"truncation": "auto", "temperature": 0.7},
        ),
    )
    assert body.pop("input")
    assert body == {
        "model": "gpt-5.4",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_output_tokens": 5,
        "text": {"verbosity": "low"},
        "parallel_tool_calls": False,
        "service_tier": "flex",
        "user": "me",
        "tool_choice": "required",
        "prompt_cache_key": "conversation 7",
        "truncation": "auto",
    }


@pytest.mark.parametrize(
    "setting", [{"stop": ("x",)}, {"seed": 1}, {"top_k": 3}, {"presence_penalty": 0.0}, {"frequency_penalty": 1.0}]
)
def test_settings_that_the_api_has_not(setting: JSON) -> None:
    (name,) = setting
    with pytest.raises(errors.UnsupportedSetting, match=name):
        sent(Message.user("hi"), settings=Settings(**setting))


def test_settings_that_a_server_has_not() -> None:
    def ask(quirks: Quirks, **setting: Any) -> None:
        endpoint = Endpoint(provider="odd", api=Decoder.api, base_url="http://x.example", quirks=quirks)
        encode(Request(model="m", messages=(), settings=Settings(**setting)), endpoint)

    with pytest.raises(errors.UnsupportedSetting, match=r"odd.*temperature"):
        ask(Quirks(unsupported=frozenset({"temperature"})), temperature=1.0)
    with pytest.raises(errors.UnsupportedSetting, match="parallel_tool_calls"):
        ask(Quirks(parallel_tool_calls=False), parallel_tool_calls=True)
    with pytest.raises(errors.UnsupportedSetting, match="reasoning"):
        ask(Quirks(reasoning_field="none"), reasoning="low")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("low", {"effort": "low", "summary": "auto"}),
        (True, {"summary": "auto"}),
        (False, {"effort": "none"}),
        ("none", {"effort": "none"}),
        (None, None),
    ],
)
def test_reasoning(asked: Any, told: JSON | None) -> None:
    body = sent(Message.user("hi"), settings=Settings(reasoning=asked))
    assert body.get("reasoning") == told


def test_reasoning_takes_no_budget() -> None:
    with pytest.raises(errors.UnsupportedSetting, match="budget"):
        sent(Message.user("hi"), settings=Settings(reasoning=1000))


@pytest.mark.parametrize(
    ("model", "setting", "asked"),
    [
        ("gpt-5.4-mini", {}, True),
        ("openai/gpt-5", {}, True),
        ("o4-mini", {}, True),
        ("grok-4.3", {}, True),
        ("openai.gpt-5.6-luna", {}, True),
        ("gpt-4o", {}, False),
        ("gpt-5-chat-latest", {}, False),
        ("my-deployment", {}, False),
        ("my-deployment", {"reasoning": "low"}, True),
        ("gpt-5", {"store": True}, False),
    ],
)
def test_encrypted_reasoning_is_asked_of_models_that_think(model: str, setting: JSON, asked: bool) -> None:
    request = Request(model=model, messages=(), settings=Settings(**setting))
    body = json.loads(encode(request, ENDPOINT).body)
    assert body.get("include") == (["reasoning.encrypted_content"] if asked else None)
    assert body["store"] is bool(setting.get("store"))


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def nested(inner: JSON) -> JSON:
    return {**CLOSED, "properties": {"a": inner}}


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        (CLOSED, True),
        (nested({"type": "array", "items": CLOSED}), True),
        (nested({"anyOf": [CLOSED, {"type": "null"}]}), True),
        ({**nested({"$ref": "#/$defs/X"}), "$defs": {"X": CLOSED}}, True),
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        ({**CLOSED, "required": []}, False),
        ({**CLOSED, "additionalProperties": True}, False),
        ({"type": "object", "properties": {}}, False),
        ({}, False),
        (nested({"type": "string", "default": "x"}), False),
        (nested({"type": "object", "additionalProperties": {"type": "string"}}), False),
        (nested({"type": "array", "items": {"type": "object"}}), False),
        (nested({"oneOf": [CLOSED]}), False),
        ({**nested({"$ref": "#/$defs/X"}), "$defs": {"X": {"type": "object"}}}, False),
        ({"anyOf": [CLOSED]}, False),
    ],
)
def test_strict_only_where_the_schema_allows_it(schema: JSON, fits: bool) -> None:
    output = sent(Message.user("hi"), output=OutputSpec(name="Answer", schema=schema, description="d"))
    assert output["text"]["format"] == {
        "type": "json_schema",
        "name": "Answer",
        "schema": schema,
        "strict": fits,
        "description": "d",
    }
    strict = ToolSpec(name="f", parameters=schema, strict=True)
    if fits:
        assert sent(Message.user("hi"), tools=(strict,))["tools"][0]["strict"] is True
    else:
        with pytest.raises(errors.UnsupportedSetting, match="'f'"):
            sent(Message.user("hi"), tools=(strict,))


def test_tools() -> None:
    tools = (ToolSpec(name="f", description="does it", parameters=CLOSED), ToolSpec(name="g"))
    body = sent(Message.user("hi"), tools=tools, settings=Settings(tool_choice="g"))
    assert body["tools"] == [
        {"type": "function", "name": "f", "description": "does it", "parameters": CLOSED, "strict": False},
        {"type": "function", "name": "g", "parameters": {"type": "object", "properties": {}}, "strict": False},
    ]
    assert body["tool_choice"] == {"type": "function", "name": "g"}


def test_servers_without_strict_tools_or_schemas() -> None:
    quirks = Quirks(strict_tools=False, json_schema=False)
    endpoint = Endpoint(provider="odd", api=Decoder.api, base_url="http://x.example", quirks=quirks)
    output = OutputSpec(name="list[int]", schema=CLOSED)
    messages = (Message.system("Be brief."), Message.user("hi"))
    request = Request(model="m", messages=messages, tools=(ToolSpec(name="f", parameters=CLOSED),), output=output)
    body = json.loads(encode(request, endpoint).body)
    assert "strict" not in body["tools"][0]
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["instructions"].startswith("Be brief.\n\nAnswer with a JSON object")
    strict = Request(model="m", messages=messages, tools=(ToolSpec(name="f", parameters=CLOSED, strict=True),))
    assert "strict" not in json.loads(encode(strict, endpoint).body)["tools"][0]


def test_the_name_of_an_output_is_one_that_the_api_takes() -> None:
    body = sent(Message.user("hi"), output=OutputSpec(name="dict[str, int]" * 9, schema=CLOSED))
    name = body["text"]["format"]["name"]
    assert name.startswith("dict_str__int_")
    assert len(name) == 64


# --- requests: the conversation


def test_instructions_are_what_stands_first() -> None:
    body = sent(
        Message.system("Be brief."), Message.system("Be kind."), Message.user("hi"), Message.system("Now rhyme.")
    )
    assert body["instructions"] == "Be brief.\n\nBe kind."
    assert body["input"][1:] == [{"role": "system", "content": [{"type": "input_text", "text": "Now rhyme."}]}]


def test_pictures_and_files_in() -> None:
    picture = base64.b64encode(PNG).decode()
    (item,) = items_of(
        Message.user(
            Image(data=PNG, detail="low"),
            Image(url="https://x.example/a.png"),
            File(data=b"%PDF-1", name="a.pdf"),
            File(data=b"words"),
            File(url="https://x.example/a.pdf"),
            File(id="file-1"),
            File(data=PNG),
            File(id="file-2", media_type="image/png"),
        )
    )
    assert item["content"] == [
        {"type": "input_image", "image_url": f"data:image/png;base64,{picture}", "detail": "low"},
        {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"},
        {"type": "input_file", "filename": "file.plain", "file_data": "data:text/plain;base64,d29yZHM="},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
        {"type": "input_file", "file_id": "file-1"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{picture}", "detail": "auto"},
        {"type": "input_image", "file_id": "file-2", "detail": "auto"},
    ]


def test_sound_cannot_be_sent() -> None:
    with pytest.raises(errors.UnsupportedSetting, match="audio/mpeg"):
        sent(Message.user(File(data=b"ID3...")))


def test_results_of_tools() -> None:
    content = (Text(text="see"), Image(data=PNG), File(id="file-1"))
    items = items_of(
        Message.tool(
            ToolResult(id="a", name="f", content="fine"), ToolResult(id="b", name="f", content=content, error=True)
        )
    )
    assert items[0] == {"type": "function_call_output", "call_id": "a", "output": "fine"}
    assert [part["type"] for part in items[1]["output"]] == ["input_text", "input_image", "input_file"]


def test_what_another_api_said_is_told_plainly() -> None:
    message = Message(
        role="assistant",
        api="anthropic",
        content=(
            Reasoning(text="hm", signature="s"),
            Text(text="Let me ", signature='{"id": "msg_1"}'),
            Text(text="see."),
            Source(url="https://x.example"),
            ProviderItem(api="anthropic", item={"type": "server_tool_use"}),
            ToolCall(id="srv", name="search", arguments={}, by="provider"),
            ToolCall(id="x" * 80, name="f", arguments={"a": [1]}, item_id="no", signature='{"namespace": "n"}'),
            ToolCall(id="c2", name="f", arguments='{"cut'),
            Text(text="No.", refusal=True),
            Image(data=PNG, signature="s"),
        ),
    )
    items = items_of(message, Message.tool(ToolResult(id="x" * 80, name="f", content="1")))
    long = items[1]["call_id"]
    assert len(long) == 64
    assert items[:-2] == [
        {"role": "assistant", "content": "Let me see."},
        {"type": "function_call", "call_id": long, "name": "f", "arguments": '{"a":[1]}'},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": '{"cut'},
        {"role": "assistant", "content": "No."},
    ]
    assert (items[-2]["role"], items[-2]["content"][0]["type"]) == ("user", "input_image")
    assert items[-1]["call_id"] == long


def test_items_go_back_to_their_own_api_alone() -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}
    own = ProviderItem(api=Decoder.api, item=item)
    assert items_of(Message(role="assistant", api=Decoder.api, content=(own,))) == [item]
    assert items_of(Message(role="assistant", api="", content=(own,))) == []
    foreign = ProviderItem(api="gemini", item=item)
    assert items_of(Message(role="assistant", api=Decoder.api, content=(foreign,))) == []
    answer = ProviderItem(api=Decoder.api, item={"type": "computer_call_output", "call_id": "c", "output": {}})
    assert items_of(Message(role="user", content=(answer,))) == [answer.item]


def test_edited_arguments_win_over_the_written_ones() -> None:
    events = made(done(0, called('{"a" : 1}', namespace="n")), completed())[1]
    (call,) = message_of(events).tool_calls
    assert items_of(message_of(events)) == [called('{"a" : 1}', namespace="n")]
    edited = ToolCall(id=call.id, name=call.name, arguments={"a": 2}, item_id=call.item_id, signature=call.signature)
    assert items_of(Message(role="assistant", api=Decoder.api, content=(edited,))) == [called('{"a":2}', namespace="n")]


def test_reasoning_that_cannot_be_read_stays_out_and_takes_the_ids_along() -> None:
    thought = reasoned("hm", encrypted_content=None)
    events = made(done(0, thought), done(1, said("Yes")), done(2, called("{}")), completed())[1]
    message = message_of(events)
    assert items_of(message) == [{"role": "assistant", "content": "Yes"}, without_id(called("{}"))]
    kept = items_of(message, settings=Settings(store=True))
    assert kept == [thought, said("Yes"), called("{}")]


def test_reasoning_that_nothing_follows_stays_out() -> None:
    events = made(done(0, reasoned("hm")), completed(status="incomplete"))[1]
    assert items_of(message_of(events)) == []


def test_a_signature_of_another_making_is_no_signature() -> None:
    for signature in ("not json", "[1]", ""):
        text = Text(text="a", signature=signature)
        items = items_of(Message(role="assistant", api=Decoder.api, content=(text,)))
        assert items == [{"role": "assistant", "content": "a"}]


# --- the round trip as a law

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts, lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
arguments = st.dictionaries(texts, values, max_size=3).flatmap(
    lambda value: st.sampled_from(
        [json.dumps(value), json.dumps(value, indent=1), json.dumps(value, ensure_ascii=False)]
    )
)


def chunks(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[JSON], list[JSON]]:
    """The items of an answer, and frames that stream them in one of the ways that servers have."""
    count = draw(st.integers(1, 4))
    with_index, with_deltas, rotate = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    items: list[JSON] = []
    frames: list[JSON] = []
    for number in range(count):
        kind = draw(st.sampled_from(["message", "reasoning", "call", "search"]))
        index = number if with_index else None
        if kind == "message":
            item = said(*draw(st.lists(texts, min_size=1, max_size=2)), ident=f"msg_{number}", phase="commentary")
            pieces = [("output_text", at, part["text"]) for at, part in enumerate(item["content"])]
        elif kind == "reasoning":
            item = reasoned(*draw(st.lists(texts, max_size=2)), ident=f"rs_{number}")
            pieces = []
        elif kind == "call":
            item = called(draw(arguments), ident=f"fc_{number}", call=f"call_{number}")
            pieces = [("function_call_arguments", 0, item["arguments"])]
        else:
            item = {"type": "web_search_call", "id": f"ws_{number}", "action": {"query": draw(texts)}}
            pieces = []
        items.append(item)
        started = {
            key: "" if key == "arguments" else value for key, value in item.items() if key not in ("content", "summary")
        }
        # Where ids change in mid-stream, which one is sent back is open; a message in several parts keeps its first.
        ident = f"other_{number}" if rotate and with_index and len(item.get("content", ())) < 2 else item["id"]
        frames.append(added(index, {**started, "id": ident}))
        if with_deltas:
            frames += [
                delta(piece, kind=name, item=ident, index=index, content=at)
                for name, at, text in pieces
                for piece in chunks(text)
            ]
        frames.append(done(index, item))
    items.append(said("End.", ident="msg_end"))
    return items, [*frames, completed(*items)]


@settings(max_examples=150, deadline=None)
@given(answers(), st.integers())
def test_an_answer_goes_back_item_for_item(answer: tuple[list[JSON], list[JSON]], seed: int) -> None:
    items, frames = answer
    decoder = Decoder()
    events = decode(decoder, splits(stream(*frames), seed))
    check_grammar(events)
    assert decoder.complete
    assert not warnings(events)
    assert [bare(item) for item in items_of(message_of(events))] == [bare(item) for item in items]
