from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, TypeAdapter, ValidationError

from headwater.schema.problems import ValidationFailed, validation_failed


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("must be even")
    return value


def _failed(type_: Any, value: Any) -> ValidationFailed:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(type_).validate_python(value)
    return validation_failed("Wrong:", caught.value, value)


def test_a_validators_message_is_passed_on() -> None:
    failed = _failed(dict[str, Annotated[int, AfterValidator(_even)]], {"a": 3})
    assert str(failed) == "Wrong:\n- a: Value error, must be even, got 3"


def test_a_key_that_does_not_fit_is_reported_with_its_path() -> None:
    assert _failed(dict[str, dict[int, int]], {"a": {"x": 1}}).problems == (
        "a.x: must be a valid integer, unable to parse string as an integer, got 'x'",
    )


def test_the_whole_value() -> None:
    assert _failed(int, []).problems == ("the value: must be a valid integer, got []",)


def test_a_problem_is_reported_once() -> None:
    failed = _failed(list[int] | tuple[int, ...], ["x"])
    assert failed.problems == ("[0]: must be a valid integer, unable to parse string as an integer, got 'x'",)
