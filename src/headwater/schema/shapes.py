"""Transforms JSON Schemas: makes them compact for a prompt, or strict for providers that enforce them.

Values in, values out; nothing here depends on Python types.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ("JSONSchema", "constraints_said", "nullable", "strict", "tidy")

JSONSchema: TypeAlias = dict[str, Any]

_MAPS = frozenset({"properties", "$defs", "patternProperties", "dependentSchemas"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLES = frozenset(
    {"items", "additionalProperties", "not", "contains", "propertyNames", "if", "then", "else", "unevaluatedProperties"}
)
_REF = "#/$defs/"
_NOISE = frozenset({"title", "discriminator"})  # redundant names, and an OpenAPI keyword


def tidy(schema: JSONSchema) -> JSONSchema:
    """Removes titles and null defaults, resolves a reference at the root, and inlines definitions used once."""
    definitions: dict[str, JSONSchema] = schema.get("$defs", {})
    root = {key: value for key, value in schema.items() if key != "$defs"}
    seen: set[str] = set()
    while (name := _target(root)) in definitions and name not in seen:
        seen.add(name)
        root = {**definitions[name], **{key: value for key, value in root.items() if key != "$ref"}}
    uses: Counter[str] = Counter()
    for part in (root, *definitions.values()):
        _rewrite(part, lambda node: _count(node, uses))
    kept: dict[str, JSONSchema] = {}

    def settle(node: JSONSchema) -> JSONSchema:
        name = _target(node)
        if name in definitions and uses[name] == 1 and name not in seen:
            siblings = {key: value for key, value in node.items() if key != "$ref"}
            return {**_rewrite(definitions[name], settle), **siblings}
        if name in definitions and name not in kept:
            kept[name] = {}  # reserved before its body is read, which may refer to it again
            kept[name] = _rewrite(definitions[name], settle)
        return _plain(node)

    root = _rewrite(root, settle)
    return {**root, "$defs": kept} if kept else root


def strict(schema: JSONSchema) -> JSONSchema | None:
    """Returns `schema` for strict mode: closed objects, everything required, only keywords that all providers accept.

    A constraint that they do not accept goes into the description instead. Returns None if strict mode cannot express
    the schema: a dict with free keys, any value at all, a tuple with a type for each position, a pattern that their
    regular expressions do not support, too many enum values.
    """
    try:
        closed = _rewrite(schema, _strict)
    except _NotStrict:
        return None
    enums: list[list[Any]] = []

    def keep(node: JSONSchema) -> JSONSchema:
        enums.append(node.get("enum", []))
        return node

    _rewrite(closed, keep)
    return None if _too_many(enums) else closed


def _too_many(enums: list[list[Any]]) -> bool:
    """Whether the enums together, or the values of a long one, exceed OpenAI's limits."""
    long = (enum for enum in enums if len(enum) > MANY_VALUES)
    return sum(map(len, enums)) > MAX_VALUES or any(
        sum(len(value) for value in enum if isinstance(value, str)) > MAX_LONG_CHARS for enum in long
    )


def nullable(schema: JSONSchema) -> JSONSchema:
    """Returns a schema for `schema` or null; the description stays outside."""
    options = schema.get("anyOf", [])
    if schema.get("type") == "null" or {"type": "null"} in options:
        return schema
    if not schema.keys() - {"description", "default"}:
        return schema  # accepts anything already
    inner = {key: value for key, value in schema.items() if key not in ("description", "default")}
    outer = {key: value for key, value in schema.items() if key in ("description", "default")}
    options = [*options, {"type": "null"}] if inner.keys() == {"anyOf"} else [inner, {"type": "null"}]
    return {"anyOf": options, **outer}


def _rewrite(schema: JSONSchema, change: Callable[[JSONSchema], JSONSchema]) -> JSONSchema:
    """Applies `change` to every schema in `schema`, inner ones first; values such as defaults stay as they are."""
    out: JSONSchema = {}
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            out[key] = {name: _rewrite(inner, change) for name, inner in value.items()}
        elif key in _LISTS and isinstance(value, list):
            out[key] = [_rewrite(inner, change) for inner in value]
        elif key in _SINGLES and isinstance(value, dict):
            out[key] = _rewrite(value, change)
        else:
            out[key] = value
    return change(out)


