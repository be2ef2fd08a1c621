"""Differences between servers do not matter: every change of `neutral`, on handwritten bodies and on recordings."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, Final, TypeVar

import pytest

from headwater.providers.decoder import Decoder
from tests.providers.neutral import (
    CHANGES,
    WRITINGS,
    Frames,
    errors_after,
    meaning,
    read_frames,
    split_surrogates,
    with_waves,
    write_frames,
)
from tests.support.effort import tries
from tests.support.recordings import Recording, cases, check_grammar, decode, one_byte_at_a_time, splits

MODULES: Final = {
    "openai-responses": "openai_responses",
    "openai-chat": "openai_chat",
    "anthropic-messages": "anthropic",
    "gemini": "gemini",
    "ollama-chat": "ollama",
}

WAVE: Final = "\U0001f30a"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> tuple[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return "", {"id": "c", "model": "m", "choices": [choice], **more}


def call(index: int, ident: str, name: str, arguments: str) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, "id": ident, "function": {"name": name, "arguments": arguments}}]}


CHAT: Final[dict[str, Frames]] = {
    "text and reasoning": [
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": f"{WAVE} hm"}),
        chunk({"content": f"{WAVE} yes"}),
        chunk({"content": f"{WAVE}{WAVE}"}),
        chunk({}, "stop"),
        ("", {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}),
        ("", "[DONE]"),
    ],
    "a finish reason with each call": [
        chunk(call(0, "a", "pay", '{"sum": 5}'), "tool_calls"),
        chunk(call(1, "b", "refund", '{"sum"')),
        chunk({"tool_calls": [{"index": 1, "function": {"arguments": ": 9}"}}]}, "tool_calls"),
        ("", "[DONE]"),
    ],
    "a refusal": [chunk({"refusal": f"{WAVE} no"}), chunk({}, "stop"), ("", "[DONE]")],
}


def block(index: int, body: dict[str, Any], *deltas: dict[str, Any]) -> Frames:
    return [
        (name, {"type": name, "index": index, **rest})
        for name, rest in (
            ("content_block_start", {"content_block": body}),
            *(("content_block_delta", {"delta": delta}) for delta in deltas),
            ("content_block_stop", {}),
        )
    ]


ANTHROPIC: Final[dict[str, Frames]] = {
    "thinking, text and a call": [
        (
            "message_start",
            {"type": "message_start", "message": {"id": "m1", "model": "m", "usage": {"input_tokens": 3}}},
        ),
        *block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": f"{WAVE} hm"}),
        *block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": f"{WAVE} yes"}),
        *block(
            2,
            {"type": "tool_use", "id": "t1", "name": "pay", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"to": "'},
            {"type": "input_json_delta", "partial_json": f'{WAVE}"'},
            {"type": "input_json_delta", "partial_json": "}"},
        ),
        (
            "message_delta",
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
        ),
        ("message_stop", {"type": "message_stop"}),
    ],
}


def part(finish: str | None = None, **fields: Any) -> tuple[str, Any]:
    candidate = {"content": {"parts": [fields]}, **({"finishReason": finish} if finish else {})}
    return "", {"candidates": [candidate], "modelVersion": "m", "usageMetadata": {"promptTokenCount": 3}}


GEMINI: Final[dict[str, Frames]] = {
    "thoughts, text and a call": [
        part(text=f"{WAVE} hm", thought=True),
        part(text=f"{WAVE} yes"),
        part(text=f"{WAVE}"),
        part(functionCall={"name": "pay", "args": {"sum": 5}}),
        ("", {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": 2}}),
    ],
}

OLLAMA: Final[dict[str, Frames]] = {
    "thinking, text and a call": [
        ("", {"model": "m", "message": {"thinking": f"{WAVE} hm"}, "done": False}),
        ("", {"model": "m", "message": {"content": f"{WAVE} yes"}, "done": False}),
        ("", {"model": "m", "message": {"content": f"{WAVE}"}, "done": False}),
        ("", {"message": {"tool_calls": [{"function": {"name": "pay", "arguments": {"sum": 5}}}]}, "done": False}),
        ("", {"model": "m", "done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}),
    ],
}


def frame(kind: str, **fields: Any) -> tuple[str, Any]:
    return f"response.{kind}", {"type": f"response.{kind}", **fields}


def message(text: str, ident: str = "m1", **more: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": ident, "role": "assistant", "status": "completed", "content": content, **more}


def function(ident: str, call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "id": ident, "call_id": call_id, "name": name, "arguments": arguments}


def spoken(index: int | None, ident: str, *texts: str, at: int = 0) -> Frames:
    """A streamed message, with all frames that repeat it."""
    where: dict[str, Any] = {} if index is None else {"output_index": index}
    full = "".join(texts)
    place = {**where, "item_id": ident, "content_index": at}
    return [
        frame("output_item.added", **where, item=message("", ident, content=[], status="in_progress")),
        *(frame("output_text.delta", **place, delta=text) for text in texts),
        frame("output_text.done", **place, text=full),
        frame("content_part.done", **place, part={"type": "output_text", "text": full, "annotations": []}),
        frame("output_item.done", **where, item=message(full, ident)),
    ]


def asked(index: int | None, ident: str, call_id: str, name: str, *pieces: str) -> Frames:
    """A streamed call."""
    where: dict[str, Any] = {} if index is None else {"output_index": index}
    full = "".join(pieces)
    return [
        frame("output_item.added", **where, item=function(ident, call_id, name, "")),
        *(frame("function_call_arguments.delta", **where, item_id=ident, delta=piece) for piece in pieces),
        frame("function_call_arguments.done", **where, item_id=ident, arguments=full),
        frame("output_item.done", **where, item=function(ident, call_id, name, full)),
    ]


def thought(index: int | None, ident: str, *texts: str) -> Frames:
    """Reasoning with a summary in that many parts."""
    where: dict[str, Any] = {} if index is None else {"output_index": index}
    item: dict[str, Any] = {"type": "reasoning", "id": ident, "encrypted_content": "x"}
    summary = [{"type": "summary_text", "text": text} for text in texts]
    out = [frame("output_item.added", **where, item={**item, "summary": []})]
    for place, text in enumerate(texts):
        at = {**where, "item_id": ident, "summary_index": place}
        out.append(frame("reasoning_summary_text.delta", **at, delta=text))
        out.append(frame("reasoning_summary_text.done", **at, text=text))
        out.append(frame("reasoning_summary_part.done", **at, part=summary[place]))
    return [*out, frame("output_item.done", **where, item={**item, "summary": summary})]


def ended(*output: dict[str, Any]) -> tuple[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 2}
    response = {"id": "r", "model": "m", "status": "completed", "output": list(output), "usage": usage}
    return frame("completed", response=response)


REFUSAL: Final = message("", content=[{"type": "refusal", "refusal": f"{WAVE} no"}])

RESPONSES: Final[dict[str, Frames]] = {
    name: frames
    for indexed in (True, False)
    for name, frames in {
        f"a message, index {indexed}": [
            *spoken(0 if indexed else None, "m1", f"{WAVE} yes", " and", f"{WAVE} so"),
            ended(message(f"{WAVE} yes and{WAVE} so")),
        ],
        f"a content that is not the first, index {indexed}": [
            *spoken(0 if indexed else None, "m1", "Hel", "lo", at=1),
            ended(message("Hello")),
        ],
        f"reasoning, two calls and a message, index {indexed}": [
            *thought(0 if indexed else None, "r1", "One.", f"{WAVE} two."),
            *asked(1 if indexed else None, "f1", "c1", "pay", '{"sum"', ": 5}"),
            *asked(2 if indexed else None, "f2", "c2", "pay", '{"sum"', ": 5}"),
            *spoken(3 if indexed else None, "m1", "Done."),
            ended(
                {"type": "reasoning", "id": "r1", "summary": [{"type": "summary_text", "text": "One."}]},
                function("f1", "c1", "pay", '{"sum": 5}'),
                function("f2", "c2", "pay", '{"sum": 5}'),
                message("Done."),
            ),
        ],
        f"two messages alike, index {indexed}": [
            *spoken(0 if indexed else None, "m1", "Wait."),
            *spoken(1 if indexed else None, "m2", "Wait."),
            ended(message("Wait."), message("Wait.", "m2")),
        ],
        f"a refusal, index {indexed}": [
            frame("refusal.delta", **({"output_index": 0} if indexed else {}), item_id="m1", delta=f"{WAVE} no"),
            frame("refusal.done", **({"output_index": 0} if indexed else {}), item_id="m1", refusal=f"{WAVE} no"),
            frame("output_item.done", **({"output_index": 0} if indexed else {}), item=REFUSAL),
            ended(REFUSAL),
        ],
    }.items()
}

OURS: Final = {
    "openai-responses": RESPONSES,
    "openai-chat": CHAT,
    "anthropic-messages": ANTHROPIC,
    "gemini": GEMINI,
    "ollama-chat": OLLAMA,
}
BODIES: Final = [
    pytest.param(api, frames, id=f"{api}: {name}") for api, bodies in OURS.items() for name, frames in bodies.items()
]


def said(api: str, frames: Frames) -> dict[str, Any]:
    return read(api, [write_frames(api, frames)])


def read(api: str, pieces: Iterable[bytes]) -> dict[str, Any]:
    """The meaning of a body in pieces."""
    make: Callable[[], Decoder] = import_module(f"headwater.providers.{MODULES[api]}").Decoder
    decoder = make()
    events = decode(decoder, pieces)
    check_grammar(events)
    return meaning(decoder, events)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("api", "frames"), BODIES)
def test_server_differences_do_not_change_the_meaning(api: str, frames: Frames, change: str) -> None:
    plain = said(api, frames)
    assert plain["finish"][0], "the body itself must be whole"
    assert plain["error"] == "None"
    assert said(api, CHANGES[change](frames)) == plain


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize(("api", "frames"), BODIES)
def test_formatting_and_splitting_do_not_change_the_meaning(api: str, frames: Frames, writing: str) -> None:
    plain = said(api, frames)
    body = WRITINGS[writing](api, frames)
    assert body != write_frames(api, frames)
    for pieces in ([body], one_byte_at_a_time(body), *(splits(body, seed) for seed in range(5))):
        assert read(api, pieces) == plain


@pytest.mark.parametrize(("api", "frames"), BODIES)
def test_the_handwritten_bodies_have_the_expected_meaning(api: str, frames: Frames) -> None:
    plain = said(api, frames)
    assert len(plain["ready"]) == len(plain["calls"])
    for kind in ("answer", "refusal", "full", "summary"):
        assert "\ufffd" not in plain.get(kind, "")


@pytest.mark.parametrize(("api", "frames"), BODIES)
def test_an_error_after_the_events_is_reported(api: str, frames: Frames) -> None:
    hurt = said(api, errors_after(api, frames))
    assert "It broke." in hurt["error"]
    assert {kind: hurt.get(kind) for kind in ("answer", "refusal")} == {
        kind: said(api, frames).get(kind) for kind in ("answer", "refusal")
    }


def test_each_change_affects_some_handwritten_body() -> None:
    for name, change in CHANGES.items():
        assert any(change(frames) != frames for bodies in OURS.values() for frames in bodies.values()), name
    for api, bodies in OURS.items():
        assert any(split_surrogates(frames) != frames for frames in bodies.values()), api


Change = TypeVar("Change")


def some(changes: Mapping[str, Change], recording: Recording) -> list[tuple[str, Change]]:
    """A few of the changes, others for each recording; all with HEADWATER_LONG=1."""
    return random.Random(recording.name).sample(list(changes.items()), tries(2, len(changes)))


@pytest.mark.long
@pytest.mark.parametrize("recording", [one for api in MODULES for one in cases(api)])
def test_server_differences_do_not_change_recordings(recording: Recording) -> None:
    if recording.format == "json-array":
        return  # its framing cannot be written here; other recordings have the same chunks as events
    api = recording.api
    frames = read_frames(api, recording.body)
    if not all(isinstance(value, (dict, str)) for _, value in frames):
        return
    plain = said(api, frames)
    for name, change in some(CHANGES, recording):
        if (changed := change(frames)) != frames:
            assert said(api, changed) == plain, name
    if plain["finish"][0] and plain["error"] == "None":  # otherwise the last line may be incomplete
        for name, writing in some(WRITINGS, recording):
            assert read(api, [writing(api, frames)]) == plain, name
    waves = with_waves(frames)
    assert said(api, split_surrogates(waves)) == said(api, waves)
