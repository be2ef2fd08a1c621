"""Instructions given as a function: called with the run's context, and validated."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from typing_extensions import TypeVar

from headwater.agents import validation
from headwater.errors import ConfigurationError
from headwater.schema.well_formed import well_formed

__all__ = (
    "Instructions",
    "context_of",
    "instructions_of",
)

ContextT = TypeVar("ContextT", default=Any)

Said: TypeAlias = str | Awaitable[str | None] | None
Instructions: TypeAlias = str | Callable[[ContextT], Said] | Callable[[], Said] | None
"""A string, or a function of the run's context or of nothing that returns a string or an awaitable of one."""


def instructions_of(instructions: Any) -> Any:
    """Instructions as a function of the context, even if the user's function takes no argument."""
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
            f"The instructions function takes {needs} arguments.",
            hint="It is called with the run's context, or without arguments.",
        )
    given = instructions

    def said(context: Any) -> Any:
        text = given(context) if needs or (takes and context is not None) else given()
        return _awaited_text(text) if inspect.isawaitable(text) else _text(text)

    return said


def context_of(instructions: Any) -> Any:
    """The type of context that a function takes, by its type hint; Any if it has none."""
    from headwater.schema.parameters import written

    try:
        first = next(iter(inspect.signature(instructions).parameters.values()), None)
        if first is None or first.default is not first.empty:
            return Any
        return typing.get_type_hints(written(instructions)).get(first.name, Any)
    except (TypeError, ValueError, NameError, AttributeError):  # a built-in; a name that exists only for type checkers
        return Any


async def _awaited_text(text: Awaitable[Any]) -> str | None:
    return _text(await text)


def _text(said: Any) -> str | None:
    if said is not None and not isinstance(said, str):
        raise validation.wrong("The return value of the instructions function", said, "Return a string.")
    return said and well_formed(said)
