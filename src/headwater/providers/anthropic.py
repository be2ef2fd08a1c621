"""Anthropic's Messages API: a request written down, and its server-sent events read.

Owns what is particular to that wire: content blocks, their deltas, thinking and its signatures, provider-side tools,
and which model family takes which setting. It must never open a connection, read a clock, or run a tool.

Sources: platform.claude.com/docs (Streaming Messages, Stop reasons, Thinking, Effort, Structured outputs, Models
overview) and the types of the `anthropic` package, which a test walks.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec

from headwater.errors import InvalidRequest, UnsupportedSetting
from headwater.events import ReasoningDelta, TextDelta
from headwater.messages import (
    AnyPart,
    File,
    FinishReason,
    Image,
    Message,
    ProviderItem,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from headwater.providers import base
from headwater.providers.base import (
    Call,
    Endpoint,
    HTTPRequest,
    OutputSpec,
    Part,
    Place,
    Quirks,
    Request,
    Settings,
    ToolSpec,
)
from headwater.wire.sse import Frame, SSEDecoder

__all__ = ("Decoder", "encode")

API: Final = "anthropic"
VERSION: Final = "2023-06-01"
"""The `anthropic-version` sent where `endpoint.headers` names none: the last one that takes sampling settings."""

# --- what a stream is made of


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Frame(msgspec.Struct, gc=False):
    """As much of a frame as the common deltas need; anything else is decoded again, generically."""

    type: str = ""
    index: int = -1
    delta: _Delta | None = None


_decode_frame = msgspec.json.Decoder(_Frame).decode

IGNORED: Final[Mapping[str, str]] = {
    "ping": "keeps the connection open",
    "vertex_event": "Vertex AI's own keep-alive",
}
"""Events that say nothing, each with what it is for."""

KEPT: Final = frozenset(
    {
        "advisor_tool_result",
        "bash_code_execution_tool_result",
        "code_execution_tool_result",
        "compaction",
        "container_upload",
        "fallback",
        "mcp_tool_listing",
        "mcp_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "web_fetch_tool_result",
        "web_search_tool_result",
    }
)
"""Content blocks kept as provider items: what the provider did on its side, sent back unread at the same place."""

CITATIONS: Final[Mapping[str, Literal["url", "document"]]] = {
    "char_location": "document",
    "content_block_location": "document",
    "page_location": "document",
    "search_result_location": "url",
    "web_search_result_location": "url",
}

_FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
    # The provider paused its own tool loop, or compacted the context: sent on, the conversation continues.
    "pause_turn": "stop",
    "compaction": "stop",
}


class _Block:
    """A content block between its start and its stop. `says` is the delta type that its open part takes."""

    __slots__ = ("begins", "body", "call", "citations", "kind", "number", "part", "says", "signature")

    def __init__(self, kind: str, body: dict[str, Any]) -> None:
        self.kind = kind
        self.body = body
        self.says = ""
        self.part: Part | None = None
        self.number = 0
        self.begins = 0
        self.call: Call | None = None
        self.citations: list[dict[str, Any]] = []
        self.signature: str | None = None


class Decoder(base.Decoder):
    """Decodes a streamed answer of the Messages API.

    Its end marker is `message_stop`; where the input ends without one, a stop reason counts as well. A further answer
    in the same body is not read: the response is whole after the first.
    """

    api = API

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._sse = SSEDecoder()
        self._framed = False
        self._blocks: dict[int, _Block] = {}
        self._counts: dict[str, Any] = {}
        self._length = 0
        """How many characters of text were said so far: what spans of citations are counted in."""
        self._unsure: Call | None = None
        """A call whose arguments are empty or no JSON, held back until it is known whether it was cut."""
        self._stopped = False
        self._container = ""

    def _feed(self, data: bytes) -> None:
        self._read(self._sse.feed(data))

    def _read(self, frames: Iterable[Frame]) -> None:
        # One pass for every token: attribute look-ups and calls are saved here, and only here.
        blocks, append, step = self._blocks, self.events.append, self._step
        for name, data in frames:
            try:
                frame = _decode_frame(data)
            except msgspec.DecodeError:
                self._rare(name, data)
            else:
                delta = frame.delta
                if (
                    delta is not None
                    and frame.type == "content_block_delta"
                    and (block := blocks.get(frame.index)) is not None
                    and delta.type == block.says
                ):
                    if delta.type == "text_delta":
                        if text := delta.text:
                            self._length += len(text)
                            append(TextDelta(step=step, part=block.number, text=text))
                    elif delta.type == "thinking_delta":
                        if text := delta.thinking:
                            append(ReasoningDelta(step=step, part=block.number, text=text))
                    elif block.call is not None:
                        self.call_delta(block.call, delta.partial_json)
                else:
                    self._rare(name, data)
            if self.complete:
                return

    def _rare(self, name: str, data: bytes) -> None:
        """Any frame but a delta of a block that is already speaking."""
        self._framed = True
        text = data.strip()
        if text in (b"", b"[DONE]"):
            return
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            if name != "error":
                raise
            value = text.decode("utf-8", "replace")
        if name == "error":
            raise self._reported(value)
        if not isinstance(value, dict):
            self.warn("unknown_event", "The provider sent an event that is no JSON object; it was passed over.")
            return
        kind = _text(value.get("type")) or name
        if (handler := _EVENTS.get(kind)) is not None:
            handler(self, value)
        elif value.get("error"):
            raise self._reported(value)
        elif kind not in IGNORED:
            self.warn("unknown_event", f"The provider sent an event of the unknown type {kind[:80]!r}.")

    def _finish(self) -> None:
        with suppress(msgspec.DecodeError):  # a last frame cut in its middle; whether anything is missing is told below
            self._read(self._sse.finish())
        if not self.complete and self._sse.stray:
            self._read_stray(self._sse.stray)
        if not self.complete and self._stopped:
            self._message_stop({})

    def _read_stray(self, lines: Sequence[bytes]) -> None:
        """What stood outside any event: a server's bare `error:` line, or a body that is no stream but plain JSON."""
        for line in lines:
            if line.startswith(b"error:"):
                raise self._reported(_json_or_text(line.removeprefix(b"error:").strip()))
        value = _json_or_text(b"\n".join(lines)) if not self._framed else None
        if not isinstance(value, dict):
            return
        if value.get("error"):
            raise self._reported(value)
        if value.get("type") == "message":
            content = value.get("content")
            self._message_start({"message": {**value, "content": None}})
            for index, block in enumerate(content if isinstance(content, list) else ()):
                self._block_start({"index": index, "content_block": block})
                self._block_stop({"index": index})
            self._message_delta({"delta": value})
            self._message_stop({})

    def _reported(self, value: Any) -> Exception:
        error = base.in_band_error(self.api, value)
        if isinstance(value, dict):
            error.request_id = _text(value.get("request_id")) or None
        return error

    # --- events

    def _message_start(self, value: dict[str, Any]) -> None:
        message = _dict(value.get("message"))
        self.model = _text(message.get("model")) or self.model
        self.response_id = _text(message.get("id")) or self.response_id
        if message.get("content"):
            self.warn("content_in_start", "The provider sent content in message_start; only content blocks are read.")
        self._stop_reason(message)
        self._count(message.get("usage"))

    def _block_start(self, value: dict[str, Any]) -> None:
        index, body = _index(value), value.get("content_block")
        if (open_block := self._blocks.pop(index, None)) is not None:
            self._end_block(open_block)
        self._settle(cut=False)  # the model went on, so what came before is whole
        if not isinstance(body, dict):
            self.warn("unknown_block", "The provider sent a content block that is no object; it was passed over.")
            return
        for other in self._blocks.values():
            if other.kind == "thinking" and not other.says:
                self._begin_part(other, "thinking_delta")  # overlapping blocks keep the order in which they were begun
        block = self._blocks[index] = _Block(_text(body.get("type")), body)
        if (begin := _BLOCKS.get(block.kind)) is not None:
            begin(self, block)
        elif block.kind not in KEPT:
            self.warn("unknown_block", f"The provider sent a content block of the unknown type {block.kind[:80]!r}.")

    def _block_delta(self, value: dict[str, Any]) -> None:
        index, delta = _index(value), _dict(value.get("delta"))
        kind = _text(delta.get("type"))
        handler = _DELTAS.get(kind)
        if handler is None:
            self.warn("unknown_delta", f"The provider sent a delta of the unknown type {kind[:80]!r}.")
            return
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block("", {})  # some servers leave out the start, or go on after the stop
        handler(self, block, delta)

    def _block_stop(self, value: dict[str, Any]) -> None:
        if (block := self._blocks.pop(_index(value), None)) is not None:
            self._end_block(block)

    def _message_delta(self, value: dict[str, Any]) -> None:
        delta = _dict(value.get("delta"))
        self._stop_reason(delta)
        self._stopped = self._stopped or bool(_text(delta.get("stop_reason")))
        container = _text(_dict(delta.get("container")).get("id"))
        if container and container != self._container:
            self._container = container
            self.item({"type": "container", "id": container})
        self._count(value.get("usage"))
        if self._stopped:
            self._settle(cut=self.finish_reason == "length")

    def _message_stop(self, value: dict[str, Any]) -> None:
        for block in self._blocks.values():
            self._end_block(block)
        self._blocks.clear()
        self._settle(cut=self.finish_reason == "length")
        self.complete = True

    def _error(self, value: dict[str, Any]) -> None:
        raise self._reported(value)

    # --- blocks

    def _begin_text(self, block: _Block) -> None:
        citations = block.body.get("citations")
        if isinstance(citations, list):
            block.citations.extend(citation for citation in citations if isinstance(citation, dict))
        self._say(block, "text_delta", _text(block.body.get("text")))

    def _begin_thinking(self, block: _Block) -> None:
        block.signature = _text(block.body.get("signature")) or None
        self._say(block, "thinking_delta", _text(block.body.get("thinking")))

    def _begin_redacted(self, block: _Block) -> None:
        self._begin_part(block, "redacted")
        if block.part is not None:
            block.part.redacted = _text(block.body.get("data"))

    def _begin_call(self, block: _Block) -> None:
        self._make_current(None)  # a part of an overlapping block stays open
        by: Literal["agent", "provider"] = "agent" if block.kind == "tool_use" else "provider"
        block.call = self.start_call(_text(block.body.get("id")), _text(block.body.get("name")), by)
        block.call.signature = _extras(block.body, _CALL_TYPES[by])
        block.says = "input_json_delta"

    def _begin_part(self, block: _Block, says: str) -> None:
        if block.part is not None:
            self.close_part(block.part)
        block.part = self.open_part("answer" if says == "text_delta" else "full")
        self._make_current(None)  # blocks may overlap: each holds its own part
        block.number, block.says, block.begins = block.part.number, says, self._length

    def _say(self, block: _Block, says: str, text: str) -> None:
        if text:
            if block.says != says or block.part is None:
                self._begin_part(block, says)
            if says == "text_delta":
                self._length += len(text)
            assert block.part is not None
            self.part_delta(block.part, text)

    def _end_block(self, block: _Block) -> None:
        if block.call is not None:
            self._end_arguments(block.call, block.body.get("input"))
        if block.part is None and block.signature:
            self._begin_part(block, "thinking_delta")  # thinking that is not shown still has to be sent back
        if block.part is not None:
            if block.part.kind == "full":
                block.part.signature = block.signature
            elif block.citations:
                block.part.signature = _json({"citations": block.citations})
            self.close_part(block.part)
        elif block.kind and block.kind not in _BLOCKS:
            self.item(block.body)
            if block.kind == "fallback":
                self.model = _text(_dict(block.body.get("to")).get("model")) or self.model
        for citation in block.citations:
            self._cite(citation, (block.begins, self._length) if block.part is not None else None)

    def _end_arguments(self, call: Call, given: Any) -> None:
        if not call.args and isinstance(given, dict) and given:
            self.end_call(call, given)
            return
        arguments = base.parse_arguments("".join(call.args)) if call.args else None
        if arguments is not None:
            self.end_call(call, arguments)
        else:
            self._settle(cut=False)
            self._unsure = call

    def _settle(self, *, cut: bool) -> None:
        call, self._unsure = self._unsure, None
        if call is not None:
            self.end_call(call, cut=cut)

    def _cite(self, citation: dict[str, Any], span: tuple[int, int] | None) -> None:
        kind: Literal["url", "document"] | None = CITATIONS.get(_text(citation.get("type")))
        if kind is None:
            self.warn("unknown_citation", f"A citation of the unknown type {citation.get('type')!r:.80}.")
        url = _text(citation.get("url")) or _text(citation.get("source"))
        self.source(
            kind="url" if url and kind != "document" else "document",
            url=url,
            title=_text(citation.get("title")) or _text(citation.get("document_title")),
            quote=_text(citation.get("cited_text")),
            span=span,
        )

    # --- deltas

    def _text_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        self._say(block, "text_delta", _text(delta.get("text")))

    def _thinking_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        self._say(block, "thinking_delta", _text(delta.get("thinking")))

    def _signature_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        block.signature = _text(delta.get("signature"))

    def _json_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        text = _text(delta.get("partial_json"))
        if block.call is not None:
            self.call_delta(block.call, text)
        elif text:
            self.warn("stray_arguments", "The provider sent arguments that belong to no tool call.")

    def _citation_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        if isinstance(citation := delta.get("citation"), dict):
            block.citations.append(citation)

    def _compaction_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        block.body = {**block.body, **delta, "type": "compaction"}
        block.kind = "compaction"

    # --- how it ended, and what it cost

    def _stop_reason(self, said: dict[str, Any]) -> None:
        word = _text(said.get("stop_reason"))
        if not word:
            return
        self.provider_finish_reason = word
        reason = _FINISH.get(word)
        if reason == "stop" or reason == "tool_calls":
            # Whatever word was used: where calls wait for their results, it stopped for them.
            reason = "tool_calls" if any(call.by != "provider" for call in self.calls) else "stop"
        self.finish_reason = reason
        if reason is None:
            self.warn("unknown_finish_reason", f"The provider stopped for the unknown reason {word[:80]!r}.")
        elif word == "pause_turn":
            self.warn("paused", "The provider paused its own tools.", "Send the conversation back to let it go on.")
        elif word == "refusal":
            details = _dict(said.get("stop_details"))
            why = _text(details.get("explanation")) or _text(details.get("category"))
            self.warn("refusal", why or "The provider stopped the answer for its policies.")

    def _count(self, usage: Any) -> None:
        """Counts are cumulative; those that a later report leaves out keep what an earlier one said."""
        if not isinstance(usage, dict):
            return
        counts = self._counts = {**self._counts, **{k: v for k, v in usage.items() if v is not None}}
        inputs = [_number(counts.get(f"{kind}input_tokens")) for kind in ("", "cache_read_", "cache_creation_")]
        known = [count for count in inputs if count is not None]
        self.report(
            Usage(
                input_tokens=sum(known) if known else None,
                output_tokens=_number(counts.get("output_tokens")),
                cached_input_tokens=inputs[1],
                cache_write_tokens=inputs[2],
                reasoning_tokens=_number(_dict(counts.get("output_tokens_details")).get("thinking_tokens")),
                raw=counts,
            )
        )


