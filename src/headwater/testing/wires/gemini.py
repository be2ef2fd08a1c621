"""The Gemini API's streamGenerateContent with alt=sse. Source: ai.google.dev/api/generate-content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headwater.backends.offline.script import Call, Say
from headwater.events.messages import FinishReason, Usage
from headwater.testing.wires.base import Block, Trouble, Unspeakable, data_line, refuse, to_json

__all__ = ("GeminiWire",)

_WORDS: Final[Mapping[str, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refusal": "SAFETY",
    "cancelled": "OTHER",
}

_STATES: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_NUMBERS: Final[Mapping[str, int]] = {
    **{word: number for number, word in _STATES.items()},
    # Other APIs' words, so that one script works for all.
    "overloaded_error": 503,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
}


class GeminiWire:
    """Whole responses, each with a part of the answer; a call is one piece."""

    api: ClassVar[str] = "gemini"
    content_type: ClassVar[str] = "text/event-stream"

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None:
        self._model = model
        self._arguments: list[str] = []
        self._usage = Usage()

    def head(self, usage: Usage) -> bytes:
        """See `Wire`."""
        self._usage = usage
        return b""

    def open(self, block: Block) -> bytes:
        """See `Wire`."""
        refuse(block, self.api)
        self._arguments = []
        return b""

    def piece(self, block: Block, text: str) -> bytes:
        """See `Wire`."""
        if isinstance(block, Call):
            self._arguments.append(text)
            return b""
        return self._part({"text": text} if isinstance(block, Say) else {"text": text, "thought": True})

    def close(self, block: Block) -> bytes:
        """See `Wire`."""
        signature = {"thoughtSignature": block.signature} if block.signature is not None else {}
        if not isinstance(block, Call):
            return self._part({"text": "", **signature}) if signature else b""
        written = "".join(self._arguments)
        try:
            arguments = msgspec.json.decode(written or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            raise Unspeakable(
                f"the arguments {written!r}, which are not an object: this API supports only objects"
            ) from None
        call: dict[str, Any] = {"name": block.name, "args": arguments}
        return self._part({"functionCall": {"id": block.id, **call} if block.id else call, **signature})

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """See `Wire`."""
        candidate: dict[str, Any] = {"content": {"parts": [{"text": ""}], "role": "model"}, "index": 0}
        if word or reason:
            candidate["finishReason"] = word or _WORDS[reason or "stop"]
        return self._response(candidate, usage)

    def trouble(self, trouble: Trouble) -> bytes:
        """See `Wire`."""
        return data_line(self.refusal(trouble))

    @classmethod
    def refusal(cls, trouble: Trouble) -> bytes:
        """See `Wire`."""
        number = trouble.status or _NUMBERS.get(trouble.code or "", 500)
        state = _STATES.get(number, "UNKNOWN") if trouble.code in (None, *_NUMBERS) else trouble.code
        return to_json({"error": {"code": number, "message": trouble.message, "status": state}})

    def _part(self, part: dict[str, Any]) -> bytes:
        return self._response({"content": {"parts": [part], "role": "model"}, "index": 0}, self._usage)

    def _response(self, candidate: dict[str, Any], usage: Usage) -> bytes:
        thoughts = usage.reasoning_tokens or 0
        counts = {
            "promptTokenCount": usage.input_tokens or 0,
            "candidatesTokenCount": (usage.output_tokens or 0) - thoughts,
            "thoughtsTokenCount": thoughts,
            "cachedContentTokenCount": usage.cached_input_tokens or 0,
            "totalTokenCount": (usage.input_tokens or 0) + (usage.output_tokens or 0),
        }
        return data_line(
            {
                "candidates": [candidate],
                "usageMetadata": {name: count for name, count in counts.items() if count},
                "modelVersion": self._model,
                "responseId": "resp-1",
            }
        )
