"""How the cost of everything grows: with depth, members, history, steps, calls, size, and the length of the answer."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec
import pytest

from headwater import Agent, AgentStream, ConcurrentWorkflow, GraphWorkflow, Message, SequentialWorkflow, Thread
from headwater.events import Event, TextDelta, decode, encode, tree_response
from headwater.events.checker import check_log
from headwater.events.messages import ToolCall, ToolResult
from headwater.providers.catalog import API_MODULES
from headwater.providers.registry import load_api
from headwater.providers.request import Endpoint, Request
from headwater.readers.selection import Choice, Selection
from headwater.runtime.played import Played
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.section_printer import SectionPrinter
from headwater.testing import Call, Say, ScriptedModel
from tests.support.effort import one_in
from tests.system.growth.work import Growth
from tests.testing.wires.writing import body_of, written

pytestmark = pytest.mark.usefixtures("small_heap")  # it collects garbage again and again

LINEAR: Final = 2.5
"""The factor up to which a growth is called linear: 2, with room for what is sorted or rounded up."""

SQUARE: Final = 4.4
"""The same for what is as the square: each level of a tree has events of its own, which pass all levels above it."""

Work = Callable[[], Any]
Make = Callable[[int], Work]


async def look(n: int = 0) -> str:
    """Look."""
    return "seen"


def agent(*turns: Any, name: str = "agent", **more: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel([*(turns or (["Fine."],))]), **more)


def drained(runs: Any, task: Any = "Go.", **options: Any) -> Work:
    async def read() -> None:
        await runs.arun(task, **options)

    return lambda: asyncio.run(read())


def log_of(runs: Any, **options: Any) -> list[Event]:
    return list(runs.run_stream("Go.", **options).events())


@cache
def log_of_shape(shape: str, count: int) -> list[Event]:
    """The log of a shape at a size: every face of it shows the same one."""
    make, _ = SHAPES[shape]
    return log_of(make(count))


# --- what runs


def deep(wrap: Callable[[Any, int], Any]) -> Callable[[int], Any]:
    def make(depth: int) -> Any:
        inner: Any = agent(name="leaf")
        for level in range(depth):
            inner = wrap(inner, level)
        return inner

    return make


def as_tool(inner: Any, level: int) -> Any:
    return agent([Call(inner.name, {"task": "Go."})], ["Fine."], name=f"a{level}", tools=[inner])


def as_successor(inner: Any, level: int) -> Any:
    return agent([Call(f"transfer_to_{inner.name}", {})], name=f"a{level}", handoffs=[inner])


def crowd(count: int) -> list[Any]:
    return [agent(name=f"m{number}") for number in range(count)]


def chain_of(count: int) -> Any:
    return GraphWorkflow(crowd(count), edges=[(f"m{at}", f"m{at + 1}") for at in range(count - 1)])


def star_of(count: int) -> Any:
    last = agent(name="last")
    return GraphWorkflow([*crowd(count), last], edges=[(f"m{at}", "last") for at in range(count)])


def stepping(count: int) -> Any:
    return agent(*[[Call("look")]] * count, "Fine.", tools=[look], max_steps=count + 1)


def calling(count: int) -> Any:
    return agent([Call("look", {"n": number}) for number in range(count)], "Fine.", tools=[look])


def talking(count: int) -> Any:
    return agent([Say(["word "] * count)])


def deep_below(depth: int) -> Any:
    inner: Any = agent([Say(["word "] * 2_000)])
    for level in range(depth):
        inner = (SequentialWorkflow, ConcurrentWorkflow)[level % 2]([inner], name=f"w{level}")
    return inner


SHAPES: Final[dict[str, tuple[Callable[[int], Any], int]]] = {
    "depth of sequential workflows": (deep(lambda inner, at: SequentialWorkflow([inner], name=f"w{at}")), 6),
    "depth of concurrent workflows": (deep(lambda inner, at: ConcurrentWorkflow([inner], name=f"w{at}")), 6),
    "depth of graphs": (deep(lambda inner, at: GraphWorkflow([inner], name=f"w{at}")), 6),
    "depth of agents as tools": (deep(as_tool), 6),
    "depth of handoffs": (deep(as_successor), 4),
    "depth above a long answer": (deep_below, 2),
    "members side by side": (lambda count: ConcurrentWorkflow(crowd(count)), 20),
    "members one after the other": (lambda count: SequentialWorkflow(crowd(count)), 12),
    "members of a chain": (chain_of, 12),
    "members of a star": (star_of, 12),
    "loops": (lambda count: agent(*["Fine."] * count, max_loops=count), 12),
    "steps": (stepping, 12),
    "calls in a step": (calling, 20),
    "pieces of an answer": (talking, 200),
}
"""What grows, and the size to begin with."""


def limit(shape: str) -> float:
    return SQUARE if shape.startswith("depth of") else LINEAR


def test_the_measure_tells_linear_from_quadratic() -> None:
    event = TextDelta(step=1, part=0, text="word ")

    def make(power: int) -> Make:
        return lambda size: lambda: [encode(event) for _ in range(size**power)]

    assert Growth(make(1), 10).factor <= LINEAR < Growth(make(2), 10).factor <= SQUARE < Growth(make(3), 10).factor


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run(shape: str) -> None:
    make, size = SHAPES[shape]
    growth = Growth(lambda count: drained(make(count)), size)
    assert growth.factor <= limit(shape), growth.lines


def fold_again(log: list[Event]) -> Work:
    return lambda: tree_response(log)


def check(log: list[Event]) -> Work:
    return lambda: check_log(log)


def write_and_read(log: list[Event]) -> Work:
    return lambda: [decode(encode(event)) for event in log]


def choose(**choice: Any) -> Callable[[list[Event]], Work]:
    def make(log: list[Event]) -> Work:
        made = Choice.of(choice.get("final_only", False), choice.get("agent"), choice.get("depth"))
        assert made is not None
        selection = Selection(made)
        return lambda: [selection(event) for event in log]

    return make


def each(log: list[Event], show: Callable[[Event], None]) -> None:
    for event in log:
        show(event)


def print_lines(log: list[Event]) -> Work:
    show = LinePrinter("agent", file=io.StringIO())
    return lambda: each(log, show)


def print_sections(log: list[Event]) -> Work:
    show = SectionPrinter(live=True, file=io.StringIO())
    return lambda: each(log, show)


FACES: Final[dict[str, Callable[[list[Event]], Work]]] = {
    "fold": fold_again,
    "check": check,
    "codec": write_and_read,
    "final only": choose(final_only=True),
    "by depth": choose(depth=1),
    "by name": choose(agent="m1", final_only=True),
    "lines": print_lines,
    "sections": print_sections,
}


def _tried(every: int) -> list[Any]:
    """Each shape with each face, or every so many of these: no shape and no face is left out."""
    pairs = itertools.product(enumerate(SHAPES), enumerate(FACES))
    return [
        pytest.param(shape, face, id=f"{shape}-{face}")
        for (at, shape), (number, face) in pairs
        if (at + number) % every == 0
    ]


@pytest.mark.long
@pytest.mark.parametrize(("shape", "face"), _tried(one_in(3, 1)))
def test_a_reader_of_its_log(shape: str, face: str) -> None:
    _, size = SHAPES[shape]
    growth = Growth(lambda count: FACES[face](log_of_shape(shape, count)), size)
    assert growth.factor <= limit(shape), growth.lines


DATA: Final[dict[str, Callable[[AgentStream[Any, Any]], Any]]] = {
    "partials": lambda stream: [partial.value for partial in stream.partials()],
    "items": lambda stream: [*stream.items("ports", output_type=dict[str, list[str]])],
    "arguments": lambda stream: [arguments.value for arguments in stream.arguments()],
}


@pytest.mark.parametrize("face", DATA)
@pytest.mark.parametrize("before", ["", "So [1]: ```json\n"])
def test_the_data_of_an_answer_while_it_is_generated(face: str, before: str) -> None:
    def make(count: int) -> Work:
        written = before + json.dumps({"ports": ["Brest \N{WAVE DASH}"] * count})
        say = Call("look", [*written]) if face == "arguments" else Say([*written])
        events = log_of(agent([say], ["Fine."], tools=[look]))
        log = [msgspec.structs.replace(event, time=event.seq) for event in events]  # each is a read of its own
        return lambda: DATA[face](AgentStream(lambda: Played(log, speed=1e9)))

    growth = Growth(make, 20)
    assert growth.factor <= LINEAR, growth.lines


@pytest.mark.parametrize("shape", SHAPES)
def test_a_log_is_as_long_as_what_happened(shape: str) -> None:
    _, size = SHAPES[shape]
    one, two, four = (sum(len(encode(event)) for event in log_of_shape(shape, size * times)) for times in (1, 2, 4))
    assert (four - two) / (two - one) <= limit(shape)


# --- a conversation


def conversation(turns: int) -> list[Message]:
    said: list[Message] = []
    for number in range(turns):
        call = ToolCall(id=f"c{number}", name="look", arguments={"n": number})
        answer = Message.tool(ToolResult(id=call.id, name="look", content="seen"))
        said += (Message.user("Go on."), Message.assistant("I look.", call), answer, Message.assistant("Done."))
    return said


def with_history(turns: int) -> Work:
    return drained(agent(), history=conversation(turns))


def on_a_thread(turns: int) -> Work:
    return drained(agent(), thread=Thread(conversation(turns)))


def going_on(turns: int) -> Work:
    """A run gone on with, from the log of so many steps."""
    stepped = stepping(turns)
    log = [event for event in log_of(stepped) if event.type != "run.finished"]
    return lambda: stepping(turns).resume(log).result_sync()


@pytest.mark.parametrize("make", [with_history, on_a_thread, going_on])
def test_an_earlier_conversation(make: Make) -> None:
    growth = Growth(make, 20)
    assert growth.factor <= LINEAR, growth.lines


@pytest.mark.parametrize("api", API_MODULES)
def test_a_request(api: str) -> None:
    endpoint = Endpoint(provider=api, api=api, base_url="http://h/v1")

    def make(turns: int) -> Work:
        request = Request(model="m", messages=tuple(conversation(turns)))
        return lambda: load_api(api).encode(request, endpoint)

    growth = Growth(make, 20)
    assert growth.factor <= LINEAR, growth.lines


# --- an answer as it comes


ANSWERS: Final[dict[str, Callable[[int], list[Any]]]] = {
    "words": lambda count: [Say(["word "] * count)],
    "pieces of arguments": lambda count: [Call("look", ['{"n": "', *["1"] * count, '"}'])],
    "calls": lambda count: [Call("look", {"n": number}, id=f"c{number}") for number in range(count)],
    "calls under one id": lambda count: [Call("look", {"n": number}, id="c") for number in range(count)],
}


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("api", API_MODULES)
@pytest.mark.parametrize("bytes_at_once", [7, 10**9], ids=["in pieces", "whole"])
def test_a_response(api: str, answer: str, bytes_at_once: int) -> None:
    def make(count: int) -> Work:
        body = body_of(written(api, ANSWERS[answer](count)))
        decoder = load_api(api).Decoder()

        def feed() -> None:
            for at in range(0, len(body), bytes_at_once):
                decoder.feed(body[at : at + bytes_at_once])
            decoder.finish()
            assert decoder.complete

        return feed

    growth = Growth(make, 20)
    assert growth.factor <= LINEAR, growth.lines
