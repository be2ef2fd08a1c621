"""Guards as declared: a function of some text, what it checks, and what its verdicts mean.

Values only: it must never call the function for a run, or hold a text; see `verdicts` and `gate`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Literal, TypeAlias, get_args, overload

import msgspec

from headwater.errors import ConfigurationError
from headwater.schema.context_parameter import takes_context

__all__ = ("Block", "Guard", "GuardContext", "On", "Replace", "Retry", "Verdict", "as_guard", "guard")

On: TypeAlias = Literal["output", "input", "arguments", "result", "reasoning"]
"""What a guard checks: the model's text and refusals, the task and later messages, a call's arguments, a tool's result,
the model's reasoning."""

HOLD_CHARS: Final = 200
"""How many characters are held back by default: longer than a key, a card number, an address."""

EVERY_CHARS: Final = 80
"""How many new characters make a check by default: about a second of a model's output."""

TIMEOUT_SECONDS: Final = 30.0
"""How long a check may take by default; the answer is read on meanwhile, and nothing of it is shown."""


class Block(msgspec.Struct, frozen=True):
    """The verdict that ends the run with GuardBlocked. `note` is shown and logged: it must not quote the text."""

    note: str = ""


class Replace(msgspec.Struct, frozen=True):
    """The verdict that puts `text` in the place of the text that was passed to the guard."""

    text: str


class Retry(msgspec.Struct, frozen=True):
    """The verdict that rejects the answer: the model is asked again, and told `note`, which must not quote the text."""

    note: str


Verdict: TypeAlias = Block | Replace | Retry | None
"""What a guard returns: None lets the text pass."""


class GuardContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a guard knows besides the text."""

    on: On
    agent: str
    run: str
    """The run's id."""
    step: int | None = None
    """The model request, from 1; None for the input."""
    final: bool = True
    """Whether the text is complete; otherwise more of it follows."""
    tool: str = ""
    """The tool, for arguments and results."""
    arguments: Any = None
    """The call's arguments, for arguments and results."""
    context: Any = None
    """The run's context."""


class Guard:
    """A guard, as `@guard` makes it; it can still be called like the function."""

    __slots__ = ("_takes_context", "every", "function", "hold", "may_retry", "name", "on", "overlap", "timeout")

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        on: On | Iterable[On] = "output",
        hold: int | Literal["sentence", "step"] = HOLD_CHARS,
        every: int = EVERY_CHARS,
        overlap: int | None = None,
        timeout: float | None = TIMEOUT_SECONDS,
        may_retry: bool = False,
        name: str = "",
    ) -> None:
        if not callable(function):
            raise ConfigurationError(
                f"A guard is a function, not {type(function).__name__}.", hint="Write @guard above a function."
            )
        self.function: Callable[..., Any] = function
        self.name: str = name or getattr(function, "__name__", type(function).__name__)
        self.on: tuple[On, ...] = _words(on)
        self.hold = hold
        self.every: int = every
        self.overlap: int = _overlap(hold, overlap)
        self.timeout: float | None = timeout
        self.may_retry: bool = may_retry
        self._takes_context = _takes_context(function, self.name)
        _check(self)

    def __call__(self, text: str, ctx: GuardContext) -> Any:
        """Calls the function."""
        return self.function(text, ctx) if self._takes_context else self.function(text)

    def __repr__(self) -> str:
        return f"Guard({self.name!r}, on={'|'.join(self.on)!r})"


@overload
def guard(function: Callable[..., Any], /) -> Guard: ...
@overload
def guard(
    *,
    on: On | Iterable[On] = ...,
    hold: int | Literal["sentence", "step"] = ...,
    every: int = ...,
    overlap: int | None = ...,
    timeout: float | None = ...,
    may_retry: bool = ...,
    name: str = ...,
) -> Callable[[Callable[..., Any]], Guard]: ...
def guard(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Declares a guard: a plain or async function of a text and, if it takes two, a GuardContext.

    A second parameter that has a default gets it only if it is named `ctx` or `context`, or its type hint is
    GuardContext.

    It returns None to let the text pass, or Block, Replace or Retry. What has not passed is in no event, and so nowhere
    else. A guard that raises, or takes longer than `timeout` seconds (async functions only), blocks.

    `on` says what it checks: "output" (the model's text), "reasoning", "arguments" (of calls), "input" (the task and
    later messages), "result" (of tools), or several of them.

    `hold` says how much text waits, so that something that is split over many deltas is seen before any of it shows:
    that many characters, whole sentences, or the whole step. It is checked again each `every` characters, together with
    the `overlap` characters before (None: 200, or `hold` if that is more). `may_retry` announces that the guard may
    return Retry after text was shown: readers that cannot take text back then wait for the end of each step.

    Raises ConfigurationError.
    """
    if function is not None:
        return Guard(function)
    return lambda function: Guard(function, **options)


def as_guard(value: Any) -> Guard:
    """Returns a guard, which may be given as a plain function. Raises ConfigurationError."""
    return value if isinstance(value, Guard) else Guard(value)


def _takes_context(function: Callable[..., Any], name: str) -> bool:
    try:
        return takes_context(function, hint=GuardContext.__name__, variadic=True)
    except TypeError as error:
        raise ConfigurationError(
            f"The guard {name!r} cannot be called with a text: {error}.",
            hint=f"Write def {name}(text) or def {name}(text, ctx); other parameters need defaults.",
        ) from None


def _words(on: Any) -> tuple[On, ...]:
    words: tuple[Any, ...] = (on,) if isinstance(on, str) else tuple(on)
    known = get_args(On)
    for word in words:
        if word not in known:
            raise ConfigurationError(f"on={word!r} is nothing that a guard checks.", hint=f"Use {', '.join(known)}.")
    if not words:
        raise ConfigurationError("on= is empty: the guard would check nothing.", hint=f"Use {', '.join(known)}.")
    return words


def _overlap(hold: Any, overlap: int | None) -> int:
    if overlap is not None:
        return overlap
    return max(HOLD_CHARS, hold) if isinstance(hold, int) else HOLD_CHARS


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _check(guard: Guard) -> None:
    if guard.hold not in ("sentence", "step") and not _is_count(guard.hold, 0):
        raise ConfigurationError(
            f"hold={guard.hold!r} of the guard {guard.name!r}.",
            hint='Use a number of characters, "sentence" or "step".',
        )
    for name, least in (("every", 1), ("overlap", 0)):
        if not _is_count(value := getattr(guard, name), least):
            raise ConfigurationError(
                f"{name}={value!r} of the guard {guard.name!r}.", hint=f"Use a whole number from {least}."
            )
    if isinstance(guard.hold, int) and guard.hold > guard.overlap:
        raise ConfigurationError(
            f"The guard {guard.name!r} holds {guard.hold} characters, but sees only {guard.overlap} again.",
            hint=f"Use overlap={guard.hold} or more: what is held is checked as a whole.",
        )
    seconds: Any = guard.timeout
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or seconds <= 0):
        raise ConfigurationError(
            f"timeout={seconds!r} of the guard {guard.name!r}.", hint="Use a number of seconds above 0, or None."
        )
