"""Decodes the Gemini API: the stream of `GenerateContentResponse` chunks from `streamGenerateContent`.

Owns the answer; `request` owns what is sent. It must never do I/O, read a clock, or report an answer as complete
without a finish reason. Vertex AI has the same wire format, and only it streams a call's arguments (`partialArgs`).
https://ai.google.dev/api/generate-content, the `google-genai` package's types, and the recordings.

A signature belongs to the part it came with and is sent back with that part, never with one joined from several
(https://ai.google.dev/gemini-api/docs/thought-signatures). So a signed text is a separate part, and a signature on an
empty text, which readers should not see, is kept as a provider item.
"""

from __future__ import annotations

import base64
import binascii
import re
from contextlib import suppress
from itertools import zip_longest
from typing import Any, Final

import msgspec

from headwater import errors
from headwater.events import Event, TextDelta
from headwater.events.messages import FinishReason, Usage
from headwater.events.pieces import Pieces
from headwater.providers.decoder import Call, Place
from headwater.providers.decoder import Decoder as BaseDecoder
from headwater.providers.failures import in_band_error, malformed, value_or_text
from headwater.providers.framing.sse import MAX_EVENT_BYTES, Frame, SSEDecoder
from headwater.providers.gemini.request import API, encode
from headwater.providers.request import Quirks
from headwater.providers.value_limit import refuse_large

__all__ = ("Decoder", "encode")

# --- the wire format

_ABSENT: Final = msgspec.Raw()
"""A placeholder for fields that are decoded only on demand."""


class _FunctionCall(msgspec.Struct, gc=False):
    id: str | None = None
    name: str | None = None
    args: dict[str, Any] | None = None
    partialArgs: list[dict[str, Any]] | None = None  # noqa: N815
    willContinue: bool | None = None  # noqa: N815


class _Part(msgspec.Struct, gc=False):
    text: str | None = None
    thought: bool | None = None
    thoughtSignature: str | None = None  # noqa: N815
    functionCall: _FunctionCall | None = None  # noqa: N815


def _says(part: _Part) -> bool:
    """Whether it has any content, even of an unknown kind."""
    return part.functionCall is not None or part.text is None or bool(part.text)


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] | None = None


class _Candidate(msgspec.Struct, gc=False):
    content: _Content | None = None
    index: int | None = None
    finishReason: str | None = None  # noqa: N815
    finishMessage: str | None = None  # noqa: N815
    groundingMetadata: msgspec.Raw = _ABSENT  # noqa: N815
    citationMetadata: msgspec.Raw = _ABSENT  # noqa: N815


class _Chunk(msgspec.Struct, gc=False):
    candidates: list[_Candidate] | None = None
    usageMetadata: msgspec.Raw = _ABSENT  # noqa: N815
    modelVersion: str | None = None  # noqa: N815
    responseId: str | None = None  # noqa: N815
    promptFeedback: dict[str, Any] | None = None  # noqa: N815
    error: Any = None


class _Page(msgspec.Struct, gc=False):
    uri: str | None = None
    sourceUri: str | None = None  # noqa: N815
    title: str | None = None
    text: str | None = None


class _GroundingChunk(msgspec.Struct, gc=False):
    web: _Page | None = None
    maps: _Page | None = None
    image: _Page | None = None
    retrievedContext: _Page | None = None  # noqa: N815


class _Segment(msgspec.Struct, gc=False):
    startIndex: int | None = None  # noqa: N815
    endIndex: int | None = None  # noqa: N815
    text: str | None = None


class _Support(msgspec.Struct, gc=False):
    segment: _Segment | None = None
    groundingChunkIndices: list[int] | None = None  # noqa: N815


class _Grounding(msgspec.Struct, gc=False):
    groundingChunks: list[_GroundingChunk] | None = None  # noqa: N815
    groundingSupports: list[_Support] | None = None  # noqa: N815


class _Citation(_Segment, gc=False):
    uri: str | None = None
    title: str | None = None


class _Citations(msgspec.Struct, gc=False):
    citations: list[_Citation] | None = None
    citationSources: list[_Citation] | None = None  # noqa: N815


_decode = msgspec.json.Decoder(_Chunk).decode
_decode_grounding = msgspec.json.Decoder(_Grounding | None).decode
_decode_citations = msgspec.json.Decoder(_Citations | None).decode
_decode_any = msgspec.json.Decoder().decode

