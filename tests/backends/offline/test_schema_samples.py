"""Values generated from a JSON Schema: valid, deterministic, with words of the task."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, HttpUrl, create_model

from headwater import Agent
from headwater.backends.offline import (
    sample,
)
from headwater.errors import ConfigurationError
from tests.support.effort import tries


def valid(value: Any, schema: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    validator.validate(value)


def numbers(kind: Literal["integer", "number"]) -> st.SearchStrategy[dict[str, Any]]:
    def bounded(low: int, room: int, keys: tuple[str, str]) -> dict[str, Any]:
        return {"type": kind, keys[0]: low, keys[1]: low + room}

    keys = st.tuples(st.sampled_from(["minimum", "exclusiveMinimum"]), st.sampled_from(["maximum", "exclusiveMaximum"]))
    return st.one_of(
        st.builds(bounded, st.integers(-100, 100), st.integers(2, 50), keys),
        st.builds(lambda key, bound: {"type": kind, key: bound}, keys.flatmap(st.sampled_from), st.integers(-99, 99)),
        st.builds(
            lambda low, step: {"type": kind, "minimum": low, "multipleOf": step},
            st.integers(-99, 99),
            st.integers(1, 9),
        ),
        st.just({"type": kind}),
    )


def strings() -> st.SearchStrategy[dict[str, Any]]:
    lengths = st.builds(
        lambda low, room: {"type": "string", "minLength": low, "maxLength": low + room},
        st.integers(0, 60),
        st.integers(0, 9),
    )
    formats = st.sampled_from(
        ["date", "date-time", "email", "uri", "uuid", "ipv4", "ipv6", "time", "duration", "hostname"]
    )
    patterns = st.sampled_from(["^[A-Z]{3}$", r"^\d{5}$", "^[a-z]+$", r"^#[0-9a-f]{6}$", r"^\d{4}-\d{2}-\d{2}$"])
    return st.one_of(
        st.just({"type": "string"}),
        lengths,
        formats.map(lambda name: {"type": "string", "format": name}),
        patterns.map(lambda pattern: {"type": "string", "pattern": pattern}),
    )


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    plain: st.SearchStrategy[dict[str, Any]] = st.one_of(
        numbers("integer"),
        numbers("number"),
        strings(),
        st.just({"type": "boolean"}),
        st.just({"type": "null"}),
        st.just({}),
        st.lists(st.integers() | st.text() | st.none(), min_size=1).map(lambda values: {"enum": values}),
        (st.integers() | st.text() | st.booleans()).map(lambda value: {"const": value}),
        st.lists(st.sampled_from(["string", "integer", "null", "object"]), min_size=1, unique=True).map(
            lambda k: {"type": k}
        ),
    )
    return st.recursive(plain, compound, max_leaves=8)


def compound(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def object_(properties: dict[str, Any], required: int) -> dict[str, Any]:
        names = list(properties)[:required]
        return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}

    names = st.sampled_from(["city", "query", "amount", "when", "tags", "näme"])
    return st.one_of(
        st.builds(object_, st.dictionaries(names, inner, max_size=4), st.integers(0, 4)),
        st.builds(lambda items, least: {"type": "array", "items": items, "minItems": least}, inner, st.integers(0, 3)),
        st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        inner.map(lambda one: {"$defs": {"One": one}, "allOf": [one]}),
        inner.map(lambda one: {"type": "array", "prefixItems": [one, {"type": "boolean"}], "items": False}),
        inner.map(lambda one: {"type": "object", "additionalProperties": one, "minProperties": 2}),
    )


@settings(max_examples=tries(50, 200), deadline=None)
@given(schemas(), st.sampled_from(["", "Add 2 and 3.5", "the weather in Paris, 17 times", "ünïcode 🎉"]))
def test_a_sample_is_valid(schema: dict[str, Any], task: str) -> None:
    value = sample(schema, task)
    valid(value, schema)
    assert sample(schema, task) == value


TREE = {
    "$ref": "#/$defs/Node",
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "left": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name", "left", "children"],
        }
    },
}


@pytest.mark.parametrize(
    ("schema", "task", "value"),
    [
        (TREE, "grow", {"name": "grow", "left": None, "children": []}),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}], "default": None}, "7 seas", 7),
        ({"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 3, "uniqueItems": True}, "", [1, 2, 3]),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True}, "x", ["x", "x0"]),
        ({"type": "array", "items": {"type": "integer", "maximum": 1}, "minItems": 2, "uniqueItems": True}, "", [1, 0]),
        ({"type": "string", "default": "en"}, "French", "en"),
        ({"type": "string", "examples": ["BER"]}, "", "BER"),
        (
            {"allOf": [{"$ref": "#/$defs/A"}, {"required": ["b"]}], "$defs": {"A": {"required": ["a"]}}},
            "x",
            {"a": "x", "b": "x"},
        ),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}, "", 0.25),
        ({"type": "integer", "maximum": -3, "minimum": -8, "multipleOf": 5}, "", -5),
        ({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"const": 1}}}, "", 1),
        ({"$ref": "#/oneOf/0", "oneOf": [{"const": 1}]}, "", 1),
        ({"$ref": "https://example.com/elsewhere"}, "", {}),
        ({"$ref": "#"}, "", {}),
        ({"type": "string", "pattern": "("}, "x", "x"),
    ],
)
def test_known_samples(schema: dict[str, Any], task: str, value: Any) -> None:
    assert sample(schema, task) == value


@pytest.mark.parametrize(
    "parts",
    [
        ({"minimum": 3}, {"minimum": 5, "type": "integer"}),
        ({"maximum": -3, "type": "number"}, {"maximum": -5, "type": ["string", "integer"]}),
        ({"minLength": 3, "type": "string"}, {"maxLength": 9, "minLength": 5}),
        ({"enum": [1, "b", "cc"]}, {"enum": ["b", "cc"], "type": "string"}, {"minLength": 2}),
        ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"properties": {"a": {"minimum": 9}, "b": {}}}),
        ({"allOf": [{"type": "array", "minItems": 2}]}, {"allOf": [{"items": {"type": "boolean"}}]}),
        ({"$ref": "#/$defs/Short", "minLength": 2}, True),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, {"description": "either"}),
    ],
)
def test_a_sample_is_valid_for_all_of_several(parts: tuple[Any, ...]) -> None:
    schema = {"allOf": list(parts), "$defs": {"Short": {"type": "string", "maxLength": 3}}}
    valid(sample(schema, "somewhat longer words"), schema)


@pytest.mark.parametrize(
    "items",
    [
        {"type": "boolean"},
        {"type": "integer", "multipleOf": 3, "maximum": 9},
        {"type": "number"},
        {"type": "string", "maxLength": 1},
        {"enum": ["a", 1, True]},
        True,
    ],
)
def test_unique_items_are_unique(items: Any) -> None:
    schema = {"type": "array", "items": items, "minItems": 2, "uniqueItems": True}
    valid(sample(schema, "x"), schema)


def test_unsatisfiable_properties_are_left_out() -> None:
    assert sample({"type": "array", "items": False}) == []
    assert sample({"type": "array", "items": False, "minItems": 1}) == {}
    assert sample({"allOf": [False]}) == {}
    assert sample({"type": "object", "properties": {"a": False, "b": {"const": 1}}, "minProperties": 1}) == {"b": 1}
    assert sample({"type": "array", "items": {"const": 1}, "minItems": 2, "uniqueItems": True}) == {}
    assert sample({"type": "integer", "minimum": 1, "maximum": 0}) == {}


def test_words_and_numbers_of_the_task_are_used_in_order() -> None:
    properties = {
        "a": {"type": "integer"},
        "b": {"type": "integer"},
        "c": {"type": "integer"},
        "query": {"type": "string"},
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    assert sample(schema, "Add 2 and 3") == {"a": 2, "b": 3, "c": 1, "query": "Add 2 and 3"}


def test_words_that_only_ask_are_not_taken() -> None:
    names = ("base", "target")
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}, "required": [*names]}
    assert sample(schema, "How many euros should we need for some dollars?") == {"base": "euros", "target": "dollars"}


def test_mutually_recursive_schemas_end() -> None:
    names = [f"S{number}" for number in range(12)]
    everyone = [{"$ref": f"#/$defs/{name}"} for name in names]
    node = {"type": "object", "properties": {"next": {"anyOf": everyone}}, "required": ["next"]}
    schema = {"$ref": "#/$defs/S0", "$defs": dict.fromkeys(names, node)}
    assert sample(schema) == {}


LIMITED: dict[str, Any] = {
    "short": Annotated[str, Field(max_length=3)],
    "long": Annotated[str, Field(min_length=40, max_length=40)],
    "address": HttpUrl,
    "several": Annotated[list[str], Field(min_length=3)],
    "between": Annotated[int, Field(gt=50, multiple_of=7)],
    "code": Annotated[str, Field(pattern=r"^\d{5}$")],
    "either": Annotated[str, Field(pattern="^q+z$")] | int,
}


@pytest.mark.parametrize("name", LIMITED)
def test_an_answer_keeps_the_limits_of_its_type(name: str) -> None:
    kind = create_model("Kind", field=(LIMITED[name], ...))
    assert isinstance(Agent(model="offline", output_type=kind).run("Describe the harbour").output, kind)


def test_a_pattern_that_is_not_followed_is_an_error_in_an_answer() -> None:
    patterned: Any = Annotated[str, Field(pattern="^q+z$")]
    kind = create_model("Kind", field=(patterned, ...))
    with pytest.raises(ConfigurationError, match="cannot follow the pattern") as raised:
        Agent(model="offline", output_type=kind).run("Describe the harbour")
    assert "ScriptedModel" in raised.value.hint
    assert sample({"type": "string", "pattern": "^q+z$"}, "harbour") == "harbour"
