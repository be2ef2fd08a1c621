"""Gemini's answers: recordings, handwritten streams, and sending answers back unchanged."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import errors
from headwater.events import (
    CallReady,
    CallRejected,
    Event,
    FileMade,
    ProviderItemMade,
    ReasoningStarted,
    RunStarted,
    SourceFound,
    StepStarted,
    TextEnded,
    UsageReported,
    Warned,
)
from headwater.events.fold import Fold
from headwater.events.messages import Message, ProviderItem, Text, Usage
from headwater.providers.decoder import Place
from headwater.providers.gemini import response
from headwater.providers.request import Endpoint, Request, Secret
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

ENDPOINT = Endpoint(
    provider="gemini",
    api="gemini",
    base_url="https://generativelanguage.googleapis.com",
    key=Secret("the-key"),
)


# --- recordings


@pytest.mark.long
@pytest.mark.parametrize("recording", cases("gemini"))
def test_recording(recording: Recording) -> None:
    check_decoding(recording, response.Decoder)


@pytest.mark.parametrize("recording", cases("gemini"))
def test_recording_cut_short(recording: Recording) -> None:
    check_cuts(recording, response.Decoder)


@pytest.mark.parametrize("recording", cases("gemini", failures))
def test_http_error(recording: Recording) -> None:
    check_failure(recording)


@pytest.mark.parametrize("recording", cases("gemini"))
def test_a_recorded_answer_is_sent_back_unchanged(recording: Recording) -> None:
    """The answer, encoded as a message, has the received parts, each with its signature."""
    message = as_message(decode(response.Decoder(), [recording.body]))
    assert [part for content in sent_for(message) for part in content["parts"]] == wire_parts(recording)


@pytest.mark.parametrize("recording", cases("gemini"))
def test_recording_as_a_json_array(recording: Recording) -> None:
    """The API's answer without alt=sse gives the same."""
    chunks = re.findall(rb"^data: (.*?)\r?$", recording.body, re.MULTILINE)
    chunks += re.findall(rb"^\{$.*?^\}$", recording.body, re.MULTILINE | re.DOTALL)  # an error outside any event
    body = b"[" + b"\n,\r\n".join(json.dumps(json.loads(chunk), indent=2).encode() for chunk in chunks) + b"\n]\n"
    want = decode(response.Decoder(), [recording.body])
    for pieces in ([body], one_byte_at_a_time(body), splits(body, recording.name)):
        decoder = response.Decoder()
        assert without_raw(decode(decoder, pieces)) == without_raw(want)
        assert decoder.complete == (recording.complete and not recording.expected["error"])


def wire_parts(recording: Recording) -> list[dict[str, Any]]:
    """The parts of all chunks, with unsigned text joined to the text before it, and streamed calls assembled."""
    parts: list[dict[str, Any]] = []
    calls = iter(recording.expected["tool_calls"])
    for line in re.findall(rb"^data: (.*?)\r?$", recording.body, re.MULTILINE):
        for candidate in json.loads(line).get("candidates", ()):
            for part in candidate.get("content", {}).get("parts", ()):
                last = parts[-1] if parts else {}
                if "functionCall" in part:
                    if "name" in part["functionCall"]:
                        call = {key: value for key, value in next(calls).items() if value is not None}
                        parts.append({**part, "functionCall": {**call_of(call), **id_of(call)}})
                elif part == {"text": ""}:
                    continue
                elif "thoughtSignature" in part or not joins(last, part):
                    parts.append(part)
                else:
                    parts[-1] = {**last, "text": last["text"] + part["text"]}
    return parts


def call_of(call: dict[str, Any]) -> dict[str, Any]:
    return {"name": call["name"], "args": call["arguments"]}


def id_of(call: dict[str, Any]) -> dict[str, Any]:
    return {"id": call["id"]} if "id" in call else {}


def joins(last: dict[str, Any], part: dict[str, Any]) -> bool:
    return "text" in last and "thoughtSignature" not in last and last.get("thought") == part.get("thought")


# --- helpers


