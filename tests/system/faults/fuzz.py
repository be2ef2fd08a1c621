"""A fuzzer for the decoders: bodies made from recorded ones by changing them at random, bytes and JSON alike.

Owns how a body is changed. What a decoder may make of it is `headwater.testing.check_provider`'s to say.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from headwater.testing.faults import Split
from headwater.testing.provider_check import DecoderFactory, ProviderBreach, decoded

__all__ = ("Found", "fuzz", "mutated")

ODD: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 0.5, 1e308, "", " ", "a", "\x00", "é", "🌊", "[DONE]",
    "null", "1", "stop", "error", "length", "tool_calls", "STOP", "text", "tool_use", "message", "{}", '{"a":', [],
    [[]], [None], [0], [""], [{}], {}, {"": ""}, {"type": "text"}, {"type": None}, {"error": "x"}, {"text": 1},
    {"index": -1}, {"message": []}, {"code": {}}, "a" * 2000, "\ud800", ["a"] * 50,
)  # fmt: skip
"""Values that stand where nobody expects them."""

TOKENS: Final = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b":", b"data:", b"data: ", b"event: ", b"event: error\n", b"id: 1\n",
    b"retry: 5\n", b": comment\n", b"data: [DONE]\n\n", b"error: no\n", b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\x00",
    b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u", b"\\ud800", b"null", b"NaN", b"1e999", b"-", b",", b"{}", b"[]",
    b'data: {"error":{}}\n\n', b'data: {"error":"x"}\n\n', b"data: null\n\n", b"data: 1\n\n", b'data: "a"\n\n',
    b"data: []\n\n", b"data: {}\n\n", b'{"error":"x"}\n', b'{"done":true}\n', b"[" * 2000, b'{"a":' * 2000, b"9" * 5000,
)  # fmt: skip
"""Bytes that mean something to somebody."""


class Found:
    """A body that a decoder does not take as it should."""

    def __init__(self, body: bytes, breach: ProviderBreach) -> None:
        self.body = body
        self.breach = breach


def fuzz(
    make: DecoderFactory, bodies: Sequence[bytes], *, seed: int, going_on: Callable[[int], bool]
) -> tuple[int, list[Found]]:
    """Try changed bodies as long as `going_on(how many so far)`: how many were tried, and what broke."""
    dice = random.Random(seed)
    found: list[Found] = []
    tried = 0
    while going_on(tried):
        body = mutated(dice, bodies)
        tried += 1
        try:
            whole = decoded(make, [body])
            if tried % 4 == 0:  # the framing differs by how the bytes come
                pieces = decoded(make, Split(seed=dice.randrange(1 << 16)).cut(body))
                if pieces.events != whole.events or str(pieces.decoder.error) != str(whole.decoder.error):
                    raise ProviderBreach("In pieces it makes other events.")
        except ProviderBreach as breach:
            found.append(Found(body, breach))
    return tried, found


def mutated(dice: random.Random, bodies: Sequence[bytes]) -> bytes:
    """One of the bodies, changed in a few places."""
    body = dice.choice(bodies)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        change = dice.choice(_CHANGES)
        body = change(dice, body, bodies)
    return body


# --- changes of bytes


def _flip(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(body) or 1)
    return body[:at] + bytes(byte ^ (1 << dice.randrange(8)) for byte in body[at : at + 1]) + body[at + 1 :]


def _delete(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(body) or 1)
    return body[:at] + body[at + dice.choice((1, 2, 10, 100)) :]


def _insert(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(body) + 1)
    return body[:at] + dice.choice(TOKENS) + body[at:]


def _repeat(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    at = dice.randrange(len(body) or 1)
    piece = body[at : at + dice.choice((1, 5, 50, 500))]
    return body[:at] + piece * dice.choice((2, 3)) + body[at + len(piece) :]


def _splice(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    other = dice.choice(bodies)
    return body[: dice.randrange(len(body) or 1)] + other[dice.randrange(len(other) or 1) :]


def _cut(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    return body[: dice.randrange(len(body) or 1)]


# --- changes of lines, and of the JSON in them


def _lines(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    """Events in another order, left out or twice."""
    events = body.split(b"\n\n") if b"\n\n" in body else body.split(b"\n")
    joint = b"\n\n" if b"\n\n" in body else b"\n"
    at, other = dice.randrange(len(events)), dice.randrange(len(events))
    kind = dice.randrange(3)
    if kind == 0:
        events[at], events[other] = events[other], events[at]
    elif kind == 1:
        events.insert(other, events[at])
    else:
        del events[at]
    return joint.join(events)


def _json(dice: random.Random, body: bytes, bodies: Sequence[bytes]) -> bytes:
    """A value somewhere in a line's JSON is another, is gone, or stands under another name."""
    lines = body.split(b"\n")
    places = [number for number, line in enumerate(lines) if line.startswith((b"data: {", b"data: [", b"{"))]
    if not places:
        return body
    number = dice.choice(places)
    head, data = (b"data: ", lines[number][6:]) if lines[number].startswith(b"data") else (b"", lines[number])
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return body
    nodes = list(_nodes(value))
    if not nodes:
        return body
    holder, key = dice.choice(nodes)
    kind = dice.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        other_holder, other_key = dice.choice(nodes)
        holder[key] = json.loads(json.dumps(other_holder[other_key]))
    elif kind == 2 and isinstance(holder, dict):
        holder[dice.choice(_NAMES)] = dice.choice(ODD)
    else:
        holder[key] = dice.choice(ODD)
    lines[number] = head + json.dumps(value, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


_NAMES: Final = (
    "type", "index", "id", "name", "delta", "content", "text", "error", "message", "usage", "choices", "tool_calls",
    "function", "arguments", "finish_reason", "stop_reason", "parts", "candidates", "functionCall", "args", "done",
    "reasoning_content", "reasoning_details", "annotations", "images", "audio", "refusal", "output_index", "item",
    "item_id", "call_id", "part", "response", "status", "output", "citations", "content_block", "partial_json",
    "signature", "thinking", "input", "thoughtSignature", "partialArgs", "willContinue", "groundingMetadata",
    "citationMetadata", "promptFeedback", "finishReason", "usageMetadata", "inlineData", "summary", "encrypted_content",
    "x_groq", "search_results", "function_call", "extra_content", "summary_index", "content_index", "custom", "model",
)  # fmt: skip
"""Names that some decoder looks for."""


def _nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value: what holds it, and its key there."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _nodes(inner)


_CHANGES: Final = (_flip, _delete, _insert, _repeat, _splice, _cut, _lines, _json, _json, _json, _json)
