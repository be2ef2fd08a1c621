"""`runtime.budget`: what is sent, where an answer is cut, who fails, and what is counted."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from decimal import Decimal, Inexact, localcontext
from typing import Any

import pytest

from headwater import Agent, Budget, ConcurrentWorkflow, Model, Price, SequentialWorkflow, tool
from headwater.backends.base import Reply
from headwater.backends.http import HTTPBackend
from headwater.backends.offline.script import Turn
from headwater.errors import (
    BudgetExceeded,
    ConfigurationError,
    LimitExceeded,
    Parked,
    ServerError,
    UnsupportedSetting,
)
from headwater.events import AnyEvent, AttemptStarted, RunFailed, ToolStarted, UsageReported, Warned
from headwater.providers import openai_chat
from headwater.providers.request import Endpoint, HTTPRequest
from headwater.testing import Call, Fail, OfflineModel, ProviderSimulator, Say, ScriptedModel, check_log

WORDS = [f"w{number:03} " for number in range(2000)]
PRICE = Price(input=2, output=10)
PRICES = {"offline": PRICE}
APIS = ("openai-chat", "openai-responses", "anthropic", "gemini", "ollama", "azure", "groq")
FIELDS = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict")


def _max_tokens(body: dict[str, Any]) -> int:
    places = (body, body.get("generationConfig", {}), body.get("options", {}))
    return int(next(place[name] for place in places for name in FIELDS if name in place))


def _read(agent: Any, **options: Any) -> tuple[list[AnyEvent], BudgetExceeded]:
    log: list[AnyEvent] = []
    with pytest.raises(BudgetExceeded) as raised:
        log.extend(agent.run_stream("go", **options).events())
    check_log(log)
    return log, raised.value


# --- one answer


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("limit", [{"output_tokens": 100}, {"total_tokens": 107}, {"cost": "0.001014"}])
def test_an_answer_of_2000_tokens_is_cut_at_100(api: str, limit: dict[str, Any]) -> None:
    with ProviderSimulator([[Say(WORDS)]], rate=2000) as simulator:
        model = simulator.model(api)
        budget = Budget(**limit)
        agent = Agent(model=model, prices={model.backends[0].model: PRICE}, budget=budget)
        log, error = _read(agent)
        request = simulator.requests[0]
        assert request.wait_gone(), "the socket is closed"
    assert _max_tokens(request.json) <= 100
    assert len(simulator.requests) == 1
    said = len(str(error.response))
    assert 300 < said < 2000, "the partial answer, a few reads past the limit at most"
    assert isinstance(error, LimitExceeded)
    assert error.limit in limit
    usage = error.response.usage
    assert usage.output_tokens is not None
    assert error.response.usage_origin == "estimated"
    assert usage.cost is not None
    assert usage.cost >= PRICE.of_output(0) * usage.output_tokens
    assert budget.spent.output_tokens == usage.output_tokens
    assert budget.spent.cost == usage.cost
    assert getattr(budget.left, error.limit) == 0
    assert [event.code for event in log if isinstance(event, Warned)] == ["budget_low"]
    assert isinstance(log[-1], RunFailed)


class _Reply:
    """A response whose every read has 60 tokens, without end."""

    status = 200
    headers: Mapping[str, str] = {"content-type": "text/event-stream"}
    ended = False
    reads = 0
    closed = False

    async def read(self) -> bytes:
        self.reads += 1
        return b'data: {"choices": [{"delta": {"content": "abcd"}}]}\n\n' * 60

    async def read_error(self) -> bytes:
        return b""

    def release(self) -> None:
        raise AssertionError("the answer has not ended")

    def abort(self) -> None:
        self.closed = True

    def shut(self) -> None:
        pass


def test_at_most_one_read_goes_over() -> None:
    reply = _Reply()

    async def post(request: HTTPRequest, *, connect: float | None = None) -> Reply:
        return reply

    endpoint = Endpoint(provider="somewhere", api="openai-chat", base_url="http://127.0.0.1:1/v1")
    backend = HTTPBackend(endpoint, "m", openai_chat, post=post)
    with pytest.raises(BudgetExceeded) as raised:
        Agent(model=backend, budget=Budget(output_tokens=100)).run("go")
    assert raised.value.response == "abcd" * 120, "one read is below the limit, the next one past it"
    assert reply.reads == 2
    assert reply.closed


def test_an_answer_that_the_provider_cut_for_the_budget_is_no_whole_answer() -> None:
    model = OfflineModel()
    with pytest.raises(BudgetExceeded) as raised:
        Agent(model=model, budget=Budget(output_tokens=10)).run("go")
    response = raised.value.response
    assert response.usage.output_tokens == 10, "the provider stopped there"
    assert response.usage_origin == "measured"
    # With its own limit it is cut as usual.
    response = Agent(model=OfflineModel(), max_tokens=10, budget=Budget(output_tokens=100)).run("go")
    assert response.finish_reason == "length"


def test_an_answer_that_arrives_in_one_read_is_past_the_budget_too() -> None:
    log, error = _read(Agent(model=ScriptedModel([[Say(["abcd"] * 50)]]), budget=Budget(output_tokens=10)))
    assert error.response == "abcd" * 50
    assert error.response.usage_origin == "measured"
    assert sum(isinstance(event, UsageReported) for event in log) == 1


def test_within_its_budget_a_run_is_as_without() -> None:
    budget = Budget(cost=1, output_tokens=1000, total_tokens=10_000, requests=5, tool_calls=5)
    response = Agent(model=ScriptedModel([[Say(["Hel", "lo"])]]), budget=budget, prices=PRICES).run("go")
    assert response == "Hello"
    assert response.finish_reason == "stop"
    assert response.usage.cost == PRICE.cost(response.usage)
    assert budget.spent.cost == response.usage.cost
    assert budget.spent.total_tokens == response.usage.total_tokens
    assert budget.left.requests == 4
    assert budget.left.tool_calls == 5


def test_a_budget_of_one_is_not_said_to_be_of_several() -> None:
    agent = Agent(model=ScriptedModel(["One.", "Two."]), budget=Budget(requests=1), max_loops=2)
    with pytest.raises(BudgetExceeded, match="The budget of 1 request is used up: 1 spent"):
        agent.run("go")


def test_a_used_up_budget_sends_nothing() -> None:
    budget = Budget(output_tokens=3)
    model = ScriptedModel([[Say(["abcd"] * 3)], "Not sent."])
    agent = Agent(model=model, budget=budget, retries=2)
    with pytest.raises(BudgetExceeded):
        Agent(model=ScriptedModel([[Say(["abcd"] * 9)]]), budget=budget).run("go")
    sent = len(model.requests)
    with pytest.raises(BudgetExceeded, match="3 output tokens is used up"):
        agent.run("go")
    assert len(model.requests) == sent


def test_an_input_that_does_not_fit_is_not_sent() -> None:
    for limit in ({"total_tokens": 100}, {"cost": "0.0002"}):
        model = ScriptedModel(["No."])
        with pytest.raises(BudgetExceeded, match="does not allow a request of about"):
            Agent(model=model, budget=Budget(**limit), prices=PRICES).run("x" * 1000)
        assert not model.requests


def test_a_cost_limit_without_a_price_is_an_error_before_anything_is_sent() -> None:
    model, other = ScriptedModel(["No."]), ScriptedModel(["No."], model="other")
    with pytest.raises(ConfigurationError, match="the price of offline/offline is unknown"):
        Agent(model=model, budget=Budget(cost=1)).run("go")
    with pytest.raises(ConfigurationError, match="offline/other"):
        Agent(model=model, fallback=[other], budget=Budget(cost=1), prices=PRICES).run("go")
    assert not model.requests


def test_a_missing_price_is_asked_for_by_its_name() -> None:
    agent = Agent(model="offline", budget=Budget(cost=1), prices={"offlin": PRICE, "gpt": PRICE})
    with pytest.raises(ConfigurationError) as raised:
        agent.run("go")
    written = 'prices={"offline/offline": Price(input=…, output=…)} (prices= has only "offlin").'
    assert raised.value.hint == f"Pass it: {written}"


def test_a_budget_that_is_not_reached_is_not_said_to_be_used_up() -> None:
    budget = Budget(cost="0.0003")
    agent = Agent(model="offline", budget=budget, prices={"offline": Price(input=0, output=70)})
    with pytest.raises(BudgetExceeded, match=r"The budget of \$0.0003 leaves too little to go on: \$0.00028 spent"):
        agent.run("Explain tides")


def test_reasoning_that_the_budget_cannot_hold_is_the_budgets_error() -> None:
    def agent(name: str) -> Agent:
        model = Model(f"anthropic/{name}", base_url=simulator.url("anthropic"), api_key="k", reasoning=2000)
        return Agent(model=model, budget=Budget(output_tokens=500))

    with ProviderSimulator([["No."]]) as simulator:
        with pytest.raises(BudgetExceeded):
            agent("claude-sonnet-4-5").run("go")
        with pytest.raises(UnsupportedSetting, match="does not support"):
            agent("claude-fable-5").run("go")
        assert not simulator.requests


# --- retries, fallbacks, cancels


def test_every_attempt_counts_and_none_is_made_past_the_limit() -> None:
    model = ScriptedModel([Fail(ServerError("Down.", provider="x", status=500))] * 5)
    budget = Budget(requests=2)
    log, error = _read(Agent(model=model, budget=budget, retries=4))
    assert sum(isinstance(event, AttemptStarted) for event in log) == 2
    assert error.limit == "requests"
    assert budget.left.requests == 0


def test_it_is_neither_retried_nor_given_to_a_fallback() -> None:
    first, second = ScriptedModel([[Say(WORDS)]], api="a"), ScriptedModel(["Not asked."], model="second")
    agent = Agent(model=first, fallback=[second], retries=3, on_interrupted="restart", budget=Budget(output_tokens=5))
    _read(agent)
    assert len(first.requests) == 1
    assert not second.requests


def test_a_failed_attempt_costs_what_it_wrote() -> None:
    model = ScriptedModel([[Say(["abcd"] * 20), Fail(ServerError("Down.", provider="x", status=500))], "Done."])
    budget = Budget(output_tokens=1000)
    response = Agent(model=model, budget=budget, prices=PRICES, on_interrupted="restart").run("go")
    assert response == "Done."
    assert response.usage.output_tokens is not None
    assert response.usage.output_tokens > 20
    assert budget.spent.output_tokens == response.usage.output_tokens
    assert budget.spent.requests == 2
    assert response.usage.cost == budget.spent.cost


def test_a_cancelled_run_costs_what_it_wrote() -> None:
    budget = Budget(output_tokens=1000)
    with ProviderSimulator([[Say(WORDS)]], rate=500) as simulator:
        model = simulator.model()
        stream = Agent(model=model, budget=budget, prices={model.backends[0].model: PRICE}).run_stream("go")
        for _ in stream:
            break
    usage = stream.response.usage
    assert usage.output_tokens
    assert budget.spent.output_tokens == usage.output_tokens
    assert usage.cost is not None
    assert budget.spent.cost == usage.cost > PRICE.of_output(0) * usage.output_tokens


# --- many runs


def test_one_budget_for_a_workflow_of_twenty() -> None:
    budget = Budget(output_tokens=300)
    with ProviderSimulator([[Say(WORDS)]] * 20, rate=300) as simulator:
        members = [Agent(name=f"a{number}", model=simulator.model()) for number in range(20)]
        workflow = ConcurrentWorkflow(members, on_error="collect", budget=budget)
        log, error = _read(workflow)
        assert all(request.wait_gone() for request in simulator.requests)
    assert all(_max_tokens(request.json) <= 300 for request in simulator.requests)
    used = budget.spent.output_tokens
    assert 300 < used < 300 + 20 * 200, "each may go one read over"
    assert isinstance(log[-1], RunFailed), "it is not collected"
    assert log[-1].error.type == "BudgetExceeded"
    assert error.response is not None


def test_the_tightest_budget_counts() -> None:
    tight, wide = Budget(output_tokens=10), Budget(output_tokens=1000)
    for own, given in ((tight, wide), (wide, Budget(output_tokens=10))):
        model = ScriptedModel([[Say(["abcd"] * 50)]])
        with pytest.raises(BudgetExceeded):
            Agent(model=model, budget=own).run("go", budget=given)
        assert model.requests[0].settings.max_tokens == 10
    assert wide.spent.requests == 2


def test_a_budget_given_twice_counts_once() -> None:
    budget = Budget(requests=10)
    member = Agent(name="one", model=ScriptedModel(["Hi."]), budget=budget)
    SequentialWorkflow([member], budget=budget).run("go", budget=budget)
    assert budget.spent.requests == 1
    assert copy.deepcopy(member).budget is budget


def test_agents_as_tools_draw_on_the_budget_of_the_run_above() -> None:
    inner = ScriptedModel([[Say(["abcd"] * 300)]])
    outer = ScriptedModel([[Call("helper", {"task": "x"})], "The model must not see it."])
    budget = Budget(output_tokens=60)
    helper = Agent(name="helper", description="Helps.", model=inner)
    log, error = _read(Agent(name="boss", model=outer, tools=[helper], budget=budget))
    assert len(outer.requests) == 1, "it is no error that a model reads"
    assert [event.path for event in log if isinstance(event, RunFailed)] == [("boss", "helper"), ("boss",)]
    assert error.limit == "output_tokens"
    assert budget.spent.requests == 2
    assert inner.requests[0].settings.max_tokens is not None
    assert inner.requests[0].settings.max_tokens < 60


def test_an_agent_as_a_tool_that_is_past_its_own_budget_ends_the_runs_above() -> None:
    helper = Agent(name="helper", model=ScriptedModel([[Say(["abcd"] * 30)]]), budget=Budget(output_tokens=5))
    outer = ScriptedModel([[Call("helper", {"task": "x"})], "The model must not see it."])
    _read(Agent(name="boss", model=outer, tools=[helper]))
    assert len(outer.requests) == 1


@pytest.mark.parametrize("is_async", [True, False])
def test_a_run_in_a_tool_that_is_past_its_budget_ends_the_run(is_async: bool) -> None:
    budget = Budget(output_tokens=2)
    inner = Agent(model=ScriptedModel([[Say(["abcd"] * 30)]] * 2), budget=budget)

    @tool
    async def waits() -> str:
        """Asks another agent."""
        return await inner.run("go")

    @tool
    def blocks() -> str:
        """Asks another agent."""
        return inner.run("go")

    asked = waits if is_async else blocks
    outer = ScriptedModel([[Call(asked.name, {})], "Not reached."])
    with pytest.raises(BudgetExceeded):
        Agent(model=outer, tools=[asked]).run("go")
    assert len(outer.requests) == 1


def test_prices_of_a_run_hold_for_the_runs_below() -> None:
    members = [Agent(name=name, model=ScriptedModel(["Hi."])) for name in ("a", "b")]
    results = SequentialWorkflow(members, prices=PRICES).run("go", budget=Budget(cost=1))
    assert results.usage.cost is not None
    assert results.usage.cost > 0


def test_tool_calls_are_counted_before_any_of_a_step_runs() -> None:
    ran: list[str] = []

    @tool
    def note(text: str) -> str:
        """Notes it."""
        ran.append(text)
        return "ok"

    two = [Call("note", {"text": "2"}), Call("note", {"text": "3"})]
    calls: list[Turn] = [[Call("note", {"text": "1"})], two, "Done."]
    budget = Budget(tool_calls=2)
    log, error = _read(Agent(model=ScriptedModel(calls), tools=[note], budget=budget))
    assert ran == ["1"]
    assert sum(isinstance(event, ToolStarted) for event in log) == 1
    assert error.limit == "tool_calls"
    assert budget.left.tool_calls == 1


# --- on resume


def test_a_resumed_run_counts_what_its_log_has_spent_once() -> None:
    @tool(approval=True)
    def pay() -> str:
        """Pays."""
        return "paid"

    def agent(budget: Budget) -> Agent:
        model = ScriptedModel(["Paid."]) if resumed else ScriptedModel([[Say(["abcd"] * 4), Call("pay", {})]])
        return Agent(model=model, tools=[pay], budget=budget, prices=PRICES)

    resumed, same = False, Budget(cost=1, requests=5, tool_calls=1)
    with pytest.raises(Parked) as parked:
        agent(same).run("go")
    log, resumed = parked.value.log, True
    before = same.spent
    assert before.requests == 1
    other = Budget(cost=1, requests=5, tool_calls=1)
    approvals = {parked.value.pending[0].id: True}
    for budget in (same, other):  # as in the same process, and as in another one
        stream = agent(budget).resume(log, approvals=approvals)
        assert "".join(stream.text())
        assert budget.spent.requests == 2
        assert budget.spent.tool_calls == 1
        assert budget.spent.cost == stream.response.usage.cost
        assert budget.spent.output_tokens == stream.response.usage.output_tokens
        assert budget.spent.output_tokens > before.output_tokens
    again = agent(same).resume(log, approvals=approvals)
    assert "".join(again.text())
    assert same.spent == other.spent, "the same run again replaces what was counted"


def test_a_run_resumed_past_its_budget_sends_nothing() -> None:
    @tool(approval=True)
    def pay() -> str:
        """Pays."""
        return "paid"

    first = Agent(model=ScriptedModel([[Say(["abcd"] * 4), Call("pay", {})]]), tools=[pay])
    with pytest.raises(Parked) as parked:
        first.run("go")
    model = ScriptedModel(["Not sent."])
    then = Agent(model=model, tools=[pay], budget=Budget(requests=1))
    stream = then.resume(parked.value.log, approvals={parked.value.pending[0].id: True})
    with pytest.raises(BudgetExceeded):
        list(stream)
    assert not model.requests


# --- the object


def test_limits_are_checked() -> None:
    for wrong in ({"cost": -1}, {"output_tokens": 1.5}, {"requests": True}, {"tool_calls": -1}, {}):
        with pytest.raises(ConfigurationError):
            Budget(**wrong)
    with pytest.raises(ConfigurationError, match="budget"):
        Agent(budget=3)  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="prices"):
        Agent(prices={"m": 3})  # type: ignore[dict-item]
    assert repr(Budget(cost=0.05, requests=3)) == "Budget(cost=0.05, requests=3)"
    assert Budget(cost=0.05).left.cost == Decimal("0.05")


def test_threads_draw_on_one_budget() -> None:
    budget = Budget(requests=50)
    refused: list[BudgetExceeded] = []

    def work() -> None:
        for _ in range(10):
            try:
                Agent(model=ScriptedModel(["Hi."]), budget=budget).run("go")
            except BudgetExceeded as error:
                refused.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.spent.requests == 50
    assert len(refused) == 30


def test_the_log_has_the_cost_of_every_report() -> None:
    log = list(Agent(model=ScriptedModel(["Hi."]), prices=PRICES).run_stream("go").events())
    costs = [event.usage.cost for event in log if isinstance(event, UsageReported)]
    assert costs
    assert all(cost is not None for cost in costs)


def test_a_budget_counts_in_any_decimal_context() -> None:
    def spend() -> tuple[Decimal, Decimal | None]:
        prices, budget = {"offline": Price(input="1.234567", output="9.87654321")}, Budget(cost="0.123456789")
        Agent(model=ScriptedModel(["one two three"]), prices=prices).run("go", budget=budget)
        return budget.spent.cost, budget.left.cost

    expected = spend()
    with localcontext() as context:
        context.prec = 2
        assert spend() == expected
        context.traps[Inexact] = True
        assert spend() == expected
