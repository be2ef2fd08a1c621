"""The floor: the minimal cost of reading each API's bytes. Lines are split, three fields are decoded.

Each function creates a feeder: it gets bytes as they arrive, appends their texts to `texts`, and returns whether the
answer has ended. They are written out without shared calls, because all results are divided by their cost. HTTP's chunk
sizes are lines too, which are ignored.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

__all__ = ("FLOORS", "Feed")

Feed = Callable[[bytes], bool]


class _ChatDelta(msgspec.Struct):
    content: str | None = None


class _ChatChoice(msgspec.Struct):
    delta: _ChatDelta
    finish_reason: str | None = None


class _ChatChunk(msgspec.Struct):
    choices: list[_ChatChoice]


def chat(take: Callable[[str], None]) -> Feed:
    """Chat Completions."""
    decode = msgspec.json.Decoder(_ChatChunk).decode
    rest = b""

    def feed(data: bytes) -> bool:
        nonlocal rest
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: "):
                payload = line[6:]
                if payload == b"[DONE]":
                    return True
                choices = decode(payload).choices
                if choices and (text := choices[0].delta.content):
                    take(text)
        return False

    return feed


class _ResponsesEvent(msgspec.Struct):
    type: str
    delta: str | None = None
    output_index: int | None = None


def responses(take: Callable[[str], None]) -> Feed:
    """The Responses API."""
    decode = msgspec.json.Decoder(_ResponsesEvent).decode
    rest = b""

    def feed(data: bytes) -> bool:
        nonlocal rest
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: "):
                event = decode(line[6:])
                if event.type == "response.output_text.delta":
                    if event.delta:
                        take(event.delta)
                elif event.type == "response.completed":
                    return True
        return False

    return feed


class _MessagesDelta(msgspec.Struct):
    text: str | None = None


class _MessagesEvent(msgspec.Struct):
    type: str
    index: int | None = None
    delta: _MessagesDelta | None = None


def messages(take: Callable[[str], None]) -> Feed:
    """The Messages API."""
    decode = msgspec.json.Decoder(_MessagesEvent).decode
    rest = b""

    def feed(data: bytes) -> bool:
        nonlocal rest
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: "):
                event = decode(line[6:])
                if event.delta is not None:
                    if event.delta.text:
                        take(event.delta.text)
                elif event.type == "message_stop":
                    return True
        return False

    return feed


class _GeminiPart(msgspec.Struct):
    text: str | None = None


class _GeminiContent(msgspec.Struct):
    parts: list[_GeminiPart]


class _GeminiCandidate(msgspec.Struct):
    content: _GeminiContent
    finishReason: str | None = None  # noqa: N815


class _GeminiChunk(msgspec.Struct):
    candidates: list[_GeminiCandidate]


def gemini(take: Callable[[str], None]) -> Feed:
    """streamGenerateContent."""
    decode = msgspec.json.Decoder(_GeminiChunk).decode
    rest = b""

    def feed(data: bytes) -> bool:
        nonlocal rest
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"data: "):
                candidate = decode(line[6:]).candidates[0]
                if text := candidate.content.parts[0].text:
                    take(text)
                if candidate.finishReason is not None:
                    return True
        return False

    return feed


class _OllamaMessage(msgspec.Struct):
    content: str | None = None


class _OllamaLine(msgspec.Struct):
    message: _OllamaMessage
    done: bool = False


def ollama(take: Callable[[str], None]) -> Feed:
    """Ollama's JSON lines."""
    decode = msgspec.json.Decoder(_OllamaLine).decode
    rest = b""

    def feed(data: bytes) -> bool:
        nonlocal rest
        lines = (rest + data).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line.startswith(b"{"):
                value = decode(line)
                if text := value.message.content:
                    take(text)
                if value.done:
                    return True
        return False

    return feed


FLOORS: dict[str, Callable[[Callable[[str], None]], Feed]] = {
    "openai-chat": chat,
    "openai-responses": responses,
    "anthropic": messages,
    "gemini": gemini,
    "ollama": ollama,
}