def sse(*chunks: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks)


def chunk(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **candidate}]}


STOP = chunk(finishReason="STOP")


def read(*chunks: dict[str, Any]) -> tuple[response.Decoder, list[Event]]:
    """Returns the decoder and its events, checked to be the same for any split."""
    body = sse(*chunks)
    decoder = response.Decoder()
    events = decode(decoder, [body])
    check_grammar(events)
    assert decode(response.Decoder(), one_byte_at_a_time(body)) == events
    return decoder, events


EventT = TypeVar("EventT", bound=Event)


def of_type(events: Sequence[Event], kind: type[EventT]) -> list[EventT]:
    return [event for event in events if isinstance(event, kind)]


def without_raw(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, UsageReported)]


def as_message(events: Sequence[Event]) -> Message:
    folded = Fold()
    for event in (RunStarted(), StepStarted(step=1), *events):
        folded.add(event)
    return folded.message("gemini", "gemini-2.5-flash")


def sent_for(message: Message) -> list[dict[str, Any]]:
    """The contents of a request in which `message` is history."""
    body = json.loads(response.encode(Request(model="gemini-2.5-flash", messages=(message,)), ENDPOINT).body)
    contents: list[dict[str, Any]] = body["contents"]
    return contents


# --- endings


@pytest.mark.parametrize(
    ("word", "common"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", None),
        ("A_WORD_OF_TOMORROW", None),
    ],
)
def test_finish_reasons(word: str, common: str | None) -> None:
    decoder, events = read(chunk({"text": "a"}), chunk(finishReason=word, finishMessage="because"))
    assert decoder.complete
    assert (decoder.finish_reason, decoder.provider_finish_reason) == (common, word)
    told = [event.message for event in of_type(events, Warned)]
    assert told == (["because"] if common in (None, "content_filter") else [])


def test_a_call_turns_stop_but_not_length_into_tool_calls() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    assert read(chunk(call, finishReason="STOP"))[0].finish_reason == "tool_calls"
    assert read(chunk(call), STOP)[0].finish_reason == "tool_calls"
    assert read(chunk(call, finishReason="MAX_TOKENS"))[0].finish_reason == "length"


def test_a_blocked_prompt_ends_the_answer() -> None:
    decoder, events = read(
        {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"},
            "usageMetadata": {"promptTokenCount": 7, "totalTokenCount": 7},
        }
    )
    assert decoder.complete
    assert (decoder.finish_reason, decoder.provider_finish_reason) == ("content_filter", "PROHIBITED_CONTENT")
    assert [event.message for event in of_type(events, Warned)] == ["no"]
    assert decoder.usage is not None
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (7, 0)


def test_without_a_finish_reason_nothing_is_complete() -> None:
    decoder, events = read(chunk({"text": "half"}))
    assert not decoder.complete
    assert decoder.error is None
    assert decoder.finish_reason is None
    assert telling(events).text == "half"


def test_ended_is_known_before_the_end_of_input() -> None:
    decoder = response.Decoder()
    decoder.feed(sse(chunk({"text": "a"})))
    assert (decoder.ended, decoder.complete) == (False, False)
    decoder.feed(sse(STOP))
    assert (decoder.ended, decoder.complete) == (True, False)
    decoder.finish()
    assert (decoder.ended, decoder.complete) == (True, True)


def test_a_broken_tail_after_the_end_marker_does_not_matter() -> None:
    decoder = response.Decoder()
    decode(decoder, [sse(chunk({"text": "a"}, finishReason="STOP")) + b'data: {"usageMeta'])
    assert decoder.complete
    assert decoder.error is None


def test_a_last_event_without_its_blank_line_counts() -> None:
    decoder = response.Decoder()
    events = decode(decoder, [sse(chunk({"text": "a"}, finishReason="STOP")).rstrip()])
    assert decoder.complete
    assert telling(events).text == "a"


