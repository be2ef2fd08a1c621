"""Recorded provider streams as test cases, and the check that every decoder must pass on them.

Owns finding and reading the recordings, splitting bodies into pieces, and comparing a decoder's result with the
expected one. It must never know a provider's wire format, nor read a recording before a test needs it.

    @pytest.mark.parametrize("recording", cases("gemini"))
    def test_recording(recording: Recording) -> None:
        check_decoding(recording, gemini.Decoder)
"""

from __future__ import annotations

import base64
import contextlib
import importlib.util
import json
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest

from headwater.events import (
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    UsageReported,
)
from headwater.providers.decoder import Decoder
from headwater.providers.failures import http_error
from tests.support.effort import tries
from tests.support.paths import ROOT

__all__ = (
    "Recording",
    "Telling",
    "cases",
    "check_cuts",
    "check_decoding",
    "check_failure",
    "check_grammar",
    "decode",
    "failures",
    "independent_reading",
    "one_byte_at_a_time",
    "recordings",
    "shared_folder",
    "splits",
    "telling",
)

STREAMS = ("sse", "ndjson", "json-array", "jsonl-chunks")
LENGTH = {"length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_context_window_exceeded"}
STOP = {"stop", "end_turn", "STOP", "completed", "stop_sequence", "tool_calls", "tool_use", "function_call", "eos"}


# --- finding and reading


def shared_folder() -> Path:
    """The folder with `recordings/`: HEADWATER_SHARED, else `../shared` beside the repository."""
    return Path(os.environ.get("HEADWATER_SHARED") or ROOT.parent / "shared")


class Recording:
    """One recorded response; its file is read on first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.stem

    def __repr__(self) -> str:
        return f"Recording({self.name})"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The content of the file."""
        value: dict[str, Any] = json.loads(self.path.read_bytes())
        return value

    @property
    def api(self) -> str:
        api: str = self.document["api"]
        return api

    @property
    def provider(self) -> str:
        provider: str = self.document["provider"]
        return provider

    @property
    def status(self) -> int:
        status: int = self.document["response"]["status"]
        return status

    @property
    def format(self) -> str:
        form: str = self.document["response"]["format"]
        return form

    @property
    def headers(self) -> dict[str, str]:
        """The response's headers, their names in lower case."""
        return {name.lower(): value for name, value in self.document["response"]["headers"].items()}

    @cached_property
    def body(self) -> bytes:
        response = self.document["response"]
        body: str = response["body"] or ""
        return base64.b64decode(body) if response.get("body_encoding") == "base64" else body.encode()

    @property
    def expected(self) -> dict[str, Any]:
        """The result of an independent reader for the whole body."""
        expected: dict[str, Any] = self.document["expected"]
        return expected

    @property
    def features(self) -> list[str]:
        features: list[str] = self.document["features"]
        return features

    @property
    def is_stream(self) -> bool:
        """Whether it is an answer for a decoder, rather than an HTTP error's body."""
        return self.status < 400 and self.format in STREAMS

    @property
    def complete(self) -> bool:
        """Whether the answer has its API's end marker, and no error."""
        want = self.expected
        return bool(want["terminal"] or want["finish_reason"]) and not want["error"]

    @property
    def answers(self) -> int:
        """Number of answers in the body, each complete by itself: a cut between two of them is not detectable.

        Some gateways send several, and Vertex AI has been seen to put a finish reason into every chunk.
        """
        if self.api == "gemini":
            return max(1, self.body.count(b'"finishReason"'))
        return 2 if {"second_message_start", "index_collision"} & set(self.features) else 1


@cache
def _all(api: str) -> tuple[Recording, ...]:
    folder = shared_folder() / "recordings" / api
    found = tuple(Recording(path) for path in sorted(folder.glob("*.json")))
    if not found and os.environ.get("HEADWATER_NO_SKIPS") == "1":
        raise RuntimeError(f"No recordings in {folder}. Set HEADWATER_SHARED to the folder that holds them.")
    return found


def recordings(api: str) -> list[Recording]:
    """Every recorded stream of `api` (status 200), by name; none if the folder is absent."""
    return [recording for recording in _all(api) if recording.is_stream]


