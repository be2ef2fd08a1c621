"""Chat Completions as the simulator writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.backends.offline.script import Call, Fail, Finish, Say, Think
from headwater.events.messages import Usage
from headwater.testing.wires import WIRES, Trouble
from tests.testing.wires.writing import body_of, frames, written


def deltas(acts: list[Any], **options: Any) -> list[dict[str, Any]]:
    chunks = [frame for frame in frames("openai-chat", acts, **options) if isinstance(frame, dict)]
    return [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]


def test_usage_comes_where_it_was_asked_for_in_a_chunk_of_its_own() -> None:
    usage = Usage(input_tokens=10, output_tokens=3, cached_input_tokens=4, reasoning_tokens=1)
    *_, reason, counts, marker = frames("openai-chat", [usage, Say("Hi.")])
    assert (reason["choices"][0]["finish_reason"], marker) == ("stop", "[DONE]")
    assert counts["choices"] == []
    assert counts["usage"]["total_tokens"] == 13
    assert counts["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert counts["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}
    for asked in ({}, {"stream_options": {"include_usage": False}}, {"stream_options": None}):
        assert b'"usage"' not in body_of(written("openai-chat", [usage, Say("Hi.")], asked=asked))


def test_calls_are_distinguished_by_their_index() -> None:
    said = deltas([Call("a", ['{"n"', ": 1}"]), Call("b", {}, id="mine")])
    calls = [call for delta in said for call in delta.get("tool_calls", ())]
    assert [(call["index"], call.get("id"), call["function"]["arguments"]) for call in calls] == [
        (0, "call_0", ""),
        (0, None, '{"n"'),
        (0, None, ": 1}"),
        (1, "mine", ""),
        (1, None, "{}"),
    ]


def test_each_voice_has_a_field_of_its_own() -> None:
    said = deltas([Think("Hm."), Say("Hi."), Say("No.", refusal=True)])
    assert said[0] == {"role": "assistant", "content": ""}
    told = [
        (name, "".join(one.get(name) or "" for one in said)) for name in ("reasoning_content", "content", "refusal")
    ]
    assert told == [("reasoning_content", "Hm."), ("content", "Hi."), ("refusal", "No.")]


def test_an_end_without_a_reason_has_no_chunk_for_it() -> None:
    reasons = [
        chunk["choices"][0]["finish_reason"]
        for chunk in frames("openai-chat", [Say("Hi."), Finish(None)], asked={})
        if isinstance(chunk, dict)
    ]
    assert set(reasons) == {None}


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, "invalid_request_error", "invalid_api_key"),
        (429, "requests", "rate_limit_exceeded"),
        (500, "server_error", None),
    ],
)
def test_an_error_is_the_same_inside_the_stream_and_instead_of_it(status: int, kind: str, code: str | None) -> None:
    refused = json.loads(WIRES["openai-chat"].refusal(Trouble(status, None, "Why.")))
    assert refused["error"] == {"message": "Why.", "type": kind, "param": None, "code": code}
    assert frames("openai-chat", [Say("Hi."), Fail(status, "Why.")])[-1] == refused
