"""What context a run needs, as all who may come to answer in it declare it.

Owns who is asked, and the error where nothing was given. What an agent or a workflow declares, it says itself
(`_declared_contexts`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_args

from headwater.errors import ConfigurationError
from headwater.tools.context_type import required, shown

__all__ = ("Needed", "contexts_below", "first_argument", "refuse_without")


class Needed(NamedTuple):
    """A context that someone declares: who, and of which type."""

    who: str
    type: Any


def contexts_below(runnables: Iterable[Any], seen: set[int]) -> Iterator[Needed]:
    """What all of them declare, each asked once: agents may lead back to each other."""
    for one in runnables:
        if id(one) not in seen and (declared := getattr(one, "_declared_contexts", None)) is not None:
            seen.add(id(one))
            yield from declared(seen)


def refuse_without(declared: Iterable[Needed]) -> None:
    """Raise ConfigurationError where a context is declared, for a run that was given none."""
    for who, type_ in declared:
        if required(type_):
            kind = shown(type_)
            raise ConfigurationError(
                f"This run has no context, and {who} one of type {kind}.",
                hint=f"Pass it: agent.run(task, context=…). Where it may be missing, declare {kind} | None.",
            )


def first_argument(alias: Any) -> Any:
    """X of Agent[X, …]; None where nothing is written."""
    return next(iter(get_args(alias)), None)
