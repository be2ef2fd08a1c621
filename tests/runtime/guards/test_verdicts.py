from __future__ import annotations

import pytest

from headwater import Agent, Block, guard
from headwater.backends.offline import ScriptedModel
from headwater.errors import GuardBlocked
from headwater.runtime.guards.guard import Guard
from headwater.runtime.guards.verdicts import blocked
from tests.support.virtual import run_virtual


def test_the_error_says_what_was_blocked_and_why() -> None:
    made = Guard(lambda text: None, name="keys")
    assert str(blocked(made, "input", "")) == "The guard 'keys' blocked the input."
    assert blocked(made, "output", "A key").message == "The guard 'keys' blocked the answer: A key."


def test_a_guard_may_run_an_agent() -> None:
    """It is linked to the run, and ends with it."""

    async def main() -> None:
        judge = Agent(name="judge", model=ScriptedModel(lambda request: "no"))

        @guard
        async def asks(text: str) -> Block | None:
            return Block("The judge said no.") if (await judge.run(text)).text == "no" else None

        with pytest.raises(GuardBlocked, match="The judge said no"):
            await Agent(model=ScriptedModel(["Hello."]), guards=[asks]).run("Go.")

    run_virtual(main())
