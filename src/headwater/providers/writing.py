"""What is the same however a request is written: an id for each call, arguments as JSON, text that UTF-8 can hold.

Owns what is put right in a conversation on its way out; the conversation itself stays as it is. It must never know an
API: what an id may look like is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from headwater.events.messages import AnyPart, Message, Text, ToolCall, ToolResult
from headwater.providers.request import HTTPRequest, Request
from headwater.schema import all_well_formed, well_formed

__all__ = (
    "INVALID",
    "add_extra",
    "arguments_object",
    "json_object",
    "json_text",
    "posted",
    "with_own_ids",
    "with_words",
)

INVALID: Final = "invalid_json"
"""Under which name arguments that are no JSON object go back: servers parse them, and refuse the whole history."""

_encode_json = msgspec.json.Encoder().encode


# --- text


def posted(url: str, headers: dict[str, str], body: Mapping[str, Any]) -> HTTPRequest:
    """The request with `body` as its JSON. Half a surrogate pair, which no JSON holds, goes as U+FFFD (`replaced`)."""
    try:
        return HTTPRequest(url=url, headers=headers, body=_encode_json(body))
    except UnicodeEncodeError:
        return HTTPRequest(url=url, headers=headers, body=_encode_json(all_well_formed(body)), replaced=True)


def json_text(value: Any) -> str:
    """`value` as JSON in a string, with text that UTF-8 can hold."""
    return _encode_json(all_well_formed(value)).decode()


# --- calls


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a call's arguments are: {} where nothing was written, None where they are none."""
    if not text.strip():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def arguments_object(call: ToolCall, name: str = INVALID) -> dict[str, Any]:
    """A call's arguments as an object; words that are none go back under `name`, rather than be lost."""
    if not isinstance(call.arguments, str):
        return call.arguments
    value = None if call.custom else json_object(call.arguments)
    return {name: call.arguments} if value is None else value


def with_own_ids(messages: Iterable[Message], shape: Callable[[str], str] = str) -> tuple[Message, ...]:
    """`messages` with an id of its own for each call, as `shape` writes it, and its results under the same.

    Servers repeat ids (`call_0` in each step), and two ids may come to the same in an API's characters; APIs refuse
    both. The same conversation gets the same ids each time, also when it has grown.
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
                # What goes by an id twice has its server's second id twice as well.
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


# --- the shape of the answer


def with_words(request: Request) -> Request:
    """`request` with the shape of its answer among the instructions or its tools, if it is to be asked for there."""
    output, messages = request.output, request.messages
    if output is not None and output.tool:
        return msgspec.structs.replace(request, output=None)  # its schema is that tool's
    if output is None or not output.in_words:
        return request
    said = f"Answer with JSON alone, nothing around it, that fits this JSON Schema:\n{json_text(output.schema)}"
    if messages and messages[0].role == "system":
        first = msgspec.structs.replace(messages[0], content=(*messages[0].content, Text(text=f"\n\n{said}")))
        messages = (first, *messages[1:])
    else:
        messages = (Message.system(said), *messages)
    return msgspec.structs.replace(request, messages=messages, output=None)


# --- the provider's own fields


def add_extra(body: dict[str, Any], extra: Mapping[str, Any] | None) -> None:
    """Put the provider's own fields into `body` as they are; its tools stand behind ours."""
    for name, value in (extra or {}).items():
        tools = name == "tools" and isinstance(value, (list, tuple))
        body[name] = [*body.get(name, ()), *value] if tools else value
