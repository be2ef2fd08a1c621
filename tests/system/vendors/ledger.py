"""What is sent although the vendor's package has no type for it, each with its reason, and whose types a server has.

Owns the list. All that stands here is taken out of a body before it is judged; a field that is not here has to fit.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from headwater.providers.request import Endpoint

__all__ = ("judged", "vendor_of")

OWN_PACKAGES = {"groq", "mistral"}
"""Servers that speak Chat Completions and whose vendors have a package of their own. All others go by OpenAI's."""

SENT: Mapping[str, Mapping[str, str]] = {
    "groq": {"stream_options": "its server takes it, and sends usage for it (recorded)"},
    "anthropic": {
        "temperature": "older models take it, the newest types name it no more",
        "top_p": "older models take it, the newest types name it no more",
        "top_k": "older models take it, the newest types name it no more",
    },
    "ollama": {
        "messages[].tool_call_id": "its server has it, its package not yet",
        "messages[].tool_calls[].id": "its server has it, its package not yet",
        "tools[].function.parameters": "any JSON Schema; its package names a few keywords",
    },
    "openrouter": {
        "input[].format": "a reasoning item's, which it sends and wants back",
        "input[].signature": "a reasoning item's, which it sends and wants back",
    },
    "openai-responses": {"service_tier": "tiers go by each server's own words"},
}

COMPATIBLE: Mapping[str, str] = {
    "top_k": "vllm, llama.cpp, Together, OpenRouter and others",
    "reasoning": "OpenRouter",
    "thinking": "DeepSeek, Moonshot, Z.ai, Xiaomi",
    "enable_thinking": "Alibaba",
    "thinking_budget": "Alibaba",
    "chat_template_kwargs": "vllm, llama.cpp",
    "service_tier": "tiers go by each server's own words",
    "messages[].reasoning": "OpenRouter, Ollama",
    "messages[].reasoning_content": "DeepSeek and whoever thinks as it does",
    "messages[].reasoning_details": "OpenRouter",
    "messages[].tool_calls[].extra_content": "Google's compatible endpoints, and OpenRouter in front of them",
    "messages[].content[].cache_control": "OpenRouter",
    "messages[].content[].input_audio.format": "vllm, llama.cpp and others take more than OpenAI",
}
"""What servers without a package take beyond OpenAI's types, and which ones do."""

OFFICIAL = {"openai", "azure", *OWN_PACKAGES}


def vendor_of(endpoint: Endpoint) -> str:
    """Whose types the bodies for an endpoint have to fit."""
    return endpoint.provider if endpoint.provider in OWN_PACKAGES else endpoint.api


def judged(endpoint: Endpoint, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body less what the list has for this server."""
    rest = copy.deepcopy(dict(body))
    for path in SENT.get(endpoint.api if endpoint.provider == "another" else endpoint.provider, ()):
        _take_out(rest, path.split("."))
    if endpoint.api == "openai-chat" and endpoint.provider not in OFFICIAL:
        for message in rest["messages"]:
            if isinstance(message.get("content"), list):
                message["content"] = [part for part in message["content"] if part.get("type") != "video_url"]
        for part in _at(rest, ["messages[]", "content[]"]):
            if "input_audio" in part:
                part["input_audio"]["format"] = "wav"
        for path in COMPATIBLE:
            if not path.endswith(".format"):
                _take_out(rest, path.split("."))
    return rest


def _take_out(body: dict[str, Any], path: list[str]) -> None:
    for place in _at(body, path[:-1]):
        place.pop(path[-1], None)


def _at(value: Any, path: Iterable[str]) -> list[dict[str, Any]]:
    """The objects at a path; `name[]` is each one of a list."""
    found = [value]
    for step in path:
        name = step.removesuffix("[]")
        inner = [one.get(name) for one in found]
        found = [one for many in inner if isinstance(many, list) for one in many] if step != name else inner
        found = [one for one in found if isinstance(one, dict)]
    return found
