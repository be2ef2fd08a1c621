"""Decodes the server-sent events of Anthropic's Messages API.

Owns the answer: content blocks and their deltas, thinking and its signatures, provider-side tools; `request` encodes
requests. It must never do I/O, read a clock, or run a tool. Sources: platform.claude.com/docs
(Streaming Messages, Stop reasons and fallback), and the types of the `anthropic` package, which a test checks.

How an answer is stored, so that `encode` can write it back block for block:

* a text block: a Text, whose `signature` is JSON with its citations, if it has any;
* a thinking block: a Reasoning with the original signature; a redacted one in `redacted`;
* a call, the agent's or the provider's: a ToolCall, whose `signature` is JSON with the block's additional fields;
* every other block, such as a provider-side tool's result, and the id of the container code ran in: a ProviderItem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, Literal

import msgspec

from headwater.events import ReasoningDelta, TextDelta
from headwater.events.messages import FinishReason, Usage
from headwater.providers.anthropic.request import API, CALL_TYPES, encode
from headwater.providers.decoder import Call, Part, Place, parse_arguments
from headwater.providers.decoder import Decoder as BaseDecoder
from headwater.providers.failures import in_band_error, value_or_text
from headwater.providers.framing.sse import Frame, SSEDecoder
from headwater.providers.request import Quirks
from headwater.providers.value_limit import refuse_large

__all__ = ("Decoder", "encode")

# --- the wire format


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""


class _Frame(msgspec.Struct, gc=False):
    """The fields of a frame that common deltas need; anything else is decoded again, generically."""

    type: str = ""
    index: int = -1
    delta: _Delta | None = None


_decode_frame = msgspec.json.Decoder(_Frame).decode

IGNORED: Final[Mapping[str, str]] = {
    "ping": "keeps the connection open",
    "vertex_event": "Vertex AI's own keep-alive",
}
"""Events without content, each with its purpose."""

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
"""Content blocks kept as provider items: the provider's own actions, sent back unchanged at the same place."""

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
    # The provider paused its own tool loop, or compacted the context: sending the conversation back continues it.
    "pause_turn": "stop",
    "compaction": "stop",
}


class _Block:
    """A content block between its start and its stop. `says` is the delta type of its open part."""

    __slots__ = ("begins", "body", "call", "citations", "kind", "number", "part", "rests", "says", "signature")

    def __init__(self, kind: str, body: dict[str, Any]) -> None:
        self.kind = kind
        self.body = body
        self.says = ""
        self.rests = ""
        """Its content before a stop reason came: if more follows, the answer is reopened."""
        self.part: Part | None = None
        self.number = 0
        self.begins = 0
        self.call: Call | None = None
        self.citations: list[dict[str, Any]] = []
        self.signature: str | None = None


