"""Runs cut at random moments, in every way there is; and afterwards a look at what is left of them.

    python -m tests.system.recovery.cancels 10000
    python -m tests.system.recovery.cancels 1 --seed 7 --first 4711

A cut is wholly made up by its number and the seed: what runs (agents, tools in threads and out of them, agents as
tools, workflows; on a server over real sockets or on the scripted model), how it is read, when it is cut and how. The
first command prints a table and ends with 1 where anything was left; the second does one cut over again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import queue
import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any

import uvloop

from headwater import Agent, AgentStream, ToolContext
from headwater.backends.offline import Call, Say, ScriptedModel, Think, Turn, Wait
from headwater.events import Event, RunCancelled
from headwater.events.response import Response
from headwater.providers.request import Request
from headwater.runtime.run import Run
from headwater.testing import check_log
from headwater.tools import pool
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.logs import check_history
from tests.system.cancellation.left import Census
from tests.system.cancellation.server import PacedServer

__all__ = ("WAYS", "Report", "cut_runs")

SOON = 30.0
"""Seconds after which something is called left; none waits that long where all is well."""

CUTS_A_LOOP = 200
"""Cuts in one event loop before it is closed and another one is made."""

LATEST = 0.03
"""Seconds until the latest cut by time: long enough for a step, a tool and half of the next step."""

Cut = Callable[["Scene"], Awaitable[None]]


class Report:
    """What came of all cuts, by the way they were made in."""

    def __init__(self) -> None:
        self.cuts: Counter[str] = Counter()
        self.ended_before: Counter[str] = Counter()
        """Those that came too late: the run had ended by itself."""
        self.shapes: Counter[str] = Counter()
        self.slowest: dict[str, float] = {}
        """Seconds until the last of a run's tasks and connections was gone."""
        self.failures: list[str] = []
        self.exchanges = 0
        self.connections = 0
        self.seconds = 0.0

    def lines(self) -> Iterator[str]:
        """The table."""
        yield f"{'way':<22}{'cuts':>8}{'too late':>10}{'failures':>10}{'slowest to be gone':>20}"
        for way in sorted(self.cuts):
            failed = sum(failure.startswith(f"{way},") for failure in self.failures)
            slowest = f"{self.slowest.get(way, 0.0) * 1000:.0f} ms"
            yield f"{way:<22}{self.cuts[way]:>8}{self.ended_before[way]:>10}{failed:>10}{slowest:>20}"
        yield f"{'all':<22}{self.cuts.total():>8}{self.ended_before.total():>10}{len(self.failures):>10}"
        yield ""
        yield "what ran: " + ", ".join(f"{shape} {count}" for shape, count in sorted(self.shapes.items()))
        yield f"requests at the server: {self.exchanges}, on {self.connections} connections; all of them over"
        yield f"{self.seconds:.0f} s"