def _target(node: JSONSchema) -> str:
    return str(node.get("$ref", "")).removeprefix(_REF)


def _count(node: JSONSchema, uses: Counter[str]) -> JSONSchema:
    if "$ref" in node:
        uses[_target(node)] += 1
    return node


def _plain(node: JSONSchema) -> JSONSchema:
    return {key: value for key, value in node.items() if key not in _NOISE and not (key == "default" and value is None)}


# --- strictness

# Keywords that OpenAI's structured outputs accept (Anthropic ignores a few of them, which does no harm).
_STRICT_KEYWORDS = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "anyOf", "enum", "const", "$ref", "$defs"}
    | {"description", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    | {"minItems", "maxItems", "format"}
)
_STRICT_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"},
)
MAX_VALUES = 1000
"""Maximum number of values in all enums of a strict schema together: OpenAI's limit."""

MANY_VALUES, MAX_LONG_CHARS = 250, 15_000
"""Maximum total length of the values of one enum with more than MANY_VALUES values: OpenAI's limits too."""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NOT_REGULAR = re.compile(r"\(\?(?!:)|[*+?}]\+")
_NOT_ESCAPES = frozenset("123456789bBAZzGkKpPX")
"""Syntax that a purely regular engine does not have: lookarounds, named groups, flags, possessive repetition,
backreferences, boundaries, named classes. The providers' grammars do not have it either."""


def _is_regular(pattern: str) -> bool:
    plain = _ESCAPE.sub("_", pattern)  # an escaped bracket opens no group
    return not _NOT_REGULAR.search(plain) and _NOT_ESCAPES.isdisjoint(_ESCAPE.findall(pattern))


_SAYS_SOMETHING = frozenset({"type", "anyOf", "$ref", "enum", "const"})


class _NotStrict(Exception):
    """Strict mode cannot express this schema."""


def _strict(node: JSONSchema) -> JSONSchema:
    node = {key: value for key, value in node.items() if key != "examples"}
    if "oneOf" in node:
        node["anyOf"] = [*node.get("anyOf", []), *node.pop("oneOf")]
    if len(node.get("allOf", ())) == 1:
        node = {**node.pop("allOf")[0], **node}
    if not node.keys() & _SAYS_SOMETHING or node.keys() & {"allOf", "prefixItems", "patternProperties", "not", "if"}:
        raise _NotStrict
    if node.get("type") == "object":
        if "properties" not in node or node.get("additionalProperties"):
            raise _NotStrict
        node["additionalProperties"] = False
        node["required"] = list(node["properties"])
    if node.get("type") == "array" and "items" not in node:
        raise _NotStrict
    if not _is_regular(str(node.get("pattern", ""))):
        raise _NotStrict
    node = _unsupported_into_description(node)
    if "$ref" in node and node.keys() - {"$ref", "$defs"}:
        node["anyOf"] = [{"$ref": node.pop("$ref")}]  # a reference may have no sibling keywords
    return node


def _unsupported_into_description(node: JSONSchema) -> JSONSchema:
    out: JSONSchema = {}
    said: list[str] = []
    for key, value in node.items():
        if key in _STRICT_KEYWORDS and (key != "format" or value in _STRICT_FORMATS):
            out[key] = value
        else:
            said.append(f"{key}: {value if isinstance(value, str) else json.dumps(value)}")
    if said:
        out["description"] = f"{out.get('description', '')} ({', '.join(said)})".strip()
    return out


_SAID = re.compile(
    r"(minLength|maxLength|minProperties|maxProperties|uniqueItems|format): (\w[\w-]*)(?=, |$)", re.ASCII
)


def constraints_said(description: str) -> JSONSchema:
    """Returns the constraints that `strict` has put into the description, those that are one word or number."""
    said = description.rpartition("(")[2].removesuffix(")")
    return {
        key: json.loads(value) if value.isdigit() or value == "true" else value for key, value in _SAID.findall(said)
    }
