"""The types of an answer's parts: what is certain is validated, and nothing is rejected that the whole would accept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar

import pytest
from annotated_types import Ge
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationInfo,
    field_validator,
    model_validator,
)
from typing_extensions import TypedDict

from headwater.schema.output import OutputType
from headwater.schema.parts import Parts
from headwater.schema.problems import ValidationFailed

T = TypeVar("T")


class Tide(BaseModel):
    port: str
    hour: int = Field(ge=0, le=23)
    day: date | None = None


@dataclass
class Wind:
    force: Annotated[int, Ge(0)]


class Sky(TypedDict):
    clouds: NotRequired[list[Wind]]


class Report(BaseModel):
    title: str
    tides: list[Tide]
    winds: dict[str, Wind]
    sky: Sky
    named: int = Field(alias="Name", ge=1)
    either: Tide | Wind
    pair: tuple[int, str]
    many: tuple[int, ...]
    some: Sequence[float] = ()


class Box(BaseModel, Generic[T]):
    inside: T


def check(type_: Any, path: tuple[str | int, ...], value: Any) -> Any:
    return Parts(OutputType(type_)).convert(path, value)


@pytest.mark.parametrize(
    ("type_", "path", "good", "bad"),
    [
        (Report, ("title",), "x", 5),
        (Report, ("tides", 3), {"port": "x", "hour": 1}, {"port": "x"}),
        (Report, ("tides", 3, "hour"), 23, 24),
        (Report, ("tides", 0, "day"), "2026-11-30", "someday"),
        (Report, ("winds", "west", "force"), 5, -1),
        (Report, ("sky", "clouds", 0, "force"), 5, "five"),
        (Report, ("Name",), 1, 0),
        (Report, ("many", 4), 5, "x"),
        (Report, ("some", 0), 0.5, "x"),
        (list[Tide], (1, "hour"), 5, 99),
        (list[int] | None, (0,), 5, "x"),
        (Box[int], ("inside",), 5, "x"),
        (Annotated[list[int], AfterValidator(lambda given: given)], (0,), 5, "x"),
    ],
)
def test_a_part_is_validated_by_its_own_type(type_: Any, path: Any, good: Any, bad: Any) -> None:
    assert Parts(OutputType(type_)).knows(path)
    check(type_, path, good)
    with pytest.raises(ValidationFailed):
        check(type_, path, bad)


def test_a_part_is_a_value_of_its_type() -> None:
    assert check(Report, ("tides", 0), {"port": "x", "hour": "5"}) == Tide(port="x", hour=5)
    assert check(Report, ("winds", "west"), {"force": 3}) == Wind(3)
    assert check(list[date], (7,), "2026-11-30") == date(2026, 11, 30)
    assert check(list[float], (0,), float("inf")) == float("inf")


def test_the_problem_is_at_its_place() -> None:
    with pytest.raises(ValidationFailed) as failed:
        check(Report, ("tides", 3), {"port": "x", "hour": 99})
    assert failed.value.problems == ("tides[3].hour: must be less than or equal to 23, got 99",)
    with pytest.raises(ValidationFailed) as failed:
        check(Report, ("tides", 3, "hour"), 99)
    assert failed.value.problems == ("tides[3].hour: must be less than or equal to 23, got 99",)
    with pytest.raises(ValidationFailed) as failed:
        check(list[list[int]], (2,), [1, "x"])
    (problem,) = failed.value.problems
    assert problem.startswith("[2][1]: must be a valid integer")


# --- what is not certain


class Before(BaseModel):
    hours: list[int]

    @model_validator(mode="before")
    @classmethod
    def split(cls, given: Any) -> Any:
        return {"hours": [int(one) for one in given["hours"][0].split()]}


class FieldBefore(BaseModel):
    hours: list[int]
    day: int

    @field_validator("hours", mode="before")
    @classmethod
    def split(cls, given: Any) -> Any:
        return [len(one) for one in given]


class FieldWrap(BaseModel):
    hour: int

    @field_validator("hour", mode="wrap")
    @classmethod
    def lenient(cls, given: Any, inner: Any, info: ValidationInfo) -> Any:
        return 0


class Converting(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)
    name: str


class Own:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler(dict[str, int])


class Items(RootModel[list[int]]):
    pass


UNCERTAIN = [
    (Before, {"hours": ["1 2"]}),
    (FieldBefore, {"hours": ["a", "b"], "day": 1}),
    (FieldWrap, {"hour": "noon"}),
    (Converting, {"name": 5}),
    (Own, {"a": 1}),
    (Items, [1, 2]),
    (Tide | Wind, {"force": 3}),
    (list[Annotated[int, BeforeValidator(len)]], ["abc"]),
    (Annotated[list[int], BeforeValidator(lambda given: [len(one) for one in given])], ["abc"]),
    (tuple[int, str], [1, "x"]),
    (dict[int, str], {"1": "x"}),
    (list[Any], [1, "x"]),
    (list[Literal["a", 1]], ["a", 1]),
    (BaseModel, {"more": 1}),
    ({"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, {"a": None}),
]


def parts(given: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    members = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for key, member in members:
        yield from parts(member, (*path, key))
    yield path, given


@pytest.mark.parametrize(("type_", "value"), UNCERTAIN)
def test_no_part_of_what_fits_is_rejected(type_: Any, value: Any) -> None:
    output: OutputType[Any] = OutputType(type_)
    output.parse(json.dumps(value))
    known = Parts(output)
    for path, part in parts(value):
        known.convert(path, part)


def test_a_field_beside_one_that_converts_has_its_type() -> None:
    assert Parts(OutputType(FieldBefore)).knows(("day",))
    assert not Parts(OutputType(FieldBefore)).knows(("hours",))


# --- schemas


def test_the_parts_of_a_schema_are_checked_and_stay_data() -> None:
    schema = {
        "type": "object",
        "properties": {"hours": {"type": "array", "items": {"type": "integer"}}, "tide": {"$ref": "#/$defs/tide"}},
        "$defs": {"tide": {"type": "object", "required": ["port"]}},
    }
    assert check(schema, ("hours", 3), 5) == 5
    with pytest.raises(ValidationFailed, match=r"hours\[3\]: must be integer, got 'x'"):
        check(schema, ("hours", 3), "x")
    with pytest.raises(ValidationFailed, match=r"tide\.port: required, but missing"):
        check(schema, ("tide",), {})
    assert check(schema, ("other",), "x") == "x"


def test_the_parts_of_a_wrapped_schema_are_those_inside() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    with pytest.raises(ValidationFailed, match=r"\[0\]: must be integer"):
        check(schema, (0,), "x")


def test_text_has_no_parts() -> None:
    assert not Parts(OutputType(str)).knows(())
