"""Whether a value is what a vendor's own package types say: strictly, so that a field that they do not name is one too
many. (pydantic lets unknown keys of a TypedDict pass, and reads an Iterable only when someone asks.)"""

from __future__ import annotations

import collections.abc
import types
import typing
from collections.abc import Mapping
from typing import Any

import typing_extensions

__all__ = ("misfit",)

_UNIONS = (typing.Union, types.UnionType)
_LISTS = (list, tuple, collections.abc.Iterable, collections.abc.Sequence)
_WRAPPERS = (typing_extensions.Required, typing_extensions.NotRequired, typing.Required, typing.NotRequired)


def misfit(value: Any, kind: Any, where: str = "") -> str:
    """Returns what of `value` does not fit `kind`; "" where all does."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object:
        return ""
    if origin in _WRAPPERS or origin is typing.Annotated:
        return misfit(value, arguments[0], where)
    if isinstance(kind, typing_extensions.TypeAliasType):
        return misfit(value, kind.__value__, where)
    if origin in _UNIONS:
        faults = [misfit(value, one, where) for one in arguments]
        # The one that was meant is the one that fits the furthest.
        return "" if "" in faults else max(faults, key=lambda one: (one.count("."), len(one)))
    if origin is typing.Literal:
        return "" if value in arguments and type(value) in map(type, arguments) else f"{where} is {value!r}"
    if typing_extensions.is_typeddict(kind):
        return _misfit_of_fields(value, kind, where)
    if origin in _LISTS or kind in _LISTS:
        if not isinstance(value, list):
            return f"{where} is no list"
        inner = arguments[0] if arguments else Any
        return next((wrong for one in value if (wrong := misfit(one, inner, f"{where}[]"))), "")
    if origin in (dict, collections.abc.Mapping) or kind is dict:
        return "" if isinstance(value, dict) else f"{where} is no object"
    if kind is None or kind is type(None):
        return "" if value is None else f"{where} is not null"
    if kind is float:
        return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{where} is no number"
    if kind is int:
        return "" if isinstance(value, int) and not isinstance(value, bool) else f"{where} is no whole number"
    if kind in (str, bool):
        return "" if isinstance(value, kind) else f"{where} is {value!r}"
    return ""  # a class of theirs: files, models


def _misfit_of_fields(value: Any, kind: Any, where: str) -> str:
    if not isinstance(value, Mapping):
        return f"{where} is no object"
    fields = typing_extensions.get_type_hints(kind, include_extras=True)
    for name in kind.__required_keys__:
        if name not in value:
            return f"{where}.{name} is missing"
    # What tells the members of a union apart comes first: it says which of them was meant.
    for name in sorted(value, key=lambda name: name not in ("type", "role")):
        if name not in fields:
            return f"{where}.{name} is not known"
        if wrong := misfit(value[name], fields[name], f"{where}.{name}"):
            return wrong
    return ""
