"""Encodes requests for Ollama's `/api/chat`.

Owns only what Ollama accepts; it must never do I/O or read a clock. Sources: https://docs.ollama.com/api/chat
and the `ollama` package's types.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlencode

from headwater import errors
from headwater.events.messages import (
    AnyPart,
    File,
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    read_data_url,
)
from headwater.providers.request import Endpoint, HTTPRequest, Request, Settings, ToolSpec
from headwater.providers.writing import arguments_object, posted, refuse_background, with_own_ids, with_words

__all__ = (
    "API",
    "encode",
)

API: Final = "ollama-chat"


_OPTIONS: Final = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "max_tokens": "num_predict",
    "stop": "stop",
    "seed": "seed",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
}


_THINK: Final[dict[str, str | bool]] = {"none": False, "low": "low", "medium": "medium", "high": "high"}


def encode(request: Request, endpoint: Endpoint) -> HTTPRequest:
    """Encodes a request for `/api/chat`, answered as JSON lines.

    `settings.extra` (such as `keep_alive`) is merged in last, recursively: `extra={"options": {"num_ctx": 8192}}`
    keeps the other options. `tool_choice="none"` sends no tools, as Ollama has no field for it.

    Raises: UnsupportedSetting; InvalidRequest for content that Ollama cannot represent: files, images by URL.
    """
    request = with_words(request)
    settings = request.settings
    _refuse(settings, endpoint)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _messages(with_own_ids(request.messages), endpoint.api),
        "stream": True,
    }
    if request.tools and settings.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.provider_tools:
        raise errors.UnsupportedSetting(
            "ollama has no provider-side tools.", hint="Pass a function, which runs locally: tools=[search]."
        )
    if request.output is not None:
        body["format"] = request.output.schema
    if settings.reasoning is not None:
        body["think"] = _think(settings.reasoning)
    given = settings.given()
    options = {wire: given[name] for name, wire in _OPTIONS.items() if name in given}
    if options:
        body["options"] = options
    _merge(body, settings.extra or {})
    headers = {"content-type": "application/json", **endpoint.key_headers("authorization"), **endpoint.headers}
    return posted(_url(endpoint), headers, body)


def _url(endpoint: Endpoint) -> str:
    root = endpoint.base_url.rstrip("/")
    url = f"{root}/chat" if root.endswith("/api") else f"{root}/api/chat"
    return f"{url}?{urlencode(endpoint.query)}" if endpoint.query else url


def _refuse(settings: Settings, endpoint: Endpoint) -> None:
    refuse_background(settings, endpoint.provider)
    given = settings.given()
    honored = {"store": False, "parallel_tool_calls": True}  # the default of Ollama
    refused = {"verbosity", "service_tier", "user", "store", "parallel_tool_calls"} | endpoint.quirks.unsupported
    if settings.tool_choice not in (None, "auto", "none"):
        refused |= {"tool_choice"}
    for name, value in given.items():
        if name in refused and not (name in honored and honored[name] is value):
            raise _unsupported(name, value, f"Leave {name} out, or pass the API's own field in extra=.")


def _unsupported(name: str, value: object, hint: str) -> errors.UnsupportedSetting:
    return errors.UnsupportedSetting(f"ollama does not support {name}={value!r}.", hint=hint)


def _think(reasoning: str | bool | int) -> str | bool:
    if isinstance(reasoning, bool):
        return reasoning
    if reasoning == 0:
        return False
    if isinstance(reasoning, int) or reasoning not in _THINK:
        raise _unsupported("reasoning", reasoning, 'It accepts True, False, "low", "medium" and "high".')
    return _THINK[reasoning]


def _merge(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name, value in theirs.items():
        mine = ours.get(name)
        if name == "tools" and isinstance(mine, list) and isinstance(value, (list, tuple)):
            ours[name] = [*mine, *value]
            continue
        ours[name] = {**mine, **value} if isinstance(mine, dict) and isinstance(value, dict) else value


def _tool(tool: ToolSpec) -> dict[str, Any]:
    parameters = tool.parameters or {"type": "object", "properties": {}}
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def _messages(messages: Iterable[Message], api: str) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "assistant":
            written += _assistant(message, own=message.api in (API, api))
        elif message.role == "tool":
            written += [_result(part) for part in message.content]
        else:
            written.append({"role": message.role, **_content(message.content)})
    return written


def _assistant(message: Message, *, own: bool) -> list[dict[str, Any]]:
    content = "".join(part.text for part in message.content if isinstance(part, Text))
    wire: dict[str, Any] = {"role": "assistant", "content": content}
    thinking = "".join(part.text for part in message.content if isinstance(part, Reasoning))
    if thinking and own:
        wire["thinking"] = thinking
    calls = [_call(part) for part in message.content if isinstance(part, ToolCall) and part.by != "provider"]
    if calls:
        wire["tool_calls"] = calls
    images = [_image(part) for part in message.content if isinstance(part, Image)]
    if images:
        wire["images"] = images
    return [wire] if len(wire) > 2 or wire["content"] else []


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments_object(call, "input")}}


def _result(part: AnyPart) -> dict[str, Any]:
    if not isinstance(part, ToolResult):
        raise errors.InvalidRequest(f"A tool message holds a {type(part).__name__}.", provider="ollama")
    wire: dict[str, Any] = {"role": "tool", "tool_name": part.name, "tool_call_id": part.id}
    wire |= _content((Text(text=part.content),) if isinstance(part.content, str) else part.content)
    if part.error and not wire["content"].lower().startswith("error"):
        wire["content"] = f"Error: {wire['content']}"  # the wire has no other field for it
    return wire


def _content(parts: Iterable[AnyPart]) -> dict[str, Any]:
    """Encodes text and images: each has one field, so their order is lost."""
    texts: list[str] = []
    images: list[str] = []
    for part in parts:
        if isinstance(part, Text):
            texts.append(part.text)
        else:
            images.append(_image(part))
    wire: dict[str, Any] = {"content": "\n\n".join(texts)}
    if images:
        wire["images"] = images
    return wire


def _image(part: AnyPart) -> str:
    if not isinstance(part, Image) and not (isinstance(part, File) and part.media_type.startswith("image/")):
        raise errors.InvalidRequest(
            f"Ollama accepts text and images, but not a {type(part).__name__}.", provider="ollama"
        )
    data = part.data
    if data is None and part.url is not None and (inline := read_data_url(part.url)) is not None:
        data = inline[0]
    if data is None:
        raise errors.InvalidRequest(
            "Ollama accepts an image only as bytes, not as a URL.",
            hint="Download it and pass data=.",
            provider="ollama",
        )
    return base64.b64encode(data).decode("ascii")
