"""Newline-delimited JSON from bytes that arrive in any pieces: lines out, undecoded.

Owns framing only, and must never copy buffered bytes more than once.
"""

from __future__ import annotations

from headwater.errors import LimitExceeded

__all__ = ("JSONLinesDecoder",)

MAX_LINE_BYTES = 64 * 1024 * 1024
"""The longest line; see `sse.MAX_EVENT_BYTES`."""


LARGE_BYTES = 1024 * 1024
"""See `sse.LARGE_BYTES`."""


class JSONLinesDecoder:
    """Call `feed` with bytes as they arrive to get complete lines; `finish` returns an unterminated last line."""

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.large: bool = False
        """Whether any line may have been longer than LARGE_BYTES."""
        self._max = max_line_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._failure: LimitExceeded | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """Returns the lines that these bytes complete, without blank ones, in order.

        Raises LimitExceeded if one line is longer than the limit; lines before it are returned first.
        """
        if self._failure is not None:
            raise self._failure
        lines = data.split(b"\n")
        rest = lines.pop()
        if self._pieces and lines:
            lines[0] = b"".join((*self._pieces, lines[0]))
            self._pieces, self._held = [], 0
        if rest:
            self._pieces.append(rest)
            self._held += len(rest)
        if self._held > LARGE_BYTES or len(data) > LARGE_BYTES:
            self.large = True
        if self._held > self._max or len(data) > self._max:
            lines = self._within_bound(lines)
        return [line for line in lines if line and not line.isspace()]

    def finish(self) -> list[bytes]:
        """Returns what is left at the end of input: an unterminated last line.

        Raises LimitExceeded, as `feed` does.
        """
        if self._failure is not None:
            raise self._failure
        rest = b"".join(self._pieces)
        self._pieces, self._held = [], 0
        return [rest] if rest and not rest.isspace() else []

    def _within_bound(self, lines: list[bytes]) -> list[bytes]:
        good = 0
        while good < len(lines) and len(lines[good]) <= self._max:
            good += 1
        if good == len(lines) and self._held <= self._max:
            return lines
        self._pieces, self._held = [], 0
        self._failure = LimitExceeded(
            f"One line is longer than {self._max:,} bytes.", limit="max_line_bytes", size=self._max
        )
        if not good:
            raise self._failure
        return lines[:good]
