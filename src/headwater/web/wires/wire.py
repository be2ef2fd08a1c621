"""What a wire is: a map from the events of a run to bytes; and the bytes that its readers share.

A wire's map is made once and called with each event in order; it knows nothing but those events, so that every reader
of a run, also one who comes late, is sent the same bytes. Nothing here waits or sends.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Hashable
from typing import TypeAlias

import msgspec

from headwater.events import Event
from headwater.web.limits import FRAME_WINDOW, WRITE_BYTES
from headwater.web.runs.kept_log import KeptLog

__all__ = ("Block", "Frames", "Map", "Wire")

Map: TypeAlias = Callable[[Event], bytes]
"""What an event is on a wire; b"" where it is nothing."""


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A way of showing a run.

    `key` is equal for wires that send the same bytes. `make` gives a map that has seen no event; of an `anywhere` wire
    that may begin with any event, for its frames tell of nothing before. `hello` is sent to each reader first, `idle`
    after a long silence, each where it is not empty.
    """

    key: Hashable
    make: Callable[[], Map]
    media_type: str
    anywhere: bool = False
    hello: bytes = b""
    idle: bytes = b""
    last: bytes = b""
    """What ends a stream of the wire, be its run over or not."""


class Block:
    """Frames that stand together, from the event at the position `first` on; readers go from each to the `next`.

    Whoever has read a block lets go of it, so that what all have read is held by nobody.
    """

    __slots__ = ("data", "ends", "first", "next")

    def __init__(self, first: int) -> None:
        self.first = first
        self.data = bytearray()
        self.ends = array("Q")
        """Where each event's frame ends."""
        self.next: Block | None = None

    def offset(self, position: int) -> int:
        """Where the frame of the event at `position` begins."""
        return self.ends[position - self.first - 1] if position > self.first else 0


class Frames:
    """What one run is on one wire, from some event on: made once, by whoever reads it first.

    `map` has seen the events before `first`. Of what was made the newest part stays, for readers who come back.
    """

    __slots__ = ("_blocks", "_held", "_map", "tail", "upto")

    def __init__(self, map: Map, first: int) -> None:
        self._map = map
        self.upto = first
        """The position of the next event."""
        self.tail = Block(first)
        self._blocks = [self.tail]
        self._held = 0
        """Bytes in the blocks before the tail."""

    def catch_up(self, log: KeptLog, end: int) -> None:
        """Make what is missing of the events before the position `end`."""
        block, position = self.tail, self.upto
        while position < end:
            block.data += self._map(log[position])
            block.ends.append(len(block.data))
            position += 1
            if len(block.data) >= WRITE_BYTES:
                block = self._begin_block(position)
        self.upto = position

    def _begin_block(self, first: int) -> Block:
        block = Block(first)
        self._held += len(self.tail.data)
        self.tail.next = self.tail = block
        self._blocks.append(block)
        while self._held > FRAME_WINDOW:
            self._held -= len(self._blocks.pop(0).data)
        return block

    def find(self, position: int) -> tuple[Block, int] | None:
        """Where the frame of the event at `position` begins, or will; None where it is not here."""
        if not self._blocks[0].first <= position <= self.upto:
            return None
        block = self._blocks[bisect_right(self._blocks, position, key=lambda block: block.first) - 1]
        return block, block.offset(position)
