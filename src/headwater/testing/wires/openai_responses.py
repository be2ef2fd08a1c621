"""OpenAI's Responses API, streamed. Source: platform.openai.com/docs/api-reference/responses-streaming."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from headwater.backends.offline.script import Call, Say
from headwater.events.messages import FinishReason, Usage
from headwater.testing.wires.base import CREATED, Block, Trouble, Unspeakable, named_event, refuse
from headwater.testing.wires.openai_chat import OpenAIChatWire

__all__ = ("OpenAIResponsesWire",)

_INCOMPLETE: Final[Mapping[str, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}

_CODES: Final[Mapping[int, str]] = {429: "rate_limit_exceeded", 503: "overloaded"}


class OpenAIResponsesWire:
    """Output items, each added, filled by deltas and done, and the whole response again at the end."""

    api: ClassVar[str] = "openai-responses"
    content_type: ClassVar[str] = "text/event-stream; charset=utf-8"

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None:
        self._model = model
        self._number = -1
        self._output: list[dict[str, Any]] = []
        """The finished items."""
        self._item: dict[str, Any] = {}
        self._written: list[str] = []

    def head(self, usage: Usage) -> bytes:
        """See `Wire`."""
        response = self._response("in_progress")
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def open(self, block: Block) -> bytes:
        """See `Wire`."""
        refuse(block, self.api)
        self._written = []
        number = len(self._output)
        if isinstance(block, Call):
            ident = block.id or f"call_{number}"
            call = {"call_id": ident, "name": block.name, "status": "in_progress"}
            if block.custom:
                self._item = {"id": f"ctc_{number}", "type": "custom_tool_call", "input": "", **call}
            else:
                self._item = {"id": f"fc_{number}", "type": "function_call", "arguments": "", **call}
            return self._added()
        if isinstance(block, Say):
            self._item = {"id": f"msg_{number}", "type": "message", "status": "in_progress", "content": []}
            self._item["role"] = "assistant"
            part = {"type": "refusal", "refusal": ""} if block.refusal else _text_part("")
            return self._added() + self._part_event("response.content_part.added", part)
        if block.redacted is not None:
            raise Unspeakable("redacted reasoning, which this API does not have; give it a signature")
        self._item = {"id": f"rs_{number}", "type": "reasoning", "summary": []}
        if block.kind == "full":
            self._item["content"] = []
            return self._added()
        return self._added() + self._event(
            "response.reasoning_summary_part.added", **self._place(), summary_index=0, part=_summary_part("")
        )

    def piece(self, block: Block, text: str) -> bytes:
        """See `Wire`."""
        self._written.append(text)
        if isinstance(block, Call):
            kind = "response.custom_tool_call_input.delta" if block.custom else "response.function_call_arguments.delta"
            return self._event(kind, **self._place(), delta=text)
        if isinstance(block, Say):
            kind = "response.refusal.delta" if block.refusal else "response.output_text.delta"
            logprobs: dict[str, Any] = {} if block.refusal else {"logprobs": []}
            return self._event(kind, **self._place(), content_index=0, delta=text, **logprobs)
        if block.kind == "full":
            return self._event("response.reasoning_text.delta", **self._place(), content_index=0, delta=text)
        return self._event("response.reasoning_summary_text.delta", **self._place(), summary_index=0, delta=text)

    def close(self, block: Block) -> bytes:
        """See `Wire`."""
        whole = "".join(self._written)
        if isinstance(block, Call):
            written = self._close_call(block, whole)
        elif isinstance(block, Say):
            written = self._close_text(block, whole)
        else:
            written = self._close_reasoning(block.kind, whole)
            if block.signature is not None:
                self._item["encrypted_content"] = block.signature
        if "status" in self._item:
            self._item["status"] = "completed"
        written += self._event("response.output_item.done", output_index=len(self._output), item=self._item)
        self._output.append(self._item)
        return written

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """See `Wire`."""
        why = _INCOMPLETE.get(reason or "")
        status = "cancelled" if reason == "cancelled" else "incomplete" if why else "completed"
        inputs, outputs = usage.input_tokens or 0, usage.output_tokens or 0
        counts = {
            "input_tokens": inputs,
            "input_tokens_details": {"cached_tokens": usage.cached_input_tokens or 0},
            "output_tokens": outputs,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
            "total_tokens": inputs + outputs,
        }
        details = {"reason": word or why} if why else None
        response = self._response(status, output=self._output, usage=counts, incomplete_details=details)
        return self._event(f"response.{status}", response=response)

    def trouble(self, trouble: Trouble) -> bytes:
        """See `Wire`."""
        code = trouble.code or _CODES.get(trouble.status or 0, "server_error")
        error = {"type": code, "code": code, "message": trouble.message, "param": None}
        failed = self._response("failed", error={"code": code, "message": trouble.message})
        return self._event("error", error=error) + self._event("response.failed", response=failed)

    @classmethod
    def refusal(cls, trouble: Trouble) -> bytes:
        """See `Wire`."""
        return OpenAIChatWire.refusal(trouble)

    def _close_call(self, block: Call, whole: str) -> bytes:
        field = "input" if block.custom else "arguments"
        kind = "response.custom_tool_call_input.done" if block.custom else "response.function_call_arguments.done"
        self._item[field] = whole
        return self._event(kind, **self._place(), **{field: whole})

    def _close_text(self, block: Say, whole: str) -> bytes:
        part = {"type": "refusal", "refusal": whole} if block.refusal else _text_part(whole)
        self._item["content"] = [part]
        if block.refusal:
            written = self._event("response.refusal.done", **self._place(), content_index=0, refusal=whole)
        else:
            written = self._event(
                "response.output_text.done", **self._place(), content_index=0, text=whole, logprobs=[]
            )
        return written + self._part_event("response.content_part.done", part)

    def _close_reasoning(self, kind: str, whole: str) -> bytes:
        if kind == "full":
            self._item["content"] = [{"type": "reasoning_text", "text": whole}]
            return self._event("response.reasoning_text.done", **self._place(), content_index=0, text=whole)
        part = _summary_part(whole)
        self._item["summary"] = [part] if whole else []
        return self._event(
            "response.reasoning_summary_text.done", **self._place(), summary_index=0, text=whole
        ) + self._event("response.reasoning_summary_part.done", **self._place(), summary_index=0, part=part)

    def _added(self) -> bytes:
        return self._event("response.output_item.added", output_index=len(self._output), item=self._item)

    def _part_event(self, kind: str, part: dict[str, Any]) -> bytes:
        return self._event(kind, **self._place(), content_index=0, part=part)

    def _place(self) -> dict[str, Any]:
        return {"item_id": self._item["id"], "output_index": len(self._output)}

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return named_event({"type": kind, "sequence_number": self._number, **fields})

    def _response(self, status: str, **fields: Any) -> dict[str, Any]:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": self._model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": None,
            **fields,
        }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _summary_part(text: str) -> dict[str, Any]:
    return {"type": "summary_text", "text": text}
