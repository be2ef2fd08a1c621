"""Anthropic's Messages API, streamed. Source: platform.claude.com/docs, Streaming Messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from headwater.backends.offline.script import Call, Say
from headwater.events.messages import FinishReason, Usage
from headwater.testing.wires.base import Block, Trouble, named_event, refuse, to_json

__all__ = ("AnthropicWire",)

_WORDS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "content_filter": "refusal",
    "cancelled": "end_turn",
}

_CODES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


class AnthropicWire:
    """Content blocks, each with a start, deltas and a stop."""

    api: ClassVar[str] = "anthropic"
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None:
        self._model = model
        self._blocks = -1
        self._calls = 0

    def head(self, usage: Usage) -> bytes:
        """See `Wire`."""
        message: dict[str, Any] = {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": usage.input_tokens or 0, "output_tokens": 1},
        }
        return named_event({"type": "message_start", "message": message}) + named_event({"type": "ping"})

    def open(self, block: Block) -> bytes:
        """See `Wire`."""
        refuse(block, self.api)
        self._blocks += 1
        content: dict[str, Any]
        if isinstance(block, Call):
            self._calls += 1
            ident = block.id or f"toolu_{self._calls}"
            content = {"type": "tool_use", "id": ident, "name": block.name, "input": {}}
        elif isinstance(block, Say):
            content = {"type": "text", "text": ""}
        elif block.redacted is not None:
            content = {"type": "redacted_thinking", "data": block.redacted}
        else:
            content = {"type": "thinking", "thinking": "", "signature": ""}
        return named_event({"type": "content_block_start", "index": self._blocks, "content_block": content})

    def piece(self, block: Block, text: str) -> bytes:
        """See `Wire`."""
        if isinstance(block, Call):
            return self._delta({"type": "input_json_delta", "partial_json": text})
        if isinstance(block, Say):
            return self._delta({"type": "text_delta", "text": text})
        return self._delta({"type": "thinking_delta", "thinking": text})

    def close(self, block: Block) -> bytes:
        """See `Wire`."""
        signed = b""
        if not isinstance(block, (Call, Say)) and block.signature is not None:
            signed = self._delta({"type": "signature_delta", "signature": block.signature})
        return signed + named_event({"type": "content_block_stop", "index": self._blocks})

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """See `Wire`."""
        counts: dict[str, Any] = {"input_tokens": usage.input_tokens or 0, "output_tokens": usage.output_tokens or 0}
        if usage.cached_input_tokens is not None:
            counts["input_tokens"] -= usage.cached_input_tokens  # which this API counts separately
            counts["cache_read_input_tokens"] = usage.cached_input_tokens
        delta = {"stop_reason": word or _WORDS.get(reason or ""), "stop_sequence": None}
        return named_event({"type": "message_delta", "delta": delta, "usage": counts}) + named_event(
            {"type": "message_stop"}
        )

    def trouble(self, trouble: Trouble) -> bytes:
        """See `Wire`."""
        return b"event: error\ndata: %s\n\n" % self.refusal(trouble)

    @classmethod
    def refusal(cls, trouble: Trouble) -> bytes:
        """See `Wire`."""
        code = trouble.code or _CODES.get(trouble.status or 0, "api_error")
        return to_json({"type": "error", "error": {"type": code, "message": trouble.message}, "request_id": "req_1"})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return named_event({"type": "content_block_delta", "index": self._blocks, "delta": delta})
