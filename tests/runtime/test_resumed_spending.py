"""What was spent before a run is resumed: the interrupted answer's cost, and budgets of agents as tools."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater import Agent, Budget, Price, tool
from headwater.errors import Parked
from headwater.events import AnyEvent, AttemptFailed
from headwater.testing import Call, Say, ScriptedModel, check_log

PRICES = {"offline": Price(input=2, output=10)}


def test_an_answer_that_a_crash_interrupted_has_a_cost() -> None:
    log: list[AnyEvent] = []
    agent = Agent(model=ScriptedModel([[Say(["abcd"] * 40)]]), prices=PRICES)
    for event in agent.run_stream("go").events():
        log.append(event)
        if sum(one.type == "text.delta" for one in log) == 10:
            break
    resumed = Agent(model=ScriptedModel(["Done."]), prices=PRICES).resume(log, keep_log=True)
    assert resumed.result_sync() == "Done."
    check_log(resumed.log)
    failed = next(event for event in resumed.log if isinstance(event, AttemptFailed))
    assert failed.then == "resume"
    assert failed.usage.output_tokens == 10
    assert failed.usage.cost is not None
    assert failed.usage.cost > Decimal("0.0001")  # ten tokens at $10 a million, and what was asked
    assert resumed.response.usage.cost is not None
    assert resumed.response.usage.cost > failed.usage.cost


def test_without_a_price_it_has_none() -> None:
    log: list[AnyEvent] = []
    for event in Agent(model=ScriptedModel([[Say(["abcd"] * 40)]])).run_stream("go").events():
        log.append(event)
        if event.type == "text.delta":
            break
    resumed = Agent(model=ScriptedModel(["Done."])).resume(log)
    assert resumed.result_sync().usage.cost is None


def test_the_budget_of_an_agent_as_a_tool_is_counted_again() -> None:
    @tool(approval=True)
    def pay() -> str:
        return "paid"

    def desk(budget: Budget, *turns: Any) -> Agent:
        helper = Agent(name="helper", model=ScriptedModel([[Say(["abcd"] * 4)]]), budget=budget, prices=PRICES)
        return Agent(name="desk", model=ScriptedModel([*turns]), tools=[helper, pay])

    own = Budget(cost=1, requests=5)
    with pytest.raises(Parked) as parked:
        desk(own, [Call("helper", {"task": "help"})], [Call("pay", {})]).run("go")
    assert own.spent.requests == 1
    approvals = {parked.value.pending[0].id: True}
    for budget in (own, Budget(cost=1, requests=5)):  # as in the same process, and as in another one
        assert "".join(desk(budget, "Paid.").resume(parked.value.log, approvals=approvals).text())
        assert budget.spent == own.spent
    assert own.spent.requests == 1