def test_other_candidates_are_reported_once() -> None:
    other = {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}
    first = {"index": 0, "content": {"parts": [{"text": "a"}]}}
    decoder, events = read({"candidates": [first, other]}, {"candidates": [other]})
    assert telling(events).text == "a"
    assert [event.code for event in of_type(events, Warned)] == ["other_candidates"]
    assert not decoder.complete


@pytest.mark.parametrize("tail", [b"data: [DONE]\n\n", b"data:\n\n", b": keep-alive\n\n", b"\n\n\n"])
def test_gateway_additions_are_ignored(tail: bytes) -> None:
    decoder = response.Decoder()
    events = decode(decoder, [b"\r\n", tail, sse(chunk({"text": "a"})), tail, sse(STOP), tail])
    assert (telling(events).text, decoder.complete, decoder.error) == ("a", True, None)


# --- errors


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'data: {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}\n\n', errors.Overloaded),
        (b'data: {"error": {"code": 429, "message": "slow down"}}\n\n', errors.RateLimited),
        (b'data: {"error": "no"}\n\n', errors.ServerError),
        (b'event: error\ndata: {"message": "went wrong"}\n\n', errors.ServerError),
        (b'error: {"code": 500, "message": "went wrong"}\n\n', errors.ServerError),
        (b'{"error": {"code": 500, "message": "went wrong"}}\n\n', errors.ServerError),
        (b"data: <html>\n\n", errors.MalformedResponse),
        (b'data: {"candidates": 5}\n\n', errors.MalformedResponse),
    ],
)
@pytest.mark.parametrize("before", [chunk({"text": "a"}), chunk({"text": "a"}, finishReason="STOP")])
def test_errors_in_the_stream(before: dict[str, Any], body: bytes, kind: type[errors.HeadwaterError]) -> None:
    whole = sse(before) + body
    for pieces in ([whole], one_byte_at_a_time(whole)):
        decoder = response.Decoder()
        events = decode(decoder, pieces)
        check_grammar(events)
        assert type(decoder.error) is kind
        assert telling(events).text == "a"
        assert not decoder.complete


def test_a_truncated_error_is_an_error() -> None:
    before = sse(chunk({"text": "a"}, finishReason="STOP"))
    decoder = response.Decoder()
    events = decode(decoder, [before + b'data: {"error": {"code": 503, "mess'])
    assert isinstance(decoder.error, errors.ServerError)
    assert telling(events).text == "a"


def test_an_error_as_the_whole_body() -> None:
    for body in (b'{"error": {"code": 500, "message": "x"}}', b'[{\n"error": {"code": 500, "message": "x"}}\n]'):
        decoder = response.Decoder()
        assert decode(decoder, one_byte_at_a_time(body)) == []
        assert isinstance(decoder.error, errors.ServerError)


def test_usage_and_an_open_call_survive_an_error() -> None:
    argument = {"jsonPath": "$.a", "stringValue": "b"}
    piece = {"functionCall": {"name": "f", "partialArgs": [argument], "willContinue": True}}
    counted = {"promptTokenCount": 3, "candidatesTokenCount": 4}
    _, events = read(
        {"usageMetadata": {"promptTokenCount": 3}},
        {**chunk(piece), "usageMetadata": counted},
        {"error": {"code": 500, "message": "x"}},
    )
    (rejected,) = of_type(events, CallRejected)
    assert json.loads(rejected.raw) == {"a": "b"}
    assert rejected.cut
    reports = [(event.usage.input_tokens, event.usage.output_tokens) for event in of_type(events, UsageReported)]
    assert reports == [(3, None), (3, 4)]


