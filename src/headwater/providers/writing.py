"""Helpers for encoding requests for any API: call ids, arguments as JSON, text that UTF-8 can encode.

Owns the corrections to a conversation on its way out; the conversation itself stays unchanged. It must never know an
API: the format of an id is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from headwater.errors import UnsupportedSetting
from headwater.events.messages import AnyPart, Message, Text, ToolCall, ToolResult
from headwater.providers.request import HTTPRequest, Request, Settings
from headwater.schema.well_formed import all_well_formed, well_formed

__all__ = (
    "INVALID",
    "add_extra",
    "arguments_object",
    "json_object",
    "json_text",
    "posted",
    "refuse_background",
    "with_own_ids",
    "with_words",
)

INVALID: Final = "invalid_json"
"""The key for arguments that are not a JSON object: servers parse arguments, and would refuse the whole history."""

_encode_json = msgspec.json.Encoder().encode


# --- text


def posted(url: str, headers: dict[str, str], body: Mapping[str, Any]) -> HTTPRequest:
    """Returns the request with `body` as JSON. Lone surrogates are sent as U+FFFD (`replaced`)."""
    try:
        return HTTPRequest(url=url, headers=headers, body=_encode_json(body))
    except UnicodeEncodeError:
        return HTTPRequest(url=url, headers=headers, body=_encode_json(all_well_formed(body)), replaced=True)


def json_text(value: Any) -> str:
    """Returns `value` as a JSON string that UTF-8 can encode."""
    return _encode_json(all_well_formed(value)).decode()


# --- calls


def json_object(text: str) -> dict[str, Any] | None:
    """Returns a call's arguments as a JSON object: {} if empty, None if they are not one."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def arguments_object(call: ToolCall, name: str = INVALID) -> dict[str, Any]:
    """Returns a call's arguments as an object; other text is kept under `name`."""
    if not isinstance(call.arguments, str):
        return call.arguments
    value = None if call.custom else json_object(call.arguments)
    return {name: call.arguments} if value is None else value


def with_own_ids(messages: Iterable[Message], shape: Callable[[str], str] = str) -> tuple[Message, ...]:
    """Returns `messages` with a unique id for each call, formatted by `shape`, and for its result.

    Servers repeat ids (`call_0` in each step), and two ids may become equal in an API's character set; APIs refuse
    both. The same conversation gets the same ids each time, also after it has grown.
    """
    taken: set[str] = set()
    unanswered: dict[str, list[str]] = {}
    last: dict[str, str] = {}
    written: list[Message] = []
    for message in messages:
        content: list[AnyPart] = []
        called: dict[str, list[str]] = {}
        for part in message.content:
            if isinstance(part, ToolCall) and part.by != "provider":
                ident = _free(well_formed(part.id), shape, taken)
                called.setdefault(part.id, []).append(ident)
                # A duplicate id means a duplicate second id (`item_id`) as well.
                repeated = ident != shape(well_formed(part.id))
                content.append(_under(part, ident, None if repeated else part.item_id))
            elif isinstance(part, ToolResult):
                if waiting := unanswered.get(part.id):
                    last[part.id] = waiting.pop(0)
                ident = last.get(part.id) or shape(well_formed(part.id))
                content.append(part if ident == part.id else msgspec.structs.replace(part, id=ident))
            else:
                content.append(part)
        unanswered.update(called)
        same = all(one is other for one, other in zip(content, message.content, strict=True))
        written.append(message if same else msgspec.structs.replace(message, content=tuple(content)))
    return tuple(written)


def _free(ident: str, shape: Callable[[str], str], taken: set[str]) -> str:
    written, number = shape(ident) or "call", 2
    while written in taken:
        written, number = shape(f"{ident}_{number}"), number + 1
    taken.add(written)
    return written


def _under(call: ToolCall, ident: str, item_id: str | None) -> ToolCall:
    if (call.id, call.item_id) == (ident, item_id):
        return call
    return msgspec.structs.replace(call, id=ident, item_id=item_id)


# --- output formats


def with_words(request: Request) -> Request:
    """Returns `request` with the output format in the instructions or tools, if its mode requires that."""
    output, messages = request.output, request.messages
    if output is not None and output.tool:
        return msgspec.structs.replace(request, output=None)  # the tool has the schema already
    if output is None or not output.in_words:
        return request
    said = f"Answer only with JSON that fits this JSON Schema, without any other text:\n{json_text(output.schema)}"
    if messages and messages[0].role == "system":
        first = msgspec.structs.replace(messages[0], content=(*messages[0].content, Text(text=f"\n\n{said}")))
        messages = (first, *messages[1:])
    else:
        messages = (Message.system(said), *messages)
    return msgspec.structs.replace(request, messages=messages, output=None)


# --- the provider's own fields


def add_extra(body: dict[str, Any], extra: Mapping[str, Any] | None) -> None:
    """Adds the provider's own fields to `body` unchanged; its tools come after headwater's."""
    for name, value in (extra or {}).items():
        tools = name == "tools" and isinstance(value, (list, tuple))
        body[name] = [*body.get(name, ()), *value] if tools else value


def refuse_background(settings: Settings, provider: str) -> None:
    """Raises UnsupportedSetting if the answer is to be computed in the background, for an API that cannot."""
    if settings.background:
        raise UnsupportedSetting(
            f"{provider} does not compute answers in the background.",
            hint="background=True is for OpenAI's Responses API: leave it out, or use a model such as openai/gpt-5.4.",
        )