def failures(api: str) -> list[Recording]:
    """Every recorded HTTP error of `api`: status 400 and above."""
    return [recording for recording in _all(api) if recording.status >= 400]


def cases(api: str, which: Callable[[str], list[Recording]] = recordings) -> list[Any]:
    """The recordings as parameters of a test, with their files as ids; a single skipped one, with the reason, if there
    are none."""
    found = which(api)
    if not found:
        reason = f"no recordings of {api} under {shared_folder()}: set HEADWATER_SHARED"
        return [pytest.param(None, id="absent", marks=pytest.mark.skip(reason=reason))]
    return [pytest.param(recording, id=recording.name) for recording in found]


# --- splitting into pieces


SIZES = (1, 2, 3, 7, 20, 100, 700, 5000)
SMALL = (1, 2, 3, 7, 20)

BYTE_BY_BYTE = 2_000
"""Bytes of a recording that usually is decoded byte by byte."""


def splits(body: bytes, seed: int | str, sizes: Sequence[int] = SIZES) -> list[bytes]:
    """Splits `body` into pieces of random sizes, the same ones for the same seed: tiny ones, frames, and kilobytes."""
    dice = random.Random(seed)
    pieces, at = [], 0
    while at < len(body):
        size = dice.choice(sizes)
        pieces.append(body[at : at + size])
        at += size
    return pieces


def one_byte_at_a_time(body: bytes) -> Iterator[bytes]:
    """Splits `body` into single bytes."""
    for at in range(len(body)):
        yield body[at : at + 1]


# --- decoding and reading back


def decode(decoder: Decoder, pieces: Iterable[bytes]) -> list[Event]:
    """Returns all events that `decoder` creates from the pieces, including the end of input."""
    events: list[Event] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.finish()


class Telling:
    """The content of a list of events, computed as simply as possible."""

    def __init__(self, events: Sequence[Event]) -> None:
        kinds = {event.part: event.kind for event in events if isinstance(event, TextStarted)}
        texts = [event for event in events if isinstance(event, TextDelta)]
        self.text = "".join(event.text for event in texts if kinds[event.part] == "answer")
        self.refusal = "".join(event.text for event in texts if kinds[event.part] == "refusal")
        self.reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
        self.calls: list[tuple[str, str, Any]] = []
        """(id, name, arguments) of each call for the agent or the client, in the order of their starts."""
        ends: dict[str, CallReady | CallRejected] = {}
        for event in events:
            if isinstance(event, (CallReady, CallRejected)):
                ends[event.call] = event
        for event in events:
            if isinstance(event, CallStarted) and event.by != "provider" and event.call in ends:
                end = ends[event.call]
                arguments = end.arguments if isinstance(end, CallReady) else end.raw
                self.calls.append((event.id or event.call, end.name, arguments))
        usages = [event.usage for event in events if isinstance(event, UsageReported)]
        self.usage = usages[-1] if usages else None


def telling(events: Sequence[Event]) -> Telling:
    """Returns the content of `events`."""
    return Telling(events)


def check_grammar(events: Sequence[Event]) -> None:
    """Asserts that parts and calls are started once and ended once, with non-empty deltas in between."""
    open_parts: set[int] = set()
    parts: set[int] = set()
    open_calls: set[str] = set()
    calls: set[str] = set()
    for event in events:
        match event:
            case TextStarted(part=part) | ReasoningStarted(part=part):
                assert part not in parts, f"part {part} started twice"
                parts.add(part)
                open_parts.add(part)
            case TextDelta(part=part, text=text) | ReasoningDelta(part=part, text=text):
                assert part in open_parts, f"a delta outside its part {part}"
                assert text, "an empty delta"
            case TextEnded(part=part) | ReasoningEnded(part=part):
                open_parts.remove(part)
            case CallStarted(call=call, name=name):
                assert call, "a call without a key"
                assert isinstance(name, str)
                assert call not in calls, f"call {call} started twice"
                calls.add(call)
                open_calls.add(call)
            case CallDelta(call=call, json=text):
                assert call in open_calls, f"a delta outside its call {call}"
                assert text, "an empty delta"
            case CallReady(call=call) | CallRejected(call=call):
                open_calls.remove(call)
            case _:
                pass
    assert not open_parts, f"parts never ended: {open_parts}"
    assert not open_calls, f"calls never ended: {open_calls}"


