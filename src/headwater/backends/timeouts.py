"""The timeouts of a run, and the watch that interrupts a wait when one expires.

Owns how long to wait and which error to raise. `retry` decides what follows; the run itself handles the run's timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from headwater.backends.interrupt import Interruptible
from headwater.errors import (
    ConfigurationError,
    FirstTokenTimeout,
    IdleTimeout,
    StepTimeout,
    TimedOut,
)
from headwater.schema.arguments import Explained

if TYPE_CHECKING:
    from headwater.backends.base import Exchange
    from headwater.providers.decoder import Decoder

__all__ = ("Timeouts", "is_seconds")

MAX_SECONDS: Final = 1e9
"""The longest time limit, about 30 years: timers and threads wait for as long on every system."""


def is_seconds(value: object) -> bool:
    """Whether it is a valid time limit: a number of seconds above 0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS


class Timeouts(Explained, frozen=True, kw_only=True):
    """The seven timeouts, in seconds; None disables one.

    `connect`, `first_token`, `idle` and `step` count only time spent waiting for the provider, never the reader's time;
    `run` is wall time; `tool` applies to each call of a tool without its own timeout. `run` and `tool` pause while the
    run waits for people, for at most `answer`: after that, a call that waits for approval is denied. Raises
    ConfigurationError.
    """

    connect: float | None = 10.0
    first_token: float | None = 600.0
    idle: float | None = 300.0
    step: float | None = None
    run: float | None = None
    tool: float | None = 300.0
    answer: float | None = None

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("", "total", "timeout", "seconds", "overall"), "Timeouts(run=…), in seconds"),
        **dict.fromkeys(("read", "chunk"), "Timeouts(idle=…), in seconds, for the time without a token"),
        **dict.fromkeys(("request", "response", "model"), "Timeouts(step=…), in seconds, for one answer of the model"),
    }

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not is_seconds(value):
                raise ConfigurationError(
                    f"timeouts.{name} is {value!r}.",
                    hint="Use a number of seconds greater than 0, or None to disable it.",
                )


LOOK_AGAIN_SECONDS: Final = 1.0
"""How often to check whether an ended answer continues, so that the timeouts apply again."""


class Watch:
    """An attempt's timeouts: one timer, reset only when it fires, updated by plain attribute writes.

    Time counts only between `wait` and `rest`: a slow reader does not use up the provider's time.
    """

    __slots__ = (
        "__weakref__",
        "_exchange",
        "_interruptible",
        "_loop",
        "_progress",
        "_provider",
        "_said",
        "_since",
        "_spent",
        "_timeouts",
        "_timer",
    )

    def __init__(self, timeouts: Timeouts, interruptible: Interruptible, exchange: Exchange, provider: str) -> None:
        self._timeouts = timeouts
        self._interruptible = interruptible
        self._exchange = exchange
        self._provider = provider
        self._loop = asyncio.get_running_loop()
        self._since: float | None = None
        self._spent = 0.0  # seconds waited in earlier pulls
        self._progress = 0.0  # of those, how many had passed at the last arrival
        self._said = False
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> None:
        """Starts waiting for the provider."""
        self._since = self._loop.time()
        if self._timer is None:
            self._set()

    def rest(self) -> None:
        """Stops waiting for the provider."""
        if self._since is not None:
            self._spent += self._loop.time() - self._since
            self._since = None

    def seen(self, decoder: Decoder) -> None:
        """Notes that events arrived."""
        self._progress = self._spent
        if not self._said and decoder.visible:
            self._said = True
            if self._timer is not None:
                # The timer was set for the first token, maybe long after the idle timeout.
                self._timer.cancel()
                self._timer = None

    def close(self) -> None:
        """Stops all timeouts."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._since = None

    def _due(self) -> tuple[float, type[TimedOut], str, float] | None:
        """Returns the timeout that expires first: remaining seconds of waiting, its error, its name, its setting."""
        clocks = self._timeouts
        due: list[tuple[float, type[TimedOut], str, float]] = []
        if clocks.step is not None:
            due.append((clocks.step, StepTimeout, "step", clocks.step))
        if not self._said and clocks.first_token is not None:
            due.append((clocks.first_token, FirstTokenTimeout, "first_token", clocks.first_token))
        if self._said and clocks.idle is not None:
            due.append((self._last_sign() + clocks.idle, IdleTimeout, "idle", clocks.idle))
        return min(due, key=lambda clock: clock[0], default=None)

    def _last_sign(self) -> float:
        """Seconds of waiting at the last arrival, including mere signs of progress."""
        alive = self._exchange.alive_at
        if self._since is None or alive <= self._since:
            return self._progress
        return max(self._progress, self._spent + alive - self._since)

    def _set(self) -> None:
        due = self._due()
        self._timer = None
        if due is not None:
            left = max(0.0, due[0] - self._waited())
            # The timer must not keep an abandoned stream alive: garbage collection ends it.
            self._timer = self._loop.call_later(left, self._fire)

    def _waited(self) -> float:
        return self._spent + (self._loop.time() - self._since if self._since is not None else 0.0)

    def _fire(self) -> None:
        self._timer = None
        if self._since is None:
            return  # the reader is busy; `wait` sets the timer again
        if self._exchange.decoder.ended:
            # The answer is complete, and the exchange limits the wait for what may follow; but it may continue.
            self._timer = self._loop.call_later(LOOK_AGAIN_SECONDS, self._fire)
            return
        due = self._due()
        if due is None:
            return
        after, kind, clock, seconds = due
        if self._waited() + 1e-3 < after:
            self._set()
            return
        said = {"first_token": "said nothing", "idle": "stalled", "step": "took longer than"}[clock]
        self._interruptible.interrupt(
            kind(
                f"{self._provider or 'The model'} {said}{' for' if clock != 'step' else ''} {seconds:g} s.",
                hint=f"Raise timeouts.{clock}, or set a fallback model.",
                clock=clock,
                seconds=seconds,
            )
        )
