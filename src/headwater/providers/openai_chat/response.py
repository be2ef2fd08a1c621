"""Decodes responses of OpenAI's Chat Completions API and compatible servers.

Owns the answer; `request` owns what is sent, and `servers` the differences in what servers accept. Differences in their
answers need no table: every known form is accepted from every server, since no two forms conflict. It must never do
I/O, read a clock, or report an answer as complete that did not end.
https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, ClassVar, Final, Literal, TypeAlias, TypeVar

import msgspec

from headwater.events import TextDelta
from headwater.events.messages import FinishReason, Usage
from headwater.providers.decoder import Call, Place
from headwater.providers.failures import in_band_error, value_or_text
from headwater.providers.framing.sse import Frame, SSEDecoder
from headwater.providers.openai_chat.extras import ExtrasDecoder, text_of
from headwater.providers.openai_chat.request import API, encode
from headwater.providers.pricing import provider_cost
from headwater.providers.request import Quirks
from headwater.providers.value_limit import refuse_large

__all__ = ("Decoder", "encode")

# --- the wire format: only the fields that are read. `error` and mixed lists are decoded later.


class _Wire(msgspec.Struct, gc=False):
    """Part of a chunk."""


_WireT = TypeVar("_WireT", bound=_Wire)


class _Function(_Wire):
    name: str | None = None
    arguments: Any = None


class _ToolCall(_Wire):
    index: int | None = None
    id: str | None = None
    function: _Function | None = None
    extra_content: dict[str, Any] | None = None
    """Gemini's signatures, which must be sent back."""


class _Delta(_Wire):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    refusal: str | None = None
    function_call: _Function | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None
    audio: dict[str, Any] | None = None


class _Choice(_Wire):
    delta: _Delta | None = None
    message: _Delta | None = None
    index: int | None = None
    finish_reason: str | None = None
    error: Any = None


class _Chunk(_Wire):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    x_groq: dict[str, Any] | None = None
    citations: list[Any] | None = None
    search_results: list[Any] | None = None


class _FirstChunk(_Chunk):
    """A chunk before the model is known; later ones are not searched for it."""

    id: str | None = None
    model: str | None = None


class _TokenDelta(_Wire):
    """A delta of text alone; see `_Token`."""

    content: str
    tool_calls: None = None
    reasoning_content: Literal[""] | None = None
    reasoning: Literal[""] | None = None
    reasoning_details: None = None
    refusal: Literal[""] | None = None
    function_call: None = None
    annotations: None = None
    images: None = None
    audio: None = None


class _TokenChoice(_Wire):
    delta: _TokenDelta
    message: None = None
    index: Literal[0] | None = None
    finish_reason: None = None
    error: None = None


class _Token(_Wire):
    """Nearly every chunk: text and nothing else that is read. The types say so, which is faster than looking."""

    choices: tuple[_TokenChoice]
    usage: None = None
    error: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None


MAX_OTHER: Final = 8
"""After so many chunks in a row with more than text, chunks are not read as tokens any more: some servers send the
usage with each, and trying costs more than looking."""

IGNORED: Final = frozenset(
    {
        "object", "created", "system_fingerprint", "service_tier", "obfuscation", "moderation", "provider",
        "logprobs", "native_finish_reason", "content_filter_results", "prompt_filter_results", "role", "type",
    }
)  # fmt: skip
"""Known fields that are not read: they are not part of the answer."""

_decode_chunk = msgspec.json.Decoder(_Chunk).decode
_decode_token = msgspec.json.Decoder(_Token).decode
_decode_after_end = msgspec.json.Decoder(_Chunk).decode
"""The same as a separate function: anything after a finish reason takes the slow path, which detects that."""
_decode_first = msgspec.json.Decoder(_FirstChunk).decode
_decode_any = msgspec.json.Decoder().decode

_NESTED: Final[dict[str, type[_Wire]]] = {
    "choices": _Choice,
    "delta": _Delta,
    "message": _Delta,
    "tool_calls": _ToolCall,
    "function": _Function,
    "function_call": _Function,
}

