"""Chat Completions as OpenAI, Azure and Groq stream them.

Source: platform.openai.com/docs/api-reference/chat-streaming.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from headwater.backends.offline.script import Call, Say
from headwater.events.messages import FinishReason, Usage
from headwater.testing.wires.base import CREATED, Block, Trouble, data_line, refuse, to_json

__all__ = ("OpenAIChatWire",)

_WORDS: Final[Mapping[str, str]] = {"refusal": "stop", "cancelled": "stop"}

_CODES: Final[Mapping[int, tuple[str, str | None]]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "permission_denied"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    503: ("service_unavailable", "overloaded"),
}


class OpenAIChatWire:
    """Chunks, the finish reason in a separate one, usage if requested, and [DONE]."""

    api: ClassVar[str] = "openai-chat"
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None:
        self._model = model
        options = asked.get("stream_options")
        self._with_usage = isinstance(options, dict) and bool(options.get("include_usage"))
        self._calls = 0

    def head(self, usage: Usage) -> bytes:
        """See `Wire`."""
        return self._delta({"role": "assistant", "content": ""})

    def open(self, block: Block) -> bytes:
        """See `Wire`."""
        refuse(block, self.api)
        if not isinstance(block, Call):
            return b""
        index, self._calls = self._calls, self._calls + 1
        ident = block.id or f"call_{index}"
        function = {"name": block.name, "arguments": ""}
        return self._delta({"tool_calls": [{"index": index, "id": ident, "type": "function", "function": function}]})

    def piece(self, block: Block, text: str) -> bytes:
        """See `Wire`."""
        if isinstance(block, Call):
            return self._delta({"tool_calls": [{"index": self._calls - 1, "function": {"arguments": text}}]})
        if isinstance(block, Say):
            return self._delta({"refusal" if block.refusal else "content": text})
        return self._delta({"reasoning_content": text})

    def close(self, block: Block) -> bytes:
        """See `Wire`."""
        return b""

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """See `Wire`."""
        written = b""
        if reason is not None or word is not None:
            written = self._chunk([self._choice({}, word or _WORDS.get(reason or "", reason))])
        if self._with_usage:
            written += self._chunk([], usage=_counts(usage))
        return written + b"data: [DONE]\n\n"

    def trouble(self, trouble: Trouble) -> bytes:
        """See `Wire`."""
        return data_line(self.refusal(trouble))

    @classmethod
    def refusal(cls, trouble: Trouble) -> bytes:
        """See `Wire`."""
        kind, code = _CODES.get(trouble.status or 0, ("server_error", None))
        error = {"message": trouble.message, "type": kind, "param": None, "code": trouble.code or code}
        return to_json({"error": error})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return self._chunk([self._choice(delta, None)])

    def _choice(self, delta: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return data_line(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": CREATED,
                "model": self._model,
                "choices": choices,
                **more,
            }
        )


def _counts(usage: Usage) -> dict[str, Any]:
    inputs, outputs = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "prompt_tokens": inputs,
        "completion_tokens": outputs,
        "total_tokens": inputs + outputs,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
    }
