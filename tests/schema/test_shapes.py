from __future__ import annotations

import json
from typing import Any

import pytest

from headwater.schema.shapes import constraints_said, nullable, strict, tidy

NODE: dict[str, Any] = {
    "title": "Node",
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}], "default": None}},
}


def test_titles_are_removed_and_a_property_named_title_stays() -> None:
    schema = {
        "title": "T",
        "type": "object",
        "properties": {"title": {"title": "Title", "type": "string"}, "default": {"type": "null", "default": None}},
        "default": {"title": "kept, for it is a value"},
    }
    assert tidy(schema) == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "default": {"type": "null"}},
        "default": {"title": "kept, for it is a value"},
    }


def test_definitions_used_once_are_inlined() -> None:
    schema = {
        "type": "array",
        "items": {"$ref": "#/$defs/A", "description": "outer"},
        "$defs": {
            "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}, "description": "inner"},
            "B": {"enum": [1]},
        },
    }
    assert tidy(schema) == {
        "type": "array",
        "items": {"type": "object", "properties": {"b": {"enum": [1]}}, "description": "outer"},
    }


def test_definitions_used_twice_are_kept() -> None:
    schema = {
        "anyOf": [{"$ref": "#/$defs/A"}, {"items": {"$ref": "#/$defs/A"}}],
        "$defs": {"A": {"title": "A", "type": "integer"}, "Unused": {"type": "null"}},
    }
    assert tidy(schema) == {
        "anyOf": [{"$ref": "#/$defs/A"}, {"items": {"$ref": "#/$defs/A"}}],
        "$defs": {"A": {"type": "integer"}},
    }


def test_a_recursive_type_has_an_object_at_its_root() -> None:
    schema = tidy({"$ref": "#/$defs/Node", "$defs": {"Node": NODE}})
    assert schema["type"] == "object"
    assert schema["properties"] == schema["$defs"]["Node"]["properties"]
    assert schema["properties"]["next"] == {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}


def test_mutually_recursive_types() -> None:
    schema = {
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {
            "A": {"properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"properties": {"a": {"$ref": "#/$defs/A"}}},
        },
    }
    out = tidy(schema)
    assert out["properties"]["a"] == {"$ref": "#/$defs/A"}
    assert out["$defs"] == {"A": {"properties": {"b": {"properties": {"a": {"$ref": "#/$defs/A"}}}}}}


def test_tidy_does_not_change_its_argument() -> None:
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}
    before = json.dumps(schema)
    tidy(schema)
    strict(schema)
    assert json.dumps(schema) == before


def test_strict_closes_and_requires() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 2, "description": "The a.", "default": "zz"},
            "b": {"type": "array", "items": {"type": "object", "properties": {"c": {"type": "integer"}}}},
            "d": {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "binary"}]},
        },
        "required": ["a"],
    }
    assert strict(schema) == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": "The a. (minLength: 2, default: zz)"},
            "b": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"c": {"type": "integer"}},
                    "required": ["c"],
                    "additionalProperties": False,
                },
            },
            "d": {
                "anyOf": [{"type": "string", "format": "date"}, {"type": "string", "description": "(format: binary)"}]
            },
        },
        "required": ["a", "b", "d"],
        "additionalProperties": False,
    }


def test_a_reference_with_a_description_is_wrapped() -> None:
    assert strict({"$ref": "#/$defs/A", "description": "An A."}) == {
        "anyOf": [{"$ref": "#/$defs/A"}],
        "description": "An A.",
    }


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "array"},
        {"type": "array", "prefixItems": [{"type": "integer"}]},
        {"type": "object", "properties": {"x": {"description": "anything"}}},
        {"allOf": [{"type": "integer"}, {"minimum": 3}]},
    ],
)
def test_not_strict(schema: dict[str, Any]) -> None:
    assert strict(schema) is None


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "integer"}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (
            {"type": "integer", "description": "d", "default": 1},
            {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "d", "default": 1},
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (
            {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
        ),
        ({"type": "null"}, {"type": "null"}),
        ({"description": "anything"}, {"description": "anything"}),
    ],
)
def test_nullable(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert nullable(schema) == expected


@pytest.mark.parametrize(
    ("pattern", "closed"),
    [
        (r"^\d{2}$", True),
        (r"^(?:a|b)[c-d]+?\(?\.$", True),
        (r"^\\?b$", True),
        (r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", False),  # Decimal's, of pydantic 2.9 to 2.12
        (r"(?=a)b", False),
        (r"(?<=a)b", False),
        (r"(?P<a>b)", False),
        (r"(?i)a", False),
        (r"(a)\1", False),
        (r"\bword\b", False),
        (r"a++", False),
    ],
)
def test_a_pattern_is_strict_if_any_regex_engine_supports_it(pattern: str, closed: bool) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
    assert (strict(schema) is not None) is closed


@pytest.mark.parametrize(
    ("sizes", "length", "closed"),
    [((1000,), 2, True), ((1001,), 2, False), ((600, 401), 2, False), ((251,), 60, False), ((250,), 600, True)],
)
def test_enums_are_strict_up_to_openais_limits(sizes: tuple[int, ...], length: int, closed: bool) -> None:
    properties = {str(at): {"enum": ["x" * length] * size} for at, size in enumerate(sizes)}
    assert (strict({"type": "object", "properties": properties}) is not None) is closed


def test_what_strict_has_said_can_be_read_again() -> None:
    limits = {"minLength": 8, "maxLength": 20, "format": "uri"}
    closed = strict({"type": "string", "description": "A name (or two).", "default": "a, b", **limits})
    assert closed is not None
    assert closed.keys() == {"type", "description"}
    assert constraints_said(closed["description"]) == limits
    assert constraints_said("At least eight characters (see the guide)") == {}
