"""Instructions that are a function: called with the run's context, and checked."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from typing_extensions import TypeVar

from headwater.agents import validation
from headwater.errors import ConfigurationError
from headwater.schema import well_formed

__all__ = (
    "Instructions",
    "context_of",
    "instructions_of",
)

ContextT = TypeVar("ContextT", default=Any)

Said: TypeAlias = str | Awaitable[str | None] | None
Instructions: TypeAlias = str | Callable[[ContextT], Said] | Callable[[], Said] | None
"""A text; or a function of the run's context, or of nothing, that returns one or an awaitable of one."""


def instructions_of(instructions: Any) -> Any:
    """Instructions as a function of the context, also where the user's function takes nothing."""
    if not callable(instructions):
        return instructions and well_formed(instructions)
    try:
        parameters = inspect.signature(instructions).parameters.values()
    except (TypeError, ValueError):
        takes = needs = 1
    else:
        takes = len(parameters)
        needs = sum(one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD for one in parameters)
    if needs > 1:
        raise ConfigurationError(
            f"The function given as instructions wants {needs} arguments.",
            hint="It is called with the run's context alone, or with nothing.",
        )
    given = instructions

    def said(context: Any) -> Any:
        text = given(context) if needs or (takes and context is not None) else given()
        return _awaited_text(text) if inspect.isawaitable(text) else _text(text)

    return said


def context_of(instructions: Any) -> Any:
    """What the run's context must be for a function of it, as its own type hint says; Any where it does not say."""
    from headwater.schema.parameters import written

    try:
        first = next(iter(inspect.signature(instructions).parameters.values()), None)
        if first is None or first.default is not first.empty:
            return Any
        return typing.get_type_hints(written(instructions)).get(first.name, Any)
    except (TypeError, ValueError, NameError, AttributeError):  # a built-in; a name that only a checker knows
        return Any


async def _awaited_text(text: Awaitable[Any]) -> str | None:
    return _text(await text)


def _text(said: Any) -> str | None:
    if said is not None and not isinstance(said, str):
        raise validation.wrong("What the function given as instructions returned", said, "It has to return a string.")
    return said and well_formed(said)
