"""One step's request, with its timeouts, retries and fallbacks.

An `Asking` drives one exchange after another until one returns a complete answer, and reports its actions as events. It
reads clocks and uses randomness; it must not know tools, the agent loop or runs.
"""

from __future__ import annotations

import asyncio
import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import msgspec

from headwater.backends import rate_limits
from headwater.backends.interrupt import Interruptible
from headwater.backends.jitter import jitter as random_jitter
from headwater.backends.price_list import pricing_of
from headwater.backends.timeouts import Timeouts, Watch
from headwater.errors import (
    BudgetExceeded,
    FirstTokenTimeout,
    HeadwaterError,
    IdleTimeout,
    IncompleteStream,
    InvalidRequest,
    LimitExceeded,
    Overloaded,
    ProviderError,
    RateLimited,
    StepTimeout,
    UnsupportedSetting,
)
from headwater.events import AttemptFailed, AttemptStarted, ErrorInfo, Event, Retracted, UsageReported, Warned
from headwater.events.closing import CANCELLED
from headwater.events.messages import Usage, tokens_of_bytes
from headwater.providers.pricing import Prices, Pricing, input_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from headwater.backends.base import Backend, Exchange
    from headwater.events.fold import Fold
    from headwater.providers.decoder import Decoder, Place
    from headwater.providers.request import Request

__all__ = (
    "Asking",
    "Before",
    "Meter",
    "Retries",
    "RetriesLeft",
)

_logger = logging.getLogger("headwater.models")

_NO_PRICES: Final[Prices] = MappingProxyType({})

FIRST_WAIT_SECONDS: Final = 0.5
"""The longest wait before the first retry; it doubles with each further one, as in the vendors' own clients."""

MAX_WAIT_SECONDS: Final = 8.0
"""The longest wait before a retry if the provider asks for none."""

MAX_RETRY_AFTER_SECONDS: Final = 60.0
"""The longest wait a provider may ask for; beyond it the error is raised instead: no user waits that long."""

MAX_PAUSED_SECONDS: Final = 120.0
"""How long a request waits at most for pauses that other requests were asked for; then it is sent."""

MAX_RETRIES_A_RUN: Final = 20
"""Maximum number of retries over all steps of one run: a provider that needs more is down, and the user should know."""


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often to retry before any output, and what to do if an answer is interrupted after some."""

    times: int = 2
    on_interrupted: Literal["raise", "restart"] = "raise"


class RetriesLeft:
    """How many retries one run may still make, over all its steps."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_RETRIES_A_RUN) -> None:
        self.left: int = left


class Meter(Protocol):
    """What the attempts of a run draw from its budgets; see `runtime.budget`."""

    def admit(self, request: Request, backend: Backend, pricing: Pricing | None) -> Request:
        """An attempt begins: returns its request, with `max_tokens` lowered to what is left. Raises BudgetExceeded."""

    def prove_priced(self, backends: Sequence[Backend], prices: Prices) -> None:
        """Raises ConfigurationError if the cost is limited and the price of a model is unknown."""

    def heard(self, events: Sequence[Event], usage: Usage | None) -> list[Event]:
        """Counts what one read brought, and the usage reported so far; returns warnings. Raises BudgetExceeded."""

    def settle(self, usage: Usage | None) -> None:
        """The attempt is over, with that usage; does nothing if it was over already."""

    def cut_short(self) -> BudgetExceeded | None:
        """Returns the error if the attempt's `max_tokens` was lowered."""


class Before(msgspec.Struct, frozen=True):
    """The state of the same step's request in another process, to continue from there."""

    attempt: int
    """The last attempt."""
    cause: Literal["first", "retry", "fallback", "restart", "resume", "guard"]
    """The reason for another attempt."""
    backend: int
    """The index of the backend: 0 for the first, then the fallbacks."""
    tries: int
    """How often that backend was retried."""


