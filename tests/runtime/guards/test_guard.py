from __future__ import annotations

from typing import Any

import pytest

from headwater import Agent, Block, GuardContext, guard
from headwater.errors import ConfigurationError
from headwater.runtime.guards.guard import Guard, as_guard
from tests.support.streams import always


def rule(text: str) -> Block | None:
    return Block() if "no" in text else None


def test_a_function_becomes_a_guard_with_or_without_options() -> None:
    assert guard(rule).name == "rule"
    made = guard(on=("output", "result"), hold="step", name="mine")(rule)
    assert (made.name, made.on, made.hold) == ("mine", ("output", "result"), "step")
    assert as_guard(made) is made
    assert as_guard(rule).name == "rule"
    assert repr(made) == "Guard('mine', on='output|result')"


def test_it_can_still_be_called_with_one_or_two_arguments() -> None:
    about = GuardContext(on="output", agent="a", run="r")
    assert guard(rule)("no", about) == Block()
    assert guard(lambda text, ctx: (text, ctx))("x", about) == ("x", about)
    assert guard(lambda *both: both)("x", about) == ("x", about)


def test_a_second_parameter_with_a_default_is_the_programs() -> None:
    about = GuardContext(on="output", agent="a", run="r")

    def limited(text: str, limit: int = 3) -> Block | None:
        return Block() if len(text) > limit else None

    def named(text: str, ctx: Any = None) -> Any:
        return ctx

    def hinted(text: str, about: GuardContext | None = None, limit: int = 3) -> Any:
        return about

    assert guard(limited)("four", about) == Block()
    assert guard(limited)("one", about) is None
    assert guard(named)("x", about) is about
    assert guard(hinted)("x", about) is about


@pytest.mark.parametrize("function", [lambda: None, lambda a, b, c: None, lambda text, *, limit: None])
def test_a_function_that_takes_no_text_or_more_is_refused(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be called with a text: ") as raised:
        guard(name="mine")(function)
    assert "Write def mine(text) or def mine(text, ctx)" in raised.value.hint


def test_overlap_covers_what_is_held() -> None:
    assert Guard(rule, hold=500).overlap == 500
    assert Guard(rule, hold=10).overlap == 200
    assert Guard(rule, hold="step").overlap == 200


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"on": "everything"}, "Use output, input"),
        ({"on": ()}, "would check nothing"),
        ({"hold": -1}, "hold=-1"),
        ({"hold": "word"}, "a number of characters"),
        ({"hold": True}, "hold=True"),
        ({"every": 0}, "every=0"),
        ({"overlap": -1, "hold": 0}, "overlap=-1"),
        ({"hold": 300, "overlap": 100}, "Use overlap=300"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": "1"}, "timeout='1'"),
    ],
)
def test_what_it_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        guard(**options)(rule)


def test_an_agents_guards_are_functions() -> None:
    agent = Agent(model=always("Hi."), guards=[rule])
    assert [one.name for one in agent.guards] == ["rule"]
    with pytest.raises(ConfigurationError, match="A guard is a function"):
        Agent(model=always("Hi."), guards=["rule"])
    wrong: Any = rule
    with pytest.raises(ConfigurationError, match=r"guards=\[no_secrets"):
        Agent(model=always("Hi."), guards=wrong)