class Decoder(BaseDecoder):
    """Decodes a streamed answer of the Messages API.

    Its end marker is `message_stop`; if the input ends without one, a stop reason counts too. Some gateways send
    another answer in the same body (they call tools on their side): it continues the first one, so `complete` waits for
    the end of input.
    """

    api = API
    more_promised = False

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._sse = SSEDecoder()
        self._framed = False
        self._blocks: dict[int, _Block] = {}
        self._silent: list[tuple[int, _Block]] = []
        """Blocks of thinking without content yet."""
        self._counts: dict[str, Any] = {}
        self._length = 0
        """Number of characters of text so far, for the spans of citations."""
        self._unsure: Call | None = None
        """A call whose arguments are empty or invalid JSON, held back until it is known whether it was cut off."""
        self._stopped = False
        self._container = ""

    def _feed(self, data: bytes) -> None:
        self._read(self._sse.feed(data))

    def _read(self, frames: Sequence[Frame]) -> None:
        # One pass for every token: attribute look-ups and calls are saved here, and only here.
        blocks, append, step = self._blocks, self.events.append, self._step
        if self._sse.large:
            refuse_large(data for _, data in frames)
        for name, data in frames:
            try:
                frame = _decode_frame(data)
            except msgspec.DecodeError:
                self._odd(name, data)
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

    def _odd(self, name: str, data: bytes) -> None:
        """Handles a frame that the fast decoder refuses: not JSON, split inside a character, or of another shape."""
        if name != "error" and data.strip() not in (b"", b"[DONE]"):
            try:
                msgspec.json.decode(data)
            except msgspec.DecodeError:
                if (mended := self.halves.repair(data)) is None:
                    raise
                data = mended
        self._rare(name, data)

    def _rare(self, name: str, data: bytes) -> None:
        """Handles any frame but a delta of an open block."""
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
            raise in_band_error(self.api, value)
        if not isinstance(value, dict):
            self.warn("unknown_event", "The provider sent an event that is not a JSON object; it was ignored.")
            return
        kind = _text(value.get("type")) or name
        self.lifecycle: int = self.lifecycle + (kind != "ping")
        if (handler := _EVENTS.get(kind)) is not None:
            handler(self, value)
        elif value.get("error"):
            raise in_band_error(self.api, value)
        elif kind not in IGNORED:
            self.warn("unknown_event", f"The provider sent an event of the unknown type {kind[:80]!r}.")

    def _finish(self) -> None:
        frames = self._sse.finish()
        with suppress(msgspec.DecodeError):  # a truncated last frame; whether anything is missing is decided below
            self._read(frames)
            frames = []
        self.raise_left(frames, self._sse.stray)
        if not self._framed:
            self._read_plain_body()
        if not self.ended and self._stopped:
            self._message_stop({})
        self.complete: bool = self.ended

    def _read_plain_body(self) -> None:
        """Reads a body that is not an event stream: a whole answer in plain JSON."""
        value = value_or_text(b"\n".join(self._sse.stray))
        if isinstance(value, dict) and value.get("type") == "message":
            content = value.get("content")
            self._message_start({"message": {**value, "content": None}})
            for index, block in enumerate(content if isinstance(content, list) else ()):
                self._block_start({"index": index, "content_block": block})
                self._block_stop({"index": index})
            self._message_delta({"delta": value})
            self._message_stop({})

    # --- events

    def _message_start(self, value: dict[str, Any]) -> None:
        message = _dict(value.get("message"))
        self.ended = self._stopped = False
        self.model = _text(message.get("model")) or self.model
        self.response_id = _text(message.get("id")) or self.response_id
        if message.get("content"):
            self.warn("content_in_start", "The provider sent content in message_start; only content blocks are read.")
        self._stop_reason(message)
        self._count(message.get("usage"))

    def _block_start(self, value: dict[str, Any]) -> None:
        index, body = _index(value), value.get("content_block")
        self._reopen()
        if (open_block := self._blocks.pop(index, None)) is not None:
            self._end_block(open_block)
        self._settle(cut=False)  # the model continued, so what came before is complete
        if not isinstance(body, dict):
            self.warn("unknown_block", "The provider sent a content block that is not an object; it was ignored.")
            return
        for place, other in self._silent:
            if not other.says and self._blocks.get(place) is other:
                self._begin_part(other, "thinking_delta")  # overlapping blocks keep the order in which they started
        self._silent.clear()
        block = self._blocks[index] = _Block(_text(body.get("type")), body)
        if (begin := _BLOCKS.get(block.kind)) is not None:
            begin(self, block)
            if block.kind == "thinking" and not block.says:
                self._silent.append((index, block))
        elif block.kind not in KEPT:
            self.warn("unknown_block", f"The provider sent a content block of the unknown type {block.kind[:80]!r}.")

    def _block_delta(self, value: dict[str, Any]) -> None:
        index, delta = _index(value), _dict(value.get("delta"))
        kind = _text(delta.get("type"))
        handler = _DELTAS.get(kind)
        if handler is None:
            self.warn("unknown_delta", f"The provider sent a delta of the unknown type {kind[:80]!r}.")
            return
        self._reopen()
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block("", {})  # some servers omit the start, or continue after the stop
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
            for block in self._blocks.values():
                block.rests, block.says = block.says or block.rests, ""

    def _reopen(self) -> None:
        """Reopens the answer for more content: the previous stop reason does not end it; the next one does."""
        if self._stopped or self.ended:
            self.ended = self._stopped = False
            self.finish_reason = self.provider_finish_reason = None
            for block in self._blocks.values():
                block.says = block.says or block.rests

    def _message_stop(self, value: dict[str, Any]) -> None:
        for block in self._blocks.values():
            self._end_block(block)
        self._blocks.clear()
        self._settle(cut=self.finish_reason == "length")
        self.ended: bool = True

    def _error(self, value: dict[str, Any]) -> None:
        raise in_band_error(self.api, value)

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
        by: Literal["agent", "provider"] = "agent" if block.kind == "tool_use" else "provider"
        block.call = self.start_call(_text(block.body.get("id")), _text(block.body.get("name")), by)
        block.call.signature = _extras(block.body, CALL_TYPES[by])
        block.says = "input_json_delta"

    def _begin_part(self, block: _Block, says: str) -> None:
        if block.part is not None:
            self.close_part(block.part)
        block.part = self.open_part("answer" if says == "text_delta" else "full")
        self._make_current(None)  # blocks may overlap: each has its own part
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
        if not call.args and given:
            self.end_call(call, given if isinstance(given, (dict, str)) else _json(given))
            return
        arguments = parse_arguments("".join(call.args)) if call.args else None
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
            self.warn("stray_arguments", "The provider sent arguments without a tool call.")

    def _citation_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        if isinstance(citation := delta.get("citation"), dict):
            block.citations.append(citation)

    def _compaction_delta(self, block: _Block, delta: dict[str, Any]) -> None:
        block.body = {**block.body, **delta, "type": "compaction"}
        block.kind = "compaction"

    # --- end and usage

    def _stop_reason(self, said: dict[str, Any]) -> None:
        word = _text(said.get("stop_reason"))
        if not word:
            return
        self.provider_finish_reason = word
        reason = _FINISH.get(word)
        if reason == "stop" or reason == "tool_calls":
            # Whatever the reason says: if calls wait for their results, it stopped for them.
            reason = "tool_calls" if any(call.by != "provider" for call in self.calls) else "stop"
        self.finish_reason: FinishReason | None = reason
        if reason is None:
            self.warn("unknown_finish_reason", f"The provider stopped for the unknown reason {word[:80]!r}.")
        elif word == "pause_turn":
            self.warn("paused", "The provider paused its own tools.", "Send the conversation back to continue.")
        elif word == "refusal":
            details = _dict(said.get("stop_details"))
            why = _text(details.get("explanation")) or _text(details.get("category"))
            self.warn("refusal", why or "The provider stopped the answer because of its policies.")

    def _count(self, usage: Any) -> None:
        """Counts are cumulative; counts missing in a later report keep their earlier value."""
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


def _extras(body: dict[str, Any], usual: str) -> str | None:
    """The fields of a call's block other than id, name and input, as JSON to be sent back; None if there are none."""
    extras = {name: value for name, value in body.items() if name not in ("id", "name", "input") and value is not None}
    if extras.get("type") == usual:
        del extras["type"]
    if extras.get("caller") == {"type": "direct"}:
        del extras["caller"]
    return _json(extras) if extras else None