_FINISH: Final[dict[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
}
"""Finish reasons with a normalized value. The others (MALFORMED_FUNCTION_CALL, OTHER, NO_IMAGE, …) mean that the model
or the server failed: the normalized value is None, and a warning says what happened."""


class Decoder(BaseDecoder):
    """One response of streamGenerateContent, as server-sent events or (without alt=sse) as a JSON array.

    `finishReason` is the end marker and sets `ended`; usage, sources or an error may follow, so `complete` is set at
    the end of input.
    """

    api = API

    def __init__(self, place: Place | None = None, quirks: Quirks | None = None) -> None:
        super().__init__(place, quirks)
        self._sse = SSEDecoder()
        self._json: _JSONObjects | None = None
        self._head: bytes | None = b""
        """Leading whitespace; None once the framing is known."""
        self._blocked = False
        self._speaking = False
        """Whether the data of the first chunks (the model, a usage) is known, so that later ones need only the fast
        path."""
        self._said = Pieces()
        """The answer so far, because citations refer to it by byte offsets."""
        self._usage: msgspec.Raw = _ABSENT
        self._streamed: tuple[Call, dict[str, Any]] | None = None
        """The call whose arguments are still being streamed, and their value so far."""
        self._grounds: list[dict[str, Any]] = []
        self._sources: set[tuple[str, str, tuple[int, int] | None]] = set()

    # --- the contract

    def _feed(self, data: bytes) -> None:
        if self._head is not None:
            data = self._head + data
            first = data.lstrip()[:1]
            if not first:
                self._head = data
                return
            self._head = None
            if first in b"[{":
                self._json = _JSONObjects()
        if self._json is not None:
            self._frames([("", document) for document in self._json.feed(data)])
        else:
            self._frames(self._sse.feed(data))
        self._said.tidy()

    def _frames(self, frames: list[Frame]) -> None:
        # One pass for every token: attribute look-ups and calls are saved here, and only here.
        events, said, step, decode = self.events, self._said, self._step, _decode
        if self._sse.large or self._json is not None:
            refuse_large(data for _, data in frames)
        for name, data in frames:
            if name == "error":
                raise in_band_error(API, value_or_text(data))
            if len(data) < 16 and data.strip() in (b"", b"[DONE]"):  # the end marker of some gateways
                continue
            try:
                chunk = decode(data)
            except msgspec.DecodeError:
                if (mended := self.halves.repair(data)) is None:
                    raise
                data = mended
                chunk = decode(data)
            candidates = chunk.candidates
            if self._speaking and candidates is not None and len(candidates) == 1:
                candidate = candidates[0]
                content = candidate.content
                if (
                    content is not None
                    and (parts := content.parts) is not None
                    and len(parts) == 1
                    and (text := parts[0].text)
                    and parts[0].thought is None
                    and parts[0].thoughtSignature is None
                    and parts[0].functionCall is None
                    and candidate.finishReason is None
                    and not candidate.index
                    and candidate.groundingMetadata is _ABSENT
                    and candidate.citationMetadata is _ABSENT
                    and chunk.promptFeedback is None
                    and chunk.error is None
                    and self._current_kind == "answer"
                ):
                    # Only a token of the answer: nearly every chunk.
                    if chunk.usageMetadata is not _ABSENT:
                        self._usage = chunk.usageMetadata
                    said.append(text)
                    events.append(TextDelta(step=step, part=self._current_number, text=text))
                    continue
            self._chunk(chunk, data)

    def _finish(self) -> None:
        frames = self._sse.finish()
        try:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # a truncated last frame
                self._frames(frames)
                frames = []
            self.raise_left(frames, self._sse.stray)
        finally:
            self._settle()
        self.complete: bool = self.ended

    def finish(self) -> list[Event]:
        """See `BaseDecoder.finish`; pending content is emitted after an error too."""
        if self.error is not None:
            with suppress(msgspec.DecodeError, UnicodeDecodeError):  # unreadable counts do not matter now
                self._settle()
        return super().finish()

    def _settle(self) -> None:
        """Emits what was kept for the end: an open call, sources without a citation, the last usage."""
        if self.ended:
            self._name_finish()
        self._end_streamed(cut=not self.ended or self.finish_reason not in ("stop", "tool_calls"))
        cited = {(url, title) for url, title, _ in self._sources}
        for ground in self._grounds:
            if (ground.get("url", ""), ground.get("title", "")) not in cited:
                self._source(ground, None)
        self._report()

    # --- a chunk

    def _chunk(self, chunk: _Chunk, data: bytes) -> None:
        if self.model is None:
            self.model = chunk.modelVersion
            self.response_id = chunk.responseId
        if chunk.usageMetadata is not _ABSENT:
            first = self._usage is _ABSENT
            self._usage = chunk.usageMetadata
            # The input's usage is known from the first report; those between the first and the last are not reported.
            if first or self.ended:
                self._report()
        for place, candidate in enumerate(chunk.candidates or ()):
            self._candidate(candidate, data, place)
        if chunk.promptFeedback is not None:
            self._prompt_feedback(chunk.promptFeedback)
        if chunk.error:
            raise in_band_error(API, {"error": chunk.error})
        self._speaking = self.model is not None and self._usage is not _ABSENT and not self.ended

    def _candidate(self, candidate: _Candidate, data: bytes, place: int) -> None:
        if candidate.index:
            self.warn("other_candidates", "The response has more than one candidate; only the first one is read.")
            return
        if candidate.content is not None:
            if self.ended and any(map(_says, candidate.content.parts or ())):
                self.ended = False  # the next finish reason completes it
                self.finish_reason = self.provider_finish_reason = None
            for number, part in enumerate(candidate.content.parts or ()):
                if part.functionCall is not None:
                    self._function_call(part.functionCall, part.thoughtSignature)
                elif part.text is not None:
                    self._text(part.text, bool(part.thought), part.thoughtSignature)
                else:
                    self._other_part(_decode_any(data)["candidates"][place]["content"]["parts"][number])
        self._read_sources(candidate)
        if candidate.finishReason:
            self.ended: bool = True
            self.provider_finish_reason = candidate.finishReason
            self._name_finish()
            self._report()
            word = candidate.finishReason
            if self.finish_reason is None or (self.finish_reason == "content_filter" and candidate.finishMessage):
                self.warn(word.lower(), candidate.finishMessage or f"The model stopped with {word}.")

    def _name_finish(self) -> None:
        word = self.provider_finish_reason or ""
        reason = "tool_calls" if word == "STOP" and self.calls else _FINISH.get(word)
        self.finish_reason: FinishReason | None = "content_filter" if self._blocked else reason

    def _prompt_feedback(self, feedback: dict[str, Any]) -> None:
        reason = feedback.get("blockReason")
        if not isinstance(reason, str) or not reason:
            return
        self.ended = self._blocked = True
        self.provider_finish_reason = reason
        self._name_finish()
        self._report()
        message = feedback.get("blockReasonMessage")
        self.warn("prompt_blocked", str(message) if message else f"The prompt was blocked: {reason}.")

    # --- parts

    def _text(self, text: str, thought: bool, signature: str | None) -> None:
        if signature is None:
            if thought:
                self.reasoning(text, "summary")
            else:
                self._said.append(text)
                self.text(text)
            return
        if self.current is not None:
            self.close_part(self.current)
        if not text:
            item: dict[str, Any] = {"text": "", "thoughtSignature": signature}
            self.item({**item, "thought": True} if thought else item)
            return
        part = self.open_part("summary" if thought else "answer")
        part.signature = signature
        self.part_delta(part, text)
        self.close_part(part)
        if not thought:
            self._said.append(text)

    def _other_part(self, part: dict[str, Any]) -> None:
        """Handles any part but text and function calls: images and files become events, the rest is kept to be sent
        back."""
        if not part.keys() - {"thought"}:
            return
        if self.current is not None:
            self.close_part(self.current)
        signature = part.get("thoughtSignature")
        blob, reference = part.get("inlineData"), part.get("fileData")
        if part.get("thought"):  # a preview image is not part of the answer
            self.item(part)
        elif isinstance(blob, dict):
            try:
                content = base64.b64decode(blob.get("data") or "", validate=True)
            except (binascii.Error, ValueError, TypeError) as error:
                raise malformed(API, error) from None
            name = str(blob.get("displayName") or "")
            self.file(media_type=str(blob.get("mimeType") or ""), data=content, name=name, signature=signature)
        elif isinstance(reference, dict):
            url, media_type = str(reference.get("fileUri") or ""), str(reference.get("mimeType") or "")
            self.file(media_type=media_type, url=url, signature=signature)
        else:
            self.item(part)

    # --- calls

    def _function_call(self, wire: _FunctionCall, signature: str | None) -> None:
        whole = wire.partialArgs is None and not wire.willContinue and (self._streamed is None or bool(wire.name))
        if whole and not wire.name and not wire.args:
            return  # the last, empty piece of a call that has already ended
        if whole:
            self.end_call(self._start(wire, signature), wire.args or {})
            return
        if wire.name:
            self._end_streamed()
            self._streamed = self._start(wire, signature), dict(wire.args or {})
        if self._streamed is None:
            self.warn("stray_arguments", "A piece of a call's arguments arrived without its call; it was dropped.")
            return
        call = self._streamed[0]
        call.signature = call.signature or signature
        for piece in wire.partialArgs or ():
            _join(self._streamed[1], piece)
        if not wire.willContinue:
            self._end_streamed()

    def _start(self, wire: _FunctionCall, signature: str | None) -> Call:
        call = self.start_call(wire.id, wire.name or "")
        call.signature = signature
        call.item_id = wire.id or None  # so that only the provider's own ids are sent back
        return call

    def _end_streamed(self, *, cut: bool = False) -> None:
        if self._streamed is not None:
            (call, arguments), self._streamed = self._streamed, None
            self.end_call(call, arguments, cut=cut)

    # --- usage and sources

    def _report(self) -> None:
        if self._usage is not _ABSENT:
            self.report(_usage(_decode_any(self._usage)))

    def _read_sources(self, candidate: _Candidate) -> None:
        try:
            if candidate.groundingMetadata is not _ABSENT:
                self._grounding(_decode_grounding(candidate.groundingMetadata))
            if candidate.citationMetadata is not _ABSENT:
                self._citations(_decode_citations(candidate.citationMetadata))
        except msgspec.ValidationError as error:
            self.warn("unreadable_sources", f"Sources arrived in an unknown format: {error}.")

    def _grounding(self, metadata: _Grounding | None) -> None:
        if metadata is None:
            return
        if metadata.groundingChunks:
            self._grounds = [_ground(chunk) for chunk in metadata.groundingChunks]
        for support in metadata.groundingSupports or ():
            span = self._span(support.segment) if support.segment is not None else None
            for index in support.groundingChunkIndices or ():
                if 0 <= index < len(self._grounds):
                    self._source(self._grounds[index], span)

    def _citations(self, metadata: _Citations | None) -> None:
        if metadata is not None:
            for citation in metadata.citations or metadata.citationSources or ():
                ground = {"kind": "url", "url": citation.uri or "", "title": citation.title or ""}
                self._source(ground, self._span(citation))

    def _source(self, ground: dict[str, Any], span: tuple[int, int] | None) -> None:
        # The same citations may be in several chunks.
        key = (ground.get("url", ""), ground.get("title", ""), span)
        if ground and key not in self._sources:
            self._sources.add(key)
            self.source(**ground, span=span)

    def _span(self, segment: _Segment) -> tuple[int, int] | None:
        """Returns the position of a segment, given in bytes, in the answer, in characters; None if it does not match.

        The offsets count within one part of the final message, which may have several: the quoted text decides.
        """
        text = "".join(self._said)
        start, end, quoted = segment.startIndex or 0, segment.endIndex or 0, segment.text
        encoded = text.encode()
        piece = encoded[start:end].decode(errors="replace")
        if 0 <= start < end <= len(encoded) and (not quoted or piece == quoted):
            before = len(encoded[:start].decode(errors="replace"))
            return before, before + len(piece)
        found = text.find(quoted) if quoted else -1
        return (found, found + len(quoted)) if found >= 0 and quoted else None


class _JSONObjects:
    """Splits a JSON array (or a bare object) that arrives in any pieces into its objects, by counting braces."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._at = 0
        self._depth = 0
        self._in_string = False

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the top-level objects that these bytes complete. Raises: LimitExceeded, if one is too long."""
        self._rest += data
        found: list[bytes] = []
        start = 0
        while mark := (_IN_STRING if self._in_string else _BETWEEN).search(self._rest, self._at):
            self._at = mark.end()
            match mark.group():
                case b"\\":
                    self._at += 1  # skip the escaped character, which may not have arrived yet
                case b'"':
                    self._in_string = not self._in_string
                case b"{":
                    start = mark.start() if self._depth == 0 else start
                    self._depth += 1
                case _ if self._depth:
                    self._depth -= 1
                    if self._depth == 0:
                        found.append(bytes(self._rest[start : self._at]))
                        start = self._at
        if not self._depth:
            start = len(self._rest)
        self._at = max(self._at, len(self._rest)) - start
        del self._rest[:start]
        if len(self._rest) > MAX_EVENT_BYTES and not found:
            raise errors.LimitExceeded(
                f"One chunk is longer than {MAX_EVENT_BYTES:,} bytes.", limit="max_event_bytes", size=MAX_EVENT_BYTES
            )
        return found


_BETWEEN = re.compile(rb'["{}]')
_IN_STRING = re.compile(rb'["\\]')

MAX_INDEX: Final = 100_000
"""The largest array index in streamed arguments: gaps are filled with nulls."""

_STEP = re.compile(r"""\.?([^.\[\]'"$]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]""")


def _join(arguments: dict[str, Any], piece: dict[str, Any]) -> None:
    """Stores one of `partialArgs`: {jsonPath: "$.a.b[0]", stringValue | numberValue | boolValue | nullValue}.

    Strings for the same path are joined. Raises: MalformedResponse, if the path leads through a value that is not a
    container.
    """
    value = next((piece[name] for name in ("stringValue", "numberValue", "boolValue") if name in piece), None)
    path = piece.get("jsonPath")
    steps = _path(path if isinstance(path, str) else "$")
    node: Any = arguments
    for step, following in zip_longest(steps, steps[1:]):
        old = _entry(node, step)
        if following is None:
            if isinstance(old, str) and isinstance(value, str):
                node[step] = old + value
            elif old is None or value not in (None, ""):
                node[step] = value
        else:
            if old is None:
                old = node[step] = [] if isinstance(following, int) else {}
            node = old


def _entry(node: Any, step: str | int) -> Any:
    """Returns the value at `step` of `node`, None if there is none; extends a list to hold it."""
    if isinstance(node, list) and isinstance(step, int):
        node.extend([None] * (step + 1 - len(node)))
        return node[step]
    if isinstance(node, dict) and isinstance(step, str):
        return node.get(step)
    raise malformed(API, ValueError(f"streamed arguments have {step!r} in a {type(node).__name__}"))


def _path(path: str) -> list[str | int]:
    """Splits a JSON Path of names and indexes (RFC 9535) into steps, without its root."""
    steps: list[str | int] = []
    for name, index, single, double in _STEP.findall(path.removeprefix("$")):
        if index:
            if int(index) > MAX_INDEX:
                raise malformed(API, ValueError(f"arguments with the index {index}"))
            steps.append(int(index))
        else:
            steps.append(name or re.sub(r"\\(.)", r"\1", single or double))
    return steps


def _usage(wire: Any) -> Usage:
    """Converts `usageMetadata` to the common names. Zero counts are omitted on the wire; the total shows them."""
    if not isinstance(wire, dict):
        return Usage()

    def count(name: str) -> int | None:
        value = wire.get(name)
        return value if isinstance(value, int) else None

    prompt, tools, total = count("promptTokenCount"), count("toolUsePromptTokenCount"), count("totalTokenCount")
    answer, thoughts = count("candidatesTokenCount"), count("thoughtsTokenCount")
    inputs = None if prompt is None and tools is None else (prompt or 0) + (tools or 0)
    outputs = None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0)
    if outputs is None and total is not None and inputs is not None:
        outputs = max(0, total - inputs)
    return Usage(
        input_tokens=inputs,
        output_tokens=outputs,
        cached_input_tokens=count("cachedContentTokenCount"),
        reasoning_tokens=thoughts,
        raw=wire,
    )


def _ground(chunk: _GroundingChunk) -> dict[str, Any]:
    """Returns the fields of a source; none if its kind is unknown."""
    found = chunk.web or chunk.maps or chunk.image or chunk.retrievedContext
    if found is None:
        return {}
    kind = "document" if found is chunk.retrievedContext else "url"
    return {
        "kind": kind,
        "url": found.uri or found.sourceUri or "",
        "title": found.title or "",
        "quote": found.text or "",
    }
