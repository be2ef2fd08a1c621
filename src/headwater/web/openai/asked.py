"""Parses requests of OpenAI clients, Chat Completions and Responses: messages and the client's own tools.

For an agent, unknown fields and sampling settings are ignored, as in every server of these APIs. Unsupported features
(several choices, log probabilities, formats, audio) are rejected with the name of the field, because the client expects
them. The gateway parses the other fields of requests to a `bare` model. Pure.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from headwater.events.messages import File, Image, Message, Text, ToolCall, ToolResult, read_data_url
from headwater.web.problems import Problem

__all__ = ("Approved", "Asked", "asked_of_chat", "asked_of_responses")


class Approved(NamedTuple):
    """A person's answer to an approval request."""

    request: str
    """The id of the request's item."""
    allowed: bool
    note: str


class Asked(NamedTuple):
    """A request in either API."""

    model: str
    history: tuple[Message, ...]
    task: tuple[Message, ...]
    tools: tuple[dict[str, Any], ...]
    stream: bool
    usage: bool = False
    """Whether to send the usage in a separate last chunk."""
    background: bool = False
    previous: str | None = None
    """The id of the previous response, which this one continues."""
    options: Mapping[str, Any] = {}
    """Further options of a bare model: keyword arguments of its `stream`."""
    told: Mapping[str, Any] = {}
    """Fields of the request that the response repeats."""
    approvers: frozenset[str] = frozenset()
    """The agents whose calls the client can approve: those that it declares as MCP servers."""
    approved: tuple[Approved, ...] = ()
    """The answers at the end of the input: they resume a run, and there is no new input."""


_CANNOT: Final[Mapping[str, Any]] = {"n": (1,), "logprobs": (False,), "top_logprobs": (0,)}
"""Fields that are accepted only with values that have no effect."""


def _refused(param: str, message: str, hint: str = "") -> Problem:
    return Problem("bad_request", message, hint=hint, param=param)


def _common(body: Mapping[str, Any]) -> tuple[str, bool]:
    """Returns the model and whether to stream. Raises Problem for unsupported fields."""
    for name, fine in _CANNOT.items():
        if (given := body.get(name)) is not None and given not in fine:
            raise _refused(name, f"{name} is not supported.", "Leave it out.")
    if body.get("modalities") not in (None, [], ["text"]) or body.get("audio") is not None:
        raise _refused("modalities", "Only text answers are supported.", "Leave out modalities and audio.")
    model, stream = body.get("model"), body.get("stream")
    if not isinstance(model, str) or not model:
        raise _refused("model", "There is no model.", "Name an agent.")
    if stream not in (None, True, False):
        raise _refused("stream", "stream must be true or false.")
    return model, bool(stream)


def _check_format(param: str, given: Any, *, bare: bool) -> None:
    if bare:
        return
    kind = given.get("type") if isinstance(given, Mapping) else None
    if given is not None and kind != "text":
        raise _refused(param, "The agent determines the format of its answer.", f"Leave out {param}.")


def _tool(name: Any, description: Any, parameters: Any, param: str) -> dict[str, Any]:
    if not isinstance(name, str) or not name or not isinstance(parameters, (Mapping, type(None))):
        raise _refused(param, "A function needs a name and parameters.")
    empty: dict[str, Any] = {"type": "object", "properties": {}}
    return {"name": name, "description": str(description or ""), "parameters": dict(parameters or empty)}


def _parted(said: Sequence[Message], param: str, *, bare: bool) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """Splits messages into the history and the new ones, which follow the last assistant message.

    A bare model may be given the start of its own answer.
    """
    if bare and said:
        return tuple(said[:-1]), tuple(said[-1:])
    before = next((at for at in range(len(said), 0, -1) if said[at - 1].role == "assistant"), 0)
    if before == len(said):
        raise _refused(param, "The last message is the assistant's, or there is none.", "Say something.")
    return tuple(said[:before]), tuple(said[before:])


def _listed(body: Mapping[str, Any], name: str) -> Sequence[Any]:
    given = body.get(name)
    if given is None:
        return ()
    if not isinstance(given, list):
        raise _refused(name, f"{name} must be a list.")
    return given


# --- Chat Completions


def asked_of_chat(body: Mapping[str, Any], *, bare: bool = False) -> Asked:
    """Parses a request for a chat completion. Raises Problem."""
    model, stream = _common(body)
    _check_format("response_format", body.get("response_format"), bare=bare)
    said = [_chat_message(one, f"messages[{at}]") for at, one in enumerate(_listed(body, "messages"))]
    tools = [
        _function(one, f"tools[{at}]")
        for at, one in enumerate(_listed(body, "tools"))
        if isinstance(one, Mapping) and one.get("type") == "function"
    ]
    options = body.get("stream_options")
    usage = bool(options.get("include_usage")) if isinstance(options, Mapping) else False
    history, task = _parted(_together(said), "messages", bare=bare)
    offered = () if body.get("tool_choice") == "none" else tuple(tools)
    return Asked(model, history, task, offered, stream, usage)


