from __future__ import annotations

import contextlib
import dataclasses
import datetime
import enum
import json
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from headwater.errors import ConfigurationError
from headwater.schema.output import OutputType
from headwater.schema.problems import ValidationFailed
from tests.support.effort import tries


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


@dataclasses.dataclass
class City:
    name: str
    founded: datetime.date | None = None


class Report(BaseModel):
    title: str
    rows: list[City]


class Movie(TypedDict):
    name: str


class Tree(BaseModel):
    leaf: int
    branches: list[Tree] = []


def test_text_needs_no_schema() -> None:
    output = OutputType(str)
    assert output.schema is None
    assert not output.wrapped
    assert output.parse(" as it is\n") == " as it is\n"
    assert output.dump("x") == "x"


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (City, '{"name": "Rome", "founded": "0001-04-21"}', City("Rome", datetime.date(1, 4, 21))),
        (Report, '{"title": "t", "rows": [{"name": "Rome"}]}', Report(title="t", rows=[City("Rome")])),
        (Movie, '{"name": "Up"}', {"name": "Up"}),
        (Tree, '{"leaf": 1, "branches": [{"leaf": 2}]}', Tree(leaf=1, branches=[Tree(leaf=2)])),
        (dict[str, int], '{"a": 1}', {"a": 1}),
    ],
)
def test_objects_are_not_wrapped(type_: Any, text: str, value: Any) -> None:
    output = OutputType[Any](type_)
    assert not output.wrapped
    assert output.schema is not None
    assert output.schema["type"] == "object"
    for dressed in (
        text,
        f"\n {text}\n\n",
        f"```json\n{text}\n```",
        f"```\n{text}```",
        f"Here:\n```json\n{text}\n```\nDone.",
        f"```json\r\n{text}\r\n```\r\n",
        f"```json {text} ```",
        f"```{text}```",
        f"````json\n{text}\n````",
        f"~~~json\n{text}\n~~~",
        f"```json\n{text}",
        f"```python\nx = 1\n```\nand so\n```json\n{text}\n```",
        f"Sure! {text}",
        f"<think>It is {{}}, or [1].</think>\n{text}\n",
        f"\ufeff{text}",
    ):
        assert output.parse(dressed) == value
    assert output.parse(json.dumps(output.dump(value))) == value


@pytest.mark.parametrize(
    ("type_", "inner", "value"),
    [
        (int, "3", 3),
        (float, "1", 1.0),
        (bool, "true", True),
        (list[City], '[{"name": "Rome"}]', [City("Rome")]),
        (Mood, '"good"', Mood.GOOD),
        (Literal["a", "b"], '"b"', "b"),
        (City | Report, '{"name": "Rome"}', City("Rome")),
        (str | None, "null", None),
        (Annotated[int, Field(gt=2)], "3", 3),
        (tuple[int, str], '[1, "x"]', (1, "x")),
    ],
)
def test_everything_else_is_wrapped_and_unwrapped(type_: Any, inner: str, value: Any) -> None:
    output = OutputType[Any](type_)
    assert output.wrapped
    assert output.schema is not None
    assert output.schema["type"] == "object"
    assert output.schema["required"] == ["result"]
    assert output.schema["additionalProperties"] is False
    for text in (f'{{"result": {inner}}}', inner, f"```json\n{inner}\n```"):
        assert output.parse(text) == value


def test_a_fence_in_a_string_does_not_end_the_fence() -> None:
    text = json.dumps({"name": "```python\nx\n```"})
    assert OutputType(City).parse(f"```json\n{text}\n```").name == "```python\nx\n```"


def test_the_first_fence_that_fits_counts_and_the_first_is_reported_if_none_does() -> None:
    output = OutputType(City)
    assert output.parse('```json\n{"nme": "Rome"}\n```\nor\n```json\n{"name": "Rome"}\n```') == City("Rome")
    with pytest.raises(ValidationFailed, match="name: required") as raised:
        output.parse('```json\n{}\n```\nor\n```json\n{"name": 1}\n```')
    assert len(raised.value.problems) == 1


@pytest.mark.parametrize("text", ['{"name": "Rome"} or not?', "It is {Rome}.", "Rome", "```\nRome\n```", ""])
def test_an_answer_amid_other_words_does_not_count(text: str) -> None:
    with pytest.raises(ValidationFailed, match="not JSON"):
        OutputType(City).parse(text)


def test_text_that_ends_in_brackets_is_text_if_the_type_allows_text() -> None:
    assert OutputType[Any](str | list[int]).parse("See [1]") == "See [1]"
    assert OutputType[Any](list[int]).parse("See [1]") == [1]


