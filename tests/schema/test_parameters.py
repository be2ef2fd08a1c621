from __future__ import annotations

import dataclasses
import datetime
import enum
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional, Union

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import Doc, TypedDict

from headwater.schema.parameters import BadSignature, parameters
from headwater.schema.problems import ValidationFailed
from tests.support.effort import tries

if TYPE_CHECKING:
    from decimal import Decimal


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Place:
    """Where."""

    city: str
    inner: list[Place] = dataclasses.field(default_factory=list)


class Span(TypedDict, total=False):
    start: int
    end: int


class Order(BaseModel):
    model_config = ConfigDict(strict=True)

    color: Color
    day: datetime.date
    count: int = Field(gt=0, description="How many.")


class Struct(msgspec.Struct):
    x: int


def test_every_kind_of_type() -> None:
    def order(  # type: ignore[no-untyped-def]
        kind: Literal["a", "b"],
        color: Color,
        place: Place,
        span: Span,
        order: Order,
        old: Optional[int],  # noqa: UP045
        either: Union[int, str],  # noqa: UP007
        limit: int = 10,
        tags: set[str] | None = None,
        anything=None,
    ) -> None:
        pass

    shape = parameters(order).schema
    assert shape["type"] == "object"
    assert shape["additionalProperties"] is False
    assert shape["required"] == ["kind", "color", "place", "span", "order", "old", "either"]
    properties = shape["properties"]
    assert list(properties) == [
        "kind", "color", "place", "span", "order", "old", "either", "limit", "tags", "anything",
    ]  # fmt: skip
    assert properties["kind"] == {"enum": ["a", "b"], "type": "string"}
    assert properties["color"] == {"$ref": "#/$defs/Color"}
    assert shape["$defs"]["Color"] == {"enum": ["red", "blue"], "type": "string"}
    assert properties["place"] == {"$ref": "#/$defs/Place"}
    assert shape["$defs"]["Place"]["properties"]["inner"]["items"] == {"$ref": "#/$defs/Place"}
    assert properties["span"]["properties"] == {"start": {"type": "integer"}, "end": {"type": "integer"}}
    assert properties["order"]["properties"]["count"] == {
        "type": "integer", "exclusiveMinimum": 0, "description": "How many.",
    }  # fmt: skip
    assert properties["limit"] == {"type": "integer", "default": 10}
    assert properties["anything"] == {}
    assert "title" not in str(shape)


def test_values_are_converted_to_python_types() -> None:
    def order(place: Place, span: Span, order: Order, when: datetime.datetime, tags: set[str], color: Color) -> None:
        pass

    values = parameters(order).validate(
        {
            "place": {"city": "Rome", "inner": [{"city": "Ostia"}]},
            "span": {"start": "3"},
            "order": {"color": "red", "day": "2024-01-02", "count": 2},
            "when": "2024-01-02T03:04:05Z",
            "tags": ["a", "a"],
            "color": "blue",
        }
    )
    assert values == {
        "place": Place("Rome", [Place("Ostia")]),
        "span": {"start": 3},
        "order": Order(color=Color.RED, day=datetime.date(2024, 1, 2), count=2),
        "when": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        "tags": {"a"},
        "color": Color.BLUE,
    }


def test_descriptions_come_from_hints_first_then_from_the_docstring() -> None:
    def search(
        query: str,
        one: Annotated[int, "From the hint."],
        two: Annotated[int, Doc("From a Doc.")],
        three: Annotated[int, Field(description="From a Field.", lt=5)],
        four: int = Field(4, description="From the default.", gt=1),
        five: Annotated[int, Field(gt=0)] = 5,
        six: list[int] = Field(default_factory=lambda: [6]),  # noqa: B008
    ) -> None:
        """Look.

        Args:
            query: From the
                docstring.
            one: Not this one.
            three: Not this one.
            four: Not this one.
            five: Also from the docstring.
        """

    found = parameters(search)
    assert found.description == "Look."
    assert found.schema["properties"] == {
        "query": {"type": "string", "description": "From the docstring."},
        "one": {"type": "integer", "description": "From the hint."},
        "two": {"type": "integer", "description": "From a Doc."},
        "three": {"type": "integer", "description": "From a Field.", "exclusiveMaximum": 5},
        "four": {"type": "integer", "description": "From the default.", "exclusiveMinimum": 1, "default": 4},
        "five": {
            "type": "integer", "description": "Also from the docstring.", "exclusiveMinimum": 0, "default": 5,
        },
        "six": {"items": {"type": "integer"}, "type": "array", "default": [6]},
    }  # fmt: skip
    # With the default inside a Field, the function itself would see the Field: it gets the value instead.
    given_ = {"query": "q", "one": 1, "two": 2, "three": 3}
    assert found.validate(given_) == {**given_, "four": 4, "six": [6]}
    with pytest.raises(ValidationFailed, match="four: must be greater than 1, got 0"):
        found.validate({**given_, "four": 0})


