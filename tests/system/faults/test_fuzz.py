"""Bodies changed at random, for a bounded number; and those that once broke something, for good."""

from __future__ import annotations

import random

import pytest

from headwater.errors import MalformedResponse, ServerError
from headwater.providers.registry import load_api
from headwater.testing import Split
from headwater.testing.provider_check import ProviderBreach, decoded
from tests.support.recordings import recordings
from tests.system.faults.fuzz import fuzz, mutated
from tests.system.faults.sweep import APIS

BODIES_A_DECODER = 1500

SAMPLES = {
    "openai-chat": (
        b'data: {"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}'
        b"\n\ndata: [DONE]\n\n"
    ),
    "openai-responses": (
        b'event: response.completed\ndata: {"type":"response.completed","response":{"status":"completed",'
        b'"output":[{"type":"message","content":[{"type":"output_text","text":"Hi"}]}]}}\n\n'
    ),
    "anthropic": (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","content":[]}}\n\n'
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    ),
    "gemini": b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}\n\n',
    "ollama": b'{"message":{"content":"Hi"},"done":true}\n',
}


@pytest.mark.parametrize("folder", APIS)
def test_any_input_results_in_events_or_one_of_our_errors(folder: str) -> None:
    api = APIS[folder]
    bodies = [recording.body for recording in recordings(folder) if len(recording.body) < 8000] or [SAMPLES[api]]
    seed = random.randrange(1 << 32)  # another one each time; a failure says which
    tried, found = fuzz(load_api(api).Decoder, bodies, seed=seed, going_on=lambda tried: tried < BODIES_A_DECODER)
    assert tried == BODIES_A_DECODER
    assert not found, f"seed {seed}: {found[0].breach} in {found[0].body!r}"


def test_the_same_seed_changes_bodies_in_the_same_way() -> None:
    bodies = list(SAMPLES.values())
    first, again = ([mutated(dice, bodies) for _ in range(200)] for dice in (random.Random(5), random.Random(5)))
    assert first == again
    assert len(set(first)) > 150


def test_the_fuzzer_finds_a_decoder_that_is_wrong() -> None:
    class Careless(load_api("ollama").Decoder):  # type: ignore[misc]
        def _feed(self, data: bytes) -> None:
            if b"\xff" in data:
                raise KeyError("careless")
            super()._feed(data)

    _, found = fuzz(Careless, [SAMPLES["ollama"]], seed=1, going_on=lambda tried: tried < 2000)
    assert found
    assert all("KeyError" in str(one.breach) for one in found)


ONCE: dict[str, tuple[str, bytes, type[Exception] | None]] = {
    "a part's type is a list": (
        "openai-responses",
        b'data: {"type":"response.content_part.done","part":{"type":["output_text"]}}\n\n',
        None,
    ),
    "an item's type is an object": (
        "openai-responses",
        b'data: {"type":"response.output_item.added","item":{"type":{}}}\n\n',
        None,
    ),
    "a content's type is a list, in a finished message": (
        "openai-responses",
        b'data: {"type":"response.output_item.done","item":{"type":"message","content":[{"type":[]}]}}\n\n',
        None,
    ),
    "a picture is no ASCII": (
        "openai-responses",
        'data: {"type":"response.output_item.done","item":{"type":"image_generation_call","result":"é"}}\n\n'.encode(),
        None,
    ),
    "counts are no UTF-8": (
        "gemini",
        b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{"a\xff":1}}\n\n',
        MalformedResponse,
    ),
    "a bare error at the end of the input": ("gemini", b"\nerror:", ServerError),
    "an error in plain words": ("gemini", b"event: error\ndata: it broke\n\n", ServerError),
}


@pytest.mark.parametrize("name", ONCE)
def test_past_failures_of_decoders_stay_fixed(name: str) -> None:
    api, body, error = ONCE[name]
    made = decoded(load_api(api).Decoder, [body])
    assert (type(made.decoder.error) if made.decoder.error is not None else None) is error
    assert not made.complete


def test_an_error_between_events_does_not_depend_on_how_the_bytes_are_split() -> None:
    chunk = b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}\n\n'
    body = chunk + b'{"error":"x"}\n' + chunk
    whole = decoded(load_api("gemini").Decoder, [body])
    assert isinstance(whole.decoder.error, ServerError)
    assert decoded(load_api("gemini").Decoder, Split(1).cut(body)).events == whole.events


def test_a_breach_names_the_unexpected_result() -> None:
    class Broken(load_api("ollama").Decoder):  # type: ignore[misc]
        def _finish(self) -> None:
            raise AttributeError("no such thing")

    with pytest.raises(ProviderBreach, match="AttributeError came out of the decoder: no such thing"):
        decoded(Broken, [b""])
