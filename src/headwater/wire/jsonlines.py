"""Newline-delimited JSON from bytes that arrive in any pieces: lines out, undecoded."""

from __future__ import annotations

from headwater.errors import LimitExceeded

__all__ = ("JSONLinesDecoder",)

MAX_LINE_BYTES = 64 * 1024 * 1024
"""One line, at most; see `wire.sse.MAX_EVENT_BYTES`."""


class JSONLinesDecoder:
    """`feed` bytes as they come and get the lines that are whole; `finish` gives a last line without its end."""

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self._max = max_line_bytes
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The non-empty lines that these bytes complete, in order.

        Raises: LimitExceeded, where one line is longer than the bound.
        """
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > self._max:
            raise LimitExceeded(f"One line is longer than {self._max:,} bytes.", limit="max_line_bytes", size=self._max)
        return [line for line in lines if line and not line.isspace()]

    def finish(self) -> list[bytes]:
        """What an end of input leaves."""
        rest, self._rest = self._rest, b""
        return [rest] if rest and not rest.isspace() else []
