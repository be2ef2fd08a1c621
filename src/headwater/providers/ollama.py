"""Ollama's own API: requests for `/api/chat`, and its stream of JSON lines as events.

Owns Ollama's wire and nothing else: it must never do I/O, read a clock, or know who runs the tools. Lines of
`/api/generate` (`response` in place of a message) are read too. Sources: https://docs.ollama.com/api/chat, the
`ollama` package's types, and the recordings.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from headwater import errors
from headwater.events import TextDelta
from headwater.events.messages import (
    AnyPart,
    File,
    FinishReason,
    Image,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    read_data_url,
)
from headwater.providers import base
from headwater.providers.base import Endpoint, HTTPRequest, Place, Quirks, Request, Settings, in_band_error
from headwater.wire.jsonlines import JSONLinesDecoder

__all__ = ("Decoder", "encode")

API: Final = "ollama-chat"


# --- what comes back


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: Any = None


class _ToolCall(msgspec.Struct, gc=False):
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, gc=False):
    content: str | None = None
    thinking: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Token(msgspec.Struct, gc=False):
    """As much of a line as the common ones need; where it says more, it is decoded again, as a _Line."""

    message: _Message | None = None
    done: bool | None = None
    response: str | None = None
    thinking: str | None = None
    error: Any = None


class _Line(_Token, gc=False):
    model: str | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None


_decode_token = msgspec.json.Decoder(_Token).decode
_decode_line = msgspec.json.Decoder(_Line).decode

_FINISH: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}
"""Words that have a common one. "load" and "unload" (a request without messages) have none."""

_REPORT: Final = (
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)


class Decoder(base.Decoder):
    """One response of /api/chat or /api/generate. The line with `done: true` is the end marker."""

    api = API

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._lines = JSONLinesDecoder()

    def _feed(self, data: bytes) -> None:
        # One pass for every token: attribute look-ups and calls are saved here, and only here.
        events, step = self.events, self._step
        for line in self._lines.feed(data):
            token = _decode_token(line)
            message = token.message
            if (
                message is not None
                and message.content
                and not message.thinking
                and message.tool_calls is None
                and not token.done
                and token.response is None
                and token.thinking is None
                and token.error is None
                and self._current_kind == "answer"
            ):
                events.append(TextDelta(step=step, part=self._current_number, text=message.content))
                continue
            self._line(_decode_line(line))
            if self.complete:
                return

    def _finish(self) -> None:
        # A last line without its line feed counts only where it ends the answer, as servers do that forget it there.
        for line in self._lines.finish():
            last = _decode_line(line)
            if last.done or last.error:
                self._line(last)

    def _line(self, line: _Line) -> None:
        message = line.message
        if message is not None:
            self._message(message)
        if line.thinking:
            self.reasoning(line.thinking)
        if line.response:
            self.text(line.response)
        if self.model is None:
            self.model = line.model
        if line.error:
            raise in_band_error("ollama", {"error": line.error})
        if line.done:
            self._done(line)

    def _message(self, message: _Message) -> None:
        if message.thinking:
            self.reasoning(message.thinking)
        if message.content:
            self.text(message.content)
        for wire in message.tool_calls or ():
            function = wire.function or _Function()
            call = self.start_call(wire.id, function.name or "")
            arguments = function.arguments
            self.end_call(call, arguments if isinstance(arguments, (dict, str)) else {})

    def _done(self, line: _Line) -> None:
        self.complete = self.ended = True
        self.provider_finish_reason = line.done_reason
        reason = _FINISH.get(line.done_reason or "")
        self.finish_reason = "tool_calls" if reason == "stop" and self.calls else reason
        raw = {name: value for name in _REPORT if (value := getattr(line, name)) is not None}
        self.report(Usage(input_tokens=line.prompt_eval_count, output_tokens=line.eval_count, raw=raw))


# --- what is asked

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
    """The request as `/api/chat` takes it, answered as JSON lines.

    `settings.extra` (`keep_alive`, say) is merged in last, objects into objects: `extra={"options": {"num_ctx": 8192}}`
    keeps the other options. `tool_choice="none"` offers no tools, as Ollama has no other word for it.

    Raises: UnsupportedSetting; InvalidRequest for content that Ollama has no place for: files, pictures by address.
    """
    settings = request.settings
    _refuse(settings, endpoint)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": _messages(request.messages, endpoint.api),
        "stream": True,
    }
    if request.tools and settings.tool_choice != "none":
        body["tools"] = [_tool(tool) for tool in request.tools]
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
    return HTTPRequest(url=_url(endpoint), headers=headers, body=msgspec.json.encode(body))


def _url(endpoint: Endpoint) -> str:
    root = endpoint.base_url.rstrip("/")
    url = f"{root}/chat" if root.endswith("/api") else f"{root}/api/chat"
    return f"{url}?{urlencode(endpoint.query)}" if endpoint.query else url


def _refuse(settings: Settings, endpoint: Endpoint) -> None:
    given = settings.given()
    honoured = {"store": False, "parallel_tool_calls": True}  # what Ollama does anyway
    refused = {"verbosity", "service_tier", "user", "store", "parallel_tool_calls"} | endpoint.quirks.unsupported
    if settings.tool_choice not in (None, "auto", "none"):
        refused |= {"tool_choice"}
    for name, value in given.items():
        if name in refused and not (name in honoured and honoured[name] is value):
            raise _unsupported(name, value, f"Leave {name} out, or say it in the API's own words with extra=.")


def _unsupported(name: str, value: object, hint: str) -> errors.UnsupportedSetting:
    return errors.UnsupportedSetting(f"ollama cannot honour {name}={value!r}.", hint=hint)


def _think(reasoning: str | bool | int) -> str | bool:
    if isinstance(reasoning, bool):
        return reasoning
    if reasoning == 0:
        return False
    if isinstance(reasoning, int) or reasoning not in _THINK:
        raise _unsupported("reasoning", reasoning, 'It takes True, False, "low", "medium" and "high".')
    return _THINK[reasoning]


def _merge(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name, value in theirs.items():
        mine = ours.get(name)
        ours[name] = {**mine, **value} if isinstance(mine, dict) and isinstance(value, dict) else value


def _tool(tool: base.ToolSpec) -> dict[str, Any]:
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
    # Ollama's arguments are an object; words that are none go back under one name, rather than be lost.
    arguments = call.arguments if isinstance(call.arguments, dict) else {"input": call.arguments}
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}


def _result(part: AnyPart) -> dict[str, Any]:
    if not isinstance(part, ToolResult):
        raise errors.InvalidRequest(f"A tool's message holds a {type(part).__name__}.", provider="ollama")
    wire: dict[str, Any] = {"role": "tool", "tool_name": part.name, "tool_call_id": part.id}
    wire |= _content((Text(text=part.content),) if isinstance(part.content, str) else part.content)
    if part.error and not wire["content"].lower().startswith("error"):
        wire["content"] = f"Error: {wire['content']}"  # the wire has no other place to say so
    return wire


def _content(parts: Iterable[AnyPart]) -> dict[str, Any]:
    """Text and pictures: each has one field, so that how they alternated is not told."""
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
        raise errors.InvalidRequest(f"Ollama takes text and pictures, no {type(part).__name__}.", provider="ollama")
    data = part.data
    if data is None and part.url is not None and (inline := read_data_url(part.url)) is not None:
        data = inline[0]
    if data is None:
        raise errors.InvalidRequest(
            "Ollama takes a picture as bytes, not as an address.", hint="Load it and pass data=.", provider="ollama"
        )
    return base64.b64encode(data).decode("ascii")
