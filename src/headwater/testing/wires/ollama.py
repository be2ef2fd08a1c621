"""Ollama's /api/chat, JSON lines. Source: docs.ollama.com/api/chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from headwater.backends.offline.script import Call, Say
from headwater.events.messages import FinishReason, Usage
from headwater.testing.wires.base import Block, Trouble, Unspeakable, refuse, to_json

__all__ = ("OllamaWire",)

_WORDS: Final[Mapping[str, str]] = {"length": "length"}

_CREATED: Final = "2026-01-01T00:00:00Z"


class OllamaWire:
    """One line per piece; a call is one piece; the last line says that it is done."""

    api: ClassVar[str] = "ollama"
    content_type: ClassVar[str] = "application/x-ndjson"

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None:
        self._model = model
        self._arguments: list[str] = []
        self._calls = -1

    def head(self, usage: Usage) -> bytes:
        """See `Wire`."""
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
        said = {"content": text} if isinstance(block, Say) else {"content": "", "thinking": text}
        return self._line({"message": {"role": "assistant", **said}, "done": False})

    def close(self, block: Block) -> bytes:
        """See `Wire`."""
        if not isinstance(block, Call):
            return b""
        written = "".join(self._arguments)
        try:
            arguments = msgspec.json.decode(written or "{}", type=dict[str, Any])
        except msgspec.DecodeError:
            raise Unspeakable(
                f"the arguments {written!r}, which are not an object: this API supports only objects"
            ) from None
        self._calls += 1
        call: dict[str, Any] = {"function": {"index": self._calls, "name": block.name, "arguments": arguments}}
        calls = [{"id": block.id, **call} if block.id else call]
        return self._line({"message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False})

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """See `Wire`."""
        why = word or (_WORDS.get(reason, "stop") if reason else None)
        return self._line(
            {
                "message": {"role": "assistant", "content": ""},
                **({"done_reason": why} if why else {}),
                "done": True,
                "total_duration": 2_000_000,
                "load_duration": 1_000_000,
                "prompt_eval_count": usage.input_tokens or 0,
                "prompt_eval_duration": 500_000,
                "eval_count": usage.output_tokens or 0,
                "eval_duration": 500_000,
            }
        )

    def trouble(self, trouble: Trouble) -> bytes:
        """See `Wire`."""
        return self.refusal(trouble) + b"\n"

    @classmethod
    def refusal(cls, trouble: Trouble) -> bytes:
        """See `Wire`."""
        return to_json({"error": trouble.message})  # this API has no error codes

    def _line(self, fields: dict[str, Any]) -> bytes:
        return to_json({"model": self._model, "created_at": _CREATED, **fields}) + b"\n"
