"""Parses requests of AG-UI clients: the conversation so far, the client's tools, answers to a run's questions. Pure.

A client sends back every message that it received. Messages of subagents are not part of the conversation: they are
recognized by their ids (HELPER) and left out. A tool call without a result is left out too, because providers reject a
history with one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from headwater.events.messages import AnyPart, File, Image, Message, Text, ToolCall, ToolResult, read_data_url
from headwater.web.problems import Problem

__all__ = ("HELPER", "Asked", "Resumed", "asked_of_client")

HELPER: Final = "helper:"
"""Prefix of the ids of messages that are not part of the answer."""

_ROLES: Final = frozenset({"user", "system", "developer", "assistant", "tool", "reasoning", "activity"})
_MEDIA: Final = frozenset({"image", "audio", "video", "document"})


class Resumed(NamedTuple):
    """The answer to an interrupt. `resolved` is False if the person cancelled it."""

    id: str
    resolved: bool
    payload: Any


class Asked(NamedTuple):
    """A client's request."""

    thread: str
    run: str
    """The client's id of the run."""
    modern: bool
    """Whether the client sends its protocol version, as clients do since 1.0."""
    messages: tuple[dict[str, Any], ...]
    """The client's messages as sent, without the nulls, which must not be sent back."""
    history: tuple[Message, ...]
    task: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]
    resume: tuple[Resumed, ...]


def asked_of_client(body: Mapping[str, Any]) -> Asked:
    """Parses a client's request. Raises Problem."""
    thread, run = (_text(body, name) for name in ("threadId", "runId"))
    given = _list(body, "messages")
    messages = tuple(_held(one) for one in given if isinstance(one, Mapping) and isinstance(one.get("id"), str))
    resume = tuple(_resumed(one, f"resume[{at}]") for at, one in enumerate(_list(body, "resume")))
    said = _conversation(given)
    before = next((at for at in range(len(said), 0, -1) if said[at - 1].role == "assistant"), 0)
    if before == len(said) and not resume:
        told = "The last message is the assistant's, or there is none."
        raise Problem("bad_request", told, hint="Say something.", param="messages")
    history = said[:before]
    if context := _context(_list(body, "context")):
        history = (context, *history)
    tools = tuple(_tool(one, f"tools[{at}]") for at, one in enumerate(_list(body, "tools")))
    modern = isinstance(body.get("protocolVersion"), str)
    return Asked(thread, run, modern, messages, history, said[before:], tools, resume)


def _text(body: Mapping[str, Any], name: str) -> str:
    given = body.get(name)
    if not isinstance(given, str) or not given:
        raise Problem("bad_request", f"{name} is missing.", hint=f'Send "{name}" as a string.', param=name)
    return given


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    given = body.get(name)
    if given is None:
        return []
    if not isinstance(given, list):
        raise Problem("bad_request", f"{name} is not a list.", param=name)
    return given