@pytest.mark.parametrize("text", ["```[" * 50_000, "{" * 100_000, '```{"a": ' * 50_000, "[" * 5_000 + "]" * 5_000])
def test_pathological_text_is_parsed_fast(text: str) -> None:
    with pytest.raises(ValidationFailed):
        OutputType(City).parse(text)


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (Mood, " good\n", Mood.GOOD),
        (Literal["yes", "no"], "yes", "yes"),
        (int, "42", 42),
        (str | None, "hello", "hello"),
        (Annotated[str, Field(max_length=3)], "123", "123"),
    ],
)
def test_a_bare_word_is_accepted(type_: Any, text: str, value: Any) -> None:
    assert OutputType[Any](type_).parse(text) == value


def test_strict_where_possible() -> None:
    output = OutputType(Tree)
    assert output.strict
    assert output.schema is not None
    assert output.schema["required"] == ["leaf", "branches"]
    assert output.schema["additionalProperties"] is False
    assert output.schema["$defs"]["Tree"]["additionalProperties"] is False
    loose = OutputType[Any](dict[str, int])
    assert not loose.strict
    assert loose.schema == {"type": "object", "additionalProperties": {"type": "integer"}}


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        (City, None, "City"),
        (list[int], None, "list"),
        (City, "my answer!", "my_answer"),
        (City, "x" * 80, "x" * 64),
        (City, "ö", "answer"),
    ],
)
def test_names_that_every_provider_accepts(type_: Any, name: str | None, expected: str) -> None:
    assert OutputType[Any](type_, name=name).name == expected


@pytest.mark.parametrize(
    ("type_", "text", "message"),
    [
        (City, "Rome is nice.", "The answer is not JSON:\n- expected value at line 1 column 1, got 'Rome is nice.'"),
        (City, '{"name": "Ro', "The answer is not JSON:\n- EOF while parsing a string"),
        (City, "", "The answer is not JSON:\n- EOF"),
        (City, '{"nam": "Rome"}', "The answer does not fit the output type:\n- name: required, but missing"),
        (Mood, '{"result": "fine"}', "- the value: must be 'good' or 'bad', got 'fine'"),
        (Mood, "fine", "- the value: must be 'good' or 'bad', got 'fine'\n- it is not valid JSON either"),
        (list[City], '{"result": [{}]}', r"- \[0\].name: required, but missing"),
        (list[int], "[1, 2", "not valid JSON either: EOF"),
    ],
)
def test_errors_say_what_is_wrong(type_: Any, text: str, message: str) -> None:
    with pytest.raises(ValidationFailed, match=message):
        OutputType[Any](type_).parse(text)


def test_long_text_is_quoted_in_part() -> None:
    with pytest.raises(ValidationFailed) as caught:
        OutputType(City).parse("x" * 10_000)
    assert len(str(caught.value)) < 400


def test_an_unfit_type() -> None:
    class Odd:
        pass

    with pytest.raises(ConfigurationError, match=r"output type .*Odd.* cannot be described .* Use plain types"):
        OutputType(Odd)


@given(st.text() | st.text(alphabet='{}[]"`:,\n jsonreult1'))
@settings(max_examples=tries(50, 200), deadline=None)
def test_any_text_is_a_value_or_a_problem(text: str) -> None:
    for type_ in (City, list[int], Mood, dict[str, Any]):
        with contextlib.suppress(ValidationFailed):
            assert OutputType[Any](type_).parse(text) is not None


# --- schemas instead of types


def test_a_schema_is_an_output_type() -> None:
    schema = {"title": "Port", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    made = OutputType(schema)
    assert (made.name, made.schema, made.strict, made.wrapped) == ("Port", schema, False, False)
    assert OutputType({**schema, "additionalProperties": False}).schema == {**schema, "additionalProperties": False}
    assert made.parse('```json\n{"name": "Brest"}\n```') == {"name": "Brest"}
    with pytest.raises(ValidationFailed, match="name: required"):
        made.parse("{}")
    with pytest.raises(ValidationFailed, match="not JSON"):
        made.parse("Brest")


def test_a_closed_schema_is_strict() -> None:
    closed = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    assert OutputType(closed).strict


def test_a_schema_of_another_type_than_object_is_wrapped() -> None:
    made = OutputType({"type": "array", "items": {"type": "integer"}})
    assert made.wrapped
    assert made.parse('{"result": [1, 2]}') == [1, 2]
    assert made.parse("[1]") == [1]
    with pytest.raises(ValidationFailed, match="must be integer"):
        made.parse('["a"]')


def test_a_dict_that_is_not_a_schema() -> None:
    with pytest.raises(ConfigurationError, match="not a valid JSON Schema"):
        OutputType({"type": object()})
