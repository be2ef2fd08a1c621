"""A question as a form: its fields, which a person fills in one by one, and the typed text as JSON values.

Reads the JSON Schema of a question. Nothing here reads a terminal, and the values are validated elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

__all__ = ("Field", "content_of", "fields_of")

MAX_DEPTH: Final = 4
"""The maximum depth at which objects are split into fields; deeper ones are entered as JSON."""

_SINGLE: Final = ("result",)
"""The path of a value that is not an object in the schema of a question."""

_DEFAULT: Final = re.compile(r"\(default: (.*)\)\s*$", re.DOTALL)


class Field(NamedTuple):
    """One value. `path` is its position; `optional` means that it may be left out, `nullable` that it may be null."""

    path: tuple[str, ...]
    schema: Mapping[str, Any]
    optional: bool = False
    nullable: bool = False

    @property
    def label(self) -> str:
        """Its label; "" if it is the only field."""
        return "" if self.path == _SINGLE else str(self.schema.get("title") or ".".join(self.path))

    @property
    def hint(self) -> str:
        """A short description of valid input; "" for any text."""
        told = _DEFAULT.sub("", str(self.schema.get("description", ""))).strip()
        words = [told] if told else []
        if kind := self._kind():
            words.append(kind)
        if (default := self._default()) is not None:
            words.append(f"Enter for {default}")
        elif self.nullable or self.optional:
            words.append("Enter for none")
        return ", ".join(words)

    def read(self, text: str) -> Any:
        """The typed value. Raises ValueError, which says what is expected."""
        text = text.strip()
        if choices := self.schema.get("enum"):
            return _chosen(choices, text)
        match self.schema.get("type"):
            case "boolean":
                return _yes_or_no(text)
            case "integer":
                return _number(text, int, "a whole number")
            case "number":
                return _number(text, float, "a number")
            case "string":
                return text
            case "array" if not text.startswith("[") and (item := _item(self.schema)) is not None:
                return [item.read(one) for one in text.split(",") if one.strip()]
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError("Expected JSON.") from None

    @property
    def may_be_empty(self) -> bool:
        """Whether Enter is a valid answer."""
        return self.nullable or self.optional or self._default() is not None

    def empty(self, values: dict[tuple[str, ...], Any]) -> None:
        """Only Enter was typed: use the default, or null if that is allowed."""
        if self.nullable and self._default() is None:
            values[self.path] = None

    def _kind(self) -> str:
        if choices := self.schema.get("enum"):
            return " or ".join(map(str, choices))
        match self.schema.get("type"):
            case "boolean":
                return "y or n"
            case "integer":
                return "a whole number"
            case "number":
                return "a number"
            case "string":
                return {"date": "such as 2026-11-29", "date-time": "such as 2026-11-29T17:05", "uri": "a URL"}.get(
                    str(self.schema.get("format")), ""
                )
            case "array" if _item(self.schema) is not None:
                return "separated by commas"
        return "as JSON"

    def _default(self) -> str | None:
        if "default" in self.schema:
            default = self.schema["default"]
            return default if isinstance(default, str) else json.dumps(default)
        found = _DEFAULT.search(str(self.schema.get("description", "")))
        return found.group(1) if found is not None else None


def fields_of(schema: Mapping[str, Any]) -> list[Field]:
    """The fields of a question's schema, in order."""
    return [*_fields(schema, (), schema.get("$defs", {}), optional=False)]


def content_of(values: Mapping[tuple[str, ...], Any]) -> Any:
    """The answer made of the fields' values."""
    if set(values) == {_SINGLE}:
        return values[_SINGLE]
    content: dict[str, Any] = {}
    for path, value in values.items():
        if not path:
            return value
        place = content
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = value
    return content


def _fields(
    schema: Mapping[str, Any], path: tuple[str, ...], defs: Mapping[str, Any], *, optional: bool
) -> Iterator[Field]:
    schema, nullable = _plain(schema, defs)
    properties = schema.get("properties")
    if isinstance(properties, Mapping) and properties and len(path) < MAX_DEPTH and not (nullable or optional):
        required = schema.get("required", ())
        for name, inner in properties.items():
            yield from _fields(inner, (*path, name), defs, optional=name not in required)
    else:
        yield Field(path, schema, optional, nullable)


def _plain(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """The schema without references and without null, and whether null was allowed."""
    for _ in range(MAX_DEPTH):
        ref = str(schema.get("$ref", ""))
        if not ref.startswith("#/$defs/"):
            break
        schema = {**defs.get(ref.removeprefix("#/$defs/"), {}), **{k: v for k, v in schema.items() if k != "$ref"}}
    kind = schema.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        others = [one for one in kind if one != "null"]
        return {**schema, "type": others[0] if len(others) == 1 else None}, "null" in kind
    if "const" in schema:
        return {**schema, "enum": [schema["const"]]}, False
    for word in ("anyOf", "oneOf"):
        ways = schema.get(word, ())
        others = [one for one in ways if one.get("type") != "null"]
        if len(others) == 1:
            inner, _ = _plain(others[0], defs)
            around = {key: value for key, value in schema.items() if key != word}
            return {**inner, **around}, len(ways) > 1
    return schema, False


def _item(schema: Mapping[str, Any]) -> Field | None:
    """The items of a list, if each can be typed as one word."""
    items = schema.get("items")
    if isinstance(items, Mapping) and (items.get("type") in ("string", "integer", "number") or "enum" in items):
        return Field((), items)
    return None


def _chosen(choices: Sequence[Any], text: str) -> Any:
    for choice in choices:
        if text.lower() == str(choice).lower():
            return choice
    raise ValueError(f"Expected one of {', '.join(map(str, choices))}.")


def _yes_or_no(text: str) -> bool:
    if text.lower() in ("y", "yes", "true"):
        return True
    if text.lower() in ("n", "no", "false"):
        return False
    raise ValueError("Expected y or n.")


def _number(text: str, kind: type[int] | type[float], wanted: str) -> int | float:
    with contextlib.suppress(ValueError, OverflowError):
        number = kind(text)
        if math.isfinite(number):
            return number
    raise ValueError(f"Expected {wanted}.")