@settings(max_examples=tries(50, 200), deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "candidates",
                        "content",
                        "parts",
                        "text",
                        "functionCall",
                        "partialArgs",
                        "jsonPath",
                        "inlineData",
                        "data",
                        "groundingMetadata",
                        "groundingChunks",
                        "groundingSupports",
                        "segment",
                        "finishReason",
                        "usageMetadata",
                        "promptTokenCount",
                        "promptFeedback",
                        "error",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    ),
    st.data(),
)
def test_no_json_raises(value: Any, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from(["chunk", "candidate", "part", "call", "grounding"]))
    wrapped: Any = value
    if place == "grounding":
        wrapped = chunk({"text": "ab"}, groundingMetadata=value)
    elif place == "call":
        wrapped = chunk({"functionCall": {"name": "f", "willContinue": True, "partialArgs": [value]}})
    elif place == "part":
        wrapped = chunk({"text": "a"}, value)
    elif place == "candidate":
        wrapped = {"candidates": [value]}
    decoder = response.Decoder()
    check_grammar(decode(decoder, [sse(chunk({"text": "x"})), sse(wrapped), sse(STOP)]))
    assert decoder.error is None or isinstance(decoder.error, errors.HeadwaterError)


# --- text and signatures


@settings(max_examples=tries(25, 100), deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.text(max_size=5)), max_size=8), st.integers())
def test_texts_are_joined_in_order(pieces: list[tuple[bool, str]], seed: int) -> None:
    body = sse(*(chunk({"text": text, "thought": thought}) for thought, text in pieces), STOP)
    decoder = response.Decoder()
    events = decode(decoder, splits(body, seed))
    check_grammar(events)
    told = telling(events)
    assert told.text == "".join(text for thought, text in pieces if not thought)
    assert told.reasoning == "".join(text for thought, text in pieces if thought)
    assert decoder.complete


def test_several_parts_in_one_chunk() -> None:
    _, events = read(chunk({"text": "think", "thought": True}, {"text": "a"}, {"text": "b"}), STOP)
    assert (telling(events).reasoning, telling(events).text) == ("think", "ab")
    assert [event.kind for event in of_type(events, ReasoningStarted)] == ["summary"]


def test_a_signed_text_is_a_separate_part() -> None:
    _, events = read(chunk({"text": "a"}), chunk({"text": "b", "thoughtSignature": "S"}), chunk({"text": "c"}), STOP)
    assert telling(events).text == "abc"
    assert [event.signature for event in of_type(events, TextEnded)] == [None, "S", None]


def test_a_signature_on_an_empty_text_keeps_its_place() -> None:
    _, events = read(chunk({"text": "a"}), chunk({"text": "", "thoughtSignature": "S"}), chunk({"text": "c"}), STOP)
    kept = ProviderItem(api="gemini", item={"text": "", "thoughtSignature": "S"})
    assert as_message(events).content == (Text(text="a"), kept, Text(text="c"))


def test_only_the_first_text_has_the_lead() -> None:
    decoder = response.Decoder(Place(step=2, part=3, lead="\n\n"))
    body = sse(chunk({"text": "", "thoughtSignature": "S"}), chunk({"text": "a", "thoughtSignature": "T"}), STOP)
    leads = [event.lead for event in decode(decoder, [body]) if event.type == "text.started" and hasattr(event, "lead")]
    assert leads == ["\n\n"]


# --- calls


def test_calls_without_ids_get_unique_ids() -> None:
    place = Place(call_prefix="step1", calls={"step1_0"})
    call = {"functionCall": {"name": "f", "args": {"x": 1}}}
    events = decode(response.Decoder(place), [sse(chunk(call, call), STOP)])
    keys = [event.call for event in of_type(events, CallReady)]
    assert len(set(keys)) == 2
    assert "step1_0" not in keys


def test_a_call_without_arguments() -> None:
    _, events = read(chunk({"functionCall": {"name": "f"}, "thoughtSignature": "S"}), STOP)
    (ready,) = of_type(events, CallReady)
    assert (ready.name, ready.arguments, ready.signature) == ("f", {}, "S")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=6).filter(bool),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), inner, min_size=1, max_size=3)
    ),
    max_leaves=8,
)


