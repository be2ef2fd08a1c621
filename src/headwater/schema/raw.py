"""Validates values against a hand-written JSON Schema: a tool's parameters or an output type without a Python type.

Owns the part of JSON Schema that is checked: types, required and unknown names, enums, alternatives, local references.
Other keywords are sent to the model and not checked. It never fetches a schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from headwater.schema.problems import MAX_PROBLEMS, ValidationFailed
from headwater.schema.shapes import JSONSchema, strict

__all__ = ("RawParameters", "mismatches")

MAX_DEPTH: Final = 60
"""Maximum depth of a value that is checked: deeper than any real answer, and it stops endless recursion."""

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


class RawParameters:
    """Parameters from a schema of type object; see `Parameters`. Raises ValueError for any other schema."""

    def __init__(self, schema: Mapping[str, Any], *, injected: tuple[str, ...] = (), description: str = "") -> None:
        if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
            raise ValueError("its schema is not of type object")
        try:
            self.schema: JSONSchema = msgspec.json.decode(msgspec.json.encode({"type": "object", **schema}))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"its schema is not JSON: {error}") from None
        self.schema.setdefault("properties", {})
        self.injected = injected
        self.description = description

    @property
    def names(self) -> tuple[str, ...]:
        """The parameter names that a model may use, in order."""
        return tuple(self.schema["properties"])

    def strict_schema(self) -> JSONSchema | None:
        """The schema for providers' strict modes; None if a name is optional or strict mode cannot express it."""
        if {*self.schema.get("required", ())} != {*self.names}:
            return None
        return strict(self.schema)

    def validate(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """Returns the model's arguments unchanged. Raises: ValidationFailed, whose text says what to fix."""
        given = arguments if isinstance(arguments, Mapping) else _read(arguments)
        if problems := mismatches(given, self.schema):
            raise ValidationFailed("The arguments do not fit:", problems)
        return dict(given)


def _read(text: str) -> Any:
    try:
        return msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ValidationFailed("The arguments do not fit:", [f"not valid JSON: {error}"]) from None


def mismatches(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Returns a line for each mismatch in `value`; empty if it fits."""
    found: list[str] = []
    _check(value, schema, "", schema, found, 0)
    return found[:MAX_PROBLEMS]


def _check(value: Any, schema: Any, path: str, root: Mapping[str, Any], found: list[str], depth: int) -> None:
    if depth > MAX_DEPTH or len(found) >= MAX_PROBLEMS or not isinstance(schema, Mapping):
        return
    where = path or "the value"
    if isinstance(reference := schema.get("$ref"), str):
        _check(value, _target(reference, root), path, root, found, depth + 1)
    if not _is_of(value, schema.get("type")):
        found.append(f"{where}: must be {_kinds(schema['type'])}, got {_shown(value)}")
        return
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: must be one of {_shown(schema['enum'])}, got {_shown(value)}")
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: must be {_shown(schema['const'])}, got {_shown(value)}")
    for part in schema.get("allOf", ()):
        _check(value, part, path, root, found, depth + 1)
    for word in ("anyOf", "oneOf"):
        if options := schema.get(word):
            trials: list[list[str]] = []
            for option in options:
                trials.append([])
                _check(value, option, path, root, trials[-1], depth + 1)
            if all(trials):
                found += sorted(trials, key=len)[0]
    if isinstance(value, dict):
        _check_object(value, schema, path, root, found, depth)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            _check(item, schema["items"], f"{path}[{index}]", root, found, depth + 1)


def _check_object(
    value: dict[str, Any], schema: Mapping[str, Any], path: str, root: Mapping[str, Any], found: list[str], depth: int
) -> None:
    properties = schema.get("properties", {})
    further = schema.get("additionalProperties", True)
    head = f"{path}." if path else ""
    found += [f"{head}{name}: required, but missing" for name in schema.get("required", ()) if name not in value]
    for name, inner in value.items():
        if name in properties:
            _check(inner, properties[name], f"{head}{name}", root, found, depth + 1)
        elif further is False and not schema.get("patternProperties"):
            found.append(f"{head}{name}: unknown; known names: {', '.join(properties)}")
        elif isinstance(further, Mapping):
            _check(inner, further, f"{head}{name}", root, found, depth + 1)


def _is_of(value: Any, kind: Any) -> bool:
    if isinstance(kind, list):
        return any(_is_of(value, one) for one in kind)
    known = _TYPES.get(kind) if isinstance(kind, str) else None
    if known is None:
        return True
    if isinstance(value, bool):
        return bool(kind == "boolean")
    whole: bool = kind == "integer" and isinstance(value, float) and value.is_integer()
    return whole or isinstance(value, known)


def _kinds(kind: Any) -> str:
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        return {}
    target: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            target = target.get(step, {}) if isinstance(target, Mapping) else {}
    return target


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:120]}…"
