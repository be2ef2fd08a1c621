"""The context that a run needs, as declared by every agent that may answer in it.

Owns collecting these declarations, and the error for a missing context. Each agent and workflow lists its own
(`_declared_contexts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_args

from headwater.errors import ConfigurationError
from headwater.tools.context_type import required, shown

__all__ = ("Needed", "contexts_below", "first_argument", "refuse_without")


class Needed(NamedTuple):
    """A declared context: by whom, and of which type."""

    who: str
    type: Any


def contexts_below(runnables: Iterable[Any], seen: set[int]) -> Iterator[Needed]:
    """The contexts that they declare, each visited once because agents may refer to each other."""
    for one in runnables:
        if id(one) not in seen and (declared := getattr(one, "_declared_contexts", None)) is not None:
            seen.add(id(one))
            yield from declared(seen)


def refuse_without(declared: Iterable[Needed]) -> None:
    """Raise ConfigurationError if a context is declared and the run has none."""
    for who, type_ in declared:
        if required(type_):
            kind = shown(type_)
            raise ConfigurationError(
                f"This run has no context, and {who} one of type {kind}.",
                hint=f"Pass it: agent.run(task, context=…). To make it optional, declare {kind} | None.",
            )


def first_argument(alias: Any) -> Any:
    """X of Agent[X, …]; None if there are no brackets."""
    return next(iter(get_args(alias)), None)