def in_pieces(value: Any, path: str, data: st.DataObject) -> list[dict[str, Any]]:
    match value:
        case dict():
            return [piece for key, inner in value.items() for piece in in_pieces(inner, f"{path}.{key}", data)]
        case list():
            return [piece for n, inner in enumerate(value) for piece in in_pieces(inner, f"{path}[{n}]", data)]
        case str():
            at = data.draw(st.integers(0, len(value)))
            return [
                {"jsonPath": path, "stringValue": value[:at], "willContinue": True},
                {"jsonPath": path, "stringValue": value[at:]},
            ]
        case bool():
            return [{"jsonPath": path, "boolValue": value}]
        case None:
            return [{"jsonPath": path, "nullValue": "NULL_VALUE"}]
        case _:
            return [{"jsonPath": path, "numberValue": value}]


@settings(max_examples=tries(37, 150), deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,5}", fullmatch=True), JSON, max_size=3), st.data())
def test_streamed_arguments_are_joined(arguments: dict[str, Any], data: st.DataObject) -> None:
    pieces = [{"partialArgs": [piece], "willContinue": True} for piece in in_pieces(arguments, "$", data)]
    calls: list[dict[str, Any]] = [{"name": "f", "willContinue": True}, *pieces, {}]
    events = decode(response.Decoder(), [sse(*(chunk({"functionCall": call}) for call in calls), STOP)])
    (ready,) = of_type(events, CallReady)
    assert ready.arguments == arguments


def test_bracketed_path_names() -> None:
    pieces = [{"jsonPath": "$['a b'][\"c.d\"][0]", "stringValue": "x"}, {"jsonPath": "$['it\\'s']", "boolValue": True}]
    _, events = read(chunk({"functionCall": {"name": "f", "partialArgs": pieces}}), STOP)
    assert of_type(events, CallReady)[0].arguments == {"a b": {"c.d": ["x"]}, "it's": True}


@pytest.mark.parametrize("path", ["$[0]", "$.a.b", "$.a[0]", f"$.c[{response.MAX_INDEX + 1}]"])
def test_arguments_that_do_not_fit_are_an_error(path: str) -> None:
    pieces = [{"jsonPath": "$.a", "stringValue": "x"}, {"jsonPath": path, "stringValue": "y"}]
    decoder, events = read(chunk({"functionCall": {"name": "f", "partialArgs": pieces}}), STOP)
    assert isinstance(decoder.error, errors.MalformedResponse)
    assert len(of_type(events, CallRejected)) == 1


@pytest.mark.parametrize("end", [[], [chunk(finishReason="MAX_TOKENS")], [chunk(finishReason="SAFETY")]])
def test_cut_off_streamed_arguments_are_never_ready(end: list[dict[str, Any]]) -> None:
    piece = {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "b"}], "willContinue": True}
    _, events = read(chunk({"functionCall": piece}), *end)
    assert not of_type(events, CallReady)
    (rejected,) = of_type(events, CallRejected)
    assert json.loads(rejected.raw) == {"a": "b"}
    assert rejected.cut


# --- other parts


def test_code_execution_is_sent_back_unchanged() -> None:
    parts: list[dict[str, Any]] = [
        {"text": "Let me see."},
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}, "thoughtSignature": "S"},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        {"text": "It is 1."},
    ]
    _, events = read(*(chunk(part) for part in parts), STOP)
    assert [event.item for event in of_type(events, ProviderItemMade)] == parts[1:3]
    assert sent_for(as_message(events)) == [{"role": "model", "parts": parts}]


def test_images_are_files_and_are_sent_back_with_their_signature() -> None:
    picture = b"\x89PNG\r\n\x1a\n..."
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(picture).decode()}}
    parts: list[dict[str, Any]] = [{"text": "Here:"}, {**part, "thoughtSignature": "S"}]
    _, events = read(chunk({"thought": True, **part}), *(chunk(part) for part in parts), STOP)
    (made,) = of_type(events, FileMade)
    assert (made.media_type, made.data, made.signature) == ("image/png", picture, "S")
    assert sent_for(as_message(events))[0]["parts"] == [{"thought": True, **part}, *parts]


def test_an_image_that_is_not_base64_is_an_error() -> None:
    decoder, _ = read(chunk({"inlineData": {"mimeType": "image/png", "data": "*"}}), STOP)
    assert isinstance(decoder.error, errors.MalformedResponse)


# --- sources


