"""A run's result: a string with details of the run, which can be stored."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import datetime
import json
import pickle
from typing import Any

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings

from headwater import errors
from headwater.errors import InvalidRecord
from headwater.events import response
from headwater.events.messages import Message, ToolCall, Usage
from headwater.events.response import Response
from tests.support.effort import tries
from tests.support.values import any_response

RESPONSE: Response[str] = Response(
    "Hello",
    transcript="Well.\n\nHello",
    messages=(Message.user("Hi"), Message.assistant("Hello")),
    usage=Usage(input_tokens=1, output_tokens=2),
    tool_calls=(ToolCall(id="1", name="f", arguments={"a": 1}),),
    finish_reason="stop",
    model="gpt-5.4",
    duration=1.5,
)


def test_a_response_is_its_text() -> None:
    assert RESPONSE == "Hello"
    assert isinstance(RESPONSE, str)
    assert (str(RESPONSE), f"{RESPONSE}", RESPONSE + "!", ", ".join([RESPONSE])) == (
        "Hello",
        "Hello",
        "Hello!",
        "Hello",
    )
    assert json.dumps({"answer": RESPONSE}) == '{"answer": "Hello"}'
    assert hash(RESPONSE) == hash("Hello")
    assert type(RESPONSE.text) is str
    assert not Response("")
    assert RESPONSE._repr_markdown_() == "Hello"


def test_a_response_has_details_of_the_run_with_defaults() -> None:
    assert RESPONSE.transcript == "Well.\n\nHello"
    assert RESPONSE.output == "Hello"
    assert RESPONSE.usage.total_tokens == 3
    bare: Response[str] = Response("x")
    assert (bare.transcript, bare.output, bare.messages, bare.finish_reason) == ("x", "x", (), None)
    assert not bare.partial
    assert not bare.usage


def test_every_field_has_a_default_and_unknown_ones_are_refused() -> None:
    assert set(Response("").__dict__) == set(Response.__annotations__)
    with pytest.raises(TypeError, match="no field 'tokens'"):
        Response("", tokens=3)


def test_responses_share_no_state() -> None:
    one, other = Response("a", model="m"), Response("b")
    assert other.model == ""
    one.partial = True
    assert not other.partial


@given(response=any_response())
@settings(max_examples=tries(12, 50), deadline=None)
def test_a_response_pickles_and_copies(response: Response[Any]) -> None:
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(response, protocol))
        assert type(again) is Response
        assert again.text == response.text
        assert again.__dict__ == response.__dict__
    for twin in (copy.copy(response), copy.deepcopy(response)):
        assert type(twin) is Response
        assert (twin.text, twin.__dict__) == (response.text, response.__dict__)


@given(response=any_response())
@settings(max_examples=tries(12, 50), deadline=None)
def test_a_response_as_a_dict_is_json(response: Response[Any]) -> None:
    said = json.loads(json.dumps(response.to_dict()))
    assert said["text"] == response.text
    assert said["usage"] == response.usage.to_dict()
    assert "messages" not in said


def test_awaiting_a_response_returns_itself_at_once() -> None:
    async def main() -> Response[str]:
        first = await RESPONSE
        assert first is RESPONSE
        return (await asyncio.gather(RESPONSE, RESPONSE))[1]

    assert asyncio.run(main()) is RESPONSE


def test_a_response_has_the_documented_aliases() -> None:
    response = Response("Hi.", model="m", provider="p", usage=Usage(output_tokens=2), duration=1.5)
    assert response.content == response.text == "Hi."
    assert type(response.content) is str
    assert response.metadata == {
        "model": "m",
        "provider": "p",
        "tokens": Usage(output_tokens=2).to_dict(),
        "time_to_first_token": None,
        "duration": 1.5,
    }


@pytest.mark.parametrize("name", ["success", "unwrap", "final_output", "choices", "thinking"])
def test_a_name_from_another_library_is_answered_with_a_hint(name: str) -> None:
    with pytest.raises(AttributeError, match=f"has no '{name}'. Use "):
        getattr(Response("Hi."), name)
    assert not hasattr(Response("Hi."), name)


def test_any_other_name_is_an_attribute_error_that_pickle_and_copy_understand() -> None:
    with pytest.raises(AttributeError, match=r"has no 'nonsense'$"):
        _ = Response("Hi.").nonsense  # type: ignore[attr-defined]
    assert copy.deepcopy(Response("Hi.", model="m")).model == "m"


# --- as JSON


class Tide(pydantic.BaseModel):
    port: str
    day: datetime.date = pydantic.Field(alias="on", default=datetime.date(2026, 1, 2))


class Login(pydantic.BaseModel):
    user: str
    word: pydantic.SecretStr


@dataclasses.dataclass
class Point:
    x: int
    y: int


TIDE = '{"port": "Brest", "on": "2026-01-05"}'


@given(response=any_response())
@settings(max_examples=tries(12, 50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_response_survives_a_round_trip(response: Response[Any]) -> None:
    text = response.to_json()
    read = Response.from_json(text)
    assert type(read) is Response
    assert read.text == response.text
    assert read.__dict__ == response.__dict__
    assert read.to_json() == text
    assert Response.from_json(json.loads(text)) == Response.from_json(text.encode()) == response


def test_a_members_error_is_read_back_with_its_type() -> None:
    ours = Response("a", error=errors.RateLimited("Too often.", hint="Wait."))
    theirs = Response("b", error=KeyError("x"))
    read = Response.from_json(Response("", members={"a": ours, "b": theirs}).to_json())
    assert type(read.members["a"].error) is errors.RateLimited
    assert str(read.members["a"].error) == "Too often. Wait."
    assert type(read.members["b"].error) is errors.HeadwaterError
    assert "KeyError" in str(read.members["b"].error)


def test_a_response_is_written_without_defaults() -> None:
    assert Response("hi").to_json() == '{"v":1,"type":"response","text":"hi"}'


def test_every_field_of_a_response_is_written() -> None:
    assert Response("", agent="a").to_json() == '{"v":1,"type":"response","text":"","agent":"a"}'
    assert {*response.ResponseRecord.__struct_fields__} - {"text"} == {*Response("").__dict__}


def test_an_output_is_read_back_as_json_or_as_its_type() -> None:
    for text, output, type_ in (
        (TIDE, Tide.model_validate_json(TIDE), Tide),
        ('{"x": 1, "y": 2}', Point(1, 2), Point),
        ('{"result": [1, 2]}', [1, 2], list[int]),
        ('{"result": null}', None, type(None)),
        ('```json\n{"x": 1, "y": 2}\n```', Point(1, 2), Point),
        ("Elsewhere.", Point(1, 2), Point),  # a name that a user set
        ("7", Point(1, 2), Point),
    ):
        kept = Response(text, output=output).to_json()
        read = Response.from_json(kept, output_type=type_)
        assert read.output == output
        assert type(read.output) is type(output)
        assert read.to_json() == kept
        assert Response.from_json(kept).output == json.loads(kept)["output"]


def test_an_output_with_hidden_fields_is_parsed_from_the_text() -> None:
    text = '{"user": "ann", "word": "open sesame"}'
    kept = Response(text, output=Login.model_validate_json(text)).to_json()
    assert "****" in kept
    assert Response.from_json(kept, output_type=Login).output.word.get_secret_value() == "open sesame"


def test_any_type_or_schema_is_accepted() -> None:
    schema: Any = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    kept = Response('{"x": 1, "y": 2}', output={"x": 1, "y": 2}).to_json()
    assert Response.from_json(kept, output_type=schema).output == {"x": 1, "y": 2}
    union: Any = Tide | Point
    assert Response.from_json(kept, output_type=union).output == Point(1, 2)
    assert Response.from_json(Response("Hi.").to_json(), output_type=str).output == "Hi."


def test_a_partial_responses_output_stays_the_text() -> None:
    kept = Response('{"x": 1', partial=True).to_json()
    type_: Any = Point
    assert Response.from_json(kept, output_type=type_).output == '{"x": 1'


def test_an_output_that_is_not_of_the_type_is_an_error() -> None:
    kept = Response('{"x": 1, "y": "two"}').to_json()
    with pytest.raises(
        InvalidRecord, match=r"The Response's output is not a valid Point: y: must be .* Pass the output type"
    ):
        Response.from_json(kept, output_type=Point)


def test_values_without_a_json_form_cannot_be_stored() -> None:
    with pytest.raises(InvalidRecord, match="The Response cannot be written as JSON"):
        Response("x", output=object()).to_json()


@pytest.mark.parametrize("data", ["", "[]", "{}", '{"type":"response"}', '{"type":"raw","text":"a"}', b"\xff", "{"])
def test_invalid_responses_are_refused(data: Any) -> None:
    with pytest.raises(InvalidRecord, match="The Response"):
        Response.from_json(data)


def test_a_response_of_a_newer_version_is_refused() -> None:
    with pytest.raises(
        InvalidRecord, match=r"in version 2 of the format, but the newest version known here is 1.* upgrade this one"
    ):
        Response.from_json('{"v":2,"type":"response","text":"a"}')
