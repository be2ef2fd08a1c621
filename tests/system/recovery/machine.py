"""A run as a state machine for hypothesis: whatever goes wrong in it, it is read, left and stopped at random moments.

The rules read on, wait, cancel from here and from another thread, interrupt a read, leave and drop the reader; models
break off, refuse and stand still, tools fail and are slow, agents and workflows stand in each other. After every rule
all that is known of the run must agree. Time is virtual.
"""

from __future__ import annotations

import asyncio
import gc
import string
import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater import Agent, AgentStream, ToolContext
from headwater.backends.offline import Call, Cut, Fail, Finish, Say, ScriptedModel, Think, Wait
from headwater.backends.timeouts import Timeouts
from headwater.errors import HeadwaterError, RateLimited, ToolFailed
from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    Event,
    StepFinished,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from headwater.events.messages import Text, Usage
from headwater.events.response import Response
from headwater.readers.chunks import StreamChunk
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.logs import check_history, closed, folds
from tests.support.virtual import VirtualLoop
from tests.system.recovery.projections import Shown, attempts_of, less_retracted, transcripts, watch_all

__all__ = ("Part", "Plan", "RunMachine", "plans")

T = TypeVar("T")
Shape: TypeAlias = Literal["agent", "sequential", "concurrent", "graph", "nested"]
Way: TypeAlias = Literal["events", "chunks", "text"]

SETTLED = 100.0
"""Virtual seconds after which nothing of a run that was left may be going on."""


class Part(msgspec.Struct, frozen=True):
    """One agent: what its model says, turn by turn, and how it takes what goes wrong."""

    turns: tuple[tuple[Any, ...], ...]
    fallback: tuple[tuple[Any, ...], ...] | None = None
    retries: int = 2
    restart: bool = True
    max_loops: int = 1
    max_steps: int = 5
    clocks: Timeouts = Timeouts()
    below: Part | None = None
    """The agent that stands among its tools, under the name "below"."""
    flow: tuple[Part, ...] = ()
    """The members of the workflow that stands among its tools, under the name "flow"."""
    heir: Part | None = None
    """The agent to whom it may give the conversation."""


class Plan(msgspec.Struct, frozen=True):
    """What is run, and in which shape it is read."""

    parts: tuple[Part, ...]
    shape: Shape = "agent"
    collect: bool = False
    way: Way = "events"
    run_clock: float | None = None

    @property
    def alone(self) -> bool:
        """Whether no two speak at the same time."""
        return self.shape in ("agent", "sequential") or len(self.parts) < 2


# --- what models say, and what goes wrong with it

_pieces = st.lists(st.text(string.ascii_letters + " é🌊\n", min_size=1, max_size=6), min_size=1, max_size=4)
_names = st.sampled_from(
    ["quick", "quick", "slow", "wrong", "telling", "ask", "below", "flow", "transfer_to_heir", "fatal", "nobody"]
)
_calls = st.builds(
    Call,
    _names,
    st.sampled_from([['{"task": ', '"go"}'], ['{"task": ', '"go"}'], ['{"task": "go"}'], {}, '{"task', "[1]"]),
    id=st.sampled_from([None, None, "a", "b"]),
)
_said = st.one_of(
    st.builds(Say, _pieces),
    st.builds(Say, _pieces),
    st.builds(Say, _pieces, refusal=st.just(True)),
    st.builds(Think, _pieces, signature=st.sampled_from([None, "s"])),
    _calls,
    st.builds(Wait, st.sampled_from([0.1, 1.0, 3.0])),
    st.builds(Usage, input_tokens=st.integers(1, 9), output_tokens=st.integers(1, 9)),
)
_faults = st.sampled_from(
    [
        Cut(),
        Cut(),
        Fail(ConnectionResetError()),
        Fail("overloaded_error"),
        Fail(500),
        Fail(429, retry_after=2.0),
        Fail(401),
        Fail(400),
        Fail(RateLimited("in band"), in_band=True),
        Wait(500.0),
    ]
)
_ends = st.one_of(
    _faults, _faults, st.none(), st.none(), st.builds(Finish, st.sampled_from(["stop", "length", "refusal"]))
)


_good_calls = st.builds(Call, _names, st.just(['{"task": ', '"go"}']), id=st.sampled_from([None, None, "a"]))


@st.composite
def _turn(draw: st.DrawFn) -> tuple[Any, ...]:
    kind = draw(st.sampled_from(["broken", "calls", "calls", "calls", "random"]))
    if kind == "broken":
        return (Say(draw(_pieces)), draw(_faults))
    if kind == "calls":
        # What is wholly at random seldom gets as far as a tool.
        calls = draw(st.lists(_good_calls, min_size=1, max_size=3))
        return (*([Say(draw(_pieces))] if draw(st.booleans()) else []), *calls)
    said = draw(st.lists(_said, max_size=4))
    end = draw(_ends)
    return (*said, end) if end is not None else tuple(said) or ("Nothing.",)


