"""Agents for the workflows' tests, workflow shapes, and the checks of their logs."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from headwater import Agent, AgentStream, ConcurrentWorkflow, GraphWorkflow, Response, Results, SequentialWorkflow
from headwater.backends.offline import Call, Say, Script, ScriptedModel, Wait
from headwater.events import Event, RunCancelled, RunFailed, RunFinished, RunStarted, TextDelta, TextStarted
from headwater.events.checker import check_log
from headwater.providers.request import Request
from headwater.workflows.base import Workflow

__all__ = ("SHAPES", "asked", "checked", "ends", "log_of", "members_of", "paced", "parts", "speaker", "texts")

Shape = Callable[..., Any]
"""Creates the shape; `second` is the length of a second: 0 in real time."""


def speaker(name: str, *turns: Any, **options: Any) -> Agent[Any, Any]:
    """An agent with these turns; by default a sentence with its name, for every request."""
    script: Script = list(turns) if turns else lambda request: f"{name} says hi there."
    return Agent(name=name, model=ScriptedModel(script), **options)


def paced(name: str, words: int = 5, seconds: float = 1.0, **options: Any) -> Agent[Any, Any]:
    """An agent that streams a word at that interval in seconds, for every request."""
    turn = [item for number in range(words) for item in (Wait(seconds), f"{name}{number} ")]
    return Agent(name=name, model=ScriptedModel(lambda request: turn), **options)


def asked(agent: Agent[Any, Any]) -> list[Request]:
    """The requests to the agent's scripted model."""
    model: Any = agent.model
    return list(model.requests)


def parts(request: Request) -> list[str]:
    """The texts of the messages in a request."""
    return [message.text for message in request.messages]


def texts(result: Response[Any] | Results) -> dict[str, str]:
    """Each run's text."""
    return {name: response.text for name, response in result.members.items()}


def members_of(result: Response[Any] | Results) -> Mapping[str, Response[Any]]:
    """The members of a workflow, or of an agent that may hand over: it is its own first member."""
    handed_over = any(member.run_id == result.run_id for member in result.members.values())
    return {} if handed_over else result.members


async def log_of(stream: AgentStream[Any, Any]) -> list[Event]:
    """Returns the whole log; asserts that it is valid and that no task is left."""
    events: list[Event] = [event async for event in stream.events()]
    checked(events)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return events


def ends(events: Iterable[Event]) -> dict[str, Event]:
    """The end of each run, by its path."""
    return {"/".join(e.path): e for e in events if isinstance(e, RunFinished | RunFailed | RunCancelled)}


def checked(events: Sequence[Event]) -> None:
    """Asserts that the log is valid; checks the most important rules independently of the checker."""
    check_log(events)
    assert [event.seq for event in events] == list(range(len(events)))
    begun = Counter(event.run for event in events if isinstance(event, RunStarted))
    ended = Counter(event.run for event in events if isinstance(event, RunFinished | RunFailed | RunCancelled))
    assert begun == ended == Counter(set(begun))
    assert all(event.path and event.run for event in events)
    assert events[-1].run == events[0].run


def said(events: Iterable[Event]) -> Mapping[str, str]:
    """The text that each run has shown, including leads, by its path."""
    shown: dict[str, str] = {}
    leads: dict[str, str] = {}
    for event in events:
        path = "/".join(event.path)
        if isinstance(event, TextStarted):
            leads[path] = event.lead
        elif isinstance(event, TextDelta):
            shown[path] = shown.get(path, "") + leads.pop(path, "") + event.text
    return shown


def spoken(events: Iterable[Event]) -> list[tuple[str, str]]:
    """The text that each run has shown, with its path: two runs may have the same path."""
    shown: dict[str, tuple[str, str]] = {}
    for event in events:
        if isinstance(event, TextDelta):
            path, text = shown.get(event.run, ("/".join(event.path), ""))
            shown[event.run] = (path, text + event.text)
    return sorted(shown.values())


# --- shapes


def sequential(second: float = 1) -> Workflow[Any]:
    return SequentialWorkflow([speaker("a"), speaker("b", [Say("One "), Wait(second), "two."])], name="top")


def concurrent(second: float = 1) -> Workflow[Any]:
    return ConcurrentWorkflow([paced("a", 3, 2 * second), speaker("b"), paced("c", 3, second)], name="top")


def diamond(second: float = 1) -> Workflow[Any]:
    return GraphWorkflow(
        [speaker("a"), paced("b", 2, 2 * second), paced("c", 2, second), speaker("d")],
        edges=[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
        name="top",
    )


def nested(second: float = 1) -> Workflow[Any]:
    deep = SequentialWorkflow([speaker("y"), speaker("z")], name="deep")
    inner = ConcurrentWorkflow([paced("x", 2, second), deep], name="in")
    return SequentialWorkflow([speaker("a"), inner, speaker("b")], name="top")


def handoff(second: float = 1) -> Workflow[Any]:
    heir = speaker("heir", [Say("I take "), Wait(second), "over."])
    giver = speaker("giver", [Say("Let me see."), Call("transfer_to_heir", {"note": "please"})], handoffs=[heir])
    return SequentialWorkflow([giver, speaker("z")], name="top")


def as_tool(second: float = 1) -> Agent[Any, Any]:
    team = ConcurrentWorkflow([paced("p", 2, second), speaker("q")], name="team")
    turns = [[Say("I ask."), Call("team", {"task": "do"}), Call("team", {"task": "do more"})], "Done."]
    return speaker("top", *turns, tools=[team])


def with_tools(second: float = 1) -> Workflow[Any]:
    async def count(to: int) -> str:
        """Count."""
        await asyncio.sleep(to * second)
        return "counted"

    worker = speaker("worker", [Say("I count."), Call("count", {"to": 2}), Call("count", {"to": 1})], "It is done.")
    worker.tools = [count]
    return ConcurrentWorkflow([worker, paced("b", 3, second)], name="top")


SHAPES: list[Shape] = [sequential, concurrent, diamond, nested, handoff, as_tool, with_tools]
