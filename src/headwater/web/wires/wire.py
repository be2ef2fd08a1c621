"""The definition of a wire: a map from the events of a run to bytes; and the bytes that its readers share.

A map is called with each event in order and depends only on those events, so that every reader of a run gets the same
bytes, even a late one. This module must never wait or send.
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
"""Encodes an event for a wire; returns b"" if the wire leaves it out."""


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """A format for streaming a run.

    `key` is equal for wires that send the same bytes. `make` returns a new map. The map of an `anywhere` wire can start
    at any event, because its frames do not depend on earlier ones. `hello` is sent first to each reader, `idle` after
    a long silence, unless they are empty.
    """

    key: Hashable
    make: Callable[[], Map]
    media_type: str
    anywhere: bool = False
    hello: bytes = b""
    idle: bytes = b""
    last: bytes = b""
    """The bytes that may end a stream of the wire, whether or not its run is over; see `StreamAnswer.ends`."""


class Block:
    """Consecutive frames, starting with the event at position `first`; readers move from each block to the `next`.

    A reader drops its reference to a block after reading it, so blocks that all have read are freed.
    """

    __slots__ = ("_cut", "_piece", "data", "ends", "first", "next")

    def __init__(self, first: int) -> None:
        self.first: int = first
        self.data: bytearray = bytearray()
        self.ends: array[int] = array("Q")
        """The end offset of each event's frame."""
        self.next: Block | None = None
        self._piece = b""
        self._cut = 0
        """The start offset of the last piece."""

    def offset(self, position: int) -> int:
        """Returns the start offset of the frame of the event at `position`."""
        return self.ends[position - self.first - 1] if position > self.first else 0

    def after(self, at: int) -> tuple[Block, int] | None:
        """Returns the place of the next byte, which may be in a later block; None if there is none yet."""
        block = self
        while at >= len(block.data):
            if block.next is None:
                return None
            block, at = block.next, 0
        return block, at

    def piece(self, at: int) -> bytes:
        """Returns the bytes from that offset on, at most WRITE_BYTES. Readers who are at the same place share them."""
        piece = self._piece
        if at != self._cut or at + len(piece) != len(self.data) or not piece:
            self._cut, self._piece = at, (piece := bytes(self.data[at : at + WRITE_BYTES]))
        return piece


class Frames:
    """The frames of one run on one wire from some event on, encoded once, by the first reader.

    `map` has seen the events before `first`. The newest frames are kept for readers that reconnect.
    """

    __slots__ = ("_blocks", "_held", "_map", "tail", "upto")

    def __init__(self, map: Map, first: int) -> None:
        self._map = map
        self.upto: int = first
        """The position of the next event to encode."""
        self.tail: Block = Block(first)
        self._blocks = [self.tail]
        self._held = 0
        """Total bytes of the blocks before the tail."""

    def catch_up(self, log: KeptLog, end: int) -> None:
        """Encodes the missing frames of events before position `end`."""
        block = self.tail
        while self.upto < end:
            block.data += self._map(log[self.upto])
            block.ends.append(len(block.data))
            self.upto += 1
            if len(block.data) >= WRITE_BYTES:
                block = self._begin_block(self.upto)

    def _begin_block(self, first: int) -> Block:
        block = Block(first)
        self._held += len(self.tail.data)
        self.tail.next = self.tail = block
        self._blocks.append(block)
        while self._held > FRAME_WINDOW:
            self._held -= len(self._blocks.pop(0).data)
        return block

    def find(self, position: int) -> tuple[Block, int] | None:
        """Returns where the frame of the event at `position` starts, or will start; None if it is not available."""
        if not self._blocks[0].first <= position <= self.upto:
            return None
        block = self._blocks[bisect_right(self._blocks, position, key=lambda block: block.first) - 1]
        return block, block.offset(position)
