"""The base of all wires: the encoding of an answer in one API's format, piece by piece.

The opposite of `providers`: a decoder turns bytes into events, a wire turns a script into bytes. A wire must never
import its decoder, because no test would find an error that both share. Pure: ids are counted, times are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeAlias

import msgspec

from headwater.backends.offline.script import Call, Say, Think
from headwater.events.messages import FinishReason, Usage

__all__ = ("CREATED", "Block", "Trouble", "Unspeakable", "Wire", "WireType", "data_line", "named_event", "to_json")

CREATED: Final = 1_767_225_600
"""The creation time of every answer, in Unix seconds; fixed, so that fixtures do not change."""

Block: TypeAlias = Say | Think | Call
"""The kinds of blocks in an answer; each is opened, written piece by piece, and closed."""

to_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Unspeakable(Exception):
    """A script contains something that this API cannot express."""


class Trouble(msgspec.Struct, frozen=True):
    """An error of a provider: `status` for an HTTP error, `code` is the provider's own."""

    status: int | None
    code: str | None
    message: str


class Wire(Protocol):
    """One answer being encoded. Called in order: `head`, then blocks, then `end` or `trouble` or nothing more."""

    api: ClassVar[str]
    content_type: ClassVar[str]

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None: ...

    def head(self, usage: Usage) -> bytes:
        """The start of the answer; `usage` has the count of input tokens."""

    def open(self, block: Block) -> bytes:
        """Start a block. Raises Unspeakable."""

    def piece(self, block: Block, text: str) -> bytes:
        """The next piece of its text, reasoning or arguments."""

    def close(self, block: Block) -> bytes:
        """End the block."""

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """The end of the answer; `word` is the provider's own finish reason, if the script has one."""

    def trouble(self, trouble: Trouble) -> bytes:
        """An error inside the stream."""

    @classmethod
    def refusal(cls, trouble: Trouble) -> bytes:
        """The body of an HTTP error."""


WireType: TypeAlias = type[Wire]


def data_line(value: Any) -> bytes:
    """A server-sent event without a name."""
    return b"data: %s\n\n" % (value if isinstance(value, bytes) else to_json(value))


def named_event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event by the name in its `type`."""
    return b"event: %s\ndata: %s\n\n" % (str(value["type"]).encode(), to_json(value))


def refuse(block: Block, api: str) -> None:
    """Raises Unspeakable for what no wire supports: provider tools."""
    if isinstance(block, Call) and block.by != "agent":
        raise Unspeakable(f"a call by {block.by!r}, which is not written for {api}: serve recorded bytes with Body")
