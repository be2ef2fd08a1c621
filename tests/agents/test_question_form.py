"""What a question wants to know, as fields, and what was typed as values."""

from __future__ import annotations

import datetime
import enum
import json
import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from headwater.agents import question_form
from headwater.agents.question_form import content_of, fields_of
from headwater.schema.output import OutputType


class Address(BaseModel):
    city: str
    code: str | None = None


class Kind(enum.Enum):
    SINGLE = "single"
    DOUBLE = "double"


class Room(BaseModel):
    """A room."""

    nights: int = Field(description="how many", ge=1)
    kind: Kind = Kind.SINGLE
    address: Address
    guests: list[str]
    since: datetime.date
    smoking: bool = False
    price: float | None = None


def asked(type_: Any) -> list[question_form.Field]:
    schema = OutputType(type_).schema
    assert schema is not None
    return fields_of(schema)


def test_an_object_is_its_fields_with_what_may_be_typed() -> None:
    assert [(field.label, field.hint) for field in asked(Room)] == [
        ("nights", "how many, a whole number"),
        ("kind", "single or double, Enter for single"),
        ("address.city", ""),
        ("address.code", "Enter for none"),
        ("guests", "separated by commas"),
        ("since", "such as 2026-11-29"),
        ("smoking", "y or n, Enter for false"),
        ("price", "a number, Enter for none"),
    ]


def test_what_was_typed_is_the_value() -> None:
    typed = ["2", "Double", "Brest", "", "ann, bob", "2026-11-29", "", "12.5"]
    values: dict[tuple[str, ...], Any] = {}
    for field, text in zip(asked(Room), typed, strict=True):
        if text:
            values[field.path] = field.read(text)
        else:
            assert field.may_be_empty
            field.empty(values)
    content = content_of(values)
    room = Room.model_validate(content)
    assert (room.kind, room.address, room.smoking) == (Kind.DOUBLE, Address(city="Brest"), False)
    assert (room.guests, room.price) == (["ann", "bob"], 12.5)
    assert "smoking" not in content, "what is left out has its default"


@pytest.mark.parametrize(
    ("type_", "hint", "text", "value"),
    [
        (int, "a whole number", " 3 ", 3),
        (float, "a number", "1e3", 1000.0),
        (bool, "y or n", "Yes", True),
        (bool, "y or n", "n", False),
        (Literal[1, 2], "1 or 2", "2", 2),
        (Literal["a"], "a", "A", "a"),
        (list[int], "separated by commas", "1, 2,", [1, 2]),
        (list[int], "separated by commas", "[1, 2]", [1, 2]),
        (list[str], "separated by commas", "", []),
        (int | None, "a whole number, Enter for none", "3", 3),
        (list[Address], "as JSON", '[{"city": "Brest", "code": null}]', [{"city": "Brest", "code": None}]),
    ],
)
def test_one_value_has_no_name(type_: Any, hint: str, text: str, value: object) -> None:
    (field,) = asked(type_)
    assert (field.label, field.hint) == ("", hint)
    assert content_of({field.path: field.read(text)}) == value


@pytest.mark.parametrize(
    ("type_", "text", "told"),
    [
        (int, "2.5", "Expected a whole number."),
        (float, "nan", "Expected a number."),
        (float, "1e999", "Expected a number."),
        (bool, "maybe", "Expected y or n."),
        (Literal["a", "b"], "c", "Expected one of a, b."),
        (list[int], "1, x", "Expected a whole number."),
        (list[Address], "Brest", "Expected JSON."),
    ],
)
def test_an_invalid_value_is_reported(type_: Any, text: str, told: str) -> None:
    (field,) = asked(type_)
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        field.read(text)


def test_schemas_of_others_are_read_too() -> None:
    """As MCP servers write them: with references, titles, defaults and what need not be given."""
    schema = {
        "$defs": {"Port": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
        "type": "object",
        "properties": {
            "port": {"$ref": "#/$defs/Port"},
            "days": {"type": "integer", "title": "Days", "default": 3},
            "note": {"type": ["string", "null"]},
            "why": {"type": "string"},
            "fixed": {"const": "x"},
            "loop": {"$ref": "#/$defs/nowhere"},
        },
        "required": ["port", "note", "fixed", "loop"],
    }
    assert [(field.label, field.hint, field.may_be_empty) for field in fields_of(schema)] == [
        ("port.name", "", False),
        ("Days", "a whole number, Enter for 3", True),
        ("note", "Enter for none", True),
        ("why", "Enter for none", True),
        ("fixed", "x", False),
        ("loop", "as JSON", False),
    ]
    values: dict[tuple[str, ...], Any] = {}
    for field in fields_of(schema):
        if field.may_be_empty:
            field.empty(values)
    assert values == {("note",): None}, "what has a default, or need not be there, is left out"


def test_other_values_are_written_as_json() -> None:
    (field,) = asked(dict[str, int])
    assert (field.label, field.hint) == ("", "as JSON")
    assert content_of({field.path: field.read('{"a": 1}')}) == {"a": 1}


_strings = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1)


@given(st.dictionaries(st.text("abc", min_size=1), st.one_of(st.integers(), st.booleans(), _strings), min_size=1))
def test_what_is_typed_for_each_field_is_the_object(wanted: dict[str, Any]) -> None:
    kinds = {int: "integer", bool: "boolean", str: "string"}
    properties = {name: {"type": kinds[type(value)]} for name, value in wanted.items()}
    outer = {"type": "object", "properties": properties, "required": [*wanted]}
    schema = {"type": "object", "properties": {"outer": outer}, "required": ["outer"]}
    values: dict[tuple[str, ...], Any] = {}
    for field in fields_of(schema):
        value = wanted[field.path[-1]]
        values[field.path] = field.read(value if isinstance(value, str) else json.dumps(value))
    assert content_of(values) == {"outer": wanted}