# --- comparing


def check_decoding(recording: Recording, decoder_factory: Callable[[], Decoder]) -> list[Event]:
    """Decodes whole, in the smallest pieces and split at random; compares with the expected result.

    The smallest pieces are single bytes, for long recordings only with HEADWATER_LONG=1. Returns the events.
    """
    small = len(recording.body) <= tries(BYTE_BY_BYTE, len(recording.body))
    smallest = one_byte_at_a_time(recording.body) if small else splits(recording.body, recording.name, SMALL)
    whole = decoder_factory()
    events = decode(whole, [recording.body])
    check_grammar(events)
    for pieces in (smallest, splits(recording.body, recording.name)):
        other = decoder_factory()
        assert decode(other, pieces) == events, "other events when split otherwise"
        assert _outcome(other) == _outcome(whole), "another outcome when split otherwise"
    problems = compare(recording, events, whole)
    assert not problems, "; ".join(problems)
    return events


def _outcome(decoder: Decoder) -> tuple[Any, ...]:
    return (
        decoder.complete,
        type(decoder.error),
        str(decoder.error),
        decoder.finish_reason,
        decoder.provider_finish_reason,
        decoder.model,
        decoder.response_id,
        decoder.usage,
    )


def compare(recording: Recording, events: Sequence[Event], decoder: Decoder) -> list[str]:
    """Returns the errors in a decoding of `recording`, by the rules of the recordings' own conformance run."""
    want, told, problems = recording.expected, Telling(events), []
    if want["error"]:
        if decoder.error is None:
            problems.append("an error in the recording was not reported")
    elif not recording.complete:
        if decoder.complete or decoder.error is not None:
            problems.append(f"no end marker, but complete={decoder.complete}, error={decoder.error!r}")
    elif decoder.error is not None:
        return [f"reported {type(decoder.error).__name__}: {decoder.error}"]
    elif not decoder.complete:
        return ["the end marker was there, but the decoder is not complete"]
    if told.text != want["text"]:
        problems.append(f"text {told.text!r:.60} is not {want['text']!r:.60}")
    if told.refusal != (want.get("refusal") or "") and recording.api.startswith("openai"):
        problems.append(f"refusal {told.refusal!r:.60} is not {want['refusal']!r:.60}")
    if want["reasoning_text"] and told.reasoning != want["reasoning_text"] and recording.api != "openai-responses":
        problems.append(f"reasoning {told.reasoning!r:.60} is not {want['reasoning_text']!r:.60}")
    if recording.complete:
        problems += _compare_calls(told, want)
        problems += _compare_end(recording.api, decoder, want)
        problems += _compare_usage(recording.api, told, decoder, want)
    return problems


def _compare_calls(told: Telling, want: dict[str, Any]) -> list[str]:
    wanted = [(call["name"], _arguments(call["arguments"])) for call in want["tool_calls"]]
    got = [(name, _arguments(arguments)) for _, name, arguments in told.calls]
    if got != wanted:
        return [f"tool calls {got!r:.120} are not {wanted!r:.120}"]
    pairs = zip(told.calls, want["tool_calls"], strict=True)
    return [
        f"tool call id {ident!r} is not {call['id']!r}"
        for (ident, _, _), call in pairs
        if call.get("id") and ident != call["id"]
    ]


