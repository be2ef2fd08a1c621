"""The values in a large frame are limited before they take memory; reading many calls is linear."""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from headwater.errors import LimitExceeded
from headwater.events import CallReady, CallRejected
from headwater.providers.decoder import Decoder, parse_arguments
from headwater.providers.value_limit import LARGE, MAX_CONTAINERS, MAX_VALUES, refuse_large, refuse_many_values
from tests.support.recordings import decode

MANY = b"[" + b"{}," * MAX_CONTAINERS + b"{}]"


def make(api: str) -> Decoder:
    decoder: Decoder = import_module(f"headwater.providers.{api}").Decoder()
    return decoder


def test_objects_lists_and_values_are_counted() -> None:
    refuse_many_values(b"[" + b"{}," * 1000 + b"{}]")
    for data in (MANY, b"[" + b"1," * MAX_VALUES + b"1]"):
        with pytest.raises(LimitExceeded) as raised:
            refuse_many_values(data)
        assert (raised.value.limit, raised.value.size) == ("max_values", MAX_VALUES)


def test_brackets_and_commas_in_strings_are_not_values() -> None:
    refuse_many_values(b'{"a": "' + b'{[,\\"' * MAX_VALUES + b'"}')


def test_small_frames_are_not_counted() -> None:
    refuse_large([b"[" * LARGE])
    with pytest.raises(LimitExceeded):
        refuse_large([b"{}", b"[" * (LARGE + 1)])


def test_arguments_with_more_values_are_rejected() -> None:
    assert parse_arguments('{"a": ' + MANY.decode() + "}") is None
    long = json.dumps({"a": "[{," * LARGE})
    assert parse_arguments(long) == {"a": "[{," * LARGE}


FRAMES: dict[str, bytes] = {
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"t","args":{"a":%s}}}]}}]}\n\n',
    "openai_chat": b'data: {"choices":[{"delta":{"tool_calls":[{"function":{"name":"t","arguments":{"a":%s}}}]}}]}\n\n',
    "openai_responses": b'data: {"type":"response.output_item.done","item":{"type":"x","a":%s}}\n\n',
    "anthropic": b'data: {"type":"content_block_start","index":0,"content_block":{"type":"x","a":%s}}\n\n',
    "ollama": b'{"message":{"tool_calls":[{"function":{"name":"t","arguments":{"a":%s}}}]}}\n',
}


@pytest.mark.parametrize("api", FRAMES)
@pytest.mark.parametrize("size", [65536, 1 << 30])
def test_one_frame_of_tiny_objects_takes_little_memory(api: str, size: int) -> None:
    body = FRAMES[api] % (b"[" + b"{}," * 4_000_000 + b"{}]")
    decoder = make(api)
    tracemalloc.start()
    try:
        for at in range(0, len(body), size):
            decoder.feed(body[at : at + size])
        decoder.finish()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(decoder.error, LimitExceeded)
    assert peak < 4 * len(body)


def chat(number: int) -> Any:
    piece = {"index": number, "id": "x", "function": {"name": "a", "arguments": "{}"}}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [piece]}}]}


def block(number: int) -> Any:
    return {
        "type": "content_block_start",
        "index": number,
        "content_block": {"type": "tool_use", "id": "x", "name": "a"},
    }


def item(number: int) -> Any:
    fields = {"type": "function_call", "call_id": "x", "name": "a", "arguments": f'{{"n":{number}}}'}
    return {"type": "response.output_item.done", "output_index": number, "item": fields}


def part(number: int) -> Any:
    return {"candidates": [{"content": {"parts": [{"functionCall": {"id": "x", "name": "a", "args": {"n": 1}}}]}}]}


def line(number: int) -> Any:
    return {"message": {"tool_calls": [{"id": "x", "function": {"name": "a", "arguments": {}}}]}}


@pytest.mark.parametrize(
    ("api", "frame"),
    [("openai_chat", chat), ("anthropic", block), ("openai_responses", item), ("gemini", part), ("ollama", line)],
)
def test_many_calls_with_one_id_take_linear_time(api: str, frame: Callable[[int], Any]) -> None:
    def cost(count: int) -> float:
        frames = [json.dumps(frame(number)).encode() for number in range(count)]
        body = b"".join(one + b"\n" if api == "ollama" else b"data: " + one + b"\n\n" for one in frames)
        gc.disable()  # a garbage collection would depend on the objects of earlier tests
        began = time.process_time()
        events = decode(make(api), [body])
        spent = time.process_time() - began
        gc.enable()
        assert sum(isinstance(event, (CallReady, CallRejected)) for event in events) == count
        return spent

    cost(100)
    assert cost(8000) < 40 * max(cost(800), 0.005), "ten times the calls cost far more than ten times the time"
