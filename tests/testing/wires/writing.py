"""Turns of a script, written as an API writes them, and read back as plain JSON."""

from __future__ import annotations

import json
from typing import Any

from headwater.backends.offline.performance import Pace
from headwater.events import Event
from headwater.providers.registry import load_api
from headwater.testing.served_answer import Answer, write
from headwater.testing.wires import WIRES
from tests.support.recordings import decode

__all__ = ("APIS", "body_of", "decoded", "frames", "written")

APIS = tuple(WIRES)


def written(api: str, acts: list[Any], *, asked: dict[str, Any] | None = None, **options: Any) -> Answer:
    """The turn as an answer; `asked` is the request that it answers."""
    if asked is None:
        asked = {"stream": True, "stream_options": {"include_usage": True}}
    return write(acts, WIRES[api]("model-1", asked), pace=Pace(None), input_tokens=7, **options)


def body_of(answer: Answer) -> bytes:
    """All bytes of an answer."""
    return b"".join(step for step in answer.steps if isinstance(step, bytes))


def frames(api: str, acts: list[Any], **options: Any) -> list[Any]:
    """The JSON of each event of an answer, in order; a marker that is no JSON stands as its text."""
    lines = body_of(written(api, acts, **options)).decode().splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith(("data: ", "{"))]
    return [json.loads(line) if line.startswith("{") else line for line in data]


def decoded(api: str, acts: list[Any]) -> tuple[list[Event], Any]:
    """What our decoder makes of an answer, and the decoder itself."""
    decoder: Any = load_api(api).Decoder()
    return decode(decoder, [body_of(written(api, acts))]), decoder
