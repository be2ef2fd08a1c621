"""Runs as a state machine for hypothesis: people answer, refuse and speak, and the run is left and gone on with.

The rules read on, let time pass, answer (from here and from another thread), steer, cancel, park, and kill; models
break off, tools fail, are slow, ask and are asked about, agents and workflows stand in each other. After each rule the
log keeps its rules; at the end nothing said is lost, nothing ran that was refused, nothing that had finished ran again,
and the live Response is that of the log alone. Time is virtual.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater import Agent, AgentStream, ToolContext, tool
from headwater.backends.offline import Call, Cut, Fail, Say, ScriptedModel, Wait
from headwater.backends.timeouts import Timeouts
from headwater.errors import HeadwaterError, Parked
from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    End,
    Event,
    MessageAdded,
    MessageReceived,
    ToolFinished,
    decode,
    encode,
    tree_response,
)
from headwater.events.questions import Answer, Question
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.logs import check_history, closed, folds
from tests.support.virtual import VirtualLoop
from tests.system.invariants.late_reader import known
from tests.system.resume.people import answer

__all__ = ("Part", "PeopleMachine", "Plan", "plans")

T = TypeVar("T")
Shape: TypeAlias = Literal["agent", "sequential", "concurrent", "graph", "nested"]

PATIENCE = 500.0
"""Virtual seconds in which everything ends once people answer all that they are asked."""


class Part(msgspec.Struct, frozen=True):
    """One agent: what its model says, turn by turn, and how it takes what goes wrong."""

    turns: tuple[tuple[Any, ...], ...]
    restart: bool = True
    max_loops: int = 1
    unsure: Literal["retry", "tell", "ask", "fail"] = "retry"
    """What becomes of a call of `send` that had begun."""
    answer: float | None = None
    """Seconds for which an answer is waited for."""
    below: Part | None = None
    flow: tuple[Part, ...] = ()
    heir: Part | None = None


class Plan(msgspec.Struct, frozen=True):
    """What is run."""

    parts: tuple[Part, ...]
    shape: Shape = "agent"
    collect: bool = False
    run_clock: float | None = None


# --- what models say

_words = st.sampled_from(["So. ", "Let me see. ", "Well, ", "é🌊 "])
_names = st.sampled_from(
    [
        *("quick", "slow", "wrong", "telling", "pay", "pay", "sometimes", "book", "send"),
        *("below", "below", "flow", "transfer_to_heir", "nobody"),
    ]
)
_calls = st.builds(Call, _names, st.sampled_from([{"task": "go"}, {"task": "go"}, {"task": "go"}, {}, "[1]"]))
_faults = st.sampled_from([Cut(), Fail(500), Fail(400), Wait(3.0)])


@st.composite
def _turn(draw: st.DrawFn) -> tuple[Any, ...]:
    said: list[Any] = [Say(draw(_words))] if draw(st.booleans()) else []
    if draw(st.integers(0, 9)) == 0:
        return (*said, Say("half "), draw(_faults))
    calls = draw(st.lists(_calls, max_size=3))
    return (*said, *calls) if calls or said else ("Nothing.",)


def _parts(below: st.SearchStrategy[Part | None], flow: st.SearchStrategy[tuple[Part, ...]]) -> Any:
    return st.builds(
        Part,
        turns=st.lists(_turn(), min_size=1, max_size=4).map(tuple),
        restart=st.booleans(),
        max_loops=st.integers(1, 2),
        unsure=st.sampled_from(["retry", "tell", "ask", "fail"]),
        answer=st.sampled_from([None, None, 20.0]),
        below=below,
        flow=flow,
        heir=below,
    )


_leaf: st.SearchStrategy[Part] = _parts(st.none(), st.just(()))
_tree: st.SearchStrategy[Part] = _parts(st.none() | _leaf, st.lists(_leaf, max_size=2).map(tuple))


def plans() -> st.SearchStrategy[Plan]:
    """Any run of an agent with others below it, or of a workflow of such."""
    return st.builds(
        Plan,
        parts=st.lists(_tree, min_size=1, max_size=3).map(tuple),
        shape=st.sampled_from(["agent", "agent", "sequential", "concurrent", "graph", "nested"]),
        collect=st.booleans(),
        run_clock=st.sampled_from([None, None, None, 60.0]),
    )


# --- what runs


class Cast:
    """The declarations of a plan, made anew for each process; and what their tools have begun to do."""

    def __init__(self, plan: Plan, ran: Callable[[str, str, str], None]) -> None:
        self._ran = ran
        self._number = 0
        self.names: list[str] = []
        """Who can be spoken to."""
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
            return GraphWorkflow(members, edges=edges, start=first.name, **options)
        both = ConcurrentWorkflow(members, name="both", on_error=options["on_error"])
        return SequentialWorkflow([both, self._agent(plan.parts[0], "last")], **options)

    def _agent(self, part: Part, name: str) -> Agent[Any, Any]:
        self._number += 1
        number = self._number
        tools = self._tools(part)
        if part.below is not None:
            tools.append(self._agent(part.below, f"below{number}").as_tool(name="below"))
        if part.flow:
            members = [self._agent(one, f"f{number}_{at}") for at, one in enumerate(part.flow)]
            tools.append(SequentialWorkflow(members, name=f"flow{number}").as_tool(name="flow"))
        heirs = [self._agent(part.heir, "heir")] if part.heir is not None else []
        self.names.append(name)
        return Agent(
            name=name,
            model=ScriptedModel([*part.turns, *[("Done.",)] * 60]),  # whoever is asked more often ends the matter
            tools=tools,
            handoffs=heirs,
            on_interrupted="restart" if part.restart else "raise",
            max_loops=part.max_loops,
            max_steps=4,
            timeouts=Timeouts(tool=30.0, answer=part.answer),
        )

    def _tools(self, part: Part) -> list[Any]:
        def began(ctx: ToolContext[Any]) -> None:
            self._ran(ctx.run_id, ctx.call_id, ctx.tool_name)

        async def quick(task: str, ctx: ToolContext[Any]) -> str:
            """Answer at once."""
            began(ctx)
            return "done"

        async def slow(task: str, ctx: ToolContext[Any]) -> str:
            """Take two seconds, and clean up."""
            began(ctx)
            try:
                await asyncio.sleep(2)
            finally:
                await asyncio.sleep(0)
            return "at last"

        async def wrong(task: str, ctx: ToolContext[Any]) -> str:
            """Raise."""
            began(ctx)
            raise ValueError("that will not do")

        async def telling(task: str, ctx: ToolContext[Any]) -> AsyncGenerator[str, None]:
            """Say how far it is."""
            began(ctx)
            for at in range(3):
                yield f"{at} of 3"
                await asyncio.sleep(0.3)

        @tool(approval=True)
        async def pay(task: str, ctx: ToolContext[Any]) -> str:
            """Pay."""
            began(ctx)
            await asyncio.sleep(0.1)
            return f"paid for {task}"

        @tool(approval=lambda arguments, context: "really?" if arguments["task"] == "go" else False)
        async def sometimes(task: str, ctx: ToolContext[Any]) -> str:
            """Ask now and then."""
            began(ctx)
            return f"sometimes {task}"

        async def book(task: str, ctx: ToolContext[Any]) -> str:
            """Ask twice."""
            began(ctx)
            first = await ctx.ask("How many?", int)
            await asyncio.sleep(0.2)
            return f"{first} {await ctx.ask('For whom?')}"

        @tool(on_unknown=part.unsure)
        async def send(task: str, ctx: ToolContext[Any]) -> str:
            """Send."""
            began(ctx)
            await asyncio.sleep(0.5)
            return "sent"

        return [quick, slow, wrong, telling, pay, sometimes, book, send]


# --- the machine


class PeopleMachine(RuleBasedStateMachine):
    """One run over all its processes, from its first event to its end."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.plan: Plan
        self.cast: Cast
        self.stream: AgentStream[Any]
        self.log: list[Event] = []
        self.before = 0
        """How many events there were before this process."""
        self.credit = 0
        self.gate = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        self.over = False
        self.left = False
        """Whether it was parked or killed, and nobody has gone on with it yet."""
        self.said: set[str] = set()
        self.number = 0
        self.finished: set[tuple[str, str]] = set()
        self.refused: set[tuple[str, str]] = set()
        self.allowed: set[tuple[str, str]] = set()
        self.for_run: set[tuple[str, str]] = set()
        self.asked: dict[tuple[str, str], ApprovalAsked] = {}
        self.wrong: list[str] = []
        self.checked = 0
        self.parks = self.kills = 0

    def _do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    @initialize(plan=plans())
    def begin(self, plan: Plan) -> None:
        self.plan = plan
        self.cast = Cast(plan, self._ran)
        self._open(lambda: self.cast.whole.run_stream("Go.", keep_log=True))

    def _open(self, make: Callable[[], AgentStream[Any]]) -> None:
        self.before = len(self.log)
        self.left = False

        async def begin() -> None:
            self.stream = make()
            self.stream._begun().watch(self._told)
            self.task = asyncio.ensure_future(self._read(self.stream))

        self._do(begin())

    async def _read(self, stream: AgentStream[Any]) -> None:
        try:
            async for _ in stream.events():
                self.credit -= 1
                while self.credit <= 0:
                    self.gate.clear()
                    await self.gate.wait()
        except Parked as parked:
            self.left, self.error = True, parked
            return
        except HeadwaterError as error:
            self.error = error
        self.over = True

    def _told(self, event: Event) -> None:
        self.log.append(event)
        if isinstance(event, ToolFinished):
            self.finished.add((event.run, event.call))
        elif isinstance(event, ApprovalAsked):
            self.asked[event.run, event.approval] = event
        elif isinstance(event, ApprovalAnswered):
            asked = self.asked[event.run, event.approval]
            (self.allowed if event.allowed else self.refused).add((event.run, asked.call))
            if event.allowed and event.for_run:
                self.for_run.add((event.run, asked.name))

    def _ran(self, run: str, call: str, name: str) -> None:
        """A tool has begun."""
        if (run, call) in self.finished:
            self.wrong.append(f"{name} ran again after it had finished")
        if (run, call) in self.refused:
            self.wrong.append(f"{name} ran though it was refused")

    @property
    def going(self) -> bool:
        return not (self.over or self.left)

    # --- reading

    @precondition(lambda self: self.going)
    @rule(items=st.integers(1, 12), seconds=st.sampled_from([0.0, 0.05, 0.5, 2.0]))
    def read_on(self, items: int, seconds: float) -> None:
        self.credit = items
        self.gate.set()
        self._do(asyncio.sleep(seconds))

    @precondition(lambda self: self.going)
    @rule(seconds=st.sampled_from([0.5, 2.5, 25.0, 45.0]))
    def read_freely(self, seconds: float) -> None:
        self.credit = 10**9
        self.gate.set()
        self._do(asyncio.sleep(seconds))

    @rule(seconds=st.sampled_from([0.0, 1.0]))
    def pause(self, seconds: float) -> None:
        self._do(asyncio.sleep(seconds))

    # --- people

    @precondition(lambda self: self.going and self.stream.pending)
    @rule(
        which=st.integers(0, 3),
        how=st.sampled_from(["allow", "allow", "deny", "change", "for run", "never", "decline"]),
        thread=st.booleans(),
    )
    def answer(self, which: int, how: str, thread: bool) -> None:
        pending = self.stream.pending
        self._answer(pending[which % len(pending)], how, thread)

    def _answer(self, question: Question, how: str, thread: bool = False) -> None:
        given = _given(question, how)
        if thread:
            other = threading.Thread(target=answer, args=(self.stream, question, given))
            other.start()
            other.join()
        else:
            answer(self.stream, question, given)
        assert question.id not in [one.id for one in self.stream.pending]

    @precondition(lambda self: self.going)
    @rule(who=st.integers(0, 5), now=st.booleans())
    def steer(self, who: int, now: bool) -> None:
        names = [None, *self.cast.names] if self.plan.shape == "agent" else self.cast.names
        self.number += 1
        text = f"by the way {self.number}"
        if self.stream.steer(text, now=now, agent=names[who % len(names)]):
            self.said.add(text)

    # --- leaving and coming back

    @precondition(lambda self: self.going and self.checked and self.number % 3 == 2)
    @rule()
    def cancel(self) -> None:
        self.stream.cancel()

    @precondition(lambda self: self.going and self.log)
    @rule(now=st.booleans(), then=st.sampled_from([0.0, 0.5, 5.0]))
    def park(self, now: bool, then: float) -> None:
        self.parks += 1
        self.stream.park(now=now)
        self.credit = 10**9
        self.gate.set()
        self._do(asyncio.sleep(then))
        if self.left:
            assert isinstance(self.error, Parked)
            assert [*self.error.log] == self.log
            if not now and len(self.log) > self.before:  # else nothing was done, and it is left as it was found
                check_log(self.log, parked=True)
            self._check_live()

    @precondition(lambda self: self.going and self.log)
    @rule()
    def kill(self) -> None:
        """The process ends: what is not in the log is gone, what was said among it."""
        self.kills += 1
        stream, kept = self.stream, [*self.log]
        known_now = (set(self.finished), set(self.refused), set(self.allowed), set(self.for_run))

        async def end() -> None:
            assert self.task is not None
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            await stream.aclose()

        self._do(end())
        if isinstance(kept[-1], End) and len(kept[-1].path) == 1:
            self.over = True  # all of it had been told
            return
        self.log = kept
        self.finished, self.refused, self.allowed, self.for_run = known_now
        self.said &= {event.message.text for event in kept if isinstance(event, MessageReceived)}
        self.left, self.over = True, False
        self.checked = 0

    @precondition(lambda self: self.left)
    @rule()
    def go_on(self) -> None:
        self._check_no_task()
        self.error = None
        self.log = [decode(encode(event)) for event in self.log]
        self.cast = Cast(self.plan, self._ran)
        log = [*self.log]
        self._open(lambda: self.cast.whole.resume(log, keep_log=True))

    # --- what must be true

    @invariant()
    def all_agrees(self) -> None:
        assert not self.wrong, self.wrong
        if not hasattr(self, "stream") or len(self.log) == self.checked:
            return
        self.checked = len(self.log)
        check_log(closed(self.log))

    def _check_live(self) -> None:
        live, late = known(self.stream._begun().response()), known(tree_response(self.log))
        assert live == late, [*_differ(live, late, "")]

    def _check_no_task(self) -> None:
        async def look() -> None:
            await asyncio.sleep(0.1)
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left

        self._do(look())

    def teardown(self) -> None:
        try:
            if hasattr(self, "stream"):
                self._end()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _end(self) -> None:
        if self.left:
            self.go_on()
        self.credit = 10**9
        self.gate.set()
        for _ in range(200):
            if self.over:
                break
            self._do(asyncio.sleep(PATIENCE / 200))
            if self.left:
                self.go_on()
            for question in self.stream.pending:
                self._answer(question, "allow")
        assert self.over, "it did not come to its end"
        note(f"{len(self.log)} events, {self.parks} parks, {self.kills} kills")
        self.all_agrees()
        check_log(self.log)
        assert isinstance(self.log[-1], End)
        self._check_no_task()
        self._check_live()
        self._check_said()
        self._check_allowed()
        for fold in folds(self.log).values():
            check_history(fold.response().messages)

    def _check_said(self) -> None:
        """Whatever was said while the run went on was heard, or the Response says that it was not."""
        received = {event.message.text: event.key for event in self.log if isinstance(event, MessageReceived)}
        assert self.said <= received.keys(), "something was said and is nowhere"
        heard = {event.key for event in self.log if isinstance(event, MessageAdded) and event.key}
        unheard = {said.message.text for fold in folds(self.log).values() for said in fold.unheard.values()}
        for text in self.said:
            assert received[text] in heard or text in unheard

    def _check_allowed(self) -> None:
        for event in self.log:
            if isinstance(event, ToolFinished) and event.name == "pay" and event.error is None:
                assert (event.run, event.call) in self.allowed or (event.run, event.name) in self.for_run


def _given(question: Question, how: str) -> Answer:
    if question.kind == "input":
        if how in ("deny", "decline"):
            return Answer(action="decline", by="ann")
        return Answer(content=3 if "How many" in question.message else "Ann", by="ann")
    if how in ("deny", "decline"):
        return Answer(allowed=False, note="no", by="ann")
    if how == "never":
        return Answer(allowed=False, for_run=True)
    return Answer(arguments={"task": "home"} if how == "change" else None, for_run=how == "for run")


def _differ(live: Any, late: Any, at: str) -> Iterator[str]:
    if isinstance(live, dict) and isinstance(late, dict):
        for key in {**live, **late}:
            yield from _differ(live.get(key, "nothing"), late.get(key, "nothing"), f"{at}.{key}")
    elif live != late:
        yield f"{at}: live {live!r}, late {late!r}"