def _held(message: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a client's message in a form that can be sent back."""
    held: dict[str, Any] = _without_nulls({**message})
    if "toolCalls" in held:
        held["toolCalls"] = _mappings(held["toolCalls"])
    return held


def _mappings(given: Any) -> list[Mapping[str, Any]]:
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _without_nulls(value: Any, name: str = "") -> Any:
    """Leaves out nulls: clients reject a null in an optional field. Metadata is the program's own and is kept."""
    if isinstance(value, dict) and name != "metadata":
        return {key: _without_nulls(inner, key) for key, inner in value.items() if inner is not None}
    if isinstance(value, list) and name != "metadata":
        return [_without_nulls(inner) for inner in value]
    return value


def _resumed(one: Any, param: str) -> Resumed:
    status = one.get("status") if isinstance(one, Mapping) else None
    number = one.get("interruptId") if isinstance(one, Mapping) else None
    if status not in ("resolved", "cancelled") or not isinstance(number, str):
        hint = 'Send {"interruptId": "…", "status": "resolved" or "cancelled", "payload": …}.'
        raise Problem("bad_request", f"{param} is not an answer to an interrupt.", hint=hint, param=param)
    return Resumed(number, status == "resolved", one.get("payload"))


def _context(entries: Sequence[Any]) -> Message | None:
    """Returns the context from the page as a message to the model."""
    told = [
        f"{one['description']}:\n{one['value']}"
        for one in _mappings(entries)
        if isinstance(one.get("description"), str) and isinstance(one.get("value"), str)
    ]
    return Message.system("\n\n".join(told)) if told else None


def _tool(one: Any, param: str) -> dict[str, Any]:
    name = one.get("name") if isinstance(one, Mapping) else None
    parameters = one.get("parameters") if isinstance(one, Mapping) else None
    if not isinstance(name, str) or not name or not isinstance(parameters, (Mapping, type(None))):
        raise Problem("bad_request", f"{param} is not a tool.", hint="A tool needs a name and parameters.", param=param)
    empty: dict[str, Any] = {"type": "object", "properties": {}}
    return {"name": name, "description": str(one.get("description") or ""), "parameters": dict(parameters or empty)}


# --- the conversation


def _conversation(given: Sequence[Any]) -> tuple[Message, ...]:
    results = _results(given)
    messages: list[Message] = []
    for at, one in enumerate(given):
        role = one.get("role") if isinstance(one, Mapping) else None
        if not isinstance(role, str) or role not in _ROLES:
            raise Problem("bad_request", f"messages[{at}] has an unknown role.", param=f"messages[{at}]")
        if role in ("system", "developer"):
            messages.append(Message.system(_joined(one.get("content"))))
        elif role == "user":
            content = _content(one.get("content"))
            if not content:
                raise Problem("bad_request", f"messages[{at}] is empty.", hint="Say something.", param="messages")
            messages.append(Message(role="user", content=content))
        elif role == "assistant" and not str(one.get("id")).startswith(HELPER):
            messages += _said(one, results)
    return tuple(_together(messages))


def _results(given: Sequence[Any]) -> dict[str, ToolResult]:
    """Returns the results of all calls by call id; names are taken from the calls."""
    results: dict[str, ToolResult] = {}
    for one in given:
        if not isinstance(one, Mapping) or one.get("role") != "tool":
            continue
        number, error = one.get("toolCallId"), one.get("error")
        if not isinstance(number, str):
            raise Problem("bad_request", "A tool message has no toolCallId.", param="messages")
        parts = [part for part in _content(one.get("content")) if not (isinstance(part, Text) and not part.text)]
        content: Any = _joined(one.get("content")) if all(isinstance(part, Text) for part in parts) else tuple(parts)
        failed = isinstance(error, str) or _failed(one.get("metadata"))
        results[number] = ToolResult(id=number, name="", content=content or str(error or ""), error=failed)
    return results


def _failed(metadata: Any) -> bool:
    ours = metadata.get("headwater") if isinstance(metadata, Mapping) else None
    return isinstance(ours, Mapping) and ours.get("error") is True


def _said(one: Mapping[str, Any], results: Mapping[str, ToolResult]) -> list[Message]:
    """Converts an assistant message, with the results of its tools."""
    given = (_call(call) for call in _mappings(one.get("toolCalls")))
    calls = [call for call in given if call is not None and call.id in results]
    text = _joined(one.get("content"))
    content: list[AnyPart] = [*([Text(text=text)] if text else []), *calls]
    if not content:
        return []
    said = Message(role="assistant", content=tuple(content))
    if not calls:
        return [said]
    gave = [msgspec.structs.replace(results[call.id], name=call.name) for call in calls]
    return [said, Message.tool(*gave)]


def _call(call: Mapping[str, Any]) -> ToolCall | None:
    inner, number = call.get("function"), call.get("id")
    name = inner.get("name") if isinstance(inner, Mapping) else None
    if not isinstance(number, str) or not isinstance(name, str) or not name:
        return None
    written = inner.get("arguments") if isinstance(inner, Mapping) else None
    return ToolCall(id=number, name=name, arguments=_arguments(written if isinstance(written, str) else ""))


def _arguments(text: str) -> dict[str, Any] | str:
    try:
        read = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return text
    return read if isinstance(read, dict) else text


def _together(messages: Sequence[Message]) -> list[Message]:
    """Merges consecutive assistant messages: clients have one for each part of a step."""
    together: list[Message] = []
    for message in messages:
        if message.role == "assistant" and together and together[-1].role == "assistant":
            together[-1] = Message(role="assistant", content=(*together[-1].content, *message.content))
        else:
            together.append(message)
    return together


# --- message content


def _joined(content: Any) -> str:
    return "".join(part.text for part in _content(content) if isinstance(part, Text))


def _content(content: Any) -> tuple[Any, ...]:
    """Returns the parts of a message. Unsupported ones are left out, as the protocol requires."""
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    return tuple(part for one in _mappings(content) if (part := _part(one)) is not None)


def _part(one: Mapping[str, Any]) -> Text | Image | File | None:
    kind = one.get("type")
    if kind == "text":
        text = one.get("text")
        return Text(text=text) if isinstance(text, str) and text else None
    if kind == "binary":  # of 0.0.x
        source = "data" if one.get("data") else "url" if one.get("url") else "file"
        value = one.get("data") or one.get("url") or one.get("id")
        return _medium(source, value, one.get("mimeType"), one.get("filename"))
    if isinstance(kind, str) and kind in _MEDIA and isinstance(given := one.get("source"), Mapping):
        metadata = one.get("metadata")
        name = metadata.get("filename") if isinstance(metadata, Mapping) else None
        return _medium(given.get("type"), given.get("value"), given.get("mimeType"), name, kind)
    return None


def _medium(source: Any, value: Any, media_type: Any, name: Any, kind: Any = "") -> Image | File | None:
    media = media_type if isinstance(media_type, str) else ""
    named = name if isinstance(name, str) else ""
    picture = kind == "image" or media.startswith("image/")
    if not isinstance(value, str) or not value:
        return None
    if source == "data":
        read = read_data_url(f"data:{media};base64,{value}")
        if read is None:
            return None
        return Image(data=read[0], media_type=media) if picture else File(data=read[0], media_type=media, name=named)
    if source == "url":
        return Image(url=value, media_type=media) if picture else File(url=value, media_type=media, name=named)
    return File(id=value, media_type=media, name=named) if source == "file" else None
