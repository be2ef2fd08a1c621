"""What type checkers take for a script: turns as lists, strings and functions, also where their types are joined."""

from __future__ import annotations

from headwater import Agent
from headwater.testing import Call, ScriptedModel, Think


def answer(last: str) -> list[Call] | str:
    return [Call("look")] if last == "user" else "Done."


def look() -> str:
    """Look."""
    return "seen"


TURNS = {"user": [Think("Look."), Call("look")], "tool": "Done."}
"""Its values are a `Sequence[object]` to mypy."""

SCRIPTS = (
    ScriptedModel([[Call("look")], "Done."]),
    ScriptedModel([Call("look"), ["Done."]]),
    ScriptedModel(lambda request: TURNS[request.messages[-1].role]),
    ScriptedModel(lambda request: [Call("look")] if request.messages[-1].role == "user" else "Done."),
    ScriptedModel(lambda request: answer(request.messages[-1].role)),
)


def test_each_is_a_script() -> None:
    for model in SCRIPTS:
        assert Agent(model=model, tools=[look]).run("Go.") == "Done."
