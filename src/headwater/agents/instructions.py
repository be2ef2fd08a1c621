"""Instructions that are a function: called with the run's context, and checked."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from headwater.agents import validation
from headwater.errors import ConfigurationError

__all__ = (
    "Instructions",
    "instructions_of",
)

Instructions: TypeAlias = str | Callable[..., str | Awaitable[str]] | None


def instructions_of(instructions: Instructions) -> Any:
    """Instructions as a function of the context, also where the user's function takes nothing."""
    if not callable(instructions):
        return instructions
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
        text = given(context) if takes else given()
        return _awaited_text(text) if inspect.isawaitable(text) else _text(text)

    return said


async def _awaited_text(text: Awaitable[Any]) -> str | None:
    return _text(await text)


def _text(said: Any) -> str | None:
    if said is not None and not isinstance(said, str):
        raise validation.wrong("What the function given as instructions returned", said, "It has to return a string.")
    return said