class Asking:
    """One step's request, retried until it is answered.

    `pull` returns events to append, an empty list once the answer is complete, and raises the error that remains after
    all retries. `place` has the first part number and call keys; `fold` knows what has been shown; `final` says that
    the text is known to be the run's answer, `before` is the state from another process. `prices` are the program's
    own, and `meter` counts what is spent, if there is a budget.
    """

    def __init__(
        self,
        backends: Sequence[Backend],
        request: Request,
        place: Place,
        fold: Fold,
        *,
        timeouts: Timeouts,
        retries: Retries,
        interruptible: Interruptible,
        left: RetriesLeft | None = None,
        prices: Prices = _NO_PRICES,
        meter: Meter | None = None,
        jitter: Callable[[], float] | None = None,
        final: bool = False,
        before: Before | None = None,
    ) -> None:
        self._backends = list(backends)
        self._request = request
        self._place = place
        self._fold = fold
        self._timeouts = timeouts
        self._retries = retries
        self._retractable = retries.on_interrupted == "restart"
        """Whether what it shows may be retracted before the step ends."""
        self._interruptible = interruptible
        self._left = left or RetriesLeft()
        self._prices = prices
        self._meter = meter
        self._input: int | None = None
        self._jitter = jitter or random_jitter
        self._final = final
        self._exchange: Exchange | None = None
        self._tries = 0
        self._attempt = 0
        self._cause: Literal["first", "retry", "fallback", "restart", "resume", "guard"] = "first"
        self._wait = 0.0
        self._paused = 0.0
        self._error: HeadwaterError | None = None
        self._failure: HeadwaterError | None = None
        """The error of the attempt, while its last events are being appended."""
        self._watch: Watch | None = None
        self._at = 0
        if before is not None:
            self._attempt, self._cause, self._tries = before.attempt, before.cause, before.tries
            self._at = min(before.backend, len(self._backends) - 1)
        self.backend: Backend = self._backends[self._at]
        self.decoder: Decoder | None = None

    async def pull(self) -> list[Event]:
        """Returns the next events; [] once the answer is complete. Raises the error of the last attempt."""
        if self._error is not None:
            raise self._error
        if self._failure is not None:
            return self._give_up(self._failure)
        if self._exchange is None:
            return await self._wait_and_begin()
        exchange, watch = self._exchange, self._watch
        assert watch is not None
        try:
            watch.wait()
            try:
                events = await self._interruptible.wait(self._read(exchange))
            finally:
                watch.rest()
        except HeadwaterError as error:
            return self._failed(error)
        if events:
            watch.seen(exchange.decoder)
            return events if self._meter is None else self._metered(self._meter, events)
        decoder = exchange.decoder
        if decoder.complete and decoder.error is None:
            watch.close()
            self._settle(decoder.usage)
            return []
        return self._failed(decoder.error or _incomplete(self.backend, decoder))

    def _read(self, exchange: Exchange) -> Coroutine[Any, Any, list[Event]]:
        """Returns what waits for the provider's next events."""
        return exchange.pull()

    def _metered(self, meter: Meter, events: list[Event]) -> list[Event]:
        """Counts a read; if it went past a budget, its events are the attempt's last ones.

        An answer that ends in this read fails too: the outcome must not depend on how the bytes arrive.
        """
        decoder = self.decoder
        assert decoder is not None
        try:
            return [*events, *meter.heard(events, decoder.usage)]
        except BudgetExceeded as error:
            self.abort()
            self._failure = error
            return [*events, *decoder.finish()]

    def _settle(self, usage: Usage | None) -> None:
        if self._meter is not None:
            self._meter.settle(usage)

    def cut(self) -> list[Event]:
        """Stops the answer: releases the connection, and ends everything open in it."""
        self.abort()
        return [*self._fold.closing_step(CANCELLED), *self.unreported()]

    @property
    def cut_short(self) -> BudgetExceeded | None:
        """The error if the answer reached a `max_tokens` that was lowered for a budget."""
        decoder = self.decoder
        if self._meter is None or decoder is None or decoder.finish_reason != "length":
            return None
        return self._meter.cut_short()

    def prove_priced(self) -> None:
        """See `Meter`: before anything is sent, for the model and its fallbacks."""
        if self._meter is not None:
            self._meter.prove_priced(self._backends, self._prices)

    def unreported(self) -> list[Event]:
        """Returns the usage of the interrupted attempt, if the log does not have it yet."""
        decoder, fold = self.decoder, self._fold
        if decoder is None or fold.in_attempt != decoder.place.attempt:
            self._settle(None)
            return []
        events = self._unreported(decoder)
        self._settle(events[-1].usage if events else decoder.usage or fold.reported)
        return [*events]

    def _unreported(self, decoder: Decoder) -> list[UsageReported]:
        fold = self._fold
        usage, place = decoder.usage, decoder.place
        whole = (decoder.ended or decoder.complete) and usage is not None
        if whole and usage is not None and usage != fold.reported:
            # The reader left between its arrival and its being appended.
            return [UsageReported(step=place.step, attempt=place.attempt, usage=usage)]
        if not whole and (fold.visible or usage) and (estimate := self._estimate(decoder)) is not None:
            return [estimate]
        return []

    def _estimate(self, decoder: Decoder) -> UsageReported | None:
        """The usage of the attempt if it ended now, with its cost; None if it is reported already."""
        estimate, pricing = self._fold.estimate(decoder.usage), decoder.pricing
        if estimate is None or pricing is None or not estimate.usage:
            return estimate
        if self._input is None:
            asked = self._request
            self._input = tokens_of_bytes(input_bytes(asked.messages, asked.tools))
        usage = pricing.priced(estimate.usage, decoder.model or "", decoder.asked_model, unreported_input=self._input)
        return msgspec.structs.replace(estimate, usage=usage)

    def shut(self) -> None:
        """Tells the server to stop, from any thread and without the loop."""
        if self._exchange is not None:
            self._exchange.shut()

    def abort(self) -> None:
        """Releases the connection at once; never waits."""
        if self._watch is not None:
            self._watch.close()
        if self._exchange is not None:
            self._exchange.abort()

    async def _wait_and_begin(self) -> list[Event]:
        """Starts an attempt after any wait; a pause that other requests were asked for is reported once."""
        while True:
            if self._wait:
                await self._interruptible.wait(asyncio.sleep(self._wait))
                self._wait = 0.0
            pause = self._others_pause()
            if not pause:
                return self._begin()
            first = not self._paused
            self._wait = pause
            self._paused += pause
            if first:
                who = self.backend.provider or "The provider"
                said = f"{who} asked for a pause; this request waits {pause:.1f} s before it is sent."
                if _logger.hasHandlers():
                    _logger.info("%s", said)
                return [Warned(code="provider_pause", message=said)]

    def _others_pause(self) -> float:
        """Seconds left of a pause for backends with the same quota."""
        quota = getattr(self.backend, "quota", None)
        if quota is None or self._paused >= MAX_PAUSED_SECONDS:
            return 0.0
        return rate_limits.wait(quota, now=asyncio.get_running_loop().time(), jitter=self._jitter())

    def _begin(self) -> list[Event]:
        backend = self.backend
        request, pricing = self._request_to(backend), self._pricing(backend)
        if self._meter is not None:
            request = self._meter.admit(request, backend, pricing)
        self._attempt += 1
        place = msgspec.structs.replace(
            self._place, attempt=self._attempt, part=self.decoder.next_part if self.decoder else self._place.part
        )
        self._exchange = exchange = self._opened(backend, request, place)
        self.decoder = decoder = exchange.decoder
        if pricing is not None:
            decoder.pricing, decoder.asked_model = pricing, backend.model
        self._watch = Watch(self._timeouts, self._interruptible, exchange, backend.provider)
        return [
            AttemptStarted(
                step=place.step,
                attempt=self._attempt,
                model=backend.model,
                provider=backend.provider,
                cause=self._cause,
                final=self._final,
                may_retract=self._retractable,
            )
        ]

    def _opened(self, backend: Backend, request: Request, place: Place) -> Exchange:
        try:
            return backend.open(request, place)
        except UnsupportedSetting as error:
            self._settle(None)
            cut = None if self._meter is None else self._meter.cut_short()
            if cut is None:
                raise
            backend.open(self._request_to(backend), place)  # raises if the budget is not the reason
            raise cut from error
        except HeadwaterError:
            self._settle(None)
            raise

    def _pricing(self, backend: Backend) -> Pricing | None:
        """Returns the prices of the backend's models, if any may be known; looked up once an attempt."""
        return pricing_of(backend, self._prices)

    def _request_to(self, backend: Backend) -> Request:
        """Returns the request for this backend, with its model and connect timeout."""
        request = msgspec.structs.replace(self._request, model=backend.model)
        if request.connect is msgspec.UNSET and getattr(backend, "connect", None) is msgspec.UNSET:
            # Neither the run nor the backend sets one.
            return msgspec.structs.replace(request, connect=self._timeouts.connect)
        return request

    def _failed(self, error: HeadwaterError) -> list[Event]:
        """Returns the attempt's last events; its failure is reported once these have been appended."""
        exchange = self._exchange
        assert exchange is not None
        self.abort()
        self._failure = error
        return exchange.decoder.finish() or self._give_up(error)

    def _give_up(self, error: HeadwaterError) -> list[Event]:
        self._failure = None
        decoder = self.decoder
        assert decoder is not None
        place = decoder.place
        visible = self._fold.visible  # shown, which is less than what arrived if guards hold some of it
        events: list[Event] = []
        usage = decoder.usage or Usage()
        # The provider may have computed more than it reported: estimate rather than count nothing.
        whole = decoder.complete and decoder.usage is not None
        if not whole and _was_answering(error, decoder.visible) and (estimate := self._estimate(decoder)) is not None:
            events.append(estimate)
            usage = estimate.usage
        self._settle(usage)
        failed = self.backend
        then = self._what_next(error, visible)
        self._log(failed, error, then)
        events.append(
            AttemptFailed(
                step=place.step,
                attempt=place.attempt,
                error=ErrorInfo.of(error),
                then=then,
                wait=self._wait,
                usage=usage,
            )
        )
        if then == "raise":
            self._error = error
            return events
        if visible:
            chars = self._fold.shown_chars
            events.append(Retracted(step=place.step, attempt=place.attempt, chars=chars, cause=type(error).__name__))
        self._cause = then
        self._exchange = None
        return events

    def _log(self, failed: Backend, error: HeadwaterError, then: str) -> None:
        """Logs a line, since retries are invisible otherwise."""
        if then == "raise" or not _logger.hasHandlers():
            return
        if then == "fallback":
            what = f"falling back to {_name(self.backend)}"
        else:
            again = "restarting the answer" if then == "restart" else "retrying"
            what = f"{again} in {self._wait:.1f} s ({self._tries} of {self._retries.times})"
        _logger.warning("%s failed with %s: %s %s.", _name(failed), type(error).__name__, error.message, what)

    def _what_next(
        self, error: HeadwaterError, visible: bool
    ) -> Literal["retry", "fallback", "restart", "guard", "raise"]:
        """Decides what follows a failed attempt, and sets the wait and the backend for it."""
        if isinstance(error, LimitExceeded) or (visible and self._retries.on_interrupted == "raise"):
            return "raise"
        wait = self._backoff(error)
        tries_left = self._tries < self._retries.times and self._left.left > 0
        if error.retryable and tries_left and wait is not None:
            self._tries += 1
            self._left.left -= 1
            self._wait = wait
            return "restart" if visible else "retry"
        if self._at + 1 < len(self._backends) and not isinstance(error, InvalidRequest):
            self._tries = 0
            self._at += 1  # by index, as a backend may be among its own fallbacks
            self.backend = self._backends[self._at]
            return "fallback"
        return "raise"

    def _backoff(self, error: HeadwaterError) -> float | None:
        """Seconds until the next try: the provider's request, else random jitter; None if that is too long."""
        asked: float | None = getattr(error, "retry_after", None)
        if asked is not None:
            return self._pause_all(error, asked) if asked <= MAX_RETRY_AFTER_SECONDS else None
        return self._jitter() * min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0**self._tries)

    def _pause_all(self, error: HeadwaterError, seconds: float) -> float:
        """Records the pause for the quota; returns the seconds to wait here."""
        quota = getattr(self.backend, "quota", None)
        if quota is None or not isinstance(error, (RateLimited, Overloaded)):
            return seconds
        rate_limits.pause(quota, seconds, now=asyncio.get_running_loop().time())
        return seconds + rate_limits.spread(seconds, self._jitter())


def _name(backend: Backend) -> str:
    return f"{backend.provider}/{backend.model}" if backend.provider else backend.model


def _was_answering(error: HeadwaterError, visible: bool) -> bool:
    """Whether the provider had started to answer, so that the attempt may have cost something."""
    if visible:
        return True
    if isinstance(error, ProviderError):
        return error.status is None
    return isinstance(error, (IncompleteStream, FirstTokenTimeout, IdleTimeout, StepTimeout, LimitExceeded))


def _incomplete(backend: Backend, decoder: Decoder) -> IncompleteStream:
    if not decoder.visible:
        return IncompleteStream(
            f"The answer of {backend.provider or 'the model'} ended before it started.",
            hint="If this happens every time, check that the base URL is for this API.",
        )
    return IncompleteStream(
        f"The answer of {backend.provider or 'the model'} was interrupted: its end marker did not arrive.",
        hint="The network or the provider cut it off; the partial answer is in the error's `response`.",
    )