_EVENTS: Final[Mapping[str, Callable[[Decoder, dict[str, Any]], None]]] = {
    "message_start": Decoder._message_start,
    "content_block_start": Decoder._block_start,
    "content_block_delta": Decoder._block_delta,
    "content_block_stop": Decoder._block_stop,
    "message_delta": Decoder._message_delta,
    "message_stop": Decoder._message_stop,
    "error": Decoder._error,
}
_BLOCKS: Final[Mapping[str, Callable[[Decoder, _Block], None]]] = {
    "text": Decoder._begin_text,
    "thinking": Decoder._begin_thinking,
    "redacted_thinking": Decoder._begin_redacted,
    "tool_use": Decoder._begin_call,
    "server_tool_use": Decoder._begin_call,
    "mcp_tool_use": Decoder._begin_call,
}
_DELTAS: Final[Mapping[str, Callable[[Decoder, _Block, dict[str, Any]], None]]] = {
    "text_delta": Decoder._text_delta,
    "thinking_delta": Decoder._thinking_delta,
    "signature_delta": Decoder._signature_delta,
    "input_json_delta": Decoder._json_delta,
    "citations_delta": Decoder._citation_delta,
    "compaction_delta": Decoder._compaction_delta,
}
_CALL_TYPES: Final[Mapping[str, str]] = {"agent": "tool_use", "provider": "server_tool_use"}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _index(value: dict[str, Any]) -> int:
    index = value.get("index")
    return index if isinstance(index, int) else -1


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _json_or_text(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        return data.decode("utf-8", "replace")


def _extras(body: dict[str, Any], usual: str) -> str | None:
    """What a call's block says beyond id, name and input, as the JSON that goes back with it; None where nothing."""
    extras = {name: value for name, value in body.items() if name not in ("id", "name", "input") and value is not None}
    if extras.get("type") == usual:
        del extras["type"]
    if extras.get("caller") == {"type": "direct"}:
        del extras["caller"]
    return _json(extras) if extras else None


# --- what a model family takes


class _Family(msgspec.Struct, frozen=True):
    max_tokens: int
    """The longest answer it can give, in tokens."""
    thinking: Literal["none", "budget", "adaptive"] = "adaptive"
    off: Literal["omit", "disabled", "between_tools", "never"] = "omit"
    """How thinking is turned off: by not asking, by a word, or not at all."""
    budgets: bool = False
    """Whether a token budget is taken beside adaptive thinking."""
    xhigh: str = "xhigh"
    """Its word for the effort above high."""
    native_output: bool = True
    """Whether it takes a JSON Schema for its answer."""


_FAMILIES: Final[tuple[tuple[str, _Family], ...]] = (
    # By prefix, the first that fits. From platform.claude.com/docs: models/overview (longest answer), and in
    # build-with-claude: effort, thinking-troubleshooting (which ways of thinking are refused), structured-outputs.
    ("claude-3-7", _Family(64_000, "budget", native_output=False)),
    ("claude-3-5", _Family(8_192, "none", native_output=False)),
    ("claude-3", _Family(4_096, "none", native_output=False)),
    ("claude-opus-4-5", _Family(64_000, "budget")),
    ("claude-opus-4-6", _Family(128_000, budgets=True, xhigh="max")),
    ("claude-opus-4-7", _Family(128_000)),
    ("claude-opus-4-8", _Family(128_000)),
    ("claude-opus-4", _Family(32_000, "budget", native_output=False)),
    ("claude-sonnet-4-6", _Family(128_000, budgets=True, xhigh="max")),
    ("claude-sonnet-4-5", _Family(64_000, "budget")),
    ("claude-haiku-4-5", _Family(64_000, "budget")),
    ("claude-sonnet-4", _Family(64_000, "budget", native_output=False)),
    ("claude-sonnet-5-5", _Family(128_000, off="between_tools")),
    ("claude-opus-5-5", _Family(128_000, off="never")),
    ("claude-fable", _Family(128_000, off="never")),
    ("claude-mythos", _Family(128_000, off="never")),
    ("claude", _Family(128_000, off="disabled")),
)
_UNKNOWN: Final = _Family(8_192, "budget")
"""Another vendor's model behind this API: room for an answer, and little enough for servers with a short context."""

_BUDGETS: Final[Mapping[str, int]] = {"minimal": 1024, "low": 4096, "medium": 12_288, "high": 24_576, "xhigh": 32_768}
"""Tokens to think with, where a model takes a budget and no effort."""
_LEAST_BUDGET: Final = 1024  # the API refuses less


def _family(model: str) -> _Family:
    """The family of a model's name, whatever stands before it (`anthropic/`, `us.anthropic.`) and however dots go."""
    name = model.lower()
    name = name[max(0, name.find("claude")) :].replace(".", "-").replace("@", "-")
    return next((family for prefix, family in _FAMILIES if name.startswith(prefix)), _UNKNOWN)


# --- writing a request down


def encode(request: Request, endpoint: Endpoint) -> HTTPRequest:
    """The request as the Messages API takes it, streaming.

    In `settings.extra`, `betas` (a list) goes to the `anthropic-beta` header and `tools` are added to ours, so that the
    provider's own tools can stand beside them. Raises UnsupportedSetting, InvalidRequest.
    """
    settings, quirks = request.settings, endpoint.quirks
    _check(settings, endpoint)
    family = _family(request.model)
    max_tokens = settings.max_tokens if settings.max_tokens is not None else family.max_tokens
    conversation = _Conversation(request.messages)
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": max_tokens,
        "messages": conversation.turns,
        "stream": True,
    }
    tools = [_tool(tool, quirks) for tool in request.tools]
    if request.output is not None:
        if family.native_output and quirks.json_schema:
            schema = _narrow(request.output.schema) if request.output.strict else request.output.schema
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        else:
            conversation.system.append(_in_words(request.output))
    if settings.cache and (conversation.system or tools):
        (conversation.system or tools)[-1]["cache_control"] = _EPHEMERAL  # tools stand before the system prompt
    if conversation.system:
        body["system"] = conversation.system
    if tools:
        body["tools"] = tools
    if (choice := _tool_choice(settings, bool(tools))) is not None:
        body["tool_choice"] = choice
    if conversation.container:
        body["container"] = conversation.container
    body.update(_sampling(settings))
    _think(body, settings.reasoning, family, max_tokens)
    betas = [*conversation.betas, *_add_extra(body, settings.extra or {})]
    return HTTPRequest(url=_url(endpoint), headers=_headers(endpoint, betas), body=msgspec.json.encode(body))