def test_source_spans_count_characters() -> None:
    web = {"web": {"uri": "https://a.example", "title": "A"}}
    unused = {"retrievedContext": {"uri": "doc", "title": "D", "text": "said there"}}
    support = {"segment": {"startIndex": 4, "endIndex": 11, "text": "größe"}, "groundingChunkIndices": [0, 9]}
    metadata = {"groundingChunks": [web, unused], "groundingSupports": [support]}
    _, events = read(
        chunk({"text": "Die größe"}),
        chunk({"text": " zählt"}, groundingMetadata=metadata),
        chunk(finishReason="STOP", groundingMetadata=metadata),
    )
    assert of_type(events, SourceFound) == [
        SourceFound(step=1, url="https://a.example", title="A", span=(4, 9)),
        SourceFound(step=1, kind="document", url="doc", title="D", quote="said there"),
    ]


def test_a_segment_with_wrong_offsets_is_found_by_its_text() -> None:
    support = {"segment": {"startIndex": 0, "endIndex": 1, "text": "b"}, "groundingChunkIndices": [0]}
    metadata = {"groundingChunks": [{"web": {"uri": "u"}}], "groundingSupports": [support]}
    _, events = read(chunk({"text": "ab"}, finishReason="STOP", groundingMetadata=metadata))
    assert [event.span for event in of_type(events, SourceFound)] == [(1, 2)]


def test_citations() -> None:
    cited = {"citations": [{"startIndex": 1, "endIndex": 3, "uri": "u", "title": "t"}, {"endIndex": 99, "uri": "v"}]}
    _, events = read(chunk({"text": "abcd"}), chunk(finishReason="STOP", citationMetadata=cited))
    assert [(e.url, e.title, e.span) for e in of_type(events, SourceFound)] == [("u", "t", (1, 3)), ("v", "", None)]


def test_sources_of_an_unknown_form_do_not_lose_the_answer() -> None:
    decoder, events = read(chunk({"text": "a"}, finishReason="STOP", groundingMetadata={"groundingChunks": 5}))
    assert decoder.complete
    assert telling(events).text == "a"
    assert [event.code for event in of_type(events, Warned)] == ["unreadable_sources"]


# --- usage


def test_usage_by_the_common_names() -> None:
    wire = {
        "promptTokenCount": 10,
        "cachedContentTokenCount": 4,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 7,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 25,
    }
    decoder, _ = read(
        {**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 10}}, {**STOP, "usageMetadata": wire}
    )
    assert decoder.usage == Usage(
        input_tokens=15, output_tokens=10, cached_input_tokens=4, reasoning_tokens=3, raw=wire
    )


def test_usage_after_the_end_marker_counts() -> None:
    decoder, _ = read(chunk({"text": "a"}, finishReason="STOP"), {"usageMetadata": {"candidatesTokenCount": 2}})
    assert decoder.usage is not None
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (None, 2)


def test_usage_on_every_chunk_is_reported_first_and_last() -> None:
    counts = [
        {**chunk({"text": "a"}), "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": n}} for n in range(9)
    ]
    _, events = read(*counts)
    assert [event.usage.output_tokens for event in of_type(events, UsageReported)] == [0, 8]


# --- rare cases


def test_a_file_by_url() -> None:
    part = {"fileData": {"mimeType": "video/mp4", "fileUri": "https://a.example/v"}, "thoughtSignature": "S"}
    _, events = read(chunk({"text": "Here:"}, part), STOP)
    assert of_type(events, FileMade) == [
        FileMade(step=1, media_type="video/mp4", url="https://a.example/v", signature="S")
    ]
    assert sent_for(as_message(events))[0]["parts"] == [{"text": "Here:"}, part]


def test_an_empty_part_is_ignored() -> None:
    _, events = read(chunk({}, {"thought": True}, {"text": ""}), chunk(), {"candidates": []}, {}, STOP)
    assert events == []


def test_a_signature_alone_is_kept() -> None:
    _, events = read(chunk({"thoughtSignature": "S"}), STOP)
    assert [event.item for event in of_type(events, ProviderItemMade)] == [{"thoughtSignature": "S"}]


