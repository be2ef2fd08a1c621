"""Any source of text as an agent: a function that returns an async iterator of strings.

    Strings(generate, name="llama")

Owns how the iterator is closed. The iterator says nothing of tools, usage or models, and so the log has none.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, ClassVar, TypeAlias

from headwater.adapters.adapted import Adapted, named
from headwater.adapters.adapted_run import AdaptedRun
from headwater.adapters.conversation import Said, only_text
from headwater.errors import ConfigurationError
from headwater.events.messages import Text

__all__ = ("Source", "Strings")

Source: TypeAlias = Callable[..., AsyncIterable[str] | Awaitable[AsyncIterable[str]]]
"""A function of the task's text (and, as a second parameter, the run's context) that returns an async iterator."""


class Strings(Adapted):
    """An agent that says what an async iterator of strings yields.

    `source` is called for each run with the task's text; if it takes two positional arguments, also with the context.
    It is an async generator function, or returns an async iterator, also from `async def`. When the run is left, the
    iterator is closed if it has `aclose`, as async generators have; where it waits, it is cancelled. `model` and
    `provider` name what is behind it, for the log and for prices.

    Raises ConfigurationError.
    """

    framework = "An iterator of strings"
    kinds: ClassVar[tuple[type[Said], ...] | None] = (Text,)

    def __init__(
        self, source: Source, *, name: str | None = None, description: str = "", model: str = "", provider: str = ""
    ) -> None:
        if not callable(source):
            raise ConfigurationError(
                f"{source!r} is not a function.",
                hint="Give the function that makes the iterator, not the iterator: it is called for each run.",
            )
        super().__init__(named(name, getattr(source, "__name__", None), "strings"), description=description)
        self.source = source
        self.model = model
        self.provider = provider
        self._takes_context = _positional(source) > 1

    async def _tell(self, run: AdaptedRun) -> None:
        task = only_text(self._turns(run.input))
        made: Any = self.source(task, run.context) if self._takes_context else self.source(task)
        pieces = await made if inspect.isawaitable(made) else made
        if not isinstance(pieces, AsyncIterable):
            raise ConfigurationError(
                f"The function of {self.name!r} returned {type(pieces).__name__}, not an async iterator.",
                hint="Write it as an async generator: async def generate(task): yield …",
            )
        run.begin_step(model=self.model, provider=self.provider)
        iterator = aiter(pieces)
        try:
            async for piece in iterator:
                if not isinstance(piece, str):
                    raise ConfigurationError(
                        f"The iterator of {self.name!r} yielded {type(piece).__name__}, not a string.",
                        hint="Yield pieces of text.",
                    )
                run.text(str.__str__(piece))
                await run.turn()
        finally:
            if (close := getattr(iterator, "aclose", None)) is not None:
                await close()


def _positional(function: Source) -> int:
    """How many positional arguments a function takes; one if that is not known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return 1
    return sum(
        parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters
    )
