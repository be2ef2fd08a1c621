"""The declarations that the frozen runs were made of, by the names of their files.

A later version goes on with a saved run by the same declaration; so what stands here is only added to. What a model
says depends on what it is asked alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from headwater import Agent, AgentStream, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow, ToolContext, tool
from headwater.events import Event, RunWaiting
from headwater.events.messages import Usage
from headwater.events.questions import Question
from headwater.testing import Call, Cut, Fail, ScriptedModel, Think

__all__ = ("RUNS", "Declared", "Reading")

Reading = Callable[[AgentStream[Any, Any], Event], object]


class Declared(msgspec.Struct, frozen=True):
    """A run that was frozen: what ran, and what whoever read it did at its events."""

    make: Callable[[], Any]
    read: Reading = lambda stream, event: None
    task: str = "Go."
    end: str = "run.finished"
    """The type of its last event; empty where it was parked."""


# --- what is said


def by_answers(*turns: Any) -> ScriptedModel:
    """A model whose turn is that of the number of answers in the conversation."""

    def turn(request: Any) -> Any:
        answers = sum(message.role == "assistant" for message in request.messages)
        return turns[min(answers, len(turns) - 1)]

    return ScriptedModel(turn)


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def look(place: str, ctx: ToolContext[Any]) -> str:
    """Look at a place."""
    ctx.emit({"at": place})
    return f"calm at {place}"


@tool(approval="It costs money.")
async def pay(cents: int) -> str:
    """Pay."""
    return f"paid {cents}"


@tool
async def book(ctx: ToolContext[Any]) -> str:
    """Book a room."""
    nights = await ctx.ask("How many nights?", int)
    return f"booked {nights} nights"


@dataclass
class Port:
    """A port."""

    name: str
    depth: int


TWO_CALLS: Final = [Think("Hm."), "Let me see. ", Call("look", {"place": "Brest"}), Call("add", {"a": 1, "b": 2})]
PAYS: Final = ["I pay. ", Call("pay", {"cents": 5}), Call("add", {"a": 1, "b": 2})]


def one(name: str, *turns: Any, **more: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=by_answers(*turns), **more)


def with_tools() -> Any:
    usage = Usage(input_tokens=20, output_tokens=9, cached_input_tokens=4, reasoning_tokens=2)
    return one("guide", TWO_CALLS, ["Calm, and three.", usage], tools=[look, add])


def wrong_calls() -> Any:
    turns = [Call("add", {"a": "x"}), Call("nobody")], [Call("add", '{"a": 1')], ["I give up."]
    return one("guide", *turns, tools=[add])


def an_agent_as_a_tool() -> Any:
    helper = one("helper", [Call("look", {"place": "Oslo"})], ["Oslo is calm."], tools=[look])
    return one("boss", ["I ask. ", Call("helper", {"task": "Look."})], ["All is calm."], tools=[helper])


def a_handoff() -> Any:
    heir = one("heir", "(the one before)", "It is mine now.")
    return one("front", ["Moment. ", Call("transfer_to_heir", {"note": "please"})], handoffs=[heir])


def a_sequence() -> Any:
    return SequentialWorkflow([one("draft", "A draft."), one("final", "The final text.")])


def side_by_side() -> Any:
    return ConcurrentWorkflow([one("north", "Cold."), one("south", TWO_CALLS, "Warm.", tools=[look, add])])


def a_graph() -> Any:
    def review(request: Any) -> str:
        return "good" if "Draft 1" in request.messages[-1].text else "again"

    def write(request: Any) -> str:
        return f"Draft {sum('review has answered' in message.text for message in request.messages)}"

    members = [Agent(name="write", model=ScriptedModel(write)), Agent(name="review", model=ScriptedModel(review))]
    edges = [
        ("write", "review"),
        ("review", "write", lambda response: "again" in response),
        ("review", "print", lambda response: "good" in response),
    ]
    return GraphWorkflow([*members, one("print", "Printed.")], edges=edges, start="write")


def nested_with_a_failure() -> Any:
    broken = one("broken", ["Half ", Fail(400, "No.")])
    both = ConcurrentWorkflow([one("left", "Left."), broken], name="both", on_error="collect")
    return SequentialWorkflow([both, one("last", "Last.")], name="outer")


def taken_back() -> Any:
    asked = [0]

    def turn(request: Any) -> Any:
        asked[0] += 1
        return ["A false start", Cut()] if asked[0] == 1 else [Fail(500)] if asked[0] == 2 else "Whole."

    return Agent(name="guide", model=ScriptedModel(turn), on_interrupted="restart", retries=2)


def failing() -> Any:
    return one("guide", ["Half an answer", Cut()])


def a_type() -> Any:
    return one("guide", '{"name": "Brest"}', '{"name": "Brest", "depth": 9}', output_type=Port)


def payer() -> Any:
    return one("payer", PAYS, "It is done.", tools=[pay, add])


def payers() -> Any:
    boss = one("boss", ["I ask. ", Call("payer", {"task": "Pay."})], ["Paid."], tools=[payer()])
    return ConcurrentWorkflow([boss, one("other", "I wait for nobody.")])


def booker() -> Any:
    return one("booker", [Call("book")], "Booked.", tools=[book])


def hearing() -> Any:
    def turn(request: Any) -> Any:
        said = [message.text for message in request.messages if message.role == "user"][1:]
        return f"I heard {' and '.join(said)}." if said else [Call("add", {"a": 1, "b": 2})]

    return Agent(name="guide", model=ScriptedModel(turn), tools=[add])


# --- what people do


def when_waiting(then: Callable[[AgentStream[Any, Any], Question], object]) -> Reading:
    """Do so with each question once the outermost run waits for people."""

    def read(stream: AgentStream[Any, Any], event: Event) -> None:
        if isinstance(event, RunWaiting) and len(event.path) == 1:
            for question in stream.pending:
                then(stream, question)

    return read


def at(kind: str, then: Callable[[AgentStream[Any, Any]], object]) -> Reading:
    """Do so at each event of that kind."""
    return lambda stream, event: event.type == kind and then(stream)


RUNS: Final[Mapping[str, Declared]] = {
    "agent": Declared(lambda: one("guide", "The moon pulls.")),
    "tools": Declared(with_tools),
    "wrong_calls": Declared(wrong_calls),
    "agent_as_tool": Declared(an_agent_as_a_tool),
    "handoff": Declared(a_handoff),
    "sequential": Declared(a_sequence),
    "concurrent": Declared(side_by_side),
    "graph": Declared(a_graph),
    "nested": Declared(nested_with_a_failure),
    "retracted": Declared(taken_back),
    "failed": Declared(failing, end="run.failed"),
    "typed": Declared(a_type),
    "cancelled": Declared(with_tools, at("tool.started", lambda stream: stream.cancel()), end="run.cancelled"),
    "approved": Declared(payer, when_waiting(lambda stream, asked: stream.approve(asked.id, by="ann", for_run=True))),
    "changed": Declared(payer, when_waiting(lambda stream, asked: stream.approve(asked.id, arguments={"cents": 2}))),
    "denied": Declared(payer, when_waiting(lambda stream, asked: stream.deny(asked.id, note="too dear", by="ann"))),
    "answered": Declared(booker, when_waiting(lambda stream, asked: stream.answer(asked.id, 3, by="ann"))),
    "steered": Declared(hearing, at("tool.started", lambda stream: stream.steer("hurry", by="ann"))),
    "parked_asked": Declared(payers, when_waiting(lambda stream, asked: stream.park()), end=""),
    "parked_asking": Declared(booker, when_waiting(lambda stream, asked: stream.park()), end=""),
    "parked_between": Declared(with_tools, at("tool.finished", lambda stream: stream.park()), end=""),
}
