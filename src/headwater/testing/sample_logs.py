"""Logs of every kind of run, for testing readers: created by the real runtime from scripts, or written by hand.

Owns the scripts. A log is the list of events of `stream.events()`; ids and times vary, everything else is the same
every time. The logs of `handmade_logs` follow; some of those are parked and have no end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from headwater.agents.agent import Agent
from headwater.agents.model import Model
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, ScriptedModel, Think
from headwater.errors import HeadwaterError
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    Custom,
    Event,
    Raw,
    RunWaiting,
    TextEnded,
    Warned,
)
from headwater.events.codec import decode
from headwater.events.messages import File, Image, ProviderItem, Source, Usage
from headwater.readers.stream import AgentStream
from headwater.testing.handmade_logs import handmade_logs
from headwater.workflows import ConcurrentWorkflow, SequentialWorkflow

__all__ = ("sample_logs",)


def sample_logs() -> Mapping[str, tuple[Event, ...]]:
    """Every sample, by a description of what happens in it. Created on first use, in a separate thread."""
    return _made()


@cache
def _made() -> Mapping[str, tuple[Event, ...]]:
    logs: dict[str, tuple[Event, ...]] = {}

    def make() -> None:  # sync code, which cannot run inside an event loop
        for name, maker in _MAKERS.items():
            logs[name] = tuple(_events(maker()))
        logs["cancelled"] = tuple(_events(_run(Say(["One ", "two ", "three "])), cancel_after=5))

    thread = threading.Thread(target=make, name="sample logs")
    thread.start()
    thread.join()
    logs["of a newer version"] = _with_unknown(logs["text"])
    return MappingProxyType({**logs, **handmade_logs()})


def _events(stream: AgentStream[Any, Any], cancel_after: int | None = None) -> Iterator[Event]:
    try:
        for number, event in enumerate(stream.events()):
            yield event
            if number == cancel_after:
                stream.cancel()
    except HeadwaterError:
        pass  # the error is in the log


def weather(city: str) -> Generator[str, None, str]:
    """Get the weather of a city."""
    yield "Looking out of the window."
    return f"It is sunny in {city}."


def broken() -> str:
    """Never works."""
    raise ValueError("It is broken.")


def _run(*turns: Any, tools: Sequence[Any] = ()) -> AgentStream[Any]:
    return Agent(name="writer", model=ScriptedModel(turns), tools=tools, print_on=False).run_stream("How is Paris?")


def _restarted() -> AgentStream[Any]:
    model = Model(ScriptedModel([["Hello, ", Cut()], "Good morning."]), on_interrupted="restart")
    return Agent(name="writer", model=model).run_stream("Greet me.")


def _restarted_later() -> AgentStream[Any]:
    turns: list[Any] = [["Let me look.", Call("weather", {"city": "Paris"})], ["It is ra", Cut()], "It is sunny."]
    model = Model(ScriptedModel(turns), on_interrupted="restart")
    return Agent(name="writer", model=model, tools=[weather]).run_stream("How is Paris?")


def _fallen_back() -> AgentStream[Any]:
    first = ScriptedModel([Fail(503, retry_after=0.001), Fail(500), Fail(500)], model="first")
    model = Model(first, retries=1, fallback=[ScriptedModel(["Hello."], model="second")])
    return Agent(name="writer", model=model).run_stream("Greet me.")


def _delegated() -> AgentStream[Any]:
    below = Agent(name="researcher", model=ScriptedModel(["Paris is in France."]))
    return _run(Call("researcher", {"task": "Where is Paris?"}), "In France.", tools=[below])


def _members(workflow: type[ConcurrentWorkflow] | type[SequentialWorkflow]) -> AgentStream[Any, Any]:
    members = [Agent(name=name, model=ScriptedModel([f"{name} was here."])) for name in ("ann", "bob")]
    return workflow(members).run_stream("Sign here.")


_MAKERS: Mapping[str, Callable[[], AgentStream[Any, Any]]] = {
    "text": lambda: _run("It is sunny in Paris."),
    "nothing": lambda: _run([]),
    "reasoning": lambda: _run([Think("Paris, ", kind="summary"), Think("then."), "Sunny."]),
    "tools": lambda: _run(
        ["Let me look.", Call("weather", {"city": "Paris"}), Call("broken"), Call("weather", {"town": 1})],
        "It is sunny.",
        tools=[weather, broken],
    ),
    "a call that was cut": lambda: _run([Call("weather", '{"city": "Par'), Finish("length")], tools=[weather]),
    "refused": lambda: _run([Say("I will not.", refusal=True), Finish("refusal")]),
    "files and sources": lambda: _run(
        [
            "See here.",
            Source(kind="url", url="https://example.org", title="Example", span=(0, 3)),
            Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png"),
            File(data=b"a,b\n", media_type="text/csv", name="table.csv"),
            ProviderItem(api="offline", item={"type": "search"}),
            Usage(input_tokens=3, output_tokens=2),
        ]
    ),
    "refused half-way": lambda: _run(["Let me see. ", Say("I will not.", refusal=True), Finish("refusal")]),
    "retracted": _restarted,
    "retracted in a later step": _restarted_later,
    "retried, then fallen back": _fallen_back,
    "failed": lambda: _run(["Hello, ", Fail(500)]),
    "an agent as a tool": _delegated,
    "a sequence": lambda: _members(SequentialWorkflow),
    "side by side": lambda: _members(ConcurrentWorkflow),
}


def _with_unknown(log: tuple[Event, ...]) -> tuple[Event, ...]:
    """A log with events that this version does not know, and with known events that the other samples lack."""
    run, path, at = log[0].run, log[0].path, next(n for n, event in enumerate(log) if isinstance(event, TextEnded)) + 1
    strange: Iterable[Event] = (
        decode({"v": 9, "type": "weather.changed", "to": ["rain", None]}),
        decode({"v": 9, "type": "text.started", "step": 1, "part": 77, "kind": "song"}),
        Custom(name="note", data={"a": [1, None]}),
        Raw(body={"choices": []}),
        Warned(code="odd", message="Something is odd."),
        RunWaiting(on="time", until=1e9),
        ApprovalAsked(approval="a1", call="c1", name="weather", arguments={"city": "Paris"}, reason="It costs."),
        ApprovalAnswered(approval="a1", allowed=False, by="ann"),
    )
    stamped = [msgspec.structs.replace(event, run=run, path=path, time=log[at].time) for event in strange]
    return tuple(msgspec.structs.replace(event, seq=seq) for seq, event in enumerate((*log[:at], *stamped, *log[at:])))
