"""Reads the required type of a context from type hints.

Owns how hints are read; it must never look at a context itself.
"""

from __future__ import annotations

import typing
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar

from headwater.tools.context import ToolContext

__all__ = ("held_by", "is_context", "required", "shown")


def is_context(hint: Any) -> bool:
    """Whether a type hint is for the context: ToolContext, ToolContext[X], either of them optional."""
    return _context(hint) is not None


def held_by(hint: Any) -> Any:
    """Returns X of a ToolContext[X] hint; Any if the context may be anything."""
    arguments = typing.get_args(_context(hint))
    return arguments[0] if arguments and required(arguments[0]) else Any


def required(type_: Any) -> bool:
    """Whether a context is required: the type allows neither anything nor None."""
    if type_ in (Any, object, None, NoneType) or isinstance(type_, TypeVar):
        return False
    if (alias := getattr(type_, "__value__", None)) is not None:  # type X = …
        return required(alias)
    origin = typing.get_origin(type_)
    if origin is Annotated:
        return required(typing.get_args(type_)[0])
    if origin in (typing.Union, UnionType):
        return all(map(required, typing.get_args(type_)))
    return True


def shown(type_: Any) -> str:
    """Returns the type as written in code."""
    if isinstance(type_, typing.ForwardRef):
        return type_.__forward_arg__
    return type_.__name__ if isinstance(type_, type) and not typing.get_args(type_) else str(type_)


def _context(hint: Any) -> Any:
    """Returns the ToolContext in a hint; None if there is none."""
    origin = typing.get_origin(hint)
    if origin is Annotated:
        return _context(typing.get_args(hint)[0])
    if origin in (typing.Union, UnionType):
        return next((found for one in typing.get_args(hint) if (found := _context(one)) is not None), None)
    kind = origin or hint
    return hint if isinstance(kind, type) and issubclass(kind, ToolContext) else None
