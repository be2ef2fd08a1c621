"""The Gemini API as the simulator writes it."""

from __future__ import annotations

import json

import pytest

from headwater.backends.offline.script import Call, Fail, Finish, Say, Think
from headwater.events.messages import Usage
from headwater.testing.wires import WIRES, Trouble, Unspeakable
from tests.testing.wires.writing import decoded, frames, written


def parts(acts: list[object]) -> list[dict[str, object]]:
    return [part for frame in frames("gemini", acts) for part in frame["candidates"][0]["content"]["parts"]]


def test_a_call_comes_in_one_piece_however_it_was_written() -> None:
    said = parts([Say("Hi."), Call("look", ['{"ci', 'ty": "Paris"}'], id="c1")])
    assert [part for part in said if "functionCall" in part] == [
        {"functionCall": {"id": "c1", "name": "look", "args": {"city": "Paris"}}}
    ]


@pytest.mark.parametrize("arguments", ["[1]", '{"a', "text"])
def test_arguments_that_are_not_an_object_cannot_be_sent(arguments: str) -> None:
    with pytest.raises(Unspeakable, match="not an object"):
        written("gemini", [Call("look", arguments)])


def test_thoughts_are_marked_and_a_signature_is_sent_with_its_part() -> None:
    said = parts([Think(["Hm."]), Say(["Hi."], signature="sig")])
    assert said[:3] == [
        {"text": "Hm.", "thought": True},
        {"text": "Hi."},
        {"text": "", "thoughtSignature": "sig"},
    ]
    events, _ = decoded("gemini", [Say("Hi.", signature="sig")])
    assert "sig" in str(events)


def test_thoughts_are_counted_apart_and_zeros_left_out() -> None:
    usage = Usage(input_tokens=10, output_tokens=7, reasoning_tokens=4)
    last = frames("gemini", [usage, Say("Hi.")])[-1]
    assert last["usageMetadata"] == {
        "promptTokenCount": 10,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 4,
        "totalTokenCount": 17,
    }


def test_an_end_without_a_reason_is_none() -> None:
    assert "finishReason" not in frames("gemini", [Say("Hi."), Finish(None)])[-1]["candidates"][0]
    assert frames("gemini", [Say("Hi.")])[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize(
    ("trouble", "number", "state"),
    [
        (Trouble(429, None, "Why."), 429, "RESOURCE_EXHAUSTED"),
        (Trouble(None, "UNAVAILABLE", "Why."), 503, "UNAVAILABLE"),
        (Trouble(None, "overloaded_error", "Why."), 503, "UNAVAILABLE"),
        (Trouble(None, "a-word-of-its-own", "Why."), 500, "a-word-of-its-own"),
        (Trouble(418, None, "Why."), 418, "UNKNOWN"),
    ],
    ids=str,
)
def test_an_error_has_a_number_and_a_state(trouble: Trouble, number: int, state: str) -> None:
    error = json.loads(WIRES["gemini"].refusal(trouble))["error"]
    assert error == {"code": number, "message": "Why.", "status": state}


def test_an_error_in_the_stream_is_a_frame_of_its_own() -> None:
    assert frames("gemini", [Say("Hi."), Fail(503, "Why.")])[-1]["error"]["status"] == "UNAVAILABLE"