def _function(one: Mapping[str, Any], param: str) -> dict[str, Any]:
    inner = one.get("function")
    told = inner if isinstance(inner, Mapping) else {}
    return _tool(told.get("name"), told.get("description"), told.get("parameters"), param)


def _chat_message(one: Any, param: str) -> Message:
    role = one.get("role") if isinstance(one, Mapping) else None
    if role in ("system", "developer"):
        return Message.system(
            "".join(part.text for part in _parts(one.get("content"), param) if isinstance(part, Text))
        )
    if role == "user":
        return Message(role="user", content=_parts(one.get("content"), param), name=_text(one.get("name")))
    if role == "assistant":
        calls = [_call(call, param) for call in one.get("tool_calls") or ()]
        return Message(role="assistant", content=(*_parts(one.get("content"), param, optional=True), *calls))
    if role in ("tool", "function"):
        text = _joined(_parts(one.get("content"), param, optional=True))
        number = _text(one.get("tool_call_id")) or _text(one.get("name"))
        return Message.tool(ToolResult(id=number, name=_text(one.get("name")), content=text))
    raise _refused(param, f"{param} has an unknown role.", "Use system, user, assistant or tool.")


def _call(call: Any, param: str) -> ToolCall:
    inner = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(inner, Mapping) or not isinstance(call.get("id"), str) or not isinstance(inner.get("name"), str):
        raise _refused(param, f"{param} has an invalid tool call.")
    return ToolCall(id=call["id"], name=inner["name"], arguments=_arguments(inner.get("arguments")), by="client")


def _arguments(given: Any) -> dict[str, Any] | str:
    text = given if isinstance(given, str) else "{}"
    try:
        read = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        return text
    return read if isinstance(read, dict) else text