class Scene:
    """One run that is to be cut."""

    def __init__(self, number: int, seed: int, server: PacedServer, pusher: Pusher) -> None:
        self.number = number
        self.dice = random.Random(f"{seed}/{number}")
        self.server = server
        self.pusher = pusher
        self.begun = len(server.exchanges)
        self.log: list[Event] = []
        self.shape = self.dice.choice([*SHAPES])
        self.networked = self.dice.random() < 0.5
        self.way = self.dice.choice([*WAYS])
        self.reading = self.dice.choice(["chunks", "events", "text", "select"])
        self.items = self.dice.randrange(12)
        """After how many items it is left, where it is left by an item."""
        self.delay = self.dice.random() * LATEST
        self.stopped: list[str] = []
        self.stream: AgentStream[Any] = SHAPES[self.shape](self).run_stream("Go.", on_event=self.log.append)
        self.run: Run = self.stream._begun()

    def __repr__(self) -> str:
        where = "server" if self.networked else "script"
        return f"{self.way}, number {self.number}: {self.shape} on the {where}, {self.reading}"

    # --- what runs

    def agent(self, name: str = "agent", *tools: Any, model: str = "", **more: Any) -> Agent[Any, Any]:
        """One that talks: without an end, for a while, or not at all; and then calls each of its tools."""
        chosen = model or self.dice.choice(["talk", "tools"] if tools or more else ["words", "words", "short", "mute"])
        if not model and self.dice.random() < 0.05:
            chosen = "silent"
        if self.networked:
            return Agent(name=name, model=chosen, base_url=self.server.url, api_key="k", tools=tools, **more)
        return Agent(name=name, model=ScriptedModel(self._script(chosen), rate=2000.0), tools=tools, **more)

    def _script(self, model: str) -> Callable[[Request], Turn]:
        pause = self.dice.random() * 0.01

        def turn(request: Request) -> Turn:
            if model in ("silent", "mute"):
                return [Wait(3600.0)]
            answered = request.messages[-1].role == "tool"
            if model in ("talk", "tools") and not answered:
                calls = [Call(tool.name, dict.fromkeys(tool.parameters.get("required", ()), "Go."))
                         for tool in request.tools]  # fmt: skip
                return [Think("Hm. "), "I will look. ", Wait(pause), *calls]
            words = [f"word{number} " for number in range(5000 if model == "words" else 5)]
            return [Say(words[:4]), Wait(pause), Say(words[4:])]

        return turn

    def tools(self) -> list[Any]:
        """Some that wait, some that are quick, some that clean up, some that begin runs of their own."""
        dice, stopped = self.dice, self.stopped
        long = dice.random() < 0.7
        inner = self.agent("inner")

        async def wait() -> str:
            """Wait, and clean up."""
            try:
                await asyncio.sleep(60.0 if long else 0.005)
            finally:
                await asyncio.sleep(0)
                stopped.append("wait")
            return "waited"

        def work(ctx: ToolContext[Any]) -> str:
            """Work in a thread."""
            ctx.emit("working")
            ctx.wait(60.0 if long else 0.005)
            stopped.append("work")
            return "worked"

        def stubborn() -> str:
            """Work in a thread, and hear nothing."""
            time.sleep(0.01)
            return "done"

        async def tell() -> AsyncIterator[str]:
            """Tell how far it is."""
            for piece in range(1000 if long else 3):
                yield f"{piece}"
                await asyncio.sleep(0.001)

        async def ask() -> str:
            """Run an agent by itself."""
            return str(await inner.run("x"))

        def ask_plainly() -> str:
            """Run an agent by itself, in a thread."""
            return str(inner.run("x"))

        def read_plainly() -> str:
            """Read an agent's words in a thread, and leave."""
            for chunk in inner.run_stream("x"):
                if chunk.content:
                    return chunk.content
            return ""

        return dice.sample([wait, work, stubborn, tell, ask, ask_plainly, read_plainly], dice.randint(1, 3))

    # --- how it is read

    def read(self) -> Any:
        """The stream in the shape that was drawn."""
        stream = self.stream
        if self.reading == "events":
            return stream.events()
        if self.reading == "text":
            return stream.text()
        return stream.select(depth=1) if self.reading == "select" else stream

    async def read_on(self, then: Callable[[], object] = lambda: None) -> None:
        """Read to the end, with `then` called once in between."""
        count = 0
        async for _ in self.read():
            if count == self.items:
                then()
            count += 1

    # --- what must be true afterwards

    async def gone(self) -> float:
        """Wait until no task and no request of it is left; how long that took. Raises AssertionError."""
        begun = time.monotonic()
        while (left := self._left()) and time.monotonic() - begun < SOON:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)
        assert not left, left
        return time.monotonic() - begun

    def _left(self) -> str:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            return "tasks: " + "; ".join(map(_where, tasks))
        if not self.run.settled:
            return f"tasks that its queue knows of: {self.run._mux and self.run._mux._tasks}"
        over = (exchange.gone.is_set() or exchange.done.is_set() for exchange in self.server.exchanges[self.begun :])
        return "" if all(over) else "the server still sends"

    def check(self) -> None:
        """Raises AssertionError where what the run was cut to is not whole in itself."""
        run = self.run
        assert run.over or not self.log  # a task that is cancelled before its first turn begins nothing
        result = run.response()
        responses = [result, *result.members.values()] if isinstance(result, Response) else list(result)
        if self.log:
            check_log(self.log)
            for response in responses:
                if response.messages:
                    check_history(response.messages)
        else:
            assert run.fold.started is None


