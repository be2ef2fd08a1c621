"""What every wire shares: an answer written down as one API writes it, piece by piece.

The other side of `providers`: a decoder turns bytes into events, a wire turns what a script says into bytes. No wire
may import the decoder that it is read by, for what both got wrong in the same way no test would find. Pure: ids are
counted, times are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeAlias

import msgspec

from headwater.backends.offline.script import Call, Say, Think
from headwater.events.messages import FinishReason, Usage

__all__ = ("CREATED", "Block", "Trouble", "Unspeakable", "Wire", "WireType", "data_line", "named_event", "to_json")

CREATED: Final = 1_767_225_600
"""When every answer was made, in Unix seconds: a time in a fixture should not change by itself."""

Block: TypeAlias = Say | Think | Call
"""What an answer is made of; each is opened, written piece by piece, and closed."""

to_json: Callable[[Any], bytes] = msgspec.json.Encoder().encode


class Unspeakable(Exception):
    """A script holds something that this API has no place for."""


class Trouble(msgspec.Struct, frozen=True):
    """An error as a provider tells it: `status` where it is an HTTP error, `code` in the provider's own word."""

    status: int | None
    code: str | None
    message: str


class Wire(Protocol):
    """One answer in the writing. Called in order: `head`, then blocks, then `end` or `trouble` or nothing more."""

    api: ClassVar[str]
    content_type: ClassVar[str]

    def __init__(self, model: str, asked: Mapping[str, Any]) -> None: ...

    def head(self, usage: Usage) -> bytes:
        """What comes before anything is said; `usage` holds the input's count."""

    def open(self, block: Block) -> bytes:
        """A block begins. Raises Unspeakable."""

    def piece(self, block: Block, text: str) -> bytes:
        """The next of its text, reasoning or arguments."""

    def close(self, block: Block) -> bytes:
        """It is whole."""

    def end(self, reason: FinishReason | None, word: str | None, usage: Usage) -> bytes:
        """The end marker and what goes with it; `word` is the provider's own, where the script says one."""

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
    """Raises Unspeakable for what no wire here writes: a provider's own tools."""
    if isinstance(block, Call) and block.by != "agent":
        raise Unspeakable(f"a call by {block.by!r}, which is not written for {api}: serve recorded bytes with Body")
