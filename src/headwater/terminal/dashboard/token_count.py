"""An agent's output tokens and rate: an estimate until the provider reports them.

Pure, and of constant size for any length of a run.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from headwater.events.messages import Usage, tokens_of_bytes
from headwater.terminal.dashboard.pulse import Pulse

__all__ = ("TokenCount",)

SECONDS_FOR_A_RATE: Final = 0.2
"""Minimum seconds of streaming before a rate is meaningful."""


class TokenCount:
    """Counts attempt by attempt: what is reported of one replaces what was estimated of it."""

    __slots__ = (
        "_approximate",
        "_bytes",
        "_cost",
        "_first",
        "_last",
        "_reported",
        "_settled",
        "_spoke",
        "input_tokens",
        "pulse",
    )

    def __init__(self) -> None:
        self.input_tokens: int = 0
        self.pulse: Pulse = Pulse()
        self._settled = 0  # tokens of ended attempts
        self._approximate = False
        self._cost: Decimal | None = None  # of attempts that are over
        self._bytes = 0  # written in this attempt
        self._reported: Usage | None = None  # of this attempt
        self._first: float | None = None  # when this attempt started to stream, and when it last did
        self._last = 0.0
        self._spoke = 0.0  # seconds in which earlier attempts streamed

    @property
    def tokens(self) -> tuple[int, bool]:
        """Tokens written, and whether that is an estimate."""
        if not self._bytes and self._reported is None:
            return self._settled, self._approximate
        count, estimated = self._of_attempt()
        return self._settled + count, True if self._bytes else estimated or self._approximate

    @property
    def cost(self) -> Decimal | None:
        """Dollars so far, as far as reported; None if no cost is known."""
        return _plus(self._cost, self._reported)

    @property
    def rate(self) -> float | None:
        """Tokens per second while it streamed; None if that was too short to measure."""
        spoke = self._spoke + (self._last - self._first if self._first is not None else 0.0)
        return self.tokens[0] / spoke if spoke >= SECONDS_FOR_A_RATE else None

    def wrote(self, text: str, time: float) -> None:
        """Adds text written at `time`, in Unix seconds."""
        size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        self._bytes += size
        pulse = self.pulse
        if time < pulse.until:
            pulse.count += size
        else:
            pulse.wrote(size, time)
        if self._first is None:
            self._first = time
        self._last = time

    def report(self, usage: Usage) -> None:
        """Handles the provider's usage report of this attempt so far."""
        self._reported = usage

    def settle(self) -> None:
        """Ends the attempt: its report counts."""
        reported = self._reported
        if reported is not None and reported.output_tokens is not None:
            self._settled += reported.output_tokens
        else:
            count, estimated = self._of_attempt()
            self._settled += count
            self._approximate = self._approximate or estimated
        if reported is not None:
            self.input_tokens += reported.input_tokens or 0
            self._cost = _plus(self._cost, reported)
        self._bytes = 0
        self._reported = None
        if self._first is not None:
            self._spoke += self._last - self._first
            self._first = None

    def spend(self, usage: Usage) -> None:
        """Count what was spent on the agent's behalf: by another one that it called as a tool."""
        self._settled += usage.output_tokens or 0
        self._approximate = self._approximate or usage.output_tokens is None
        self.input_tokens += usage.input_tokens or 0
        self._cost = _plus(self._cost, usage)

    def _of_attempt(self) -> tuple[int, bool]:
        estimate = tokens_of_bytes(self._bytes)
        reported = self._reported.output_tokens if self._reported is not None else None
        # A report amid the stream is as old as its last chunk.
        return (estimate, estimate > 0) if reported is None else (max(reported, estimate), estimate > reported)


def _plus(cost: Decimal | None, usage: Usage | None) -> Decimal | None:
    more = None if usage is None else usage.cost
    return cost if more is None else more if cost is None else cost + more
