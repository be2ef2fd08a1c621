"""What a guard held back is in no span, log line or metric that telemetry exports, and its verdict is."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

import pytest

from headwater import Agent, Block, Replace, Retry, guard, tool
from headwater.errors import GuardBlocked
from headwater.testing import Call, ScriptedModel, Think, run_virtual
from tests.telemetry.traced import Traced, traced

SECRET = "k3y-41c0b2a7"
PIECE = SECRET[2:10]

SPANS = {
    "output": "chat offline",
    "reasoning": "chat offline",
    "arguments": "chat offline",
    "input": "invoke_agent guide",
    "result": "execute_tool look",
}
"""By what is checked: the span that has the verdict."""


def exported(told: Traced) -> str:
    """Everything that left the process."""
    return "".join(span.to_json() for span in told.ended) + repr([(name, str(one)) for name, one in told.metrics()])


@tool
async def look(what: str) -> str:
    """Look."""
    return f"It is {SECRET}." if what == "key" else "It is the sea."


def turns(on: str) -> list[Any]:
    what = {"arguments": SECRET, "result": "key"}.get(on, "sea")
    thought = Think(["The key is ", SECRET]) if on == "reasoning" else Think(["Well."])
    said = ["The key is ", SECRET[:5], SECRET[5:], "."] if on == "output" else ["So it is."]
    return [[thought, Call("look", {"what": what})], said]


@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize(("on", "verdict"), [*itertools.product(SPANS, ["block", "replace", "retry"])])
def test_a_secret_is_in_no_span(on: Any, verdict: str, content: bool) -> None:
    def judge(text: str) -> Any:
        if SECRET not in text:
            return None
        if verdict == "replace":
            return Replace(text.replace(SECRET, "[key]"))
        return Block("A key.") if verdict == "block" else Retry("No keys.")

    fine: list[Any] = [[Call("look", {"what": "sea"})], ["So it is."]]
    model = ScriptedModel([*turns(on)[: 2 if verdict != "retry" or on == "output" else 1], *fine, "Well."])
    agent = Agent(name="guide", model=model, tools=[look], guards=[guard(on=on, name="keys", may_retry=True)(judge)])

    async def main() -> None:
        with contextlib.suppress(GuardBlocked):
            await agent.run(f"Use {SECRET}." if on == "input" else "What is there?")

    with traced(content=content) as told:
        run_virtual(main())
    told.check()
    assert PIECE not in exported(told)
    verdicts = [
        (span.name, dict(event.attributes or {}))
        for span in told.ended
        for event in span.events
        if event.name == "headwater.guard.tripped"
    ]
    action = "block" if (on, verdict) == ("input", "retry") else verdict
    note = {"block": "A key.", "retry": "No keys."}.get(verdict)
    attributes = {"headwater.guard": "keys", "headwater.guard.on": on, "headwater.guard.action": action}
    if content and note:
        attributes["headwater.guard.note"] = note
    assert verdicts == [(SPANS[on], attributes)]
