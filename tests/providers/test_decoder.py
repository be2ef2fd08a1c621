"""The contract of every decoder: everything started is ended, numbers are unique, and errors are reported."""

from __future__ import annotations

import ast
import json
from importlib import import_module
from typing import Any

import pytest

from headwater import errors
from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    ReasoningStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
    Warned,
)
from headwater.events.messages import Usage
from headwater.providers import anthropic, gemini, openai_chat, openai_responses
from headwater.providers.decoder import Decoder, Place, parse_arguments
from headwater.providers.redaction import Scrubber
from tests.support.paths import ROOT
from tests.support.recordings import check_grammar, decode, one_byte_at_a_time, splits


class Scripted(Decoder):
    """A decoder controlled by its input: a letter per method."""

    api = "scripted"

    def _feed(self, data: bytes) -> None:
        for letter in data.decode():
            match letter:
                case "t":
                    self.text("said")
                case "r":
                    self.reasoning("thought")
                case "n":
                    self.refusal("no")
                case "c":
                    self.call_delta(self.start_call("id", "now"), '{"a": 1}')
                case ".":
                    self.complete = True
                case "!":
                    raise errors.ServerError("It broke.")
                case "?":
                    raise RecursionError


def fed(text: str, place: Place | None = None) -> tuple[Scripted, list[Event]]:
    decoder = Scripted(place)
    events = decode(decoder, [text.encode()])
    check_grammar(events)
    return decoder, events


@pytest.mark.parametrize("text", ["t", "tt.", "trt.", "rtn.", "ct", "tcrc.", "cc.", "t!", "tc?"])
def test_everything_started_is_ended(text: str) -> None:
    decoder, _ = fed(text)
    assert decoder.complete == text.endswith(".")
    assert decoder.ended == decoder.complete
    assert (decoder.error is None) == (text[-1] not in "!?")


def test_an_error_and_the_end_stop_it() -> None:
    decoder, events = fed("t!t")
    assert isinstance(decoder.error, errors.ServerError)
    assert len([event for event in events if isinstance(event, TextDelta)]) == 1
    assert decoder.feed(b"t") == []
    decoder, events = fed("t")
    decoder = Scripted()
    decoder.feed(b".")
    assert decoder.feed(b"t!") == []
    assert decoder.error is None
    assert isinstance(fed("?")[0].error, errors.MalformedResponse)


def test_part_numbers_and_lead_follow_the_place() -> None:
    decoder, events = fed("rtrt.", Place(step=3, part=5, lead="\n\n"))
    started = [event for event in events if isinstance(event, (TextStarted, ReasoningStarted))]
    assert [event.part for event in started] == [5, 6, 7, 8]
    assert [event.lead for event in started if isinstance(event, TextStarted)] == ["\n\n", ""]
    assert decoder.next_part == 9
    assert {event.step for event in started} == {3}


def test_calls_get_unique_keys() -> None:
    place = Place(calls={"id"}, call_prefix="call_x")
    decoder, events = fed("cc.", place)
    started = [event for event in events if isinstance(event, CallStarted)]
    assert [(event.call, event.id) for event in started] == [("id#2", "id"), ("id#3", "id")]
    assert place.calls == {"id", "id#2", "id#3"}
    assert decoder.start_call(None, "now").key == "call_x_2"


@pytest.mark.parametrize(("text", "cut"), [("c", True), ("c.", False)])
def test_a_call_is_ready_only_if_it_is_complete(text: str, cut: bool) -> None:
    _, events = fed(text)
    ends = [event for event in events if isinstance(event, (CallReady, CallRejected))]
    assert [type(event) for event in ends] == [CallRejected if cut else CallReady]


def test_empty_and_late_deltas_are_ignored() -> None:
    decoder = Scripted()
    decoder.text("")
    decoder.reasoning("")
    decoder.refusal("")
    call = decoder.start_call("id", "now")
    decoder.call_delta(call, "")
    decoder.end_call(call, {"a": 1})
    decoder.call_delta(call, "{}")
    decoder.end_call(call, {"a": 2})
    part = decoder.open_part("answer")
    decoder.part_delta(part, "")
    decoder.close_part(part)
    decoder.close_part(part)
    events = decoder.take()
    assert not [event for event in events if isinstance(event, (TextDelta, CallDelta))]
    assert [event.arguments for event in events if isinstance(event, CallReady)] == [{"a": 1}]
    assert len([event for event in events if isinstance(event, TextEnded)]) == 1


def test_usage_and_warnings_are_not_repeated() -> None:
    decoder = Scripted(Place(attempt=2))
    for count in (1, 1, 2):
        decoder.report(Usage(input_tokens=count))
        decoder.warn("odd", f"Odd {count}.")
    decoder.report(Usage())
    events = decoder.take()
    assert [event.usage.input_tokens for event in events if isinstance(event, UsageReported)] == [1, 2]
    assert [event.attempt for event in events if isinstance(event, UsageReported)] == [2, 2]
    assert [event.message for event in events if isinstance(event, Warned)] == ["Odd 1."]


def test_visible() -> None:
    assert not Scripted().visible
    for letter in "trnc":
        assert fed(letter)[0].visible
    decoder = Scripted()
    decoder.file(media_type="image/png", data=b"x")
    assert decoder.visible


@pytest.mark.parametrize(
    ("text", "arguments"),
    [("", {}), (" \n", {}), ('{"a": 1}', {"a": 1}), ("[1]", None), ('{"a": ', None), ("[" * 100_000, None)],
)
def test_arguments_are_an_object_or_none(text: str, arguments: Any) -> None:
    assert parse_arguments(text) == arguments