_LISTS: Final = frozenset({"choices", "tool_calls"})

_STOP: Final[FinishReason] = "stop"
_FINISH: Final[dict[str, FinishReason]] = {
    "stop": _STOP,
    "end_turn": _STOP,
    "stop_sequence": _STOP,
    "eos": _STOP,
    "complete": _STOP,
    "completed": _STOP,
    "tool_calls": _STOP,  # sent with and without calls; whether there are calls decides
    "tool_call": _STOP,
    "tool_use": _STOP,
    "function_call": _STOP,
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
    "refusal": "refusal",
}
_FAILED: Final = frozenset({"error", "network_error", "insufficient_system_resource"})
"""Values of the finish reason which mean that there is none: the server gave up."""


class _Draft:
    """A tool call being assembled from pieces that refer to it by index, by id, or not at all."""

    __slots__ = ("args", "call", "extra", "id", "index", "name")

    def __init__(self, index: int | None, ident: str, name: str) -> None:
        self.index = index
        self.id = ident
        self.name = name
        self.args: list[str] = []
        self.extra: dict[str, Any] | None = None
        self.call: Call | None = None


_Detail: TypeAlias = tuple[dict[str, Any], str | None, list[str]]
"""An item of `reasoning_details` in progress: its fields, which of them holds text, and the pieces of it."""