SHAPES: dict[str, Callable[[Scene], Any]] = {
    "agent": lambda scene: scene.agent(),
    "tools": lambda scene: scene.agent("agent", *scene.tools()),
    "loops": lambda scene: scene.agent("agent", model="short", max_loops=50),
    "agent as tool": lambda scene: scene.agent("agent", scene.agent("low", *scene.tools()), scene.agent("lower")),
    "handoff": lambda scene: scene.agent("agent", handoffs=[scene.agent("heir", *scene.tools())]),
    "sequential": lambda scene: SequentialWorkflow([scene.agent("a", model="short"), scene.agent("b", *scene.tools())]),
    "concurrent": lambda scene: ConcurrentWorkflow(
        [scene.agent("a"), scene.agent("b", *scene.tools()), scene.agent("c"), scene.agent("d")],
        max_concurrency=scene.dice.choice([None, 2]),
    ),
    "graph": lambda scene: GraphWorkflow(
        [scene.agent("a", model="short"), scene.agent("b"), scene.agent("c", *scene.tools()), scene.agent("d")],
        edges=[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")],
    ),
    "nested": lambda scene: SequentialWorkflow(
        [
            ConcurrentWorkflow([scene.agent("a", model="short"), scene.agent("b", model="short")], name="both"),
            scene.agent("c", SequentialWorkflow([scene.agent("d", *scene.tools())], name="flow")),
        ]
    ),
}


# --- the ways of cutting


class Pusher:
    """A thread that calls what it is given, when it is due: cuts that come from elsewhere."""

    def __init__(self) -> None:
        self._due: queue.SimpleQueue[tuple[float, Callable[[], object]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._push, name="pusher")

    def __enter__(self) -> Pusher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._due.put(None)
        self._thread.join()

    def call_later(self, seconds: float, function: Callable[[], object]) -> None:
        """Call it in `seconds`; one at a time."""
        self._due.put((time.monotonic() + seconds, function))

    def _push(self) -> None:
        while (next_ := self._due.get()) is not None:
            when, function = next_
            time.sleep(max(0.0, when - time.monotonic()))
            function()


def _by_an_item(scene: Scene) -> None:
    """Where nothing comes that could be left at, it is stopped all the same."""
    asyncio.get_running_loop().call_later(2 * LATEST, scene.stream.cancel)


async def by_break(scene: Scene) -> None:
    _by_an_item(scene)
    count = 0
    async for _ in scene.read():
        if count == scene.items:
            break
        count += 1


async def by_raise(scene: Scene) -> None:
    def give_up() -> None:
        raise LookupError

    _by_an_item(scene)
    with contextlib.suppress(LookupError):
        await scene.read_on(give_up)


async def by_cancel(scene: Scene) -> None:
    _by_an_item(scene)
    await scene.read_on(scene.stream.cancel)


async def by_cancel_later(scene: Scene) -> None:
    asyncio.get_running_loop().call_later(scene.delay, scene.stream.cancel)
    await scene.read_on()


async def by_cancel_of_a_result(scene: Scene) -> None:
    asyncio.get_running_loop().call_later(scene.delay, scene.stream.cancel)
    assert await scene.stream.result() is not None


async def by_another_thread(scene: Scene) -> None:
    scene.pusher.call_later(scene.delay, scene.stream.cancel)
    await scene.read_on()


async def by_another_thread_while_it_waits(scene: Scene) -> None:
    scene.pusher.call_later(scene.delay, scene.stream.cancel)
    await scene.stream.result()


async def by_cancelling_the_task(scene: Scene) -> None:
    task = asyncio.create_task(scene.read_on())
    asyncio.get_running_loop().call_later(scene.delay, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def by_cancelling_the_task_of_a_result(scene: Scene) -> None:
    task = asyncio.ensure_future(scene.stream.result())
    asyncio.get_running_loop().call_later(scene.delay, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def by_aclose(scene: Scene) -> None:
    _by_an_item(scene)
    reader: Any = aiter(scene.read())
    with contextlib.suppress(StopAsyncIteration):
        for _ in range(scene.items):
            await anext(reader)
    await (reader if scene.dice.random() < 0.5 else scene.stream).aclose()


async def by_timeout(scene: Scene) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(scene.delay):
            await scene.read_on()


async def by_timeout_of_a_result(scene: Scene) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(scene.stream.result(), scene.delay)


async def by_garbage(scene: Scene) -> None:
    _by_an_item(scene)
    reader: Any = aiter(scene.read())
    with contextlib.suppress(StopAsyncIteration):
        for _ in range(scene.items + 1):
            await anext(reader)
    del reader
    del scene.stream  # nobody has it any more
    if scene.number % 50 == 0:
        gc.collect()


def _plainly(cut: Callable[[Scene], None]) -> Cut:
    """A cut in plain code, in a thread whose event loop is its own and ends with it."""

    async def cut_there(scene: Scene) -> None:
        await asyncio.to_thread(_in_a_thread, cut, scene)

    return cut_there


def _in_a_thread(cut: Callable[[Scene], None], scene: Scene) -> None:
    problems: list[BaseException] = []

    def work() -> None:
        try:
            cut(scene)
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=work, name="plain")
    thread.start()
    thread.join(SOON)
    assert not thread.is_alive(), "plain code still waits"
    if problems:
        raise problems[0]


def _plain_break(scene: Scene) -> None:
    scene.pusher.call_later(2 * LATEST, scene.stream.cancel)
    for count, _ in enumerate(scene.read()):
        if count == scene.items:
            break


def _plain_thread(scene: Scene) -> None:
    scene.pusher.call_later(scene.delay, scene.stream.cancel)
    for _ in scene.read():
        pass


def _plain_result(scene: Scene) -> None:
    scene.pusher.call_later(scene.delay, scene.stream.cancel)
    scene.stream.result_sync()


WAYS: dict[str, Cut] = {
    "break": by_break,
    "raise": by_raise,
    "cancel": by_cancel,
    "cancel later": by_cancel_later,
    "cancel result": by_cancel_of_a_result,
    "thread": by_another_thread,
    "thread, result": by_another_thread_while_it_waits,
    "task.cancel": by_cancelling_the_task,
    "task.cancel, result": by_cancelling_the_task_of_a_result,
    "aclose": by_aclose,
    "timeout": by_timeout,
    "wait_for": by_timeout_of_a_result,
    "garbage": by_garbage,
    "plain break": _plainly(_plain_break),
    "plain thread": _plainly(_plain_thread),
    "plain result": _plainly(_plain_result),
}


# --- all of it


def _where(task: asyncio.Task[Any]) -> str:
    """The task, and the frames that it waits in, the innermost last."""
    frames: list[str] = []
    waits: Any = task.get_coro()
    while (frame := getattr(waits, "cr_frame", None) or getattr(waits, "ag_frame", None)) is not None:
        frames.append(f"{frame.f_code.co_name}:{frame.f_lineno}")
        waits = getattr(waits, "cr_await", None) or getattr(waits, "ag_await", None)
    return f"{task.get_name()}{' (cancelling)' if task.cancelling() else ''} in {' > '.join(frames)}"


async def _cut(scene: Scene, report: Report) -> None:
    try:
        await WAYS[scene.way](scene)
        took = await scene.gone()
        scene.check()
    except Exception as problem:
        where = traceback.extract_tb(problem.__traceback__)[-1]
        report.failures.append(f"{scene!r}: {type(problem).__name__} at {where.name}:{where.lineno}: {problem}")
        return
    finally:
        report.cuts[scene.way] += 1
        report.shapes[scene.shape] += 1
    if scene.log and not isinstance(scene.log[-1], RunCancelled):
        report.ended_before[scene.way] += 1
    report.slowest[scene.way] = max(took, report.slowest.get(scene.way, 0.0))


def cut_runs(cuts: int, *, seed: int = 1, first: int = 0, say: Callable[[str], None] = lambda line: None) -> Report:
    """Cut so many runs, and look at what is left after each and after all: in `Report.failures`, nothing."""
    report = Report()
    begun = time.monotonic()
    for make in (asyncio.new_event_loop, uvloop.new_event_loop):  # what the first of each opens, the process keeps
        _run(make, asyncio.to_thread(lambda: None))
    with PacedServer() as server, Pusher() as pusher:
        server.connections = 0
        census = Census(server.port)
        for start in range(first, first + cuts, CUTS_A_LOOP):

            async def some(start: int = start) -> None:
                for number in range(start, min(start + CUTS_A_LOOP, first + cuts)):
                    await _cut(Scene(number, seed, server, pusher), report)

            _run(asyncio.new_event_loop if start // CUTS_A_LOOP % 2 == 0 else uvloop.new_event_loop, some())
            report.exchanges += len(server.exchanges)
            server.forget()
            say(f"{report.cuts.total()} of {cuts}, {len(report.failures)} failures")
        report.connections = server.connections
        problem = _left_at_the_end(census, server)
        if problem:
            report.failures.append(f"at the end: {problem}")
    report.seconds = time.monotonic() - begun
    return report


def _run(make: Callable[[], asyncio.AbstractEventLoop], main: Coroutine[Any, Any, Any]) -> None:
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main)


def _left_at_the_end(census: Census, server: PacedServer) -> str:
    """What is left when the idle threads of tools have ended, and with them the loops that they had; "" for nothing."""
    until = time.monotonic() + SOON + pool.IDLE_SECONDS
    while True:
        gc.collect()
        problem = f"{len(server._tasks)} connections are open" if server._tasks else ""
        problem = f"{pool.live_threads()} threads of tools" if pool.live_threads() else problem
        try:
            census.assert_same()
        except AssertionError as left:
            problem = str(left)
        if not problem or time.monotonic() > until:
            return problem
        time.sleep(0.1)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.recovery.cancels", description=__doc__)
    parser.add_argument("cuts", type=int, nargs="?", default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first cut")
    asked = parser.parse_args()
    report = cut_runs(asked.cuts, seed=asked.seed, first=asked.first, say=lambda line: print(line, file=sys.stderr))
    print("\n".join(report.lines()))
    for failure in report.failures:
        print(failure)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
