"""Runs of every kind, each the same whenever it is made: what a model says depends on what it is asked alone.

Owns the declarations; `kills` stops them at every event and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from headwater import Agent, ToolContext, tool
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Think
from headwater.providers.request import Request
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow

__all__ = ("SCENARIOS", "Scenario", "done")

Scenario: TypeAlias = Callable[[], Any]

done: list[str] = []
"""What tools have finished to do, in order, over all processes."""


@tool
async def weather(city: str, ctx: ToolContext[Any]) -> str:
    """Tell the weather."""
    ctx.emit({"looking": city})
    done.append(f"{ctx.idempotency_key} weather {city}")
    return f"sunny in {city}"


@tool
async def add(a: int, b: int, ctx: ToolContext[Any]) -> int:
    """Add two numbers."""
    done.append(f"{ctx.idempotency_key} add {a} {b}")
    return a + b


def by_step(*turns: Any, **more: Any) -> ScriptedModel:
    """A model that gives the turn of the step it is in, counted from the last message of a user."""

    def turn(request: Request) -> Any:
        answers = 0
        for message in reversed(request.messages):
            if message.role == "user":
                break
            answers += message.role == "assistant"
        return turns[min(answers, len(turns) - 1)]

    return ScriptedModel(turn, **more)


def plain() -> Any:
    model = by_step(
        [Think("Hm, let me see."), "I will look. ", Call("weather", {"city": "Paris"}), Call("add", {"a": 1, "b": 2})],
        ["Then more. ", Call("weather", {"city": "Rome"})],
        ["All is well in Paris and Rome, the sum is three."],
    )
    return Agent(name="plain", tools=[weather, add], model=model)


def flaky() -> Any:
    asked = [0]

    def turn(request: Request) -> Any:
        asked[0] += 1
        if asked[0] == 1:
            return [Fail(429, retry_after=0.001)]
        if asked[0] == 2:
            return ["A broken beginning", Cut()]
        if asked[0] == 3:
            return [Fail(500)]
        if request.messages[-1].role == "tool":
            return ["done, eleven."]
        return ["whole ", Call("add", {"a": 5, "b": 6})]

    spare = by_step(
        ["fallback says ", Call("add", {"a": 5, "b": 6})], ["fallback ends."], model="other", provider="other"
    )
    return Agent(
        name="flaky", tools=[add], model=ScriptedModel(turn), fallback=[spare], retries=2, on_interrupted="restart"
    )


def delegate() -> Any:
    helper = Agent(
        name="helper",
        description="Helps.",
        tools=[weather],
        model=by_step(["Helping: ", Call("weather", {"city": "Oslo"})], ["Oslo is fine."]),
    )
    model = by_step(
        ["I ask. ", Call("helper", {"task": "look"}), Call("add", {"a": 2, "b": 2})], ["The helper said it all."]
    )
    return Agent(name="boss", tools=[helper, add], model=model)


def handoff() -> Any:
    billing = Agent(
        name="billing",
        tools=[add],
        model=by_step(["Billing here. ", Call("add", {"a": 7, "b": 1})], ["It is eight."]),
    )
    model = by_step(["Moment. ", Call("weather", {"city": "Bern"}), Call("transfer_to_billing", {"note": "please"})])
    return Agent(name="front", tools=[weather], handoffs=[billing], model=model)


@dataclass
class City:
    """A city."""

    name: str
    size: int


def repair() -> Any:
    answers = [
        '{"name": "Paris"}',
        '{"name": "Paris", "size": 3}',
        '{"name": "Rome", "siz": 3}',
        '{"name": "Rome", "size": 4}',
    ]
    model = ScriptedModel(lambda request: [answers[sum(one.role == "assistant" for one in request.messages)]])
    return Agent(name="repair", output_type=City, max_loops=2, model=model)


def bad_calls() -> Any:
    model = by_step(
        [Call("add", {"a": "x"}), Call("nobody", {})],
        [Call("add", {"a": "y", "b": 1}), Call("add", '{"a": 1')],
        ["ok ", Call("add", {"a": 1, "b": 1})],
        ["fine, two."],
    )
    return Agent(name="bad", tools=[add], model=model)


def bad_calls_only() -> Any:
    model = by_step([Call("add", {"a": "x"})], [Call("add", {"a": "y"})], [Call("add", {"a": "z"})], ["never."])
    return Agent(name="wrong", tools=[add], model=model)


def gives_up() -> Any:
    model = by_step(["say ", Call("add", {"a": 1, "b": 1})], ["half an answer", Cut()])
    return Agent(name="tired", tools=[add], model=model)


def too_many_steps() -> Any:
    model = by_step(*[[f"{n} ", Call("add", {"a": n, "b": 1})] for n in range(5)])
    return Agent(name="busy", tools=[add], model=model, max_steps=2)


def client_calls() -> Any:
    model = by_step(["mine and yours ", Call("add", {"a": 1, "b": 1}), Call("pick", {"n": 1}, by="client")])
    return Agent(name="front", tools=[add], model=model)


def _member(name: str, *turns: Any) -> Agent[Any, Any]:
    return Agent(name=name, tools=[weather, add], model=by_step(*turns))


def sequential() -> Any:
    return SequentialWorkflow(
        [
            _member("one", ["first ", Call("add", {"a": 1, "b": 1})], ["one is done"]),
            _member("two", ["two is done"]),
            _member("three", [Call("weather", {"city": "Rome"})], ["three is done"]),
        ]
    )


def concurrent() -> Any:
    return ConcurrentWorkflow(
        [
            _member("one", ["first ", Call("add", {"a": 1, "b": 1})], ["one is done"]),
            _member("two", ["two is done"]),
            _member("three", [Call("weather", {"city": "Rome"})], ["three is done"]),
        ],
        max_loops=2,
    )


def graph_with_a_cycle() -> Any:
    def drafts(request: Request) -> Any:
        told = sum("review has answered" in one.text for one in request.messages)
        return [f"draft after {told} reviews"]

    def reviews(request: Request) -> Any:
        return ["good" if "after 1" in request.messages[-1].text else "again, please"]

    return GraphWorkflow(
        [
            Agent(name="write", model=ScriptedModel(drafts)),
            Agent(name="review", model=ScriptedModel(reviews)),
            _member("publish", [Call("add", {"a": 1, "b": 1})], ["out it goes"]),
        ],
        edges=[
            ("write", "review"),
            ("review", "write", lambda response: "again" in response),
            ("review", "publish", lambda response: "good" in response),
        ],
        start="write",
    )


def nested() -> Any:
    broken = Agent(name="broken", model=ScriptedModel(lambda _: ["half ", Fail(400)]))
    inner = ConcurrentWorkflow([_member("left", ["left"]), broken], name="inner", on_error="collect")
    return SequentialWorkflow([inner, _member("last", [Call("add", {"a": 1, "b": 1})], ["last"])], name="outer")


def failing_member() -> Any:
    broken = Agent(name="broken", model=ScriptedModel(lambda _: [Say("half "), Fail(400)]))
    return SequentialWorkflow([_member("one", ["one"]), broken, _member("never", ["never"])])


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "parallel tools": plain,
    "retries and fallbacks": flaky,
    "an agent as a tool": delegate,
    "a handoff": handoff,
    "repair and loops": repair,
    "bad calls": bad_calls,
    "bad calls only": bad_calls_only,
    "giving up": gives_up,
    "too many steps": too_many_steps,
    "calls of the client": client_calls,
    "sequential": sequential,
    "concurrent": concurrent,
    "a graph with a cycle": graph_with_a_cycle,
    "nested, with a failed member": nested,
    "a failing member": failing_member,
}