# --- errors outside any event, in every API with server-sent events

CHAT = {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "Said."}}]}
STREAMS: dict[str, tuple[Any, bytes, bytes]] = {
    "gemini": (
        gemini.Decoder,
        b'data: {"candidates": [{"content": {"parts": [{"text": "Said."}]}}]}\n\n',
        b'data: {"candidates": [{"finishReason": "STOP"}]}\n\n',
    ),
    "openai-chat": (
        openai_chat.Decoder,
        b"data: %s\n\n" % json.dumps(CHAT).encode(),
        b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n',
    ),
    "anthropic": (
        anthropic.Decoder,
        b'data: {"type": "message_start", "message": {}}\n\n'
        b'data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}\n\n'
        b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Said."}}\n\n',
        b'data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}\n\n',
    ),
    "openai-responses": (
        openai_responses.Decoder,
        b'data: {"type": "response.output_text.delta", "delta": "Said."}\n\n',
        b"",
    ),
}
STRAY = json.dumps({"error": {"code": 500, "message": "Busy, sorry."}}, indent=2).encode() + b"\n"


@pytest.mark.parametrize("api", STREAMS)
@pytest.mark.parametrize("finished", [False, True], ids=["cut", "finished"])
@pytest.mark.parametrize(
    "error",
    [STRAY, b"\n" + STRAY + b"\n", STRAY[:-3], b"error: Busy, sorry.\n", b'data: {"error": {"message": "Busy, sorry.'],
    ids=["lines", "apart", "unfinished", "word", "frame"],
)
def test_an_error_outside_any_event_comes_after_the_text(api: str, finished: bool, error: bytes) -> None:
    make, said, end = STREAMS[api]
    body = said + (end if finished else b"") + error
    decoder = make()
    events = decode(decoder, [body])
    check_grammar(events)
    assert isinstance(decoder.error, errors.ServerError)
    assert "Busy, sorry." in decoder.error.message
    assert not decoder.complete
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Said."
    for pieces in (one_byte_at_a_time(body), splits(body, 1)):
        again = make()
        assert decode(again, pieces) == events
        assert str(again.error) == str(decoder.error)


# --- text from outside

KEY = "sk-planted-0123456789"


class Echoing(Decoder):
    """A decoder that emits the key everywhere."""

    api = "echoing"

    def _feed(self, data: bytes) -> None:
        self.model = self.response_id = self.provider_finish_reason = f"the {KEY}"
        self.text(f"said {KEY}")
        part = self.current
        assert part is not None
        part.signature = KEY
        self.reasoning(f"thought {KEY}")
        thought = self.current
        assert thought is not None
        thought.signature = thought.redacted = KEY
        for arguments in ({"a": KEY}, KEY):
            call = self.start_call(KEY, KEY)
            call.signature = call.item_id = KEY
            self.end_call(call, arguments)
        self.source(url=KEY, title=KEY, quote=KEY)
        self.file(media_type=KEY, data=KEY.encode(), url=KEY, ref=KEY, name=KEY, signature=KEY)
        self.item({"a": [{KEY: KEY}, KEY, 1, None]})
        self.report(Usage(output_tokens=1, raw={KEY: 1, "tier": KEY, "details": {"a": [KEY]}}))
        self.warn(KEY, f"x{KEY[:12]}", f"sk-…{KEY[-4:]} \x1b[2J")


def test_secrets_remain_only_in_the_models_own_words() -> None:
    decoder = Echoing()
    decoder.scrubber = Scrubber(lambda: [KEY])
    words = {"text", "arguments", "raw", "data"}
    for event in decode(decoder, [b"."]):
        for name in event.__struct_fields__:
            raw = name == "raw" and not isinstance(event, CallRejected)
            if name not in words or raw:
                assert KEY not in repr(getattr(event, name)), f"{name} of {event!r}"
            elif value := getattr(event, name):
                assert KEY in repr(value), f"{name} of {event!r}"
        if isinstance(event, Warned):
            assert (event.code, event.message, event.hint) == ("…", "x…", "… ␛[2J")
    assert {decoder.model, decoder.response_id, decoder.provider_finish_reason} == {"the …"}


def test_without_secrets_nothing_changes() -> None:
    decoder = Echoing()
    told = repr(decode(decoder, [b"."]))
    assert told.count(KEY) > 25
    assert decoder.model == f"the {KEY}"


def test_decoders_create_only_deltas_themselves() -> None:
    """All others go through base methods, which remove secrets."""
    made = set()
    for path in (ROOT / "src" / "headwater" / "providers").rglob("*.py"):
        if path.name == "decoder.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        imported = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in ("headwater.events", "headwater.events.types")
            for alias in node.names
        }
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        made |= {call.id for call in calls if isinstance(call, ast.Name) and call.id in imported}
    assert made == {"TextDelta", "ReasoningDelta"}


@pytest.mark.parametrize("api", ["anthropic", "gemini", "ollama", "openai_chat", "openai_responses"])
def test_the_start_of_an_answer_adds_no_attributes(api: str) -> None:
    """An object with more than thirty, or with one that others of its class did not have, takes 1.3 kB more."""
    made = import_module(f"headwater.providers.{api}.response").Decoder()
    before = {*vars(made)}
    made.scrubber, made.pricing, made.asked_model = Scrubber(), None, "model"
    made.model, made.response_id = "model", "id"
    made.text("word")
    assert {*vars(made)} == before
    assert len(before) <= 30
