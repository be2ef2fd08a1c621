"""Interprets the keywords of one JSON Schema: its type, whether a plain value satisfies them, how to merge two schemas.

Pure. Reads only a schema's own keywords: `schema_samples` follows references and branches.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

__all__ = ("Schema", "fits", "holds", "kind", "merged")

Schema: TypeAlias = dict[str, Any]


def kind(schema: Schema) -> str:
    """Returns the type to generate: the first one except null, else the one that the keywords apply to."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind
    for kind, words in _KEYWORDS.items():
        if words & schema.keys():
            return kind
    return "string"


_KEYWORDS = {
    "object": {"properties", "required", "additionalProperties", "minProperties"},
    "array": {"items", "prefixItems", "minItems"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}


def merged(one: Any, other: Any) -> Any:
    """Returns a schema that requires both, as far as merging keywords can express it."""
    if one is False or other is False:
        return False
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other if isinstance(other, dict) else one
    both: Schema = {**one, **other}
    for key in one.keys() & other.keys():
        here, there = one[key], other[key]
        if key == "properties":
            both[key] = {**here, **{name: merged(here.get(name, True), inner) for name, inner in there.items()}}
        elif key == "required":
            both[key] = [*here, *(name for name in there if name not in here)]
        elif key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
            both[key] = max(here, there)
        elif key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
            both[key] = min(here, there)
        elif key == "enum":
            both[key] = [value for value in here if value in there]
        elif key == "type":
            both[key] = _both_types(here, there)
        elif key == "allOf":
            both[key] = [*here, *there]
    return both


def _both_types(here: str | list[str], there: str | list[str]) -> str | list[str]:
    ours, theirs = ([kind] if isinstance(kind, str) else kind for kind in (here, there))
    common = [kind for kind in ours if kind in theirs]
    if not common and "number" in (*ours, *theirs) and "integer" in (*ours, *theirs):
        return "integer"
    return common or there


_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "array": list,
    "null": type(None),
}


def fits(value: Any, schema: Schema) -> bool:
    """Whether a plain value satisfies the schema's own keywords."""
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        return False
    if ("const" in schema and value != schema["const"]) or ("enum" in schema and value not in schema["enum"]):
        return False
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        step: float | None = schema.get("multipleOf")
        return (
            schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
            and schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
            and (not step or float(value / step).is_integer())
        )
    return True


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES.get(kind, object)) and isinstance(value, bool) <= (kind == "boolean")


def holds(values: list[Any], value: Any) -> bool:
    """Whether the values contain it by JSON's rules, in which 1 and true differ."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)
