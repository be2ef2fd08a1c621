"""Instructions that are a function: called with the run's context, and checked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent
from headwater.agents.instructions import instructions_of
from headwater.errors import ConfigurationError
from headwater.runtime.context import current_run
from tests.support.streams import scripted


def _asked(agent: Agent[Any, Any]) -> list[list[tuple[str, str]]]:
    """What the agent's model was asked, request by request."""
    model: Any = agent.model
    return [[(message.role, message.text) for message in request.messages] for request in model.requests]


def test_instructions_may_be_a_function_of_the_context() -> None:
    async def later(context: str) -> str:
        await asyncio.sleep(0)
        return f"Serve {context} later."

    for instructions, said in (
        (lambda context: f"Serve {context}.", "Serve ada."),
        (lambda: "Serve.", "Serve."),
        (later, "Serve ada later."),
        (lambda context: None, None),
    ):
        agent = scripted("Hello.", instructions=instructions)
        agent.run_sync("Hi.", context="ada")
        first = _asked(agent)[0][0]
        assert first == (("system", said) if said else ("user", "Hi."))


def test_instructions_run_for_their_run_and_what_they_raise_is_raised() -> None:
    seen: list[Any] = []

    def look() -> str:
        seen.append(current_run.get())
        raise LookupError("no context")

    with pytest.raises(LookupError, match="no context"):
        scripted("Hello.", instructions=look).run_sync("Hi.")
    assert seen[0] is not None
    with pytest.raises(ConfigurationError):
        scripted("Hello.", instructions=lambda: 5).run_sync("Hi.")


def test_text_is_returned_unchanged() -> None:
    assert instructions_of("Be brief.") == "Be brief."
    assert instructions_of(None) is None


def test_a_function_that_wants_too_much_is_refused_before_any_run() -> None:
    def wants_two(context: Any, more: Any) -> str:
        return ""

    with pytest.raises(ConfigurationError, match="takes 2 arguments"):
        instructions_of(wants_two)


def test_what_has_a_default_is_not_wanted() -> None:
    def one_and_more(context: str, tone: str = "kind") -> str:
        return f"Serve {context}, and be {tone}."

    assert instructions_of(one_and_more)("ada") == "Serve ada, and be kind."
    assert instructions_of(lambda *anything: f"{anything}")("ada") == "('ada',)"


def test_a_function_with_unknown_parameters_gets_the_context() -> None:
    class Wordless(type):
        @property
        def __signature__(cls) -> Any:
            raise ValueError("no signature")

    class Instructions(metaclass=Wordless):
        def __new__(cls, context: str) -> Any:
            return f"Serve {context}."

    assert instructions_of(Instructions)("ada") == "Serve ada."


@pytest.mark.parametrize("wrong", [5, ["Be brief."], b"Be brief."], ids=str)
def test_what_is_returned_must_be_a_string(wrong: Any) -> None:
    async def later(context: Any) -> Any:
        return wrong

    with pytest.raises(ConfigurationError, match="Return a string"):
        instructions_of(lambda context: wrong)(None)
    with pytest.raises(ConfigurationError, match="Return a string"):
        asyncio.run(instructions_of(later)(None))
