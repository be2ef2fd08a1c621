"""Values whose constructor says what to write instead of an argument that they do not have.

Owns the wording of that error. A correct call goes through unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

__all__ = ("Explained", "ExplainedClass")

if TYPE_CHECKING:

    class Explained(msgspec.Struct, frozen=True):
        """A struct that explains its arguments: `_instead` says what to write for names that people try.

        The key "" is for a value without a name. Raises TypeError for an unknown argument.
        """

        _instead: ClassVar[Mapping[str, str]] = {}

    class ExplainedClass:
        """The same for a class that is no struct."""

        _instead: ClassVar[Mapping[str, str]] = {}

else:
    # Type checkers see a plain struct: with a metaclass's `__call__` they would no longer check the arguments.

    def _made(make: Any, kind: type, args: Any, named: Any) -> Any:
        try:
            return make(*args, **named)
        except TypeError:
            if (problem := _problem(kind, len(args), named)) is None:
                raise  # the value's own check
        raise TypeError(problem)

    class _ExplainingStruct(type(msgspec.Struct)):
        def __call__(cls, *args: Any, **named: Any) -> Any:
            return _made(super().__call__, cls, args, named)

    class _Explaining(type):
        def __call__(cls, *args: Any, **named: Any) -> Any:
            return _made(super().__call__, cls, args, named)

        @property
        def __signature__(cls) -> Any:
            import inspect

            given = inspect.signature(cls.__init__)
            return given.replace(parameters=[*given.parameters.values()][1:])

    class Explained(msgspec.Struct, frozen=True, metaclass=_ExplainingStruct):
        """See above."""

        _instead: ClassVar[Mapping[str, str]] = {}

    class ExplainedClass(metaclass=_Explaining):
        """See above."""

        __slots__ = ()
        _instead: ClassVar[Mapping[str, str]] = {}


def _problem(kind: type[Explained | ExplainedClass], unnamed: int, named: Mapping[str, Any]) -> str | None:
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