def test_defaults_that_json_cannot_express_are_left_out() -> None:
    marker = object()

    def f(a: Any = marker, b: Color = Color.RED, c: Callable[[int], int] | int = 3, d: Any = len) -> None:
        pass

    assert parameters(f).schema["properties"] == {
        "a": {},
        "b": {"enum": ["red", "blue"], "type": "string", "default": "red"},
        "c": {"type": "integer", "default": 3},  # of a union, the part that has a schema
        "d": {},
    }


@pytest.mark.parametrize("name", ["schema", "json", "copy", "model_config", "_hidden", "class_", "validate"])
def test_any_name_may_be_a_parameter(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def f({name}: int): pass", scope)
    assert parameters(scope["f"]).validate({name: "3"}) == {name: 3}


def test_no_parameters() -> None:
    found = parameters(lambda: None)
    assert found.schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert found.strict_schema() == {**found.schema, "required": []}
    assert found.validate({}) == {}


def test_lenient_where_the_meaning_is_clear() -> None:
    def f(number: int, text: str, rows: list[int], place: Place | None = None, limit: int = 3, note: str = "") -> None:
        pass

    assert parameters(f).validate(
        {"number": "3", "text": 12345, "rows": "[1, 2]", "place": '{"city": "Rome"}', "limit": None, "note": "[1"}
    ) == {"number": 3, "text": "12345", "rows": [1, 2], "place": Place("Rome"), "note": "[1"}


def test_null_is_kept_if_it_is_a_value() -> None:
    def f(a: int | None = 3, b: Any = 3) -> None:
        pass

    assert parameters(f).validate({"a": None, "b": None}) == {"a": None, "b": None}


def test_problems_name_the_path_the_expected_type_and_the_value() -> None:
    def f(query: str, place: Place, either: int | list[int], kind: Literal["a", "b"] = "a", limit: int = 3) -> None:
        pass

    with pytest.raises(ValidationFailed) as caught:
        parameters(f).validate(
            {
                "place": {"city": 1, "inner": [{"city": "x", "county": 2}, {}]},
                "either": ["x"],
                "kind": "c",
                "limit": "x" * 500,
                "limits": 3,
            }
        )
    assert caught.value.problems == (
        "query: required, but missing",
        "place.inner[0].county: unknown",
        "place.inner[1].city: required, but missing",
        "either: must be a valid integer, got ['x']",
        "either[0]: must be a valid integer, unable to parse string as an integer, got 'x'",
        "kind: must be 'a' or 'b', got 'c'",
        f"limit: must be a valid integer, unable to parse string as an integer, got '{'x' * 119}… (502 characters)",
        "limits: unknown; known names: query, place, either, kind, limit",
    )
    assert str(caught.value).startswith("The arguments do not fit:\n- query: required")


def test_problems_are_limited() -> None:
    def f(rows: list[int]) -> None:
        pass

    with pytest.raises(ValidationFailed) as caught:
        parameters(f).validate({"rows": [f"x{n}" for n in range(1000)]})
    assert len(caught.value.problems) == 21
    assert caught.value.problems[-1] == "and 980 more"


def test_arguments_that_are_not_an_object() -> None:
    with pytest.raises(ValidationFailed, match=r"the value: .*object, got 'x'"):
        parameters(lambda: None).validate("x")


def test_strict_schema_has_optional_parameters_as_nullable() -> None:
    def f(query: str, limit: int = 3, place: Span | None = None) -> None:
        pass

    found = parameters(f)
    assert found.strict_schema() == {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "(default: 3)"},
            "place": {
                "anyOf": [
                    {
                        "type": "object",
                        "properties": {"start": {"type": "integer"}, "end": {"type": "integer"}},
                        "required": ["start", "end"],
                        "additionalProperties": False,
                    },
                    {"type": "null"},
                ]
            },
        },
        "required": ["query", "limit", "place"],
        "additionalProperties": False,
    }
    assert found.validate({"query": "q", "limit": None, "place": None}) == {"query": "q", "place": None}


