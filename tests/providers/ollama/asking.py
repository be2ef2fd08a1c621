"""Helpers: encoded requests to Ollama, and an answer as the message to send back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from headwater.events import Event, RunStarted, StepStarted
from headwater.events.fold import Fold
from headwater.events.messages import Message
from headwater.providers.ollama import encode
from headwater.providers.request import Endpoint, Request

ENDPOINT = Endpoint(provider="ollama", api="ollama-chat", base_url="http://localhost:11434")


JPEG = b"\xff\xd8\xff"


def as_message(events: Sequence[Event]) -> Message:
    folded = Fold()
    for event in (RunStarted(), StepStarted(step=1), *events):
        folded.add(event)
    return folded.message("ollama-chat", "m")


def request(*messages: Message, **fields: Any) -> Request:
    return Request(model="qwen3", messages=messages, **fields)


def body_of(asked: Request, endpoint: Endpoint = ENDPOINT) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(asked, endpoint).body)
    return body


def messages_of(*messages: Message) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = body_of(request(*messages))["messages"]
    return written
