from __future__ import annotations

import pytest

from headwater import Agent, Answer, ToolContext, tool
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import UsageError
from headwater.testing import ScriptedApprover


@tool(approval=True)
async def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


@tool
async def book(ctx: ToolContext) -> str:
    """Book."""
    return f"{await ctx.ask('How many?', int)} nights"


def run(approver: ScriptedApprover, *calls: Call) -> list[str]:
    agent = Agent(model=ScriptedModel([list(calls), "Done."]), tools=[send, book], keep_log=True)
    stream = agent.run_stream("Go.", approver=approver)
    stream.result_sync()
    return [event.result for event in stream.log if event.type == "tool.finished"]  # type: ignore[attr-defined]


def test_it_answers_in_order() -> None:
    approver = ScriptedApprover([True, Answer(allowed=False, note="No.")])
    assert run(approver, Call("send", {"to": "ann"}), Call("send", {"to": "bob"})) == ["sent to ann"]
    assert [question.arguments for question in approver.asked] == [{"to": "ann"}, {"to": "bob"}]


def test_it_answers_by_tool() -> None:
    approver = ScriptedApprover({"send": True, "book": 3})
    results = run(approver, Call("book"), Call("send", {"to": "ann"}), Call("send", {"to": "bob"}))
    assert sorted(results) == ["3 nights", "sent to ann", "sent to bob"]


def test_a_question_without_an_answer_ends_the_run() -> None:
    with pytest.raises(UsageError, match="no answer for send, question 2"):
        run(ScriptedApprover([True]), Call("send", {"to": "ann"}), Call("send", {"to": "bob"}))
    with pytest.raises(UsageError, match="no answer for send"):
        run(ScriptedApprover({"book": 3}), Call("send", {"to": "ann"}))
