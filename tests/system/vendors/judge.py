"""A program: says of request bodies whether the vendors' own packages have types for them.

Owns which type is whose. Runs where the vendors' packages are, and imports nothing of this project. On each line of its
input stands `{"vendor": …, "body": …}`, on each line of its output a string: what does not fit, "" where all does.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.support.vendor_types import misfit

TYPES: Mapping[str, tuple[str, str]] = {
    "openai-chat": ("openai.types.chat.completion_create_params", "CompletionCreateParamsStreaming"),
    "openai-responses": ("openai.types.responses.response_create_params", "ResponseCreateParamsStreaming"),
    "anthropic": ("anthropic.types.message_create_params", "MessageCreateParamsStreaming"),
    "anthropic-beta": ("anthropic.types.beta.message_create_params", "MessageCreateParamsStreaming"),
    "groq": ("groq.types.chat.completion_create_params", "CompletionCreateParams"),
    "mistral": ("mistralai.client.models", "ChatCompletionStreamRequest"),
    "ollama": ("ollama._types", "ChatRequest"),
}

GEMINI: Mapping[str, str] = {
    "contents": "list[Content]",
    "systemInstruction": "Content",
    "tools": "list[Tool]",
    "toolConfig": "ToolConfig",
    "generationConfig": "GenerationConfig",
    "safetySettings": "list[SafetySetting]",
    "cachedContent": "str",
    "serviceTier": "ServiceTier",
    "store": "bool",
}
"""The fields of a request: the package has a type for each, and none for the whole as it is on the wire."""


@cache
def _type(vendor: str) -> Any:
    home, name = TYPES[vendor]
    return getattr(importlib.import_module(home), name)


@cache
def _gemini(name: str) -> Any:
    types = importlib.import_module("google.genai.types")
    return eval(GEMINI[name], vars(types))


def judge(vendor: str, body: dict[str, Any]) -> str:
    """What of a body does not fit the vendor's types; "" where all does."""
    if vendor == "ollama":  # its type for the whole lets a message be any object
        message = importlib.import_module("ollama._types").Message
        faults = (misfit(one, message, ".messages[]") for one in body["messages"])
        return next(filter(None, faults), "") or misfit(body, _type(vendor))
    if vendor == "anthropic":  # what stands in a history may be of a beta that was asked for
        return misfit(body, _type(vendor)) and misfit(body, _type("anthropic-beta"))
    if vendor != "gemini":
        return misfit(body, _type(vendor))
    if "contents" not in body:
        return ".contents is missing"
    unknown = [f".{name} is not known" for name in body if name not in GEMINI]
    wrong = unknown or [misfit(value, _gemini(name), f".{name}") for name, value in body.items()]
    return next((one for one in wrong if one), "")


def main() -> None:
    """Answer each line."""
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(judge(asked["vendor"], asked["body"])), flush=True)


if __name__ == "__main__":
    main()
