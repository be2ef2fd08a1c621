"""Parses requests of AI SDK clients: a chat's messages, and people's answers in the last of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from headwater.events.messages import File, Image, Message, Text, ToolCall, ToolResult, read_data_url
from headwater.web.problems import Problem

__all__ = ("Approved", "Chat", "asked_of_chat")


class Approved(NamedTuple):
    """A person's answer to an approval."""

    approval: str
    allowed: bool
    note: str


class Chat(NamedTuple):
    """A chat request."""

    id: str
    history: tuple[Message, ...]
    task: tuple[Message, ...]
    approved: tuple[Approved, ...]
    """Answers in the last message, if it is the assistant's: they resume its run, and there is no new input."""


def asked_of_chat(body: Mapping[str, Any]) -> Chat:
    """Parses a chat request. Raises Problem."""
    number, given = body.get("id"), body.get("messages")
    if not isinstance(number, str) or not number:
        raise Problem("bad_request", "id must be the chat's id.", param="id")
    if not isinstance(given, list) or not given:
        raise Problem("bad_request", "messages must be a list.", param="messages")
    if approved := _approved(given[-1]):
        return Chat(number, (), (), approved)
    said = [message for at, one in enumerate(given) for message in _messages(one, f"messages[{at}]")]
    before = next((at for at in range(len(said), 0, -1) if said[at - 1].role == "assistant"), 0)
    if before == len(said):
        raise Problem("bad_request", "The last message is the assistant's.", hint="Say something.", param="messages")
    return Chat(number, tuple(said[:before]), tuple(said[before:]), ())


def _parts(message: Any) -> Sequence[Mapping[str, Any]]:
    parts = message.get("parts") if isinstance(message, Mapping) else None
    return [one for one in parts if isinstance(one, Mapping)] if isinstance(parts, list) else []


def _is_tool(part: Mapping[str, Any]) -> bool:
    kind = part.get("type")
    return isinstance(kind, str) and (kind.startswith("tool-") or kind == "dynamic-tool")


def _approved(message: Any) -> tuple[Approved, ...]:
    """Returns the answers in a message."""
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return ()
    answers = []
    for part in _parts(message):
        given = part.get("approval")
        if _is_tool(part) and part.get("state") == "approval-responded" and isinstance(given, Mapping):
            note = given.get("reason")
            answers.append(
                Approved(str(given.get("id")), given.get("approved") is True, note if isinstance(note, str) else "")
            )
    return tuple(answers)


def _messages(message: Any, param: str) -> list[Message]:
    role = message.get("role") if isinstance(message, Mapping) else None
    parts = _parts(message)
    if role == "user":
        content = tuple(read for part in parts if (read := _shown(part, param)) is not None)
        if not content:
            raise Problem("bad_request", f"{param} is empty.", hint="Say something.", param=param)
        return [Message(role="user", content=content)]
    if role == "system":
        return [Message.system("".join(str(part.get("text", "")) for part in parts if part.get("type") == "text"))]
    if role == "assistant":
        return _steps(parts)
    raise Problem("bad_request", f"{param} has an unknown role.", param=param)


def _shown(part: Mapping[str, Any], param: str) -> Text | Image | File | None:
    if part.get("type") == "text":
        text = part.get("text")
        return Text(text=text) if isinstance(text, str) and text else None
    if part.get("type") != "file":
        return None
    url, media = part.get("url"), part.get("mediaType")
    if not isinstance(url, str) or not isinstance(media, str):
        raise Problem("bad_request", f"{param} has a file without url and mediaType.", param=param)
    name = part.get("filename")
    read = read_data_url(url)
    if media.startswith("image/"):
        return Image(url=url, media_type=media) if read is None else Image(data=read[0], media_type=media)
    named = name if isinstance(name, str) else ""
    if read is None:
        return File(url=url, media_type=media, name=named)
    return File(data=read[0], media_type=media, name=named)


def _steps(parts: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Splits an assistant message into its original steps, each with its tool results."""
    messages: list[Message] = []
    content: list[Any] = []
    results: list[ToolResult] = []

    def close() -> None:
        if content:
            messages.append(Message(role="assistant", content=tuple(content)))
        if results:
            messages.append(Message.tool(*results))
        content.clear()
        results.clear()

    for part in parts:
        if part.get("type") == "step-start":
            close()
        elif part.get("type") == "text" and isinstance(part.get("text"), str) and part["text"]:
            content.append(Text(text=part["text"]))
        elif _is_tool(part) and (result := _result(part)) is not None:
            content.append(_call(part, result))
            results.append(result)
    close()
    return messages


def _call(part: Mapping[str, Any], result: ToolResult) -> ToolCall:
    given = part.get("input")
    return ToolCall(id=result.id, name=result.name, arguments=dict(given) if isinstance(given, Mapping) else {})


def _result(part: Mapping[str, Any]) -> ToolResult | None:
    """Returns a tool's result; None if there is none, so that its call is left out too."""
    kind = str(part.get("type"))
    name = part.get("toolName") if kind == "dynamic-tool" else kind.removeprefix("tool-")
    number, output = part.get("toolCallId"), part.get("output")
    if not isinstance(number, str) or not isinstance(name, str) or not name:
        return None
    match part.get("state"):
        case "output-available":
            text = output if isinstance(output, str) else msgspec.json.encode(output).decode()
            return ToolResult(id=number, name=name, content=text)
        case "output-error":
            return ToolResult(id=number, name=name, content=str(part.get("errorText", "")), error=True)
        case "output-denied":
            return ToolResult(id=number, name=name, content="It was denied.", error=True)
    return None
