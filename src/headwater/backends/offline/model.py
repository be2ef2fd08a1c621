"""`OfflineModel`: a built-in fake model without network, key or weights, and the test double.

A declaration like every backend, with one piece of state, kept only with a script: how many turns were used, and for
which requests. `canned` owns the answers without a script, `performance` how a turn is streamed.
"""

from __future__ import annotations

import itertools
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any

from headwater.backends.offline.canned import SHAPES, Shape, answer
from headwater.backends.offline.exchange import OfflineExchange
from headwater.backends.offline.performance import Acts, Pace, Performance
from headwater.backends.offline.script import Script, check_script, read_turn
from headwater.backends.offline.tokenizer import count_request
from headwater.errors import ConfigurationError, UnknownModel, UsageError
from headwater.providers.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headwater.backends.offline.script import Act
    from headwater.providers.decoder import Place
    from headwater.providers.request import Request

__all__ = ("OfflineModel", "ScriptedModel", "from_name")

# A soak test sends a million requests; no test reads that many back.
REQUESTS_KEPT = 10_000


class OfflineModel:
    """A fake model with deterministic answers, streamed token by token; it says that it is not a language model.

    Without a script it calls each available tool once, quotes the results, and answers with fixed sentences. It
    supports max_tokens, stop, tool_choice, parallel_tool_calls, reasoning (a short text), verbosity and the output
    type; the sampling settings have no effect, since nothing is sampled.

    With a script (see `script`) it answers only from the script. Turns are used in the order of the requests, including
    retries; if many runs share it, pass one function of the request instead of a sequence. A copy starts the script
    again.

    `rate` is tokens per second, 0 or None for no pauses; a request's `extra={"rate": …}` overrides it. `shape` is
    prose, markdown or poem, by default derived from the task; `seed` picks among phrasings. `model`, `provider` and
    `api` are its names. Raises TypeError for an invalid script, ValueError for an invalid rate or shape.
    """

    def __init__(
        self,
        script: Script | None = None,
        *,
        rate: float | None = None,
        shape: Shape | None = None,
        seed: int = 0,
        model: str = "offline",
        provider: str = "offline",
        api: str = "offline",
    ) -> None:
        if shape is not None and shape not in SHAPES:
            raise ValueError(f"shape must be one of {', '.join(SHAPES)}, not {shape!r}.")
        self.model = model
        self.provider = provider
        self.api = api
        self.rate = rate
        self.shape = shape
        self.seed = seed
        self._pace = Pace(rate)
        self._script = None if script is None else check_script(script)
        self._begin_anew()

    def _begin_anew(self) -> None:
        # Both are thread-safe: one step of each is one step of the interpreter.
        self._turns = itertools.count()
        self._requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_turns", "_requests")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_anew()

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests that a scripted model received, in order, at most the last 10,000; empty without a script."""
        return tuple(self._requests)

    def open(self, request: Request, place: Place) -> OfflineExchange:
        """Prepares the answer; the first `pull` takes the turn. Raises ConfigurationError (tool_choice, rate)."""
        limit = None
        if self._script is None:
            _check_choice(request)
            limit = request.settings.max_tokens
        decoder = Decoder(place)
        decoder.model = self.model
        performance = Performance(decoder, pace=self._pace_of(request), provider=self.provider, limit=limit)
        return OfflineExchange(decoder, partial(self._begin, performance, request))

    def _pace_of(self, request: Request) -> Pace:
        rate = (request.settings.extra or {}).get("rate", self.rate)
        if rate == self.rate:
            return self._pace
        try:
            return Pace(rate)
        except (TypeError, ValueError):
            raise ConfigurationError(
                f'extra={{"rate": {rate!r}}} is no rate.', hint="Give tokens per second, as in 50; 0 is without pauses."
            ) from None

    def _begin(self, performance: Performance, request: Request) -> Acts:
        return performance.acts(self._turn(request), count_request(request))

    def _turn(self, request: Request) -> Sequence[Act]:
        if self._script is None:
            return answer(request, self.shape, self.seed)
        self._requests.append(request)
        if callable(self._script):
            return read_turn(self._script, request)
        number = next(self._turns)
        if number >= len(self._script):
            had = f"{len(self._script)} turn{'' if len(self._script) == 1 else 's'}"
            raise UsageError(
                f"The script has {had}, but request number {number + 1} arrived.",
                hint="Add a turn, or pass a function of the request, which answers any number of them.",
            )
        return read_turn(self._script[number], request)

    def __repr__(self) -> str:
        if self._script is None:
            return f"OfflineModel(model={self.model!r})"
        turns = "function" if callable(self._script) else f"{len(self._script)} turns"
        return f"ScriptedModel(<{turns}>, model={self.model!r})"


ScriptedModel = OfflineModel
"""The name for use in tests."""


def from_name(name: str, *, rate: float | None = None) -> OfflineModel:
    """Returns the model for `offline`, `offline/markdown` or `offline:prose`. Raises UnknownModel for another shape."""
    stem, sep, shape = name.partition("/") if "/" in name else name.partition(":")
    if stem != "offline" or (sep and shape not in SHAPES):
        raise UnknownModel(
            f"There is no offline model {name!r}.",
            hint=f"Write offline, or {', '.join(f'offline/{shape}' for shape in SHAPES)}.",
        )
    chosen = next((known for known in SHAPES if known == shape), None)
    return OfflineModel(rate=rate, shape=chosen, model=name)


def _check_choice(request: Request) -> None:
    choice = request.settings.tool_choice or "auto"
    if choice in ("auto", "none"):
        return
    names = [tool.name for tool in request.tools]
    if not names or (choice != "required" and choice not in names):
        raise ConfigurationError(
            f"tool_choice is {choice!r}, but the request's tools are {', '.join(names) or 'none'}.",
            hint='Add the tool, or leave tool_choice at "auto".',
        )
