"""Chat Completions: every recording, and cases without a recording."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import (
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    FileMade,
    ProviderItemMade,
    SourceFound,
    TextDelta,
    TextStarted,
    UsageReported,
    Warned,
)
from headwater.providers.decoder import Place
from headwater.providers.openai_chat.response import (
    IGNORED,
    MAX_OTHER,
    Decoder,
    _Choice,
    _Chunk,
    _Delta,
    _Token,
    _TokenChoice,
    _TokenDelta,
    read_usage,
)
from tests.support.effort import tries
from tests.support.recordings import (
    Recording,
    Telling,
    cases,
    check_cuts,
    check_decoding,
    check_failure,
    check_grammar,
    decode,
    failures,
    one_byte_at_a_time,
    splits,
)


@pytest.mark.long
@pytest.mark.parametrize("recording", cases("openai-chat"))
def test_recording(recording: Recording) -> None:
    check_decoding(recording, Decoder)


@pytest.mark.parametrize("recording", cases("openai-chat"))
def test_recording_cut_anywhere(recording: Recording) -> None:
    check_cuts(recording, Decoder)


@pytest.mark.parametrize("recording", cases("openai-chat", failures))
def test_recorded_failure(recording: Recording) -> None:
    check_failure(recording)


# --- handwritten bodies


def chunk(delta: Any = None, *, finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "r1", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **fields}


def body(*chunks: Any, done: bool = True) -> bytes:
    frames = [item if isinstance(item, bytes) else b"data: " + json.dumps(item).encode() + b"\n\n" for item in chunks]
    return b"".join(frames) + (b"data: [DONE]\n\n" if done else b"")


def read(data: bytes) -> tuple[Decoder, list[Event]]:
    """Returns the decoder and its events, checked to be the same for any split."""
    decoder = Decoder()
    events = decode(decoder, [data])
    check_grammar(events)
    for pieces in (one_byte_at_a_time(data), splits(data, 1)):
        other = Decoder()
        assert decode(other, pieces) == events
        assert (other.complete, str(other.error)) == (decoder.complete, str(decoder.error))
    assert decoder.ended or not decoder.complete
    return decoder, events


def of(kind: type[Any], events: Sequence[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


# --- tokens


def test_a_token_has_nothing_else_that_is_read() -> None:
    """A field that is added to a chunk has to be excluded from tokens, or it would be skipped."""
    pairs: list[tuple[type[Any], type[Any]]] = [(_Delta, _TokenDelta), (_Choice, _TokenChoice), (_Chunk, _Token)]
    for whole, token in pairs:
        assert whole.__struct_fields__ == token.__struct_fields__


def test_other_chunks_among_tokens_are_read() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2}
    others = [chunk({"content": f"{number} "}, usage=usage) for number in range(2 * MAX_OTHER)]
    for some in ([chunk({"content": "a "}), *others, chunk({"content": "b"})], [chunk({"content": "a "}), others[0]]):
        decoder, events = read(body(*some, chunk({"content": None, "reasoning": ""}), chunk({}, finish="stop")))
        assert Telling(events).text == "".join(one["choices"][0]["delta"]["content"] for one in some)
        assert decoder.usage == read_usage(usage)
        assert len(of(TextDelta, events)) == len(some)


# --- endings


def test_done_alone_is_complete_without_a_reason() -> None:
    decoder, events = read(body(chunk({"content": "hi"})))
    assert decoder.complete
    assert decoder.finish_reason is None
    assert decoder.provider_finish_reason is None
    assert Telling(events).text == "hi"


def test_a_finish_reason_without_done_is_complete_at_the_end_of_input() -> None:
    decoder = Decoder()
    seen = []
    usage = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    for part in (chunk({"content": "hi"}), chunk({}, finish="stop"), usage):
        decoder.feed(body(part, done=False))
        seen.append((decoder.ended, decoder.complete))
    decoder.finish()
    assert seen == [(False, False), (True, False), (True, False)]
    assert decoder.complete
    assert decoder.finish_reason == "stop"
    assert decoder.usage is not None
    assert decoder.usage.output_tokens == 2


@pytest.mark.parametrize("data", [b"", b": ping\n\n", body(chunk({"content": "hi"}), done=False)])
def test_without_either_it_is_incomplete(data: bytes) -> None:
    decoder, _ = read(data)
    assert not decoder.complete
    assert not decoder.ended
    assert decoder.error is None


def test_anything_after_done_is_ignored() -> None:
    decoder, events = read(body(chunk({"content": "a"}), b"data: [DONE]\n\n", chunk({"content": "b"})))
    assert decoder.complete
    assert Telling(events).text == "a"


@pytest.mark.parametrize("done", [b"data:[DONE]\n\n", b"data: [DONE]", b"data:  [DONE] \r\n\r\n"])
def test_every_spelling_of_done(done: bytes) -> None:
    assert read(body(chunk({"content": "a"}), done, done=False))[0].complete


@pytest.mark.parametrize(
    ("word", "calls", "wanted"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("tool_calls", True, "tool_calls"),
        ("tool_calls", False, "stop"),
        ("function_call", True, "tool_calls"),
        ("STOP", False, "stop"),
        ("eos", False, "stop"),
        ("length", False, "length"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
        ("content_filter", True, "content_filter"),
        ("abort", False, None),
    ],
)
def test_finish_reasons(word: str, calls: bool, wanted: str | None) -> None:
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}
    decoder, _ = read(body(chunk(call if calls else {"content": "a"}), chunk({}, finish=word)))
    assert decoder.finish_reason == wanted
    assert decoder.provider_finish_reason == word


def test_a_refusal_is_its_own_kind_of_text_and_reason() -> None:
    decoder, events = read(body(chunk({"refusal": "I "}), chunk({"refusal": "won't"}), chunk({}, finish="stop")))
    assert Telling(events).refusal == "I won't"
    assert Telling(events).text == ""
    assert [event.kind for event in of(TextStarted, events)] == ["refusal"]
    assert decoder.finish_reason == "refusal"


# --- errors inside the stream


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"error": {"message": "too much", "code": "rate_limit_exceeded"}}\n\n',
        b'data: {"error": {"message": "too much", "code": 429}, "choices": []}\n\n',
        b'data: {"choices": [{"index": 0, "delta": {}, "error": {"message": "too much", "code": 429}}]}\n\n',
        b'data: {"choices": [], "x_groq": {"error": {"message": "too much", "code": "rate_limit_exceeded"}}}\n\n',
        b'event: error\ndata: {"message": "too much", "code": "rate_limit_exceeded"}\n\n',
        b'event: error\ndata: {"error": {"message": "too much", "code": "rate_limit_exceeded"}}\n\n',
        b'error: {"message": "too much", "code": "rate_limit_exceeded"}\n',
        b'error: {"error": {"message": "too much", "code": "rate_limit_exceeded"}}\n\n',
        b'data: [{"error": {"message": "too much", "code": 429}}]\n\n',
        b'data: {"object": "error", "message": "too much", "code": 429}\n\n',
    ],
)
def test_an_error_in_any_form_ends_it(line: bytes) -> None:
    decoder, events = read(body(chunk({"content": "a"}), line, chunk({"content": "b"}), chunk({}, finish="stop")))
    assert isinstance(decoder.error, errors.RateLimited)
    assert "too much" in decoder.error.message
    assert not decoder.complete
    assert Telling(events).text == "a"


def test_an_error_line() -> None:
    assert "out of order" in str(read(body(b"event: error\ndata: out of order\n\n"))[0].error)
    assert "out of order" in str(read(body({"error": "out of order"}))[0].error)


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource"])
def test_a_server_that_gave_up_has_not_finished(word: str) -> None:
    decoder, _ = read(body(chunk({"content": "a"}), chunk({}, finish=word)))
    assert isinstance(decoder.error, errors.ServerError)
    assert decoder.error.retryable


def test_text_and_usage_before_an_error_count() -> None:
    report = {"prompt_tokens": 3, "completion_tokens": 1}
    decoder, events = read(body(chunk({"content": "a"}, finish="error", error={"message": "no"}, usage=report)))
    assert Telling(events).text == "a"
    assert decoder.usage is not None
    assert decoder.usage.input_tokens == 3
    assert "no" in str(decoder.error)


def test_invalid_json_is_malformed() -> None:
    decoder, events = read(body(chunk({"content": "a"}), b"data: <html>\n\n"))
    assert isinstance(decoder.error, errors.MalformedResponse)
    assert Telling(events).text == "a"


def test_a_plain_json_body_is_read_at_its_end() -> None:
    whole = {"object": "chat.completion", "model": "m", "choices": [{"index": 0, "finish_reason": "stop"}]}
    whole["choices"][0]["message"] = {"role": "assistant", "content": "hi\n\nyou"}  # type: ignore[index]
    decoder, events = read(json.dumps(whole, indent=2).encode())
    assert decoder.complete
    assert Telling(events).text == "hi\n\nyou"
    decoder, _ = read(b'{"error": {"message": "no such model", "code": "model_not_found"}}')
    assert isinstance(decoder.error, errors.ModelNotFound)


# --- text


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_reasoning_and_text_are_separate_parts(name: str) -> None:
    data = body(chunk({name: "hm"}), chunk({name: "m", "content": ""}), chunk({name: None, "content": "so"}))
    _, events = read(data)
    assert [event.type for event in events] == [
        *("reasoning.started", "reasoning.delta", "reasoning.delta", "reasoning.ended"),
        *("text.started", "text.delta", "text.ended"),
    ]
    assert Telling(events).reasoning == "hmm"


def test_reasoning_under_both_names_is_emitted_once() -> None:
    _, events = read(body(chunk({"reasoning": "hm", "reasoning_content": "hm"})))
    assert Telling(events).reasoning == "hm"


def test_message_replaces_a_missing_delta() -> None:
    pieces = [{"choices": [{"index": 0, "message": {"content": text}}]} for text in ("a", "b")]
    assert Telling(read(body(*pieces))[1]).text == "ab"


def test_message_after_deltas_is_a_repetition() -> None:
    choices = [{"index": 0, "delta": {"content": "a"}, "message": {"content": "a"}}]
    last = [{"index": 0, "delta": {}, "message": {"content": "ab"}, "finish_reason": "stop"}]
    _, events = read(body({"choices": choices}, chunk({"content": "b"}), {"choices": last}))
    assert Telling(events).text == "ab"


def test_content_in_parts() -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}, {"type": "reference"}]},
        {"type": "text", "text": "so"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "hologram"},
        "odd",
    ]
    _, events = read(body(chunk({"content": parts})))
    assert (Telling(events).reasoning, Telling(events).text) == ("hm", "so")
    assert [event.code for event in of(Warned, events)] == ["unknown_content"]


def test_content_in_other_parts() -> None:
    parts = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "text", "text": {"odd": 1}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    ]
    _, events = read(body(chunk({"content": parts})))
    assert (Telling(events).reasoning, Telling(events).text) == ("hm", "")
    assert of(FileMade, events) == [FileMade(step=1, media_type="image/png", data=b"hi")]


def test_other_choices_are_reported_once() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "x"}, "finish_reason": "length"}]}
    both = {"choices": [{"index": 0, "delta": {"content": "b"}}, {"index": 1, "delta": {"content": "y"}}]}
    decoder, events = read(body(chunk({"content": "a"}), other, both, chunk({}, finish="stop"), other))
    assert Telling(events).text == "ab"
    assert decoder.finish_reason == "stop"
    assert [event.code for event in of(Warned, events)] == ["other_choices"]


def test_the_first_names_count() -> None:
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": []}
    later = {"id": "r2", "model": "m2", "choices": [{"index": 0, "delta": {"content": "b"}}]}
    decoder, _ = read(body(first, chunk({"content": "a"}), later))
    assert (decoder.response_id, decoder.model) == ("r1", "m")


def test_fields_of_the_wrong_type_are_dropped() -> None:
    odd = {"index": "0", "delta": {"content": "a", "refusal": 5, "tool_calls": {"index": 0}}, "finish_reason": "stop"}
    decoder, events = read(body({"choices": [odd], "usage": "none", "model": 7}))
    assert Telling(events).text == "a"
    assert decoder.finish_reason == "stop"
    assert "unreadable_field" in [event.code for event in of(Warned, events)]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'data: {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": NaN}]}\n\n', "a"),
        (b'data: {"choices": [{"index": 0, "delta": {"content": "a\xff"}}]}\n\n', "a\ufffd"),
    ],
)
def test_json_that_is_nearly_valid_is_read(data: bytes, text: str) -> None:
    decoder, events = read(body(data))
    assert decoder.complete
    assert Telling(events).text == text
    assert [event.code for event in of(Warned, events)] == ["invalid_json"]


@pytest.mark.parametrize("data", [b"data: 5\n\n", b'data: "ping"\n\n', b"data: []\n\n", b"data: null\n\n"])
def test_chunks_that_are_not_objects_are_reported_and_dropped(data: bytes) -> None:
    decoder, events = read(body(data, chunk({"content": "a"})))
    assert decoder.complete
    assert Telling(events).text == "a"
    assert [event.code for event in of(Warned, events)] == ["unreadable_chunk"]


def test_part_numbers_and_lead_follow_the_place() -> None:
    decoder = Decoder(Place(step=3, part=7, lead="\n\n"))
    started, *_ = decode(decoder, [body(chunk({"content": "a"}))])
    assert started == TextStarted(step=3, part=7, lead="\n\n")


# --- tool calls


def calls_of(*deltas: Any) -> list[tuple[str, str, Any]]:
    chunks = [chunk({"tool_calls": delta} if isinstance(delta, list) else delta) for delta in deltas]
    return Telling(read(body(*chunks, chunk({}, finish="tool_calls")))[1]).calls


def piece(
    index: int | None = 0, ident: str | None = None, name: str | None = None, arguments: Any = None
) -> dict[str, Any]:
    return {"index": index, "id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_interleaved_calls() -> None:
    assert calls_of(
        [piece(0, "a", "f", "")],
        [piece(1, "b", "g", "")],
        [piece(0, arguments='{"x"'), piece(1, arguments='{"y"')],
        [piece(1, arguments=": 2}"), piece(0, arguments=": 1}")],
    ) == [("a", "f", {"x": 1}), ("b", "g", {"y": 2})]


def test_calls_without_an_index_are_distinguished_by_id() -> None:
    assert calls_of(
        [piece(None, "a", "f", '{"x"')],
        [piece(None, "b", "g", "{}")],
        [piece(None, "a", None, ": 1}")],
    ) == [("a", "f", {"x": 1}), ("b", "g", {})]
    assert calls_of([piece(None, "a", "f", '{"x"')], [piece(None, arguments=": 1}")]) == [("a", "f", {"x": 1})]


def test_an_index_used_again_by_another_call() -> None:
    assert calls_of([piece(0, "a", "f", "{}")], [piece(0, "b", "f", '{"x": 1}')]) == [
        ("a", "f", {}),
        ("b", "f", {"x": 1}),
    ]


def test_an_id_that_changes_or_repeats_is_the_same_call() -> None:
    assert calls_of([piece(0, "a", "f", '{"x"')], [piece(0, "b", None, ": 1}")]) == [("a", "f", {"x": 1})]
    assert calls_of([piece(0, "a", "f", '{"x"')], [piece(0, "a", "f", ": 1}")]) == [("a", "f", {"x": 1})]


def test_two_calls_with_one_id_have_different_keys() -> None:
    _, events = read(body(chunk({"tool_calls": [piece(0, "a", "f", "{}"), piece(1, "a", "g", "{}")]})))
    assert [(event.call, event.id) for event in of(CallStarted, events)] == [("a", ""), ("a#2", "a")]


def test_a_name_in_pieces() -> None:
    assert calls_of([piece(0, "a", "get_", "")], [piece(0, None, "weather", "{}")]) == [("a", "get_weather", {})]


def test_an_id_after_the_name() -> None:
    assert calls_of([piece(0, None, "f")], [piece(0, "a", None, "{}")]) == [("a", "f", {})]


def test_a_name_after_the_arguments() -> None:
    assert calls_of([piece(0, "a", None, '{"x"')], [piece(0, None, "f", ": 1}")]) == [("a", "f", {"x": 1})]


def test_no_id_at_all() -> None:
    assert calls_of([piece(0, None, "f", "{}")], [piece(1, "", "g", "{}")]) == [
        ("call_0", "f", {}),
        ("call_1", "g", {}),
    ]


@pytest.mark.parametrize("arguments", [{"x": [1]}, '{"x": [1]}'])
def test_arguments_as_an_object(arguments: Any) -> None:
    assert calls_of([piece(0, "a", "f", arguments)]) == [("a", "f", {"x": [1]})]


def test_no_arguments() -> None:
    assert calls_of([piece(0, "a", "f", "")]) == [("a", "f", {})]
    assert calls_of([{"index": 0, "id": "a", "function": {"name": "f"}}]) == [("a", "f", {})]


def test_the_legacy_function_call() -> None:
    first, second = {"name": "f", "arguments": '{"x"'}, {"arguments": ": 1}"}
    assert calls_of({"function_call": first}, {"function_call": second}) == [("call_0", "f", {"x": 1})]
    pieces = {"name": "get_"}, {"name": "weather", "arguments": "{}"}
    assert calls_of(*({"function_call": piece} for piece in pieces)) == [("call_0", "get_weather", {})]


def test_a_name_alone_is_a_call() -> None:
    assert calls_of([piece(0, None, "f")]) == [("call_0", "f", {})]


def test_cut_off_arguments_are_rejected() -> None:
    data = body(chunk({"tool_calls": [piece(0, "a", "f", '{"x": ')]}), chunk({}, finish="length"))
    decoder, events = read(data)
    (rejected,) = of(CallRejected, events)
    assert rejected.raw == '{"x": '
    assert decoder.finish_reason == "length"


def test_a_call_in_a_truncated_stream_is_never_ready() -> None:
    data = body(chunk({"tool_calls": [piece(0, "a", "f", "{}")]}), done=False)
    assert not of(CallReady, read(data)[1])
    assert of(CallRejected, read(data)[1])


def test_text_around_calls_keeps_its_place() -> None:
    data = body(chunk({"content": "a"}), chunk({"tool_calls": [piece(0, "i", "f", "{}")]}), chunk({"content": "b"}))
    assert [event.type for event in read(data)[1]] == [
        *("text.started", "text.delta", "text.ended", "call.started", "call.delta"),
        *("text.started", "text.delta", "text.ended", "call.ready"),
    ]


def test_extra_content_of_a_call_is_its_signature() -> None:
    call = {**piece(0, "a", "f", "{}"), "extra_content": {"google": {"thought_signature": "s"}}}
    (ready,) = of(CallReady, read(body(chunk({"tool_calls": [call]})))[1])
    assert json.loads(ready.signature) == {"google": {"thought_signature": "s"}}


# --- reasoning to send back, and the rest


def test_reasoning_details_are_joined_to_items() -> None:
    def detail(**fields: Any) -> dict[str, Any]:
        return chunk({"content": "", "reasoning_details": [fields]})

    _, events = read(
        body(
            detail(type="reasoning.text", text="a", index=0, format="x", signature=None),
            detail(type="reasoning.text", text="b", index=0, format="x"),
            detail(type="reasoning.text", signature="s", index=0),
            detail(type="reasoning.summary", summary="c", index=1),
            detail(type="reasoning.encrypted", data="d", index=2, id="e1"),
            detail(type="reasoning.encrypted", data="e", index=3, id="e2"),
            chunk({}, finish="stop"),
        )
    )
    (made,) = of(ProviderItemMade, events)
    assert made.api == "openai-chat"
    assert made.item == {
        "reasoning_details": [
            {"type": "reasoning.text", "text": "ab", "index": 0, "format": "x", "signature": "s"},
            {"type": "reasoning.summary", "summary": "c", "index": 1},
            {"type": "reasoning.encrypted", "data": "d", "index": 2, "id": "e1"},
            {"type": "reasoning.encrypted", "data": "e", "index": 3, "id": "e2"},
        ]
    }
    assert Telling(events).reasoning == "abc"


def test_reasoning_details_beside_reasoning_are_not_emitted_twice() -> None:
    details = [{"type": "reasoning.text", "text": "a", "index": 0}]
    _, events = read(body(chunk({"reasoning": "a", "reasoning_details": details})))
    assert Telling(events).reasoning == "a"


def test_a_truncated_answer_has_no_provider_item() -> None:
    details = [{"type": "reasoning.text", "text": "a", "index": 0}]
    assert not of(ProviderItemMade, read(body(chunk({"reasoning_details": details}), done=False))[1])


def test_sources() -> None:
    nested = {"url": "https://a", "title": "A", "start_index": 1, "end_index": 4, "content": "aa"}
    flat = {"type": "url_citation", "url": "https://b", "title": "B", "summary": "bb"}
    found = [{"title": "C", "url": "https://c", "snippet": "cc"}]
    last = chunk(
        {"content": "b"}, search_results=found, citations=["https://c", "https://d"], usage={"prompt_tokens": 1}
    )
    annotations = [{"type": "url_citation", "url_citation": nested}, flat, "odd", 5]
    _, events = read(body(chunk({"content": "a", "annotations": annotations}), last, last))
    assert of(SourceFound, events) == [
        SourceFound(step=1, url="https://a", title="A", quote="aa", span=(1, 4)),
        SourceFound(step=1, url="https://b", title="B", quote="bb"),
        SourceFound(step=1, url="odd"),
        SourceFound(step=1, url="https://c", title="C", quote="cc"),
        SourceFound(step=1, url="https://d"),
    ]


def test_sources_beside_a_token() -> None:
    middle = chunk({"content": "b"}, citations=["https://a"], search_results=[{"url": "https://b"}])
    _, events = read(body(chunk({"content": "a"}), middle, chunk({"content": "c"}), chunk({}, finish="stop")))
    assert {source.url for source in of(SourceFound, events)} == {"https://a", "https://b"}
    assert Telling(events).text == "abc"


def test_images() -> None:
    inline = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    linked = {"type": "image_url", "image_url": "https://a/b.png"}
    _, events = read(body(chunk({"content": "", "images": [inline, linked, {"odd": 1}]})))
    assert of(FileMade, events) == [
        FileMade(step=1, media_type="image/png", data=b"hi"),
        FileMade(step=1, media_type="image/*", url="https://a/b.png"),
    ]
    assert [event.code for event in of(Warned, events)] == ["unknown_image"]


def test_an_image_that_is_not_base64_keeps_its_url() -> None:
    broken = "data:image/png;base64,a*"
    _, events = read(body(chunk({"images": [{"image_url": {"url": broken}}]})))
    assert of(FileMade, events) == [FileMade(step=1, media_type="image/*", url=broken)]


def test_audio_is_a_file_and_is_sent_back_by_its_id() -> None:
    pieces: list[dict[str, Any]] = [
        {"id": "a1", "transcript": "he"},
        {"data": "aGU=", "transcript": "y"},
        {"data": "eQ==", "expires_at": 5},
    ]
    _, events = read(body(*(chunk({"audio": piece}) for piece in pieces), chunk({}, finish="stop")))
    assert of(FileMade, events) == [FileMade(step=1, media_type="audio/pcm", data=b"hey", ref="a1")]
    assert [event.item for event in of(ProviderItemMade, events)] == [{"audio": {"id": "a1", "transcript": "hey"}}]


# --- usage


@pytest.mark.parametrize(
    ("report", "counts"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, (5, 7, None, None, None)),
        ({"prompt_tokens": 5}, (5, None, None, None, None)),
        ({"input_tokens": 5, "output_tokens": 7}, (5, 7, None, None, None)),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 7,
                "total_tokens": 12,
                "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 1},
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            (5, 7, 2, 1, 6),
        ),
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 7,
                "total_tokens": 18,
                "completion_tokens_details": {"reasoning_tokens": 6},
            },
            (5, 13, None, None, 6),
        ),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_cache_hit_tokens": 0}, (5, 7, 0, None, None)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": None}, (5, 7, None, None, None)),
        ({"prompt_tokens": None, "completion_tokens": True, "prompt_tokens_details": []}, (None,) * 5),
    ],
)
def test_usage_is_normalized(report: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    usage = read_usage(report)
    assert counts == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    )
    assert usage.raw == report


def test_usage_on_every_chunk_is_reported_as_it_changes() -> None:
    reports = [{"prompt_tokens": 1, "completion_tokens": n} for n in (1, 1, 2)]
    decoder, events = read(body(*(chunk({"content": "a"}, usage=report) for report in reports)))
    assert [event.usage.output_tokens for event in of(UsageReported, events)] == [1, 2]
    assert decoder.usage is not None
    assert decoder.usage.output_tokens == 2


def test_usage_of_groq() -> None:
    decoder, _ = read(body(chunk({}, finish="stop", x_groq={"usage": {"prompt_tokens": 1, "completion_tokens": 2}})))
    assert decoder.usage is not None
    assert decoder.usage.input_tokens == 1


# --- arbitrary input


NAMES = [
    "choices",
    "delta",
    "message",
    "index",
    "content",
    "tool_calls",
    "function",
    "function_call",
    "name",
    "arguments",
    "id",
    "type",
    "text",
    "finish_reason",
    "usage",
    "x_groq",
    "error",
    "reasoning",
    "reasoning_details",
    "annotations",
    "url_citation",
    "url",
    "images",
    "image_url",
    "audio",
    "citations",
    "object",
]
WORDS = st.sampled_from(["", "a", "stop", "text", "reasoning.text", "{}"])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
DELTAS = VALUES.map(lambda value: {"choices": [{"index": 0, "delta": value}]})


@settings(max_examples=tries(50, 200), deadline=None)
@given(values=st.lists(VALUES | DELTAS, max_size=5), done=st.booleans())
def test_no_json_raises(values: list[Any], done: bool) -> None:
    read(body(*values, done=done))


@settings(max_examples=tries(25, 100), deadline=None)
@given(data=st.binary(max_size=80))
def test_no_bytes_raise(data: bytes) -> None:
    read(body(chunk({"content": "a"}), b"data: " + data + b"\n\n"))


# --- the newest types of the official package


def test_every_field_of_the_official_types_is_read_or_ignored_by_name() -> None:
    pytest.importorskip("openai", reason="the official package is not installed")
    from openai.types.chat import chat_completion_chunk as official

    from headwater.providers.openai_chat import response as ours

    pairs: list[tuple[Any, Any]] = [
        (official.ChatCompletionChunk, ours._FirstChunk),
        (official.Choice, ours._Choice),
        (official.ChoiceDelta, ours._Delta),
        (official.ChoiceDeltaToolCall, ours._ToolCall),
        (official.ChoiceDeltaToolCallFunction, ours._Function),
        (official.ChoiceDeltaFunctionCall, ours._Function),
    ]
    for theirs, wire in pairs:
        unread = set(theirs.model_fields) - set(wire.__struct_fields__) - IGNORED
        assert not unread, f"{theirs.__name__}: {unread}"
    assert set(official.ChoiceDeltaAudio.model_fields) == {"id", "data", "transcript", "expires_at"}


# --- the middle of an answer


def test_other_content_of_a_tokens_chunk_is_read_too() -> None:
    details = [{"type": "reasoning.encrypted", "data": "d"}]
    _, events = read(
        body(chunk({"content": "a"}), chunk({"content": "b", "reasoning_details": details}), chunk({}, finish="stop"))
    )
    assert Telling(events).text == "ab"
    assert [event.item for event in events if isinstance(event, ProviderItemMade)] == [{"reasoning_details": details}]


def test_an_empty_token_is_ignored() -> None:
    _, events = read(body(chunk({"content": "a"}), chunk({"content": ""}), chunk({"content": "b"}, finish="stop")))
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["a", "b"]


def test_an_empty_id_is_none_and_the_first_id_counts() -> None:
    decoder, _ = read(body(chunk({"content": "a"}, id=""), chunk({"content": "b"}, finish="stop", id="")))
    assert decoder.response_id is None
    decoder, _ = read(
        body(chunk({"content": "a"}, id=""), chunk({"content": "b"}, id="r2"), chunk({}, finish="stop", id="r3"))
    )
    assert decoder.response_id in ("r2", None)


def test_an_error_of_another_choice_is_ignored() -> None:
    other = {"choices": [{"index": 1, "delta": {}, "error": {"message": "It broke."}}]}
    decoder, _ = read(body(chunk({"content": "a"}), other, chunk({}, finish="stop")))
    assert (decoder.error, decoder.complete) == (None, True)
    mine = {"choices": [{"index": 0, "delta": {}, "error": {"message": "It broke."}}]}
    decoder, _ = read(body(chunk({"content": "a"}), mine))
    assert "It broke." in str(decoder.error)
