"""What an agent and a run may be given by name, and which of two spellings counts."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from headwater import Agent
from headwater.agents.declaration import Declaration
from headwater.agents.options import NO_TASK, OTHER_SPELLINGS, RUN_ARGUMENTS, respell, task_of
from headwater.agents.spellings import ACCEPTED
from headwater.errors import UnsupportedSetting
from headwater.providers.request import Secret


def test_what_a_run_takes_is_what_its_job_and_its_watchers_take() -> None:
    job, begin = inspect.signature(Declaration.job).parameters, inspect.signature(Declaration._begin).parameters
    taken = {*job, *begin} - {"self", "task", "shown", "resumption", "more", "options"}
    assert {*RUN_ARGUMENTS} == taken


def test_every_other_spelling_is_typed() -> None:
    assert ACCEPTED.keys() == OTHER_SPELLINGS


OTHERS: dict[str, Any] = {
    "agent_name": "writer",
    "agent_description": "Writes.",
    "model_name": "openai/gpt-5.4",
    "system_prompt": "Be brief.",
    "llm_api_key": "sk-own",
    "llm_base_url": "http://localhost:8000/v1",
    "fallback_models": ["offline"],
}


def test_an_agent_in_the_other_spellings_is_the_same_agent() -> None:
    assert OTHERS.keys() == ACCEPTED.keys()
    other, ours = Agent(**OTHERS), Agent(**{ACCEPTED[name]: value for name, value in OTHERS.items()})
    for agent in (other, ours):
        assert (agent.name, agent.description, agent.instructions) == ("writer", "Writes.", "Be brief.")
        first, second = agent.job("q").backends
        endpoint = getattr(first, "endpoint")  # noqa: B009
        assert (endpoint.base_url, endpoint.key) == ("http://localhost:8000/v1", Secret("sk-own"))
        assert (first.model, second.model) == ("gpt-5.4", "offline")


@pytest.mark.parametrize("other", OTHERS)
def test_an_argument_in_both_spellings_is_refused(other: str) -> None:
    with pytest.raises(TypeError, match=f"{other}= and {ACCEPTED[other]}= are the same argument"):
        Agent(**{other: OTHERS[other], ACCEPTED[other]: OTHERS[other]})


def test_none_means_not_given() -> None:
    given: dict[str, Any] = {"fallback": None}
    others: dict[str, Any] = {"fallback_models": ["offline"], "seed": 1}
    respell(given, others)
    assert (given, others) == ({"fallback": ["offline"]}, {"seed": 1})


def test_the_task_has_two_names() -> None:
    options: dict[str, Any] = {"message": "Go.", "seed": 1}
    assert task_of(NO_TASK, options) == "Go."
    assert options == {"seed": 1}
    assert task_of("Go.", options) == "Go."
    assert task_of(None, {}) is None  # what a task may be is for the run to say
    with pytest.raises(TypeError, match="same argument"):
        task_of("Go.", {"message": "Go."})
    with pytest.raises(TypeError, match="task is missing"):
        task_of(NO_TASK, {"seed": 1})
    with pytest.raises(UnsupportedSetting, match="user_prompt"):
        task_of(NO_TASK, {"user_prompt": "Go."})
