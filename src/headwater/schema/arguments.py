"""Values whose constructor says what to write instead of an argument that they do not have.

Owns the wording of that error. A correct call goes through unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

__all__ = ("Explained",)

if TYPE_CHECKING:

    class Explained(msgspec.Struct, frozen=True):
        """A struct that explains its arguments: `_instead` says what to write for names that people try.

        The key "" is for a value without a name. Raises TypeError for an unknown argument.
        """

        _instead: ClassVar[Mapping[str, str]] = {}

else:
    # Type checkers see a plain struct: with a metaclass's `__call__` they would no longer check the arguments.

    class _Explaining(type(msgspec.Struct)):
        def __call__(cls, *args: Any, **named: Any) -> Any:
            try:
                return super().__call__(*args, **named)
            except TypeError:
                if (problem := _problem(cls, len(args), named)) is None:
                    raise  # the value's own check
            raise TypeError(problem)

    class Explained(msgspec.Struct, frozen=True, metaclass=_Explaining):
        """See above."""

        _instead: ClassVar[Mapping[str, str]] = {}


def _problem(kind: type[Explained], unnamed: int, named: Mapping[str, Any]) -> str | None:
    """What is wrong with the arguments, and what to write; None if they are all known."""
    import inspect

    known = inspect.signature(kind).parameters
    instead = kind._instead
    for name in named:
        if name not in known:
            return f"{kind.__name__} has no argument {name}=. {_hint(name, [*known], instead)}"
    if unnamed > sum(one.kind is not one.KEYWORD_ONLY for one in known.values()):
        how = f"Write {instead['']}." if "" in instead else f"They are {', '.join(known)}."
        return f"The arguments of {kind.__name__} have names. {how}"
    return None


def _hint(name: str, known: list[str], instead: Mapping[str, str]) -> str:
    import difflib

    if name in instead:
        return f"Write {instead[name]}."
    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}=?" if near else f"The arguments are {', '.join(known)}."