def _arguments(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return json.loads(value or "{}")
        except ValueError:
            return value
    return value or {}


def _compare_end(api: str, decoder: Decoder, want: dict[str, Any]) -> list[str]:
    problems = []
    raw, got = want["finish_reason"], decoder.finish_reason
    if raw in LENGTH and got != "length":
        problems.append(f"finish reason {got!r} for {raw!r}")
    if raw in STOP and not want.get("refusal"):
        expected = "tool_calls" if want["tool_calls"] else "stop"
        if got != expected:
            problems.append(f"finish reason {got!r}, not {expected!r}, for {raw!r}")
    if raw is None and got is not None:
        problems.append(f"finish reason {got!r} was never sent")
    if raw and api != "openai-responses" and decoder.provider_finish_reason != raw:
        problems.append(f"provider_finish_reason {decoder.provider_finish_reason!r} is not {raw!r}")
    return problems


def _compare_usage(api: str, told: Telling, decoder: Decoder, want: dict[str, Any]) -> list[str]:
    problems = []
    usage = decoder.usage
    if told.usage != usage:
        problems.append(f"the last usage reported {told.usage} is not the decoder's {usage}")
    wanted = wanted_usage(api, want["usage"])
    got = (usage.input_tokens, usage.output_tokens) if usage is not None else (None, None)
    if wanted and got != wanted:
        problems.append(f"usage {got} is not {wanted}")
    if wanted is None and any(got):
        problems.append(f"usage {got} was never reported")
    return problems


def wanted_usage(api: str, usage: dict[str, Any] | None) -> tuple[int, int] | None:
    """Returns the input and output tokens of a provider's report; input includes cached tokens, output reasoning."""
    if not usage:
        return None

    def get(*names: str) -> int:
        return sum(usage.get(name) or 0 for name in names)

    if api == "anthropic-messages":
        return get("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"), get("output_tokens")
    if api == "gemini":
        return get("promptTokenCount", "toolUsePromptTokenCount"), get("candidatesTokenCount", "thoughtsTokenCount")
    if api == "ollama-chat":
        return get("prompt_eval_count"), get("eval_count")
    output = get("completion_tokens", "output_tokens")
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if reasoning and usage.get("total_tokens") == get("prompt_tokens") + output + reasoning:
        output += reasoning  # xAI counts reasoning separately from the completion
    return get("prompt_tokens", "input_tokens"), output


# --- truncation


def check_cuts(recording: Recording, decoder_factory: Callable[[], Decoder], *, times: int = 5) -> None:
    """Truncates the body at random bytes: the result is complete, or incomplete with the text of the bytes.

    Recordings with several answers in one body are not checked: they are complete after the first.
    """
    if recording.answers > 1:
        return
    dice = random.Random(recording.name)
    for _ in range(times):
        body = recording.body[: dice.randrange(max(1, len(recording.body)))]
        decoder = decoder_factory()
        events = decode(decoder, [body])
        check_grammar(events)
        if decoder.complete and not decoder.error:
            assert not _without_usage(compare(recording, events, decoder)), f"cut at {len(body)} of {recording.body!r}"
        else:
            texts = _held(recording, body)
            assert Telling(events).text in texts, f"the text after a cut at {len(body)} is not what the bytes held"
            assert decoder.error is None or recording.expected["error"], f"{decoder.error!r} after a cut at {len(body)}"


def _without_usage(problems: list[str]) -> list[str]:
    return [problem for problem in problems if not problem.startswith("usage")]  # it may have been cut away


def independent_reading(api: str, form: str, body: bytes) -> dict[str, Any]:
    """The result of a reader that shares no code with this project; skips if it is absent."""
    if not (shared_folder() / "conformance" / "reader.py").exists():
        pytest.skip(f"no reader under {shared_folder()}: set HEADWATER_SHARED")
    told: dict[str, Any] = _reader().read(api, form, body)
    return told


@cache
def _reader() -> Any:
    """The independent reader that created the expected results."""
    path = shared_folder() / "conformance" / "reader.py"
    spec = importlib.util.spec_from_file_location("recordings_reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _held(recording: Recording, body: bytes) -> set[str]:
    """The possible texts of a prefix: by complete events, by complete lines, and with its last line."""
    read = _reader().read
    if recording.format == "ndjson":
        return {read(recording.api, "ndjson", body[: body.rfind(b"\n") + 1])["text"]}
    last = max(body.rfind(mark) + len(mark) for mark in (b"\n\n", b"\r\n\r\n", b"\r\r"))
    texts = set()
    for end in (last if last > 3 else 0, body.rfind(b"\n") + 1, len(body)):
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line truncated inside its JSON
            texts.add(read(recording.api, "sse", body[:end])["text"])
    return texts


# --- HTTP errors


def check_failure(recording: Recording) -> None:
    """Asserts that an HTTP error's body becomes an exception with its status and a message."""
    error = http_error(recording.provider, recording.status, recording.headers, recording.body)
    assert error.status == recording.status
    assert error.message