def _joined(parts: Sequence[Any]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


def _text(given: Any) -> str:
    return given if isinstance(given, str) else ""


def _parts(content: Any, param: str, *, optional: bool = False) -> tuple[Any, ...]:
    """Parses the content of a message in either API: a string, or typed parts."""
    if isinstance(content, str):
        return (Text(text=content),) if content else ()
    if content is None and optional:
        return ()
    if not isinstance(content, list):
        raise _refused(param, f"{param} has no content.", "Content must be a string or a list of parts.")
    return tuple(part for one in content if (part := _part(one, param)) is not None)


def _part(one: Any, param: str) -> Any:
    kind = one.get("type") if isinstance(one, Mapping) else None
    match kind:
        case "text" | "input_text" | "output_text":
            return Text(text=_text(one.get("text")))
        case "refusal":
            return Text(text=_text(one.get("refusal")), refusal=True)
        case "image_url" | "input_image":
            inner = one.get("image_url")
            told = inner if isinstance(inner, Mapping) else {"url": inner, "detail": one.get("detail")}
            return _image(told, param)
        case "input_audio":
            return _sound(one.get("input_audio"), param)
        case "file" | "input_file":
            inner = one.get("file")
            return _file(inner if isinstance(inner, Mapping) else one, param)
    raise _refused(param, f"{param} has a part of an unsupported type: {kind!r}.")


def _image(told: Mapping[str, Any], param: str) -> Image:
    url, detail = told.get("url"), told.get("detail")
    detail = detail if detail in ("low", "high", "auto") else None
    if not isinstance(url, str) or not url:
        raise _refused(param, f"{param} has an image without a URL.")
    if (read := read_data_url(url)) is not None:
        return Image(data=read[0], media_type=read[1], detail=detail)
    return Image(url=url, detail=detail)


def _sound(given: Any, param: str) -> File:
    try:
        data = base64.b64decode(given["data"], validate=True)
        return File(data=data, media_type=f"audio/{given['format']}")
    except (TypeError, KeyError, ValueError):
        raise _refused(param, f"{param} has audio without its data.", "Send its data in base64, and format.") from None


def _file(one: Mapping[str, Any], param: str) -> File:
    name = _text(one.get("filename"))
    if isinstance(data := one.get("file_data"), str) and (read := read_data_url(data)) is not None:
        return File(data=read[0], media_type=read[1], name=name)
    if isinstance(url := one.get("file_url"), str):
        return File(url=url, name=name)
    raise _refused(param, f"{param} has a file without its data.", "Send file_data as a data: URL, or file_url.")


def _together(said: Sequence[Message]) -> list[Message]:
    """Merges consecutive tool results into one message, each with the name of its tool."""
    messages: list[Message] = []
    names = {call.id: call.name for message in said for call in message.tool_calls}
    for given in said:
        message = given
        if message.role == "tool":
            results = [part for part in message.content if isinstance(part, ToolResult)]
            message = Message.tool(
                *(ToolResult(id=one.id, name=one.name or names.get(one.id, ""), content=one.content) for one in results)
            )
        if message.role == "tool" and messages and messages[-1].role == "tool":
            messages[-1] = Message(role="tool", content=(*messages[-1].content, *message.content))
        else:
            messages.append(message)
    return messages


# --- Responses


def asked_of_responses(body: Mapping[str, Any], *, bare: bool = False) -> Asked:
    """Parses a request for a response. Raises Problem."""
    model, stream = _common(body)
    text = body.get("text")
    _check_format("text", text.get("format") if isinstance(text, Mapping) else None, bare=bare)
    given = body.get("input")
    approvers = frozenset(
        one["server_label"]
        for one in _listed(body, "tools")
        if isinstance(one, Mapping)
        and one.get("type") == "mcp"
        and isinstance(one.get("server_label"), str)
        and one.get("require_approval") != "never"
    )
    approved = () if isinstance(given, str) else _approved(_listed(body, "input"))
    if approved:
        background = body.get("background") is True
        return Asked(model, (), (), (), stream, background=background, approvers=approvers, approved=approved)
    if isinstance(given, str):
        said = [Message.user(given)] if given else []
    else:
        said = [one for at, item in enumerate(_listed(body, "input")) for one in _item(item, f"input[{at}]")]
    tools = [
        _tool(one.get("name"), one.get("description"), one.get("parameters"), f"tools[{at}]")
        for at, one in enumerate(_listed(body, "tools"))
        if isinstance(one, Mapping) and one.get("type") == "function"
    ]
    previous = body.get("previous_response_id")
    if previous is not None and not isinstance(previous, str):
        raise _refused("previous_response_id", "previous_response_id must be a response's id.")
    history, task = _parted(_calls_together(_together(said)), "input", bare=bare)
    if isinstance(told := body.get("instructions"), str) and told:
        history = (Message.system(told), *history)
    offered = () if body.get("tool_choice") == "none" else tuple(tools)
    return Asked(
        model,
        history,
        task,
        offered,
        stream,
        background=body.get("background") is True,
        previous=previous,
        approvers=approvers,
    )


def _approved(items: Sequence[Any]) -> tuple[Approved, ...]:
    """Returns the answers after the last message; earlier ones belong to a run that has ended."""
    answers: list[Approved] = []
    for at, item in enumerate(items):
        kind = item.get("type") if isinstance(item, Mapping) else None
        if kind == "mcp_approval_response":
            request, allowed, note = item.get("approval_request_id"), item.get("approve"), item.get("reason")
            if not isinstance(request, str) or not isinstance(allowed, bool):
                raise _refused(f"input[{at}]", f"input[{at}] needs approval_request_id and approve.")
            answers.append(Approved(request, allowed, _text(note)))
        elif not isinstance(kind, str) or kind not in _OURS:
            answers.clear()
    return tuple(answers)


_OURS: Final = frozenset({"reasoning", "mcp_call", "mcp_list_tools", "mcp_approval_request", "item_reference"})
"""Items of this server's runs that the client sends back."""


def _item(item: Any, param: str) -> Sequence[Message]:
    if not isinstance(item, Mapping):
        raise _refused(param, f"{param} is not an item.")
    kind = item.get("type") or ("message" if "role" in item else None)
    match kind:
        case "message":
            return (_chat_message({**item, "tool_calls": None}, param),)
        case "function_call":
            call = {"id": item.get("call_id"), "function": item}
            return (Message(role="assistant", content=(_call(call, param),)),)
        case "function_call_output":
            output = item.get("output")
            text = _joined(_parts(output, param)) if isinstance(output, (str, list)) else ""
            return (Message.tool(ToolResult(id=_text(item.get("call_id")), name="", content=text)),)
        case str() if kind in _OURS or kind == "mcp_approval_response":
            return ()
    raise _refused(param, f"{param} has an unsupported type: {kind!r}.")


def _calls_together(said: Sequence[Message]) -> list[Message]:
    """Merges an assistant's text and calls, which are separate items in this API, into one message."""
    messages: list[Message] = []
    for message in said:
        if message.role == "assistant" and messages and messages[-1].role == "assistant":
            messages[-1] = Message(role="assistant", content=(*messages[-1].content, *message.content))
        else:
            messages.append(message)
    return messages