_EPHEMERAL: Final = {"type": "ephemeral"}
_UNSUPPORTED: Final = ("seed", "presence_penalty", "frequency_penalty", "verbosity")


def _check(settings: Settings, endpoint: Endpoint) -> None:
    given = settings.given()
    for name in (*_UNSUPPORTED, *sorted(endpoint.quirks.unsupported)):
        if name in given:
            raise UnsupportedSetting(
                f"{endpoint.provider} does not take the setting {name}.", hint=f"Leave {name} out."
            )
    if settings.store:
        raise UnsupportedSetting("The Messages API stores no answers: store=True cannot be honoured.")


def _sampling(settings: Settings) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name in ("temperature", "top_p", "top_k", "service_tier"):
        if (value := getattr(settings, name)) is not None:
            body[name] = value
    if settings.stop is not None:
        body["stop_sequences"] = list(settings.stop)
    if settings.user is not None:
        body["metadata"] = {"user_id": settings.user}
    return body


def _think(body: dict[str, Any], wish: str | bool | int | None, family: _Family, max_tokens: int) -> None:
    if wish is None:
        return
    if wish is False or wish == 0 or wish == "none":
        if family.off == "never":
            raise UnsupportedSetting("This model always reasons.", hint="Ask for a low effort: reasoning='low'.")
        if family.off != "omit":
            body["thinking"] = {"type": family.off}
    elif family.thinking == "none":
        raise UnsupportedSetting("This model does not reason: the setting reasoning cannot be honoured.")
    elif isinstance(wish, int) and wish is not True:
        if family.thinking == "adaptive" and not family.budgets:
            raise UnsupportedSetting("This model takes no token budget to reason with.", hint="Name an effort instead.")
        if not _LEAST_BUDGET <= wish < max_tokens:
            raise UnsupportedSetting(
                f"A reasoning budget is at least {_LEAST_BUDGET} tokens and less than max_tokens ({max_tokens}).",
                hint="Change reasoning or max_tokens.",
            )
        body["thinking"] = {"type": "enabled", "budget_tokens": wish}
    elif family.thinking == "adaptive":
        # Newer models send thinking blocks without their text unless asked for it.
        body["thinking"] = {"type": "adaptive", "display": "summarized"}
        if isinstance(wish, str):
            effort = {"minimal": "low", "xhigh": family.xhigh}.get(wish, wish)
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    else:
        if max_tokens <= _LEAST_BUDGET:
            raise UnsupportedSetting(f"To reason, this model needs max_tokens above {_LEAST_BUDGET}.")
        budget = _BUDGETS[wish if isinstance(wish, str) else "medium"]
        # The budget is part of max_tokens: at least half of them are left for the answer, where there are as many.
        body["thinking"] = {"type": "enabled", "budget_tokens": min(budget, max(_LEAST_BUDGET, max_tokens // 2))}


def _tool(tool: ToolSpec, quirks: Quirks) -> dict[str, Any]:
    strict = bool(tool.strict) and quirks.strict_tools
    parameters = {"type": "object", **tool.parameters}
    written: dict[str, Any] = {"name": tool.name, "input_schema": _narrow(parameters) if strict else parameters}
    if tool.description:
        written["description"] = tool.description
    if strict:
        written["strict"] = True
    return written


def _tool_choice(settings: Settings, any_tools: bool) -> dict[str, Any] | None:
    choice = settings.tool_choice
    single = settings.parallel_tool_calls is False
    if choice in (None, "auto", "none") and not any_tools:
        return None  # nothing to choose from
    if choice is None and not single:
        return None
    named = {None: "auto", "auto": "auto", "none": "none", "required": "any"}.get(choice)
    written: dict[str, Any] = {"type": named} if named else {"type": "tool", "name": choice}
    if single and named != "none":
        written["disable_parallel_tool_use"] = True
    return written


def _add_extra(body: dict[str, Any], extra: Mapping[str, Any]) -> list[str]:
    """Merge the provider's own fields into `body`; give back the betas among them."""
    betas: list[str] = []
    for name, value in extra.items():
        if name == "betas":
            betas.extend(value)
        elif name == "tools" and isinstance(value, (list, tuple)):
            body[name] = [*body.get(name, ()), *value]
        elif isinstance(value, dict) and isinstance(body.get(name), dict):
            body[name] = {**body[name], **value}
        else:
            body[name] = value
    return betas


def _url(endpoint: Endpoint) -> str:
    stem = endpoint.base_url.rstrip("/")
    url = f"{stem}/messages" if stem.endswith("/v1") else f"{stem}/v1/messages"
    return f"{url}?{urlencode(endpoint.query)}" if endpoint.query else url


def _headers(endpoint: Endpoint, betas: Sequence[str]) -> dict[str, str]:
    headers = {"content-type": "application/json", "accept": "text/event-stream", "anthropic-version": VERSION}
    if endpoint.key:
        headers["x-api-key"] = endpoint.key.reveal()
    headers.update((name.lower(), value) for name, value in endpoint.headers.items())
    given = headers.get("anthropic-beta", "").split(",")
    if wanted := dict.fromkeys(beta for beta in (*(name.strip() for name in given), *betas) if beta):
        headers["anthropic-beta"] = ",".join(wanted)
    return headers


# --- messages


class _Conversation:
    """Messages as the API takes them: the system prompt apart, turns that alternate, results first in theirs."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.system: list[dict[str, Any]] = []
        self.turns: list[dict[str, Any]] = []
        self.betas: list[str] = []
        self.container = _container(messages)
        for message in messages:
            blocks = [block for part in message.content if (block := self._block(part, message)) is not None]
            if message.role == "system":
                self.system += blocks
            elif blocks:
                self._add("assistant" if message.role == "assistant" else "user", blocks)
        for turn in self.turns:
            if turn["role"] == "user":
                turn["content"].sort(key=lambda block: block.get("type") != "tool_result")
        if self.turns and self.turns[-1]["role"] == "assistant" and (last := self.turns[-1]["content"][-1]).get("text"):
            last["text"] = last["text"].rstrip()  # the API refuses a prefilled answer that ends in white space

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if self.turns and self.turns[-1]["role"] == role:
            self.turns[-1]["content"] += blocks
        else:
            self.turns.append({"role": role, "content": blocks})

    def _block(self, part: AnyPart, message: Message) -> dict[str, Any] | None:
        ours = message.api == API
        match part:
            case Text():
                return _text_block(part, ours)
            case Reasoning():
                return _thinking_block(part) if ours else None
            case ToolCall():
                return _call_block(part, ours)
            case ProviderItem():
                return part.item if part.api == API and part.item.get("type") != "container" else None
            case ToolResult():
                return self._result_block(part)
            case Image() | File():
                return self._media(part, message)
            case _:
                return None  # a citation goes back with its text

    def _media(self, part: Image | File, message: Message) -> dict[str, Any]:
        if message.role == "assistant":
            # The API takes none in the model's own turn; that there was one must not get lost.
            return {"type": "text", "text": f"[{part.media_type or 'file'}]"}
        if isinstance(part, Image):
            block = {"type": "image", "source": _image_source(part)}
        else:
            if part.id is not None:
                self.betas.append("files-api-2025-04-14")
            block = _document(part)
        return _marked(block, part.cache)

    def _result_block(self, result: ToolResult) -> dict[str, Any]:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": _ident(result.id)}
        if isinstance(result.content, str):
            if result.content.strip():
                block["content"] = result.content
        else:
            inner = Message(role="tool", content=result.content)
            block["content"] = [b for part in result.content if (b := self._block(part, inner)) is not None]
        if result.error:
            block["is_error"] = True
        return _marked(block, result.cache)


def _text_block(part: Text, ours: bool) -> dict[str, Any] | None:
    if not part.text.strip():
        return None  # refused by the API
    return _marked({"type": "text", "text": part.text, **_stored(part.signature, ours)}, part.cache)


def _thinking_block(part: Reasoning) -> dict[str, Any] | None:
    if part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.signature is None:
        return None  # cut before it was signed: the API would not know it for its own
    return {"type": "thinking", "thinking": part.text, "signature": part.signature}


def _call_block(call: ToolCall, ours: bool) -> dict[str, Any] | None:
    if call.by == "provider" and not ours:
        return None  # another provider's own tool: no one here has its result
    arguments = call.arguments if isinstance(call.arguments, dict) else {"invalid_json": call.arguments}
    kind = _CALL_TYPES["provider" if call.by == "provider" else "agent"]
    written = {"type": kind, "id": _ident(call.id), "name": call.name, "input": arguments}
    return {**written, **_stored(call.signature, ours)}


def _stored(signature: str | None, ours: bool) -> dict[str, Any]:
    """The block's further fields that the decoder put into the signature of a text or a call."""
    return _dict(_json_or_text(signature.encode())) if signature and ours else {}


def _marked(block: dict[str, Any], cache: bool) -> dict[str, Any]:
    return {**block, "cache_control": _EPHEMERAL} if cache else block


def _ident(ident: str) -> str:
    """A call id in the characters that the API takes; those of other providers may hold more."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", ident)


def _container(messages: Sequence[Message]) -> str | None:
    """The container of a turn that still waits for its results: the provider's code in it waits for them too."""
    for message in reversed(messages):
        if message.role == "assistant":
            items = [part.item for part in message.content if isinstance(part, ProviderItem) and part.api == API]
            return next((_text(item.get("id")) or None for item in items if item.get("type") == "container"), None)
        if message.role != "tool":
            return None
    return None


def _base64(data: bytes, media_type: str) -> dict[str, Any]:
    return {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode()}


def _image_source(image: Image) -> dict[str, Any]:
    if image.data is not None:
        return _base64(image.data, image.media_type)
    assert image.url is not None
    if image.url.startswith("data:"):
        head, _, data = image.url.removeprefix("data:").partition(",")
        return {"type": "base64", "media_type": head.partition(";")[0], "data": data}
    return {"type": "url", "url": image.url}


def _document(file: File) -> dict[str, Any]:
    picture = file.media_type.startswith("image/")
    if file.id is not None:
        source: dict[str, Any] = {"type": "file", "file_id": file.id}
    elif file.url is not None:
        source = {"type": "url", "url": file.url}
    elif picture or file.media_type == "application/pdf":
        source = _base64(file.data or b"", file.media_type)
    else:
        try:
            source = {"type": "text", "media_type": "text/plain", "data": (file.data or b"").decode()}
        except UnicodeDecodeError:
            raise InvalidRequest(
                f"The Messages API takes pictures, PDF and text, not {file.media_type}.", provider=API
            ) from None
    block: dict[str, Any] = {"type": "image" if picture else "document", "source": source}
    if file.name and not picture:
        block["title"] = file.name
    return block


# --- schemas


def _in_words(output: OutputSpec) -> dict[str, Any]:
    schema = _json(output.schema)
    return {"type": "text", "text": f"Answer with JSON alone, nothing around it, that fits this JSON Schema:\n{schema}"}


_NESTED: Final = ("properties", "$defs", "definitions")
_LISTED: Final = ("anyOf", "oneOf", "allOf")
_TAKEN: Final = frozenset(
    {"type", "description", "title", "enum", "const", "default", "required", "items", "$ref", *_NESTED, *_LISTED}
)
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


def _narrow(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema in the part of JSON Schema that is enforced: objects closed, other bounds moved into the description."""
    narrow: dict[str, Any] = {}
    told: list[str] = []
    for name, value in schema.items():
        if name in _NESTED and isinstance(value, dict):
            narrow[name] = {key: _narrow(inner) if isinstance(inner, dict) else inner for key, inner in value.items()}
        elif name in _LISTED and isinstance(value, list):
            key = "anyOf" if name == "oneOf" else name
            narrow[key] = [_narrow(inner) if isinstance(inner, dict) else inner for inner in value]
        elif name == "items" and isinstance(value, dict):
            narrow[name] = _narrow(value)
        elif name in _TAKEN or (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1)):
            narrow[name] = value
        elif name != "additionalProperties":
            told.append(f"{name}: {_json(value)}")
    if schema.get("type") == "object":
        narrow["additionalProperties"] = False
    if told:
        narrow["description"] = " ".join(filter(None, (schema.get("description"), f"({', '.join(told)})")))
    return narrow