def test_a_partial_hides_what_it_binds() -> None:
    def fetch(url: str, secret: str, *, depth: int = 1) -> None:
        """Fetch.

        Args:
            url: Where.
            secret: The key.
        """

    found = parameters(functools.partial(fetch, secret="s3cr3t"))
    assert found.names == ("url", "depth")
    assert "s3cr3t" not in str(found.schema)
    assert found.description == "Fetch."
    with pytest.raises(ValidationFailed, match="secret: unknown"):
        found.validate({"url": "u", "secret": "x"})


def test_methods_and_callable_objects() -> None:
    class Finder:
        """A finder."""

        def find(self, query: str) -> None:
            """Find."""

        def __call__(self, query: Annotated[str, "What."]) -> None:
            """Call."""

    assert parameters(Finder().find).schema["properties"] == {"query": {"type": "string"}}
    found = parameters(Finder())
    assert found.schema["properties"] == {"query": {"type": "string", "description": "What."}}
    assert found.description == "Call."
    assert parameters(Finder.find, unbound=True).names == ("query",)


def test_wrapped_functions_show_the_inner_signature() -> None:
    def inner(query: str) -> None:
        """Inner."""

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> None:
        pass

    assert parameters(outer).names == ("query",)
    assert parameters(outer).description == "Inner."


def test_a_return_type_only_for_type_checkers_is_ignored() -> None:
    def f(query: str) -> Decimal:
        raise NotImplementedError

    assert parameters(f).names == ("query",)


def test_injected_parameters() -> None:
    def f(query: str, place: Place) -> None:
        pass

    found = parameters(f, injected=lambda hint: hint is Place)
    assert found.names == ("query",)
    assert found.injected == ("place",)
    with pytest.raises(ValidationFailed, match="place: unknown"):
        found.validate({"query": "q", "place": {}})


def test_names_of_a_namespace() -> None:
    scope: dict[str, Any] = {}
    exec("def f(x: 'Local'): pass", scope)
    assert parameters(scope["f"], namespace={"Local": int}).validate({"x": "3"}) == {"x": 3}


def _bad(source: str) -> Callable[..., Any]:
    scope: dict[str, Any] = {"Struct": Struct, "Callable": Callable}
    exec(f"def f{source}: pass", scope)
    made: Callable[..., Any] = scope["f"]
    return made


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(*args)", r"\*args cannot be described to a model\. Take one parameter args: list"),
        ("(**options: int)", r"\*\*options cannot .* Name each parameter"),
        ("(x: int, /)", "x is positional-only.* Remove the /"),
        ("(x: 'Unknown')", "'Unknown' is not known where .* Import it for real"),
        ("(x: 'not a type')", "A type hint cannot be read"),
        ("(ok: int, x: Struct)", "The type of x cannot be described to a model: .*Struct.* Use plain types"),
        ("(x: Callable[[int], int])", "The type of x cannot be described to a model"),
        ("(größe: int)", "'größe' is not one that every provider accepts"),
    ],
)
def test_signatures_that_cannot_be_described(source: str, message: str) -> None:
    with pytest.raises(BadSignature, match=message):
        parameters(_bad(source))


def test_no_signature_at_all() -> None:
    with pytest.raises(BadSignature, match="Its signature cannot be read"):
        parameters(min)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["place", "color", "limit", "span", "x"]), ANY_JSON, max_size=5))
@settings(max_examples=tries(50, 200), deadline=None)
def test_any_arguments_are_values_or_problems(arguments: dict[str, Any]) -> None:
    def f(place: Place, span: Span, color: Color = Color.RED, limit: int | list[str] = 3) -> None:
        pass

    try:
        values = parameters(f).validate(arguments)
    except ValidationFailed:
        pass
    else:
        assert isinstance(values["place"], Place)