def test_a_signature_that_comes_late_belongs_to_its_call() -> None:
    pieces = [{"name": "f", "willContinue": True}, {}]
    _, events = read(
        chunk({"functionCall": pieces[0]}), chunk({"functionCall": pieces[1], "thoughtSignature": "S"}), STOP
    )
    assert [event.signature for event in of_type(events, CallReady)] == ["S"]


def test_a_new_call_ends_the_previous_one() -> None:
    argument = [{"jsonPath": "$.a", "numberValue": 1}]
    calls: list[dict[str, Any]] = [
        {"name": "f", "willContinue": True, "partialArgs": argument},
        {"name": "g", "willContinue": True},
        {},
        {},
    ]
    _, events = read(*(chunk({"functionCall": call}) for call in calls), STOP)
    assert [(event.name, event.arguments) for event in of_type(events, CallReady)] == [("f", {"a": 1}), ("g", {})]


def test_arguments_without_a_call_are_reported() -> None:
    stray = {"partialArgs": [{"jsonPath": "$.a", "numberValue": 1}], "willContinue": True}
    decoder, events = read(chunk({"functionCall": stray}), chunk({"text": "a"}), STOP)
    assert [event.code for event in of_type(events, Warned)] == ["stray_arguments"]
    assert (telling(events).text, decoder.finish_reason) == ("a", "stop")


def test_no_source_is_reported_twice() -> None:
    support = {"segment": {"endIndex": 1}, "groundingChunkIndices": [0]}
    known = {"groundingChunks": [{"web": {"uri": "u"}}, {"of": "tomorrow"}], "groundingSupports": [support]}
    _, events = read(
        chunk({"text": "ab"}, groundingMetadata=known, citationMetadata=None),
        chunk({"text": "c"}, groundingMetadata=None, finishReason="STOP"),
        chunk(groundingMetadata=known),
    )
    assert [(event.url, event.span) for event in of_type(events, SourceFound)] == [("u", (0, 1))]


def test_a_chunk_over_the_limit_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(response, "MAX_EVENT_BYTES", 100)
    body = json.dumps([chunk({"text": "a"}), chunk({"text": "b" * 200})]).encode()
    decoder = response.Decoder()
    events = decode(decoder, one_byte_at_a_time(body))
    assert isinstance(decoder.error, errors.LimitExceeded)
    assert telling(events).text == "a"


@settings(max_examples=tries(25, 100), deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"data: ", b"[", b"{", b'data: {"candidates": [']), st.integers())
def test_no_bytes_raise(noise: bytes, before: bytes, seed: int) -> None:
    whole, pieces = response.Decoder(), response.Decoder()
    body = before + noise
    assert decode(whole, [body]) == decode(pieces, splits(body, seed))
    assert type(whole.error) is type(pieces.error)
    assert whole.error is None or isinstance(whole.error, errors.HeadwaterError)


# --- the middle of an answer


def test_a_signature_that_comes_with_a_piece_of_text_is_kept() -> None:
    _, events = read(chunk({"text": "a"}), chunk({"text": "b", "thoughtSignature": "c2ln"}), STOP)
    assert telling(events).text == "ab"
    assert [event.signature for event in of_type(events, TextEnded) if event.signature] == ["c2ln"]


def test_only_a_calls_own_id_is_sent_back() -> None:
    for own in ({"id": "fc-1"}, {}):
        _, events = read(chunk({"functionCall": {"name": "f", "args": None, **own}}), STOP)
        (ready,) = of_type(events, CallReady)
        assert (ready.item_id, ready.arguments) == (own.get("id"), {})


def test_the_model_and_the_id_are_those_of_the_first_chunk() -> None:
    first = {**chunk({"text": "a"}), "modelVersion": "m-1", "responseId": "r-1"}
    decoder, _ = read(first, {**STOP, "modelVersion": "m-2", "responseId": "r-2"})
    assert (decoder.model, decoder.response_id) == ("m-1", "r-1")
