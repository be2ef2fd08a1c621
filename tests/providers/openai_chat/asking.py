"""Helpers: encoded requests to servers of the Chat Completions API."""

from __future__ import annotations

import importlib
import importlib.util
import json
from typing import Any

from headwater.events.messages import Message
from headwater.providers.openai_chat import QUIRKS, encode
from headwater.providers.request import Endpoint, Quirks, Request, Secret, Settings, ToolSpec
from tests.support.vendor_types import misfit

TOOL = ToolSpec(name="add", description="Adds.", parameters={"type": "object", "properties": {}}, strict=True)


def endpoint(server: str = "openai", **fields: Any) -> Endpoint:
    given = {"base_url": "https://host/v1", "key": Secret("sk-1"), "quirks": QUIRKS.get(server, Quirks()), **fields}
    return Endpoint(provider=server, api="openai-chat", **given)


def written(
    *messages: Message, server: str = "openai", settings: Settings | None = None, **fields: Any
) -> dict[str, Any]:
    """The body of the request."""
    request = Request(model="m", messages=messages or (Message.user("hi"),), settings=settings or Settings(), **fields)
    body: dict[str, Any] = json.loads(encode(request, endpoint(server)).body)
    if server in ("openai", "azure") and not request.settings.extra and importlib.util.find_spec("openai"):
        # Every body that the tests build for OpenAI is checked against its package's types.
        params = importlib.import_module("openai.types.chat.completion_create_params")
        assert misfit(body, params.CompletionCreateParamsStreaming) == ""
    return body


VALUES: dict[str, Any] = {
    "top_k": 5,
    "store": True,
    "verbosity": "low",
    "service_tier": "flex",
    "seed": 1,
    "user": "u",
    "tool_choice": "required",
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
}