_turns = st.lists(_turn(), min_size=1, max_size=6).map(tuple)
_clocks = st.builds(
    Timeouts,
    first_token=st.sampled_from([600.0, 2.0]),
    idle=st.sampled_from([300.0, 2.0]),
    step=st.sampled_from([None, None, 3.5]),
    run=st.sampled_from([None, None, None, 7.5]),
    tool=st.sampled_from([300.0, 1.0]),
)


def _parts(below: st.SearchStrategy[Part | None], flow: st.SearchStrategy[tuple[Part, ...]]) -> Any:
    return st.builds(
        Part,
        turns=_turns,
        fallback=st.none() | _turns,
        retries=st.integers(0, 3),
        restart=st.sampled_from([True, True, True, False]),
        max_loops=st.integers(1, 2),
        clocks=_clocks,
        below=below,
        flow=flow,
        heir=below,
    )


_leaf: st.SearchStrategy[Part] = _parts(st.none(), st.just(()))
_branch: st.SearchStrategy[Part] = _parts(st.none() | _leaf, st.lists(_leaf, max_size=2).map(tuple))
_tree: st.SearchStrategy[Part] = _parts(st.none() | _branch, st.lists(_leaf, max_size=2).map(tuple))


def plans() -> st.SearchStrategy[Plan]:
    """Any run of an agent with others below it, or of a workflow of such."""
    return st.builds(
        Plan,
        parts=st.lists(_tree, min_size=1, max_size=4).map(tuple),
        shape=st.sampled_from(["agent", "agent", "sequential", "concurrent", "graph", "nested"]),
        collect=st.booleans(),
        way=st.sampled_from(["events", "chunks", "text"]),
        run_clock=st.sampled_from([None, None, 9.0]),
    )


# --- what runs


class Cast:
    """The agents, tools and workflows of a plan; and what its tools have done."""

    def __init__(self, plan: Plan) -> None:
        self.ran: Counter[tuple[str, str]] = Counter()
        """How often a tool was called, by run and call."""
        self.beside: list[list[Event]] = []
        """The logs of the runs that tools have begun by themselves."""
        self._number = 0
        self.whole = self._whole(plan)

    def _whole(self, plan: Plan) -> Any:
        members = [self._agent(part, f"m{at}") for at, part in enumerate(plan.parts)]
        options: dict[str, Any] = {
            "name": "whole",
            "on_error": "collect" if plan.collect else "raise",
            "timeouts": Timeouts(run=plan.run_clock) if plan.run_clock else None,
        }
        first, *others = members
        if plan.shape == "agent":
            return first
        if plan.shape == "sequential":
            return SequentialWorkflow(members, **options)
        if plan.shape == "concurrent":
            return ConcurrentWorkflow(members, **options)
        if plan.shape == "graph":
            edges = [(first.name, other.name) for other in others]
            edges += [(other.name, others[-1].name) for other in others[:-1]]
            return GraphWorkflow(members, edges=edges, start=first.name, **options)
        both = ConcurrentWorkflow(members, name="both")
        return SequentialWorkflow([both, self._agent(plan.parts[0], "last")], **options)

    def _agent(self, part: Part, name: str) -> Agent[Any, Any]:
        self._number += 1
        heirs = [self._agent(part.heir, "heir")] if part.heir is not None else []
        tools = self._tools(part)
        if part.below is not None:
            tools.append(self._agent(part.below, f"below{self._number}").as_tool(name="below"))
        if part.flow:
            members = [self._agent(one, f"f{self._number}_{at}") for at, one in enumerate(part.flow)]
            tools.append(SequentialWorkflow(members, name=f"flow{self._number}").as_tool(name="flow"))
        return Agent(
            name=name if name != "heir" else f"heir{self._number}",
            model=_model(part.turns),
            fallback=[_model(part.fallback, model="other")] if part.fallback is not None else [],
            tools=tools,
            handoffs=heirs,
            retries=part.retries,
            on_interrupted="restart" if part.restart else "raise",
            max_loops=part.max_loops,
            max_steps=part.max_steps,
            timeouts=part.clocks,
        )

    def _tools(self, part: Part) -> list[Any]:
        def note_call(ctx: ToolContext[Any]) -> None:
            self.ran[ctx.run_id, ctx.call_id] += 1

        async def quick(task: str, ctx: ToolContext[Any]) -> str:
            """Answer at once."""
            note_call(ctx)
            return "done"

        async def slow(task: str, ctx: ToolContext[Any]) -> str:
            """Take two seconds, and clean up."""
            note_call(ctx)
            try:
                await asyncio.sleep(2)
            finally:
                await asyncio.sleep(0)
            return "at last"

        async def wrong(task: str, ctx: ToolContext[Any]) -> str:
            """Raise."""
            note_call(ctx)
            raise ValueError("that will not do")

        async def fatal(task: str, ctx: ToolContext[Any]) -> str:
            """End the run."""
            note_call(ctx)
            raise ToolFailed("that is all")

        async def telling(task: str, ctx: ToolContext[Any]) -> AsyncGenerator[str, None]:
            """Say how far it is."""
            note_call(ctx)
            for at in range(3):
                yield f"{at} of 3"
                await asyncio.sleep(0.3)

        async def ask(task: str, ctx: ToolContext[Any]) -> str:
            """Run an agent by itself."""
            note_call(ctx)
            inner = Agent(name="beside", model=_model(part.turns[::-1]), on_interrupted="restart", timeouts=part.clocks)
            self.beside.append([])
            return str(await inner.run(task, on_event=self.beside[-1].append))

        return [quick, slow, wrong, fatal, telling, ask]


