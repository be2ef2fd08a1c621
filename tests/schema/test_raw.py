"""Values against a hand-written JSON Schema."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.schema.problems import ValidationFailed
from headwater.schema.raw import RawParameters, mismatches

CITY = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": ["integer", "null"]},
        "kind": {"enum": ["town", "port"]},
        "near": {"type": "array", "items": {"$ref": "#/$defs/Place"}},
        "at": {"anyOf": [{"type": "number"}, {"type": "object", "required": ["x"]}]},
        "fixed": {"const": 1},
        "more": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "both": {"allOf": [{"type": "string"}, {"enum": ["a"]}]},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"Place": {"type": "object", "required": ["name"], "properties": {"inside": {"$ref": "#/$defs/Place"}}}},
}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"size": 3},
        {"size": 3.0},
        {"size": None},
        {"kind": "port"},
        {"near": [{"name": "a", "inside": {"name": "b"}}]},
        {"at": 1.5},
        {"at": {"x": 1}},
        {"fixed": 1, "more": {"a": True}, "both": "a"},
    ],
)
def test_what_fits(more: dict[str, Any]) -> None:
    assert mismatches({"name": "Brest", **more}, CITY) == []


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ([], "the value: must be object, got []"),
        ({}, "name: required, but missing"),
        ({"name": 1}, "name: must be string, got 1"),
        ({"name": "a", "size": True}, "size: must be integer or null, got True"),
        ({"name": "a", "size": 1.5}, "size: must be integer or null, got 1.5"),
        ({"name": "a", "kind": "x"}, "kind: must be one of ['town', 'port'], got 'x'"),
        ({"name": "a", "near": [{}]}, "near[0].name: required, but missing"),
        ({"name": "a", "near": [{"name": "b", "inside": {}}]}, "near[0].inside.name: required, but missing"),
        ({"name": "a", "at": "x"}, "at: must be number, got 'x'"),
        ({"name": "a", "fixed": 2}, "fixed: must be 1, got 2"),
        ({"name": "a", "more": {"b": 1}}, "more.b: must be boolean, got 1"),
        ({"name": "a", "both": "b"}, "both: must be one of ['a'], got 'b'"),
        ({"name": "a", "other": 1}, "other: unknown; known names:"),
    ],
)
def test_what_does_not_fit(value: Any, problem: str) -> None:
    (told,) = mismatches(value, CITY)
    assert told.startswith(problem)


def test_a_recursive_schema_is_followed_to_a_limit() -> None:
    schema = {"$ref": "#"}
    assert mismatches({}, schema) == []
    assert len(mismatches([1] * 100, {"items": {"type": "string"}})) == 20
    assert mismatches(1, {"$ref": "https://example.com/schema"}) == []
    assert mismatches(1, {"type": "strange"}) == []


def test_parameters() -> None:
    made = RawParameters(CITY)
    assert made.names[0] == "name"
    assert made.validate('{"name": "a"}') == {"name": "a"}
    assert made.strict_schema() is None
    closed = RawParameters({"properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert closed.strict_schema() == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert RawParameters({}).validate("") == {}
    given: tuple[Any, ...] = ("{", "[]", {"name": 1})
    for wrong in given:
        with pytest.raises(ValidationFailed, match="The arguments do not fit"):
            made.validate(wrong)
    none: tuple[Any, ...] = ({"type": "string"}, [], {"x": object()})
    for schema in none:
        with pytest.raises(ValueError, match="its schema is not"):
            RawParameters(schema)
