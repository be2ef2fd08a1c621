"""The errors of a run whose loop reached a limit say what the model did, and what may help."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from headwater import Agent
from headwater.errors import MaxStepsReached, OutputInvalid, ToolCallInvalid
from headwater.runtime.limit_errors import bad_calls, bad_output, too_many_steps
from tests.support.streams import always

PROBLEM = "2 problems:\n- name: it is missing\n- size: it is no number."


@dataclass
class City:
    """A city."""

    name: str
    size: int


def test_too_many_steps_names_the_limit() -> None:
    error = too_many_steps(Agent(model=always("x"), max_steps=4).job("Go."), "")
    assert isinstance(error, MaxStepsReached)
    assert (error.limit, error.size) == ("max_steps", 4)
    assert "in each of 4 steps" in error.message
    assert "max_steps" in error.hint


def test_too_many_steps_before_an_answer_could_be_corrected() -> None:
    job = Agent(model=always("x"), output_type=City).job("Go.")
    error = too_many_steps(job, PROBLEM)
    assert "The answer is not a valid City" in error.message
    assert "2 problems: name: it is missing; size: it is no number." in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize("repaired", [True, False])
def test_an_answer_of_the_wrong_shape(repaired: bool) -> None:
    error = bad_output(Agent(model=always("x"), output_type=City).job("Go."), PROBLEM, repaired=repaired)
    assert isinstance(error, OutputInvalid)
    assert ("even after it was sent back" in error.message) is repaired
    assert "simpler type" in error.hint


def test_invalid_calls() -> None:
    error = bad_calls(Agent(model=always("x")).job("Go."))
    assert isinstance(error, ToolCallInvalid)
    assert "in 3 steps in a row" in error.message
