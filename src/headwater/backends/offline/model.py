"""`OfflineModel`: a backend that needs no network, key or weights, and the test double.

A declaration like every backend, with one piece of state, kept only with a script: how many turns were handed out, and
for which requests. What it answers without a script is `canned`'s, how a turn is streamed is `performance`'s.
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

# A soak test asks a million times; no test reads that many requests back.
REQUESTS_KEPT = 10_000


class OfflineModel:
    """Deterministic answers, streamed token by token; it is no language model, and says so.

    Without a script it calls each tool it is offered once, quotes what came back, and answers with fixed sentences. It
    honours max_tokens, stop, tool_choice, parallel_tool_calls, reasoning (it thinks aloud, briefly), verbosity and the
    output type; the sampling settings have nothing to act on, since nothing is sampled.

    With a script (see `script`) it says what it was told to and honours nothing else. Turns are handed out in the order
    of asking, retries included; where many runs share it, give one function of the request instead of a sequence.
    A copy begins the script anew.

    `rate` is tokens per second, 0 or None for no pauses. `shape` is prose, markdown or poem, by default what the task's
    words suggest; `seed` picks among phrasings. `model`, `provider` and `api` are what it goes by. Raises TypeError for
    what is no script, ValueError for a rate or shape that is none.
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
            raise ValueError(f"shape is one of {', '.join(SHAPES)}, not {shape!r}.")
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
        # Both are safe to share between threads as they are: one step of each is one step of the interpreter.
        self._turns = itertools.count()
        self._requests: deque[Request] = deque(maxlen=REQUESTS_KEPT)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_turns", "_requests")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin_anew()

    @property
    def requests(self) -> tuple[Request, ...]:
        """The requests a scripted model received, in order, at most the last 10,000; empty without a script."""
        return tuple(self._requests)

    def open(self, request: Request, place: Place) -> OfflineExchange:
        """Prepare to answer; the first `pull` takes the turn. Raises ConfigurationError (tool_choice)."""
        limit = None
        if self._script is None:
            _check_choice(request)
            limit = request.settings.max_tokens
        decoder = Decoder(place)
        decoder.model = self.model
        performance = Performance(decoder, pace=self._pace, provider=self.provider, limit=limit)
        return OfflineExchange(decoder, partial(self._begin, performance, request))

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
                f"The script of {self.model!r} has {had} and was asked for number {number + 1}.",
                hint="Add a turn, or give a function of the request, which answers any number of them.",
            )
        return read_turn(self._script[number], request)

    def __repr__(self) -> str:
        if self._script is None:
            return f"OfflineModel(model={self.model!r})"
        turns = "function" if callable(self._script) else f"{len(self._script)} turns"
        return f"OfflineModel(<{turns}>, model={self.model!r})"


ScriptedModel = OfflineModel
"""The name used in tests."""


def from_name(name: str, *, rate: float | None = None) -> OfflineModel:
    """The model that `offline`, `offline/markdown` or `offline:prose` names. Raises UnknownModel for another shape."""
    stem, sep, shape = name.partition("/") if "/" in name else name.partition(":")
    if stem != "offline" or (sep and shape not in SHAPES):
        raise UnknownModel(
            f"No offline model goes by {name!r}.",
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
            f"tool_choice is {choice!r}, and the tools offered are {', '.join(names) or 'none'}.",
            hint='Offer the tool, or leave tool_choice at "auto".',
        )
