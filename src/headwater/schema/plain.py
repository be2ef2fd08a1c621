"""Converts any Python value to JSON: tool results, progress and outputs.

It never fails: values that JSON cannot express become their `str`. It never imports pydantic; a model brings its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Set
from typing import Any

import msgspec

from headwater.schema.well_formed import well_formed

__all__ = ("to_json", "to_plain")

MAX_DEPTH = 100
"""Maximum depth when a value is walked by hand; anything deeper is a cycle, or too deep to be read."""


def to_json(value: Any) -> str:
    """`value` as JSON: dataclasses, models, enums, dates and sets as usual, bytes as base64, the rest by its `str`."""
    try:
        return msgspec.json.encode(value, enc_hook=_convert).decode()
    except Exception:
        # Odd keys, lone surrogates, cycles, a `str` that raises: one such value must not lose the others.
        return msgspec.json.encode(_walk(value, ())).decode()


def to_plain(value: Any) -> Any:
    """Copies `value` to JSON types (dicts, lists, strings, numbers, booleans, None); the copy shares no object."""
    kind = type(value)
    if kind is str:
        return well_formed(value)
    if value is None or kind is bool or kind is int:
        return value
    return msgspec.json.decode(to_json(value))


def _convert(value: Any) -> Any:
    """Converts a value that msgspec does not know to one that it does."""
    if isinstance(value, str):  # subclasses are encoded as their base type
        return str.__str__(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if callable(dump := getattr(value, "model_dump", None)) and not isinstance(value, type):
        try:
            return dump(mode="json")
        except Exception:  # JSON cannot express some field: convert each on its own
            return dump()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, range) or type(value).__name__ == "deque":
        return list(value)
    if callable(listed := getattr(value, "tolist", None)):  # numpy's scalars and arrays, without importing it
        return listed()
    return str(value)


def _walk(value: Any, above: tuple[int, ...]) -> Any:
    """Walks a value by hand after the fast path failed; `above` holds the containers around it."""
    if isinstance(value, str):
        return well_formed(str.__str__(value))
    if id(value) in above or len(above) >= MAX_DEPTH:
        return "…"
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {_key(key): _walk(inner, inside) for key, inner in value.items()}
    if isinstance(value, (list, tuple, Set)):
        return [_walk(inner, inside) for inner in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _walk(getattr(value, field.name), inside) for field in dataclasses.fields(value)}
    try:
        simple = msgspec.to_builtins(value, enc_hook=_convert, str_keys=True)
        msgspec.json.encode(simple)
    except Exception:
        return _string(value)
    return simple


def _key(key: Any) -> str:
    return well_formed(str.__str__(key)) if isinstance(key, str) else _string(key)


def _string(value: Any) -> str:
    try:
        return well_formed(str(value))
    except Exception:
        return f"<{type(value).__name__}>"