def _model(turns: tuple[tuple[Any, ...], ...], **more: Any) -> ScriptedModel:
    # Whoever is asked more often than the plan says ends the matter.
    return ScriptedModel([*turns, *[("Done.",)] * 60], **more)


# --- the machine


class RunMachine(RuleBasedStateMachine):
    """One run, from its first event to what is left of it."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.plan: Plan
        self.cast: Cast
        self.stream: AgentStream[Any]
        self.shown: Shown
        self.reader: AsyncIterator[Any] | None = None
        self.read: list[Any] = []
        self.over = False
        """Whether its reader has come to the end."""
        self.left = False
        """Whether its reader has gone before that."""
        self.error: BaseException | None = None
        self.checked = 0

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    @initialize(plan=plans())
    def begin(self, plan: Plan) -> None:
        self.plan = plan
        self.cast = Cast(plan)
        self.stream = self.cast.whole.run_stream("Go.")
        names = [member.name for member in getattr(self.cast.whole, "agents", ())] or [self.cast.whole.name]
        self.shown = watch_all(self.stream, *names)
        shapes: dict[Way, Callable[[], Any]] = {
            "events": self.stream.events,
            "chunks": lambda: self.stream,
            "text": self.stream.text,
        }
        self.reader = aiter(shapes[plan.way]())

    @property
    def going(self) -> bool:
        return not (self.over or self.left)

    # --- what a reader does

    @precondition(lambda self: self.going)
    @rule(items=st.integers(1, 12))
    def read_on(self, items: int) -> None:
        self._do(self._read(items))

    @precondition(lambda self: self.going)
    @rule()
    def read_to_the_end(self) -> None:
        self._do(self._read(100_000))

    async def _read(self, items: int) -> None:
        assert self.reader is not None
        for _ in range(items):
            try:
                self.read.append(await anext(self.reader))
            except StopAsyncIteration:
                self.over = True
                return
            except HeadwaterError as error:
                self.over, self.error = True, error
                return

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 2.0, 6.0]))
    def pause(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    @precondition(lambda self: self.going)
    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.5, 2.5]))
    def interrupt(self, seconds: float) -> None:
        """The reader's task is cancelled while it waits, if what it waits for has not come by then."""

        async def read_for_a_while() -> None:
            task = asyncio.ensure_future(self._read(100_000))
            await asyncio.wait([task], timeout=seconds)
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            if task.cancelled():
                self.left = True
            else:
                task.result()

        self._do(read_for_a_while())

    @precondition(lambda self: self.going)
    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.5, 2.5]))
    def run_out_of_time(self, seconds: float) -> None:
        """The reader has given itself so long."""

        async def read_in_time() -> None:
            try:
                async with asyncio.timeout(seconds):
                    await self._read(100_000)
            except TimeoutError:
                self.left = True

        self._do(read_in_time())

    @precondition(lambda self: not self.over and self.checked)
    @rule()
    def cancel(self) -> None:
        self.stream.cancel()

    @precondition(lambda self: not self.over and self.checked)
    @rule()
    def cancel_from_another_thread(self) -> None:
        thread = threading.Thread(target=self.stream.cancel)
        thread.start()
        thread.join()

    @precondition(lambda self: self.going)
    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.5, 2.5]))
    def cancel_while_it_is_read(self, seconds: float) -> None:
        self.loop.call_later(seconds, self.stream.cancel)
        self._do(self._read(100_000))

    @precondition(lambda self: self.going)
    @rule()
    def leave(self) -> None:
        async def close() -> None:
            reader: Any = self.reader
            await reader.aclose()
            assert self.stream._begun().settled
            assert asyncio.all_tasks() == {asyncio.current_task()}

        self._do(close())
        self.reader, self.left = None, True

    @precondition(lambda self: self.going)
    @rule()
    def drop(self) -> None:
        async def let_go() -> None:
            self.reader = None
            gc.collect()

        self._do(let_go())
        self.left = True

    # --- what must be true after each

    @invariant()
    def all_agrees(self) -> None:
        if not hasattr(self, "shown"):
            return
        log, shown = self.shown.log, self.shown
        if len(log) == self.checked:
            return
        self.checked = len(log)
        check_log(closed(log))
        shown.check(alone=self._alone)
        self._check_read()
        self._check_attempts()
        for known in folds(log).values():
            check_history(known.response().messages)
        assert not [call for call, times in self.cast.ran.items() if times > 1], "a tool ran twice"

    @property
    def _alone(self) -> bool:
        return self.plan.alone

    def _beside(self) -> set[tuple[str, str]]:
        return {(event.run, event.call) for log in self.cast.beside for event in log if isinstance(event, ToolStarted)}

    def _check_read(self) -> None:
        """What its reader got is what the log says."""
        log, way = self.shown.log, self.plan.way
        if way == "events":
            assert self.read == log[: len(self.read)]
        elif way == "chunks":
            chunks: list[StreamChunk] = self.read
            assert [chunk.is_final for chunk in chunks[:-1]] == [False] * (len(chunks) - 1 if chunks else 0)
            if self.going or (self.over and not self.left):
                said = {run: text for run, text in less_retracted(chunks).items() if text}
                assert said == {run: text for run, text in self.shown.voices.items() if text}
        elif self.over and not self.left:
            whole = "".join(self.shown.voices.values())
            assert "".join(self.read) == whole or (
                not self._alone and sorted("".join(self.read)) == sorted("".join(whole))
            )

    def _check_attempts(self) -> None:
        """A step's words are those of one attempt, whole and alone, the refusals among them included."""
        words = attempts_of(self.shown.log)
        last: dict[tuple[str, int], tuple[str, int, int]] = {}
        for event in self.shown.log:
            if isinstance(event, AttemptStarted):
                last[event.run, event.step] = (event.run, event.step, event.attempt)
            elif isinstance(event, StepFinished) and event.message is not None:
                said = "".join(part.text for part in event.message.content if isinstance(part, Text))
                attempt = last.get((event.run, event.step))
                assert said == (words[attempt] if attempt is not None else "") or not said

    # --- what must be true at the end

    def teardown(self) -> None:
        try:
            if hasattr(self, "shown"):
                self._end()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _end(self) -> None:
        async def leave() -> None:
            await self.stream.aclose()
            run = self.stream._begun()
            assert run.settled
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        self.left = self.left or not self.over
        self._do(asyncio.sleep(0.01))  # for who was dropped: nobody waits for its tasks
        self._do(leave())
        log = self.shown.log
        note(f"{len(log)} events")
        if not log:
            return
        self.all_agrees()
        check_log(log)
        self.shown.check_end(alone=self._alone)
        for beside in self.cast.beside:
            if beside:
                check_log(beside)
        self._check_tools()
        self._check_usage()
        result = self.stream._begun().response()
        for response in _responses(result):
            if response.messages:
                check_history(response.messages)
        if isinstance(self.error, HeadwaterError):
            assert self.error.response is not None
        if isinstance(result, Response) and self._alone:
            assert result.transcript == "".join(self.shown.voices.values())

    def _check_tools(self) -> None:
        log = self.shown.log
        started = Counter((event.run, event.call) for event in log if isinstance(event, ToolStarted))
        finished = Counter((event.run, event.call) for event in log if isinstance(event, ToolFinished))
        assert started == finished
        assert self.cast.ran.keys() <= started.keys() | self._beside()
        assert not started or max(started.values()) == 1

    def _check_usage(self) -> None:
        """Every attempt that had said something has a report of what it cost."""
        reported = {
            (event.run, event.step, event.attempt) for event in self.shown.log if isinstance(event, UsageReported)
        }
        spoke: set[tuple[str, int, int]] = set()
        now: dict[str, tuple[str, int, int]] = {}
        for event in self.shown.log:
            if isinstance(event, AttemptStarted):
                now[event.run] = (event.run, event.step, event.attempt)
            elif isinstance(event, (TextStarted, TextDelta)):
                spoke.add(now[event.run])
            elif isinstance(event, AttemptFailed):
                attempt = now[event.run]
                assert attempt in reported or attempt not in spoke
        assert transcripts(self.shown.log).keys() == folds(self.shown.log).keys()


def _responses(result: Any) -> list[Response[Any]]:
    return [result, *result.members.values()] if isinstance(result, Response) else list(result)
