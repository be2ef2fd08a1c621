"""Messages, arguments and results in the shapes that the conventions define for span attributes.

Source: the JSON schemas `gen-ai-input-messages.json` and `gen-ai-output-messages.json` of the conventions. Pure. A span
attribute cannot hold a structure yet, so each value is a JSON string, as the conventions allow.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import msgspec

from headwater.events.messages import (
    AnyPart,
    File,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Source,
    Text,
    ToolCall,
    ToolResult,
)

__all__ = ("arguments_of", "as_json", "messages_of", "result_of")


def messages_of(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """Returns messages as the value of `gen_ai.input.messages` or `gen_ai.output.messages`."""
    return [
        {"role": message.role, "parts": [_part(part) for part in message.content]}
        | ({"name": message.name} if message.name else {})
        for message in messages
    ]


def arguments_of(arguments: Any) -> Any:
    """Returns the value of `gen_ai.tool.call.arguments`: the text of a custom tool becomes an object."""
    return {"input": arguments} if isinstance(arguments, str) else arguments


def result_of(result: Any) -> Any:
    """Returns the value of `gen_ai.tool.call.result`."""
    return {"output": result} if isinstance(result, str) else {"parts": [_part(part) for part in result]}


def as_json(value: Any) -> str:
    """Returns the value as the JSON string of an attribute."""
    return msgspec.json.encode(value).decode()


def _part(part: AnyPart) -> dict[str, Any]:
    match part:
        case Text():
            return {"type": "text", "content": part.text}
        case Reasoning():
            return {"type": "reasoning", "content": part.text}
        case ToolCall(by="provider"):
            call = {"type": part.name, "arguments": part.arguments}
            return {"type": "server_tool_call", "id": part.id, "name": part.name, "server_tool_call": call}
        case ToolCall():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments}
        case ToolResult():
            return {"type": "tool_call_response", "id": part.id, "response": _response(part)}
        case Image() | File():
            return _media(part)
        case Source():
            return {"type": "source", "kind": part.kind, "url": part.url, "title": part.title}
        case ProviderItem():
            return {"type": "provider_item", "api": part.api}


def _response(result: ToolResult) -> Any:
    return result.content if isinstance(result.content, str) else [_part(part) for part in result.content]


def _media(part: Image | File) -> dict[str, Any]:
    kind = "image" if isinstance(part, Image) else (part.media_type.partition("/")[0] or "document")
    shape: dict[str, Any] = {"modality": kind if kind in ("image", "audio", "video") else "document"}
    if part.media_type:
        shape["mime_type"] = part.media_type
    if part.data is not None:
        return {"type": "blob", **shape, "content": base64.b64encode(part.data).decode()}
    if part.url is not None:
        return {"type": "uri", **shape, "uri": part.url}
    return {"type": "file", **shape, "file_id": part.id if isinstance(part, File) else ""}