class Decoder(ExtrasDecoder):
    """Decodes Chat Completions chunks to events.

    `ended` is set at a finish reason or [DONE]; usage may follow, so `complete` waits for [DONE] or the end of input.
    """

    api: ClassVar[str] = API

    _refused = False
    _legacy: _Draft | None = None
    _word_before: str | None = None
    """A finish reason after which the answer continued: it counts if no other follows."""
    _others = 0
    """Chunks in a row that had more than text."""

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._sse = SSEDecoder()
        self._decode: Any = _decode_first
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}
        self._by_id: dict[str, _Draft] = {}
        self._details: list[_Detail] = []
        self._delta_seen = False
        self._frames = 0

    def _feed(self, data: bytes) -> None:
        self._read(self._sse.feed(data))

    def _finish(self) -> None:
        frames = self._sse.finish()
        with suppress(msgspec.DecodeError, UnicodeDecodeError):  # a truncated last chunk
            self._read(frames)
            frames = []
        self.raise_left(frames, self._sse.stray)
        if not self._frames:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                self._read_plain_body()
        if self.ended and not self.complete:
            self._conclude()

    def _read(self, frames: list[Frame]) -> None:
        events, step = self.events, self._step
        self._frames += len(frames)
        if self._sse.large:
            refuse_large(data for _, data in frames)
        for name, data in frames:
            if name == "error":
                raise in_band_error(self.api, value_or_text(data))
            decode = self._decode
            if decode is _decode_chunk and self._current_kind == "answer" and self._others < MAX_OTHER:
                try:
                    text = _decode_token(data).choices[0].delta.content
                except (msgspec.DecodeError, UnicodeDecodeError):
                    self._others += 1
                else:
                    if self._others:
                        self._others = 0
                    if text:
                        events.append(TextDelta(step=step, part=self._current_number, text=text))
                    continue
            try:
                chunk = decode(data)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                data = self.halves.repair(data) or data
                unusual = self._read_unusual(data, error)
                if self.complete:
                    return
                if unusual is not None:
                    self._read_chunk(unusual)
                continue
            choices = chunk.choices
            if choices is None:
                self._refuse_error(data)
            self._read_chunk(chunk)

    # --- anything but a chunk

    def _read_unusual(self, data: bytes, error: Exception) -> _Chunk | None:
        """Handles [DONE], an empty event, or a chunk with a field of an unexpected type."""
        word = data.strip()
        if word == b"[DONE]":
            self._conclude()
            return None
        if not word:
            return None
        try:
            value = _decode_any(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            value = _decode_any(_repaired(data, error))
            self.warn("invalid_json", "The provider sent invalid JSON; it was read as far as possible.")
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = value[0]  # an error in the form of some gateways
        if not isinstance(value, dict):
            self.warn("unreadable_chunk", "The provider sent a chunk that is not a JSON object; it was dropped.")
            return None
        return self._leniently(value, _FirstChunk)

    def _leniently(self, value: dict[str, Any], kind: type[_WireT]) -> _WireT:
        """Returns the readable part of `value`, field by field."""
        return kind(**dict(self._readable(value, kind)))

    def _readable(self, value: dict[str, Any], kind: type[_Wire]) -> Iterator[tuple[str, Any]]:
        for field in msgspec.structs.fields(kind):
            if (item := value.get(field.name)) is None:
                continue
            nested = _NESTED.get(field.name)
            try:
                yield field.name, msgspec.convert(item, field.type, strict=False)
            except msgspec.ValidationError:
                if nested is not None and field.name in _LISTS and isinstance(item, list):
                    yield field.name, [self._leniently(one, nested) for one in item if isinstance(one, dict)]
                elif nested is not None and field.name not in _LISTS and isinstance(item, dict):
                    yield field.name, self._leniently(item, nested)
                else:
                    self.warn(
                        "unreadable_field", f"The provider sent {field.name} in an unknown format; it was dropped."
                    )

    def _refuse_error(self, data: bytes) -> None:
        """Raises the error in a bare error object, as older vLLM and FastChat send it."""
        value = _decode_any(data)
        if value.get("object") == "error":
            raise in_band_error(self.api, value)

    def _read_plain_body(self) -> None:
        """Reads a body that is not an event stream: a whole answer in plain JSON."""
        body = b"\n".join(self._sse.stray).strip()
        if body.startswith((b"{", b"[")):
            self._read([("", body)])

    # --- a chunk

    def _read_chunk(self, chunk: _Chunk) -> None:
        if isinstance(chunk, _FirstChunk):
            self.response_id = self.response_id or chunk.id or None
            self.model = self.model or chunk.model or None
            if chunk.choices and self._decode is _decode_first:
                self._decode = _decode_chunk
        for choice in chunk.choices or ():
            if choice.index:
                self.warn(
                    "other_choices",
                    "The provider sent several answers; the first one is used.",
                    "Leave `n` out, or send several requests.",
                )
            else:
                self._read_choice(choice)
        groq = chunk.x_groq or {}
        if chunk.usage:
            self.report(read_usage(chunk.usage))
        elif self.usage is None and isinstance(usage := groq.get("usage"), dict):
            self.report(read_usage(usage))
        if chunk.search_results or chunk.citations:
            self._found((*(chunk.search_results or ()), *(chunk.citations or ())))
        error = chunk.error or groq.get("error")
        for choice in chunk.choices or ():
            error = error or (choice.error if not choice.index else None)
        if error:
            raise in_band_error(self.api, {"error": error})
        if self.provider_finish_reason in _FAILED:
            word = self.provider_finish_reason
            raise in_band_error(self.api, {"code": word, "message": f"The provider gave up on the answer: {word}."})

    def _read_choice(self, choice: _Choice) -> None:
        delta = choice.delta
        if delta is not None and delta != _EMPTY:
            self._delta_seen = True
            self._read_delta(delta)
        elif choice.message is not None and not self._delta_seen:
            # Some servers send `message` instead of `delta`. With deltas too, it repeats their content.
            self._read_delta(choice.message)
        if choice.finish_reason:
            self.provider_finish_reason = choice.finish_reason
            self.finish_reason = self._common_finish_reason()
            self.ended: bool = True
            if self._decode is _decode_chunk:
                self._decode = _decode_after_end

    def _reopen(self) -> None:
        """Reopens the answer for more content: some servers end each of several calls. The next finish reason or [DONE]
        ends it."""
        self.ended = False
        self._word_before = self.provider_finish_reason
        self.finish_reason = self.provider_finish_reason = None
        if self._decode is _decode_after_end:
            self._decode = _decode_chunk

    def _read_delta(self, delta: _Delta) -> None:
        if self.ended and (
            delta.content
            or delta.tool_calls
            or delta.reasoning_content
            or delta.reasoning
            or delta.refusal
            or delta.function_call is not None
            or delta.images
        ):
            self._reopen()
        reasoning = delta.reasoning_content or delta.reasoning
        if delta.reasoning_details:
            self._read_details(delta.reasoning_details, bool(reasoning))
        if reasoning:
            self.reasoning(reasoning)
        if isinstance(delta.content, str):
            self.text(delta.content)
        elif delta.content:
            self._read_parts(delta.content)
        if delta.refusal:
            self._refused = True
            self.refusal(delta.refusal)
        if delta.function_call is not None:
            self._read_legacy_call(delta.function_call)
        for piece in delta.tool_calls or ():
            self._read_call(piece)
        if delta.annotations:
            self._found(delta.annotations)
        for image in delta.images or ():
            self._read_image(image)
        if delta.audio:
            for name, piece in delta.audio.items():
                if isinstance(piece, str):
                    self._audio.setdefault(name, []).append(piece)

    def _read_parts(self, parts: list[Any]) -> None:
        """Reads content in parts, as Mistral sends it for reasoning models."""
        for part in parts:
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text":
                self.text(text_of(part.get("text")))
            elif kind == "thinking":
                self.reasoning(text_of(part.get("thinking")))
            elif kind == "reasoning":
                self.reasoning(text_of(part.get("summary")), "summary")
            elif kind == "image_url":
                self._read_image(part)
            elif kind != "reference":  # Mistral's references to its search results; they have no URL
                self.warn("unknown_content", f"The provider sent content of the unknown kind {kind!r}; it was dropped.")

    # --- tool calls

    def _read_call(self, piece: _ToolCall) -> None:
        function = piece.function or _NOTHING
        ident, name = piece.id, function.name
        draft = self._draft_of(piece.index, ident, name)
        if draft is None:
            draft = _Draft(piece.index, ident or "", name or "")
            self._drafts.append(draft)
            if piece.index is not None:
                self._by_index[piece.index] = draft
            if ident:
                self._by_id[ident] = draft
        else:
            if ident and not draft.id:
                draft.id = ident
                self._by_id[ident] = draft
            if name and name != draft.name:
                self._name(draft, name)
        if piece.extra_content:
            draft.extra = piece.extra_content
        self._write(draft, function.arguments)

    def _draft_of(self, index: int | None, ident: str | None, name: str | None) -> _Draft | None:
        """Returns the call that a piece continues; None if it starts one."""
        if index is not None:
            draft = self._by_index.get(index)
            # A new id with a name is a new call; without a name the server only changed the id.
            other = draft is not None and name and ident and draft.id and ident != draft.id
            return None if other else draft
        if ident:
            return self._by_id.get(ident)
        return self._drafts[-1] if self._drafts and not name else None

    def _read_legacy_call(self, function: _Function) -> None:
        """Reads `function_call`, the older form for a single call; it has no id."""
        if self._legacy is None:
            self._legacy = _Draft(None, "", function.name or "")
            self._drafts.append(self._legacy)
        elif function.name and function.name != self._legacy.name:
            self._name(self._legacy, function.name)
        self._write(self._legacy, function.arguments)

    def _name(self, draft: _Draft, name: str) -> None:
        """Handles another name for a call that has one: its next piece. (The same name is just a repetition.)"""
        draft.name += name
        if draft.call is not None:
            draft.call.name = draft.name

    def _write(self, draft: _Draft, arguments: Any) -> None:
        text = arguments if isinstance(arguments, str) else _to_json(arguments) if arguments is not None else ""
        if draft.call is None:
            if text:
                draft.args.append(text)
            if draft.name and (draft.id or text):
                self._begin(draft)
        elif text:
            self.call_delta(draft.call, text)

    def _begin(self, draft: _Draft) -> None:
        draft.call = self.start_call(draft.id, draft.name)
        for text in draft.args:
            self.call_delta(draft.call, text)

    # --- reasoning to send back

    def _read_details(self, details: list[Any], said: bool) -> None:
        """Reads OpenRouter's `reasoning_details`: pieces of items, which are sent back whole. `said`: their text came
        elsewhere."""
        for detail in details:
            if not isinstance(detail, dict):
                continue
            kind = detail.get("type")
            field = _DETAIL_TEXT.get(kind) if isinstance(kind, str) else None
            text = text_of(detail.get(field)) if field else ""
            if not said:
                self.reasoning(text, "summary" if field == "summary" else "full")
            last = self._details[-1] if self._details else _NO_DETAIL
            if field is None or last[0].get("type") != kind or last[0].get("index") != detail.get("index"):
                self._details.append((detail, field, [text]))
            else:
                last[2].append(text)
                if len(detail) > len(last[0]) or "signature" in detail:
                    last[0].update((name, value) for name, value in detail.items() if value is not None)

    # --- the end

    def _conclude(self) -> None:
        """Completes the answer: [DONE] came, or the input ended after a finish reason."""
        self.end_parts()
        if self._details:
            whole = [detail | {field: "".join(texts)} if field else detail for detail, field, texts in self._details]
            self.item({"reasoning_details": whole})
        if self._audio:
            self._end_audio()
        for draft in self._drafts:
            if draft.call is None:
                self._begin(draft)
        self.provider_finish_reason = self.provider_finish_reason or self._word_before
        self.finish_reason: FinishReason | None = self._common_finish_reason()
        for draft in self._drafts:
            if draft.call is not None:
                if draft.extra is not None:
                    draft.call.signature = _to_json(draft.extra)
                self.end_call(draft.call)
        self.complete = self.ended = True

    def _common_finish_reason(self) -> FinishReason | None:
        word = self.provider_finish_reason
        if word is None:
            return None
        common = _FINISH.get(word.lower())
        if common == _STOP:
            return "refusal" if self._refused else "tool_calls" if self._drafts else _STOP
        return common


def _repaired(data: bytes, error: Exception) -> bytes:
    """Converts JSON that only a lenient parser accepts (NaN, broken UTF-8) to valid JSON; else raises `error`."""
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _: None)
    except ValueError:
        raise error from None
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def read_usage(report: dict[str, Any]) -> Usage:
    """Converts a usage report of this API: input includes cached tokens, output includes reasoning."""
    prompt = report.get("prompt_tokens_details")
    completion = report.get("completion_tokens_details")
    reasoning = _count(completion, "reasoning_tokens")
    if reasoning is None:
        reasoning = _count(report, "reasoning_tokens")
    given = _count(report, "prompt_tokens", "input_tokens")
    written = _count(report, "completion_tokens", "output_tokens")
    if reasoning and written is not None and report.get("total_tokens") == (given or 0) + written + reasoning:
        written += reasoning  # xAI counts reasoning separately from the completion
    cached = _count(prompt, "cached_tokens")
    if cached is None:
        cached = _count(report, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens")
    stored = _count(prompt, "cache_write_tokens")
    if stored is None:
        stored = _count(report, "cache_creation_input_tokens")
    return Usage(
        input_tokens=given,
        output_tokens=written,
        cached_input_tokens=cached,
        cache_write_tokens=stored,
        reasoning_tokens=reasoning,
        raw=report,
        cost=provider_cost(report),
    )


def _count(report: Any, *names: str) -> int | None:
    """Returns the first of these counts that was reported."""
    if isinstance(report, dict):
        for name in names:
            if isinstance(value := report.get(name), (int, float)) and not isinstance(value, bool):
                return int(value)
    return None


_EMPTY: Final = _Delta()
_NOTHING: Final = _Function()
_NO_DETAIL: Final[_Detail] = ({}, None, [])
_DETAIL_TEXT: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}
