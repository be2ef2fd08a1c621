"""Decodes Ollama's own API: a stream of JSON lines.

Owns the answer; `request` owns what is sent. It must never do I/O, read a clock, or know who runs the tools. Lines
of `/api/generate` (`response` instead of a message) are read too. Sources: https://docs.ollama.com/api/chat, the
`ollama` package's types, and the recordings.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from headwater.events import TextDelta
from headwater.events.messages import (
    FinishReason,
    Usage,
)
from headwater.providers.decoder import Decoder as BaseDecoder
from headwater.providers.decoder import Place
from headwater.providers.failures import in_band_error
from headwater.providers.framing.jsonlines import JSONLinesDecoder
from headwater.providers.ollama.request import API
from headwater.providers.request import Quirks
from headwater.providers.value_limit import refuse_large

__all__ = ("Decoder",)


# --- the wire format


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


class _Words(msgspec.Struct, gc=False):
    """A message of text alone; see `_Text`."""

    content: str
    thinking: Literal[""] | None = None
    tool_calls: None = None


class _Text(msgspec.Struct, gc=False):
    """Nearly every line: text and nothing else that is read. The types say so, which is faster than looking."""

    message: _Words
    done: bool | None = None
    response: None = None
    thinking: None = None
    error: None = None


class _Line(msgspec.Struct, gc=False):
    message: _Message | None = None
    done: bool | None = None
    response: str | None = None
    thinking: str | None = None
    error: Any = None
    model: str | None = None
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    total_duration: int | None = None
    load_duration: int | None = None
    prompt_eval_duration: int | None = None
    eval_duration: int | None = None


_decode_text = msgspec.json.Decoder(_Text).decode
_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(_Line).decode

_FINISH: Final[dict[str, FinishReason]] = {"stop": "stop", "length": "length"}
"""Reasons with a normalized value. "load" and "unload" (a request without messages) have none."""

_REPORT: Final = (
    "prompt_eval_count",
    "eval_count",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
)


class Decoder(BaseDecoder):
    """One response of /api/chat or /api/generate. The line with `done: true` is the end marker."""

    api = API

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._lines = JSONLinesDecoder()

    def _feed(self, data: bytes) -> None:
        # One pass for every token: attribute look-ups and calls are saved here, and only here.
        events, step = self.events, self._step
        lines = self._lines.feed(data)
        if self._lines.large:
            refuse_large(lines)
        for line in lines:
            if self._current_kind == "answer":
                try:
                    token = _decode_text(line)
                except msgspec.DecodeError:
                    pass  # it is read below, like any other
                else:
                    if not token.done and (text := token.message.content):
                        events.append(TextDelta(step=step, part=self._current_number, text=text))
                        continue
            self._line(self._decoded(line))
            if self.complete:
                return

    def _finish(self) -> None:
        # A last line without a line feed counts only if it ends the answer: some servers omit it there.
        lines = self._lines.finish()
        if self._lines.large:
            refuse_large(lines)
        for line in lines:
            last = self._decoded(line)
            if last.done or last.error:
                self._line(last)

    def _decoded(self, line: bytes) -> _Line:
        try:
            return _decode_line(line)
        except msgspec.DecodeError:
            if (mended := self.halves.repair(line)) is None:
                raise
            return _decode_line(mended)

    def _line(self, line: _Line) -> None:
        message = line.message
        if message is not None:
            self._message(message)
        if line.thinking:
            self.reasoning(line.thinking)
        if line.response:
            self.text(line.response)
        if self._model is None:
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
            if arguments is None:
                arguments = {}
            # Anything but an object is invalid: the call is rejected, never run with its defaults.
            self.end_call(call, arguments if isinstance(arguments, (dict, str)) else _encode(arguments).decode())

    def _done(self, line: _Line) -> None:
        self.complete = self.ended = True
        self.provider_finish_reason = line.done_reason
        reason = _FINISH.get(line.done_reason or "")
        self.finish_reason: FinishReason | None = "tool_calls" if reason == "stop" and self.calls else reason
        raw = {name: value for name in _REPORT if (value := getattr(line, name)) is not None}
        self.report(Usage(input_tokens=line.prompt_eval_count, output_tokens=line.eval_count, raw=raw))
