"""Checks a value against the types of a vendor's own package: strictly, so that unknown fields are errors. (pydantic
ignores unknown keys of a TypedDict, and validates an Iterable lazily.)

Runs in the environment of the vendors' packages, which may not have this project: it imports neither.
"""

from __future__ import annotations

import collections.abc
import enum
import functools
import types
import typing
from collections.abc import Mapping
from typing import Any

import typing_extensions

__all__ = ("misfit",)

_UNIONS = (typing.Union, types.UnionType)
_LISTS = (list, tuple, collections.abc.Iterable, collections.abc.Sequence)
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_WRAPPERS = (
    typing_extensions.Required,
    typing_extensions.NotRequired,
    typing.Required,
    typing.NotRequired,
    typing.ClassVar,
)


def misfit(value: Any, kind: Any, where: str = "") -> str:
    """Returns the first mismatch between `value` and `kind`; "" if it fits."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any or kind is object or isinstance(kind, typing.TypeVar):
        return ""
    if origin in _WRAPPERS or origin is typing.Annotated:
        return misfit(value, arguments[0], where)
    if isinstance(kind, typing_extensions.TypeAliasType):
        return misfit(value, kind.__value__, where)
    if origin in _UNIONS:
        faults = [misfit(value, one, where) for one in arguments]
        # The intended one is the one that fits best.
        return "" if "" in faults else max(faults, key=lambda one: (one.count("."), len(one)))
    if origin is typing.Literal:
        return "" if value in arguments and type(value) in map(type, arguments) else f"{where} is {value!r}"
    if typing_extensions.is_typeddict(kind):
        return _misfit_of_fields(value, kind, where)
    if origin in _LISTS or kind in _LISTS:
        return _misfit_of_list(value, arguments[0] if arguments else Any, where)
    if origin in _DICTS or kind in _DICTS:
        return _misfit_of_dict(value, arguments[1] if len(arguments) == 2 else Any, where)
    if kind is None or kind is type(None):
        return "" if value is None else f"{where} is not null"
    if isinstance(kind, type):
        return _misfit_of_class(value, kind, where)
    return ""


def _misfit_of_list(value: Any, inner: Any, where: str) -> str:
    if not isinstance(value, list):
        return f"{where} is no list"
    return next((wrong for one in value if (wrong := misfit(one, inner, f"{where}[]"))), "")


def _misfit_of_dict(value: Any, inner: Any, where: str) -> str:
    if not isinstance(value, dict):
        return f"{where} is no object"
    return next((wrong for name, one in value.items() if (wrong := misfit(one, inner, f"{where}.{name}"))), "")


def _misfit_of_class(value: Any, kind: type, where: str) -> str:
    if issubclass(kind, enum.Enum):
        values = [one.value for one in kind]
        if any(base.__name__.lower() == "caseinsensitiveenum" for base in kind.__mro__) and isinstance(value, str):
            value = value.upper() if value.upper() in values else value.lower()  # Google's
        return "" if value in values else f"{where} is {value!r}"
    if issubclass(kind, float):
        return "" if isinstance(value, (int, float)) and not isinstance(value, bool) else f"{where} is not a number"
    if kind is bool:
        return "" if isinstance(value, bool) else f"{where} is {value!r}"
    if issubclass(kind, int):
        return "" if isinstance(value, int) and not isinstance(value, bool) else f"{where} is not an integer"
    if kind in (str, bytes):  # bytes are base64 on the wire
        return "" if isinstance(value, str) else f"{where} is {value!r}"
    if hasattr(kind, "model_fields"):
        return _misfit_of_model(value, kind, where)
    return f"{where} is no {kind.__name__}"  # a class without a JSON form: a file, a "not given" marker


def _misfit_of_fields(value: Any, kind: Any, where: str) -> str:
    if not isinstance(value, Mapping):
        return f"{where} is no object"
    return _misfit_of_names(value, _hints(kind), kind.__required_keys__, where)


@functools.cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return typing_extensions.get_type_hints(kind, include_extras=True)


def _misfit_of_model(value: Any, kind: Any, where: str) -> str:
    """The same for a pydantic model, by the wire names of its fields."""
    if set(kind.model_fields) == {"value"}:
        return misfit(value, str, where)  # ollama's Image: a model that is a string on the wire
    if set(kind.model_fields) == {"raw", "type", "is_unknown"}:
        return f"{where} is no {kind.__name__}"  # a newer server may send it, requests may not
    if not isinstance(value, Mapping):
        return f"{where} is no object"
    named = {field.alias or name: field for name, field in kind.model_fields.items()}
    required = [name for name, field in named.items() if field.is_required()]
    return _misfit_of_names(value, {name: field.annotation for name, field in named.items()}, required, where)


def _misfit_of_names(
    value: Mapping[str, Any], fields: Mapping[str, Any], required: collections.abc.Iterable[str], where: str
) -> str:
    for name in required:
        if name not in value:
            return f"{where}.{name} is missing"
    # The discriminator of a union comes first: it identifies the intended member.
    for name in sorted(value, key=lambda name: name not in ("type", "role")):
        if name not in fields:
            return f"{where}.{name} is not known"
        if wrong := misfit(value[name], fields[name], f"{where}.{name}"):
            return wrong
    return ""
