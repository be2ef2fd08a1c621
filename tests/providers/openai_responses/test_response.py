"""The Responses API: every recorded stream, every deviation of servers, and conversations sent back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import CallReady, Event, SourceFound, TextStarted
from headwater.events.messages import (
    Usage,
)
from headwater.providers.openai_responses import response, vocabulary
from headwater.providers.openai_responses.request import TAKEN_BACK
from headwater.providers.openai_responses.response import Decoder
from tests.providers.openai_responses.frames import (
    JSON,
    added,
    called,
    completed,
    delta,
    done,
    items_of,
    made,
    message_of,
    reasoned,
    said,
    stream,
    warnings,
    without_id,
)
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
def test_a_recorded_answer_is_sent_back_unchanged(recording: Recording) -> None:
    if not recording.complete:
        return
    events = decode(Decoder(), [recording.body])
    finished = items_recorded(recording.body)
    wanted = [item for item in finished if not lost(item)]
    if all(item["type"] == "reasoning" for item in wanted):
        wanted = []  # without a following item the server would refuse it
    elif len(wanted) < len(finished):
        wanted = [without_id(item) for item in wanted]
    assert [bare(item) for item in items_of(message_of(events))] == [bare(item) for item in wanted]


# --- late or single reports


def starts(events: list[Event]) -> int:
    return sum(isinstance(event, TextStarted) for event in events)


def test_text_added_at_the_end_continues_the_open_part() -> None:
    _, events = made(added(0, said(status="in_progress", content=[])), delta("Hel"), completed(said("Hello")))
    assert (telling(events).text, starts(events)) == ("Hello", 1)


def test_different_whitespace_at_the_end_is_ignored() -> None:
    _, events = made(delta("One two."), completed(said("One  two. ")))
    assert telling(events).text == "One two."
    _, events = made(delta("One  two. "), completed(said("One two.")))
    assert telling(events).text == "One  two. "
    assert not warnings(events)


@pytest.mark.parametrize("content", [[], None, [{"type": "output_text", "text": ""}]])
def test_an_end_without_text_is_not_a_contradiction(content: Any) -> None:
    for ending in ([], [done(0, said("Hi."))]):
        _, events = made(added(0, said(content=[])), delta("Hi."), *ending, completed(said(content=content)))
        assert (telling(events).text, warnings(events)) == ("Hi.", [])


def test_a_citation_counts_each_text_before_it_once() -> None:
    cited = {"type": "url_citation", "url": "https://a.example", "start_index": 0, "end_index": 2}
    last = {**said("gh", ident="m3"), "content": [{"type": "output_text", "text": "gh", "annotations": [cited]}]}
    _, events = made(
        delta("ab", item="m1", index=0),
        delta("cd", item="m2", index=1),
        delta("ef", item="m1", index=0),
        delta("gh", item="m3", index=2),
        done(2, last),
        completed(),
    )
    assert [event.span for event in events if isinstance(event, SourceFound)] == [(6, 8)]


def test_citation_spans_do_not_count_reasoning() -> None:
    cited = [{"url": "https://a.example", "start_index": 0, "end_index": 2}]
    part = {"type": "output_text", "text": "gh", "annotations": cited}
    thought = delta("Hm, hm.", kind="reasoning_text", item="r1", index=0)
    _, events = made(thought, delta("gh", index=1), done(1, said(content=[part])), completed())
    (source,) = (event for event in events if isinstance(event, SourceFound))
    assert (source.kind, source.span) == ("url", (0, 2))


def test_citations_that_only_a_part_has_are_emitted() -> None:
    part = {"type": "output_text", "text": "Hi.", "annotations": [{"type": "url_citation", "title": "T"}]}
    told = {"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": part}
    _, events = made(delta("Hi."), told, completed())
    assert [(event.kind, event.title) for event in events if isinstance(event, SourceFound)] == [("url", "T")]


def test_a_delta_with_the_index_of_another_type_goes_to_the_open_message() -> None:
    _, events = made(
        added(0, reasoned()),
        added(1, said(content=[])),
        delta("a", index=1),
        delta("b", index=0, item="other"),
        completed(said("ab")),
    )
    assert (telling(events).text, starts(events)) == ("ab", 1)


def test_a_server_side_call_keeps_its_item_id() -> None:
    call = {"type": "mcp_call", "id": "mcp_1", "name": "echo", "server_label": "s", "arguments": "{}"}
    _, events = made(added(0, call), done(0, call), completed())
    assert [event.item_id for event in events if isinstance(event, CallReady)] == ["mcp_1"]


def items_recorded(body: bytes) -> list[JSON]:
    """The finished items, in the order in which they started."""
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
    """Whether an item has no content: a message without text, or a cut-off call."""
    if item["type"] == "message":
        return not any(part.get("text") or part.get("refusal") for part in item["content"])
    return item["type"] in ("function_call", "custom_tool_call") and item.get("status") == "incomplete"


def lost(item: JSON) -> bool:
    return item["type"] == "reasoning" and not item.get("encrypted_content") and not item.get("content")


def bare(item: JSON) -> JSON:
    """An item without the fields that are not sent back: those that its schema refuses, probabilities, empty
    annotations."""
    known = TAKEN_BACK.get(item.get("type", ""), frozenset(item))
    item = {name: value for name, value in item.items() if name in known}
    if item.get("type") != "message":
        return item
    content = [
        {name: value for name, value in part.items() if name != "logprobs" and (name != "annotations" or value)}
        for part in item["content"]
    ]
    return {**item, "content": content}


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
        (completed(status="incomplete", incomplete_details=None), "length", "incomplete"),
        (completed(status="cancelled"), "cancelled", "cancelled"),
        ({"type": "response.done", "response": {"status": "incomplete"}}, "length", "incomplete"),
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


def test_a_failed_response_has_its_usage() -> None:
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
def test_an_empty_body_is_not_an_answer(body: bytes) -> None:
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


def test_a_rare_frame_is_read_despite_unknown_fields() -> None:
    item = {**done(0, said("a")), "output_index": "0", "item_id": 7}
    decoder, events = made({**delta("b"), "delta": {"text": "b"}}, item, completed(said("a")))
    assert telling(events).text == "a"
    assert decoder.complete
    assert warnings(events) == ["not_decoded"]


@settings(max_examples=tries(25, 100), deadline=None)
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
    st.sampled_from(
        sorted({*vocabulary.CONTENT_DELTAS, *vocabulary.CALL_DELTAS, *response._HANDLERS, "error", "what.is.this"})
    ),
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


# --- round trips

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
    """The items of an answer, and frames that stream them as some server does."""
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
        # If ids change in mid-stream, any may be sent back; a message in several parts keeps its first.
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


@settings(max_examples=tries(37, 150), deadline=None)
@given(answers(), st.integers())
def test_an_answer_is_sent_back_item_for_item(answer: tuple[list[JSON], list[JSON]], seed: int) -> None:
    items, frames = answer
    decoder = Decoder()
    events = decode(decoder, splits(stream(*frames), seed))
    check_grammar(events)
    assert decoder.complete
    assert not warnings(events)
    assert [bare(item) for item in items_of(message_of(events))] == [bare(item) for item in items]
