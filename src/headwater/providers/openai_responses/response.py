"""Decodes responses of OpenAI's Responses API, from OpenAI, Azure, xAI, OpenRouter and local servers.

Owns the frames: the meaning of each type. `output` owns the content of items; `request` encodes requests. It must never
do I/O, nor branch on the server's name: items are found by whatever a frame has, an index, an id, or nothing at all.
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from headwater.events import TextDelta
from headwater.events.messages import FinishReason, Usage
from headwater.events.pieces import Pieces
from headwater.providers.decoder import Place
from headwater.providers.failures import in_band_error, value_or_text
from headwater.providers.framing.sse import SSEDecoder
from headwater.providers.openai_responses.items import Item, dicts, string
from headwater.providers.openai_responses.output import OutputDecoder
from headwater.providers.openai_responses.request import API, JSON, encode
from headwater.providers.openai_responses.vocabulary import (
    CALL_DELTAS,
    CALL_DONE,
    CONTENT_DELTAS,
    CONTENT_DONE,
    IGNORED,
    INCOMPLETE,
    ITEM_OF_CONTENT,
    PART_DONE,
    PART_KINDS,
    TERMINAL,
    TEXT_DELTA,
    UNDECODED,
    Head,
)
from headwater.providers.pricing import provider_cost
from headwater.providers.request import Quirks
from headwater.providers.value_limit import refuse_large

__all__ = ("Decoder", "encode")

_decode_head = msgspec.json.Decoder(Head).decode
_decode_json = msgspec.json.Decoder().decode


class Decoder(OutputDecoder):
    """Decodes a streamed response; see `decoder.Decoder` for the contract.

    `provider_finish_reason` is the response's status; for an incomplete response with the reason, as in
    `incomplete:max_output_tokens`.
    """

    api = API

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._sse = SSEDecoder()
        self._frames = 0
        # The target of the last text delta, since the next one nearly always has the same.
        self._hot_said: Pieces | None = None
        self._hot_part = 0
        self._hot_index: int | None = None
        self._hot_content: int | None = None
        self._hot_id: str | None = None

    # --- frames

    def _feed(self, data: bytes) -> None:
        frames = self._sse.feed(data)
        if self._sse.large:
            refuse_large(payload for _, payload in frames)
        for name, payload in frames:
            try:
                head = _decode_head(payload)
            except msgspec.DecodeError as error:
                self._odd_frame(name, payload, error)
                if self.complete:
                    return
                continue
            if (
                head.type == TEXT_DELTA
                and head.output_index == self._hot_index
                and head.content_index == self._hot_content
                and (self._hot_index is not None or head.item_id == self._hot_id)
                and self._hot_said is not None
                and (delta := head.delta)
            ):
                self._hot_said.append(delta)
                self.events.append(TextDelta(step=self._step, part=self._hot_part, text=delta))
                continue
            self._frame(head.type or name, head, payload)
            if self.complete:
                return
        if self._hot_said is not None:
            self._hot_said.tidy()

    def _finish(self) -> None:
        frames = self._sse.finish()
        if self._sse.large:
            refuse_large(payload for _, payload in frames)
        with suppress(msgspec.DecodeError):  # a truncated last frame
            for name, payload in frames:
                try:
                    head = _decode_head(payload)
                    self._frame(head.type or name, head, payload)
                except msgspec.DecodeError as error:
                    self._odd_frame(name, payload, error)
            frames = []
        self.raise_left(frames, self._sse.stray)
        if self._sse.stray and not self._frames:
            self._read_plain_body()

    def _odd_frame(self, name: str, payload: bytes, error: msgspec.DecodeError) -> None:
        """Handles a frame that the fast decoder refuses: not JSON, or an unexpected field in a rare frame."""
        if payload.strip() in (b"", b"[DONE]"):
            return
        if name == "error":
            raise in_band_error(self.api, value_or_text(payload))
        if not isinstance(error, msgspec.ValidationError):
            if (mended := self.halves.repair(payload)) is None:
                raise error
            payload = mended
            with suppress(msgspec.ValidationError):
                head = _decode_head(payload)
                self._frame(head.type or name, head, payload)
                return
        self._frame(name, Head(), payload)

    def _frame(self, kind: str, head: Head, payload: bytes) -> None:
        self._hot_said = None
        self._frames += 1
        self.lifecycle: int = self.lifecycle + (kind != "keepalive")
        delta = head.delta
        if delta is not None and kind in CONTENT_DELTAS:
            self._content_delta(kind, head, delta)
        elif delta is not None and kind in CALL_DELTAS:
            self._arguments_delta(head, delta)
        elif kind not in IGNORED:
            self._rare(kind, head, _decode_json(payload))

    def _rare(self, kind: str, head: Head, frame: Any) -> None:
        if not isinstance(frame, dict):
            self.warn("unknown_event", f"A frame was not a JSON object: {str(frame)[:100]!r}.")
            return
        kind = string(frame.get("type")) or kind
        if handler := _HANDLERS.get(kind):
            handler(self, kind, head, frame)
        elif kind == "error" or (not kind and frame.get("error")):
            raise in_band_error(self.api, frame)
        elif kind in UNDECODED:
            self.warn("not_decoded", f"{kind} holds content that cannot be represented.")
        elif kind in CONTENT_DELTAS or kind in CALL_DELTAS:
            if frame.get("delta"):
                self.warn("not_decoded", f"A {kind} arrived in an unknown format.")
        elif kind not in IGNORED:
            self.warn("unknown_event", f"The unknown event {kind!r} was ignored.")

    def _read_plain_body(self) -> None:
        """Reads a body that is not a stream: the whole response from a server that does not stream."""
        value = value_or_text(b"\n".join(self._sse.stray))
        if isinstance(value, dict) and value.get("object") == "response":
            self._ended("response.done", Head(), {"response": value})

    # --- text, refusals, reasoning

    def _item_of(self, kind: str, head: Head) -> Item:
        """Returns the item for a content of this type, starting one if none is open."""
        item_type = ITEM_OF_CONTENT[kind]
        return self._items.for_delta(item_type, head) or self._begin({"type": item_type, "id": head.item_id}, head)

    def _content_delta(self, name: str, head: Head, delta: str) -> None:
        kind = CONTENT_DELTAS[name]
        item = self._item_of(kind, head)
        index = head.summary_index if kind == "summary_text" else head.content_index
        content = item.content(kind, index or 0)
        self._say(item, content, delta)
        if kind == "output_text" and content.part is not None:
            self._hot_said = content.said
            self._hot_part = content.part.number
            self._hot_index, self._hot_content, self._hot_id = head.output_index, head.content_index, head.item_id

    def _content_done(self, name: str, head: Head, frame: JSON) -> None:
        kind = CONTENT_DONE[name]
        self._part_known(kind, head, frame)

    def _part_done(self, name: str, head: Head, frame: JSON) -> None:
        part = frame.get("part")
        if isinstance(part, dict) and (kind := string(part.get("type"))) in PART_KINDS:
            self._part_known(kind, head, part)

    def _part_known(self, kind: str, head: Head, part: JSON) -> None:
        item_type = ITEM_OF_CONTENT[kind]
        full = string(part.get("refusal" if kind == "refusal" else "text"))
        item = self._items.for_content(item_type, head, kind, full)
        item = item or self._begin({"type": item_type, "id": head.item_id}, head)
        index = head.summary_index if kind == "summary_text" else head.content_index
        self._content_known(item, kind, index or 0, part)

    def _annotation(self, name: str, head: Head, frame: JSON) -> None:
        item = self._items.for_delta("message", head)
        annotation = frame.get("annotation")
        if item is not None and isinstance(annotation, dict):
            self._annotate(item.content("output_text", head.content_index or 0), annotation)

    # --- calls

    def _arguments_delta(self, head: Head, delta: str) -> None:
        # A call without a name yet waits until its item is done, which has the complete arguments.
        if (call := self._call_for(head)) is not None:
            self.call_delta(call, delta)

    def _arguments_done(self, name: str, head: Head, frame: JSON) -> None:
        if (call := self._call_for(head)) is not None:
            self._complete_arguments(call, frame.get(CALL_DONE[name]))

    # --- items

    def _item_added(self, name: str, head: Head, frame: JSON) -> None:
        fields = frame.get("item")
        if not isinstance(fields, dict):
            return
        known = self._items.for_added(fields, head.output_index)
        if known is None:
            self._begin(fields, head)
        elif not known.done:
            self._items.update(known, fields, head.output_index)

    def _item_done(self, name: str, head: Head, frame: JSON) -> None:
        fields = frame.get("item")
        if not isinstance(fields, dict):
            return
        item = self._items.for_done(fields, head.output_index)
        if item is None:
            if self._items.told(fields, head.output_index):
                return
            item = self._begin(fields, head)
        self._complete_item(item, fields, head.output_index)

    # --- the response

    def _told(self, name: str, head: Head, frame: JSON) -> None:
        response = frame.get("response")
        if isinstance(response, dict):
            self.response_id = string(response.get("id")) or self.response_id
            self.model = string(response.get("model")) or self.model

    def _ended(self, name: str, head: Head, frame: JSON) -> None:
        self._told(name, head, frame)
        response = frame.get("response")
        if not isinstance(response, dict):
            response = {}
        self._settle(dicts(response.get("output")))
        if isinstance(usage := response.get("usage"), dict):
            self.report(_usage(usage))
        status = string(response.get("status"))
        if status not in ("completed", "incomplete", "failed", "cancelled"):
            status = TERMINAL[name]
        self.provider_finish_reason = status
        if status == "failed" or response.get("error"):
            raise in_band_error(self.api, response.get("error") or {"message": "The response failed."})
        self._set_finish_reason(status, response.get("incomplete_details"))
        self.end_parts()
        for call in self.calls:
            self.end_call(call, cut=status != "completed")
        self.complete = self.ended = True

    def _set_finish_reason(self, status: str, details: Any) -> None:
        if status == "cancelled":
            self.finish_reason = "cancelled"
        elif status == "incomplete":
            reason = string(details.get("reason")) if isinstance(details, dict) else ""
            if reason:
                self.provider_finish_reason = f"incomplete:{reason}"
            self.finish_reason: FinishReason | None = INCOMPLETE.get(reason)
            if not reason:
                self.finish_reason = "length"  # it is cut off for an unknown reason
        elif any(call.by == "agent" for call in self.calls):
            self.finish_reason = "tool_calls"
        elif self._items.refused:
            self.finish_reason = "refusal"
        else:
            self.finish_reason = "stop"


_HANDLERS: Final[Mapping[str, Callable[[Decoder, str, Head, JSON], None]]] = {
    "response.created": Decoder._told,
    "response.queued": Decoder._told,
    "response.in_progress": Decoder._told,
    "response.output_item.added": Decoder._item_added,
    "response.output_item.done": Decoder._item_done,
    "response.output_text.annotation.added": Decoder._annotation,
    **dict.fromkeys(CONTENT_DONE, Decoder._content_done),
    **dict.fromkeys(PART_DONE, Decoder._part_done),
    **dict.fromkeys(CALL_DONE, Decoder._arguments_done),
    **dict.fromkeys(TERMINAL, Decoder._ended),
}


def _usage(value: JSON) -> Usage:
    ins, outs = value.get("input_tokens_details"), value.get("output_tokens_details")
    ins = ins if isinstance(ins, dict) else {}
    outs = outs if isinstance(outs, dict) else {}
    return Usage(
        input_tokens=_count(value.get("input_tokens")),
        output_tokens=_count(value.get("output_tokens")),
        cached_input_tokens=_count(ins.get("cached_tokens")),
        cache_write_tokens=_count(ins.get("cache_write_tokens")),
        reasoning_tokens=_count(outs.get("reasoning_tokens")),
        raw=value,
        cost=provider_cost(value),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) else None
