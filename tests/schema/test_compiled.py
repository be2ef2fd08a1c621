"""A type's validator and JSON Schema, and the error for a type that has neither."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from pydantic import BaseModel

from headwater.schema.compiled import UnfitType, compile_type
from tests.support.values import any_json


@dataclass
class City:
    name: str
    districts: list[str] = field(default_factory=list)


class Report(BaseModel):
    title: str
    cities: tuple[City, ...] = ()


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (int, 3),
        (list[int], [1, 2]),
        (dict[str, float | None], {"a": None}),
        (City, {"name": "Paris"}),
        (Report, {"title": "x", "cities": [{"name": "Paris", "districts": ["Belleville"]}]}),
    ],
)
def test_the_validator_accepts_what_the_schema_accepts(type_: Any, value: Any) -> None:
    adapter, schema = compile_type(type_)
    jsonschema.validate(value, schema)
    adapter.validate_python(value)


@given(any_json())
def test_both_agree_on_any_value(value: Any) -> None:
    adapter, schema = compile_type(list[dict[str, bool]])
    fits = jsonschema.Draft202012Validator(schema).is_valid(value)
    try:
        adapter.validate_python(value, strict=True)
    except ValueError:
        assert not fits
    else:
        assert fits


def test_a_default_that_json_cannot_express_is_left_out_silently() -> None:
    class Odd(BaseModel):
        mode: Any = object()

    _, schema = compile_type(Odd)
    assert "default" not in schema["properties"]["mode"]


class Opaque:
    pass


@pytest.mark.parametrize("type_", [Opaque, Callable[[], None], "not a type at all"], ids=str)
def test_an_unfit_type_is_reported_without_pydantics_advice(type_: Any) -> None:
    with pytest.raises(UnfitType) as caught:
        compile_type(type_)
    said = str(caught.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert "arbitrary_types_allowed" not in said
    assert "TypedDict" in UnfitType.hint


def test_pydantic_is_imported_with_the_first_type() -> None:
    program = (
        "import sys\n"
        "from headwater.schema.compiled import compile_type\n"
        "assert 'pydantic' not in sys.modules\n"
        "compile_type(int)\n"
        "assert 'pydantic' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
