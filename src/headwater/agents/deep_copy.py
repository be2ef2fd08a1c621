"""Deep copies of declarations: a copy has its own nested declarations and shares everything else.

Owns the distinction. A database that a tool is bound to, a callback's object, a connection: these belong to the user,
may not be copyable, and are shared by the copy.
"""

from __future__ import annotations

from types import MethodType
from typing import Any, Self

__all__ = ("DeepCopied",)


class DeepCopied:
    """A declaration whose deep copy has its own declarations and containers, and shares everything else."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = object.__new__(type(self))
        memo[id(self)] = twin  # before its parts, which may refer to it
        for name, value in self.__dict__.items():
            twin.__dict__[name] = _own(value, memo)
        return twin


def _own(value: Any, memo: dict[int, Any]) -> Any:
    kind = type(value)
    if isinstance(value, DeepCopied):
        return memo[id(value)] if id(value) in memo else value.__deepcopy__(memo)
    if isinstance(value, MethodType) and isinstance(value.__self__, DeepCopied):
        return MethodType(value.__func__, _own(value.__self__, memo))
    if kind in (list, tuple, set, frozenset):
        return kind([_own(item, memo) for item in value])
    if kind is dict:
        return {name: _own(item, memo) for name, item in value.items()}
    return value
