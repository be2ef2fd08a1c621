"""A loop that is rebuilt from its run's events stands where the live one stood: state, counts, what it decides next.

Tried on made-up runs, after every event by which the live loop has taken its last signal, and on random walks through
the table, where people are waited for, steer, and bring the answers to calls of their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any, Final

import pytest

from headwater.backends.jitter import seed
from headwater.errors import HeadwaterError
from headwater.events import (
    ApprovalAnswered,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ErrorInfo,
    Event,
    Handoff,
    InputAnswered,
    MessageAdded,
    ReasoningDelta,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from headwater.events.messages import Message
from headwater.runtime.agent_loop import Command, Limits, Loop, Signal, State
from headwater.runtime.agent_run import AgentRun
from tests.support.effort import tries
from tests.support.virtual import run_virtual
from tests.system.invariants.trees import RandomTree

PARTS: Final = 6
RUNS: Final = tries(90, 1500)
WALKS: Final = tries(400, 15_000)

IN_A_STEP: Final = (
    *(StepStarted, AttemptStarted, AttemptFailed, Retracted),
    *(TextStarted, TextDelta, TextEnded, ReasoningDelta),
    *(CallStarted, CallDelta, CallReady, CallRejected),
    *(ToolStarted, ToolProgress, ToolFinished, Handoff),
)
"""After these the live loop has taken every signal that the events so far tell of, and no other. Before a step's end it
is about to take one; a usage may be reported where a cancelled run is ENDED already."""


def _stands(loop: Loop) -> tuple[Any, ...]:
    counts = (loop.steps, loop.loops, loop.repairs, loop._steps_of_loop, loop._bad_call_steps)
    return (loop.state, loop.client_calls, *counts)


# --- runs


class _Followed:
    """A run of an agent, whose loop is rebuilt after each of its events."""

    def __init__(self, run: AgentRun) -> None:
        self._run = run
        self._own: list[Event] = []
        self.compared = 0
        self.differ: list[Any] = []

    def __call__(self, event: Event) -> None:
        if event.run != self._run.id:
            return
        self._own.append(event)
        live, rebuilt = self._run.loop, Loop.of(self._own, self._run.loop.limits)
        if isinstance(event, IN_A_STEP):
            self._compare(event, _stands(live), _stands(rebuilt))
        elif isinstance(event, (RunFinished, RunFailed, RunCancelled)):
            self._compare(event, live.state, rebuilt.state)
            self._compare(event, rebuilt.state, State.ENDED)

    def _compare(self, event: Event, live: Any, rebuilt: Any) -> None:
        self.compared += 1
        if live != rebuilt:
            self.differ.append((event, live, rebuilt))


async def _followed(number: int) -> _Followed:
    dice = random.Random(number)
    agent = RandomTree(dice, depth=0).agent("top", dice.choice([0, 1, 1, 2]))
    stream = agent.run_stream("Go.")
    run = stream._begun()
    assert isinstance(run, AgentRun)
    followed = _Followed(run)
    run.watch(followed)
    if dice.random() < 0.3:
        asyncio.get_running_loop().call_later(dice.choice([0.0, 0.5, 2.0]), stream.cancel)
    with contextlib.suppress(HeadwaterError, ValueError):  # what made-up instructions raise
        await stream.result()
    return followed


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_the_loop_of_a_logged_run_is_in_the_state_of_the_live_one(part: int) -> None:
    compared = 0
    for number in range(part, RUNS, PARTS):
        seed(number)
        followed, _ = run_virtual(_followed(number))
        assert followed.differ == [], f"run {number}"
        compared += followed.compared
    assert compared > 10 * RUNS // PARTS


# --- walks


class _Walk:
    """A walk through the table, told as the events that a run would write about it."""

    def __init__(self, number: int) -> None:
        dice = self._dice = random.Random(number)
        self.limits = Limits(
            max_loops=dice.randint(1, 3),
            max_steps=dice.randint(1, 4),
            max_repairs=dice.randint(0, 2),
            max_bad_call_steps=dice.randint(1, 3),
        )
        self.loop = Loop(self.limits)
        self.events: list[Event] = [RunStarted(answer_tool="answer")]
        self._waiting: list[str] = []
        """The calls of the step that have not run yet."""
        self._all_bad = True
        self._gives = ""
        """The call by which the answer is given, or "w" where that was rejected as it came."""
        self._given = False

    def go(self) -> Command:
        """One signal and what follows from it; the command that the loop gave."""
        state = self.loop.state
        says: dict[State, Callable[[], Signal]] = {
            State.READY: lambda: Signal.BEGIN,
            State.ASKING: self._answer,
            State.TOOLING: self._work,
            State.WAITING: lambda: Signal.HEARD,
            State.CHECKING: lambda: self._dice.choice([Signal.VALID, Signal.INVALID, Signal.STEERED]),
            State.FOLLOWING: lambda: Signal.FOLLOWED,
        }
        signal = says[state]()
        if state is not State.READY and self._dice.random() < 0.02:
            signal = self._dice.choice([Signal.FAILED, Signal.CANCELLED])
        command = self.loop.take(signal, all_calls_bad=signal is Signal.TOOLS_DONE and self._all_bad)
        self._carry_out(command, signal)
        return command

    def _answer(self) -> Signal:
        """The model answers: with calls of ours, wrong ones, the client's; or with none."""
        dice, step = self._dice, self.loop.steps
        ours, wrong, client = dice.choice([(0, 0, 0), (1, 0, 0), (3, 0, 0), (2, 1, 0), (0, 1, 0), (1, 0, 1), (0, 0, 1)])
        self._waiting = [f"{step}.{at}" for at in range(ours)]
        self._all_bad, self._given = True, False
        self._gives = dice.choice([*self._waiting, *["w"] * wrong]) if (ours or wrong) and dice.random() < 0.3 else ""
        self.events += [CallReady(step=step, call=call, name=self._name(call), arguments={}) for call in self._waiting]
        self.events += [CallRejected(step=step, call="w", name=self._name("w"), raw="[", error="no JSON")] * wrong
        if client and dice.random() < 0.5:
            self.events.append(CallReady(step=step, call="c", name="t", arguments={}, by="client"))
        elif client:
            self.events.append(CallRejected(step=step, call="c", name="t", raw="[", error="no JSON", by="client"))
        if dice.random() < 0.1:
            self.events.append(CallRejected(step=step, call="x", name="t", raw="[", error="cut", cut=True))
        called = bool(ours or wrong or client)
        whole = called or dice.random() < 0.8
        reason = dice.choice(["tool_calls", "stop", None]) if called else "stop" if whole else "length"
        self.events.append(StepFinished(step=step, finish_reason=reason))
        self.loop.client_calls = bool(client)
        if self._gives:
            return Signal.GIVES
        return Signal.CALLED if ours or wrong else Signal.OFFERED if client else Signal.ANSWERED

    def _name(self, call: str) -> str:
        return "answer" if call == self._gives else "t"

    def _work(self) -> Signal:
        """Tools run, until all have or only people are left to wait for."""
        dice, step = self._dice, self.loop.steps
        while self._waiting:
            if dice.random() < 0.3:
                return Signal.PEOPLE_LEFT
            call = self._waiting.pop()
            invalid = dice.random() < 0.6
            self._all_bad = self._all_bad and invalid
            self._given = self._given or (call == self._gives and not invalid)
            name, error = self._name(call), "no" if invalid else None
            self.events += [
                ToolStarted(step=step, call=call, name=name),
                ToolFinished(step=step, call=call, name=name, invalid=invalid, error=error),
            ]
        if self._gives:
            given = [Signal.VALID] * 5 + [Signal.STEERED] * (not self.loop.client_calls)
            return dice.choice(given) if self._given else Signal.INVALID
        return dice.choice([Signal.TOOLS_DONE] * 5 + [Signal.HANDED_OFF])

    def _carry_out(self, command: Command, signal: Signal) -> None:
        add = self.events.append
        if command in (Command.ASK, Command.GO_ON, Command.REPAIR):
            cause = {Command.GO_ON: "loop", Command.REPAIR: "repair"}.get(command)
            told = signal is Signal.INVALID and bool(self._gives)  # by the result of the call
            self._ask(None if told else cause, signal)
        elif command is Command.WAIT:
            add(RunWaiting(on="approval", ids=("a",)))
        elif signal is Signal.HEARD:
            self._hear()
        elif command is Command.FOLLOW:
            add(Handoff(to="heir"))
        elif command is Command.FINISH:
            add(RunFinished())
        elif command is Command.CANCEL:
            add(RunCancelled())
        elif self.loop.state is State.ENDED:
            add(RunFailed(error=ErrorInfo(type="HeadwaterError", message="no")))

    def _ask(self, cause: Any, signal: Signal) -> None:
        dice, step, add = self._dice, self.loop.steps, self.events.append
        if signal is Signal.STEERED:
            cause = "steer"
        if cause is not None:
            add(MessageAdded(message=Message.user("x"), cause=cause))
        if dice.random() < 0.1:
            add(MessageAdded(message=Message.user("by the way"), cause="steer"))
        add(StepStarted(step=step))
        add(AttemptStarted(step=step))
        if dice.random() < 0.1:  # what an attempt had called for does not count where another is made
            add(CallReady(step=step, call="z", name="t", arguments={}))
            add(CallRejected(step=step, call="y", name="t", raw="[", error="no JSON"))
            add(AttemptFailed(step=step, attempt=1, error=ErrorInfo(type="Cut", message="cut"), then="restart"))
            add(Retracted(step=step, attempt=1, chars=0))
            add(AttemptStarted(step=step, attempt=2, cause="restart"))

    def _hear(self) -> None:
        """Someone answers: allows the call, refuses it, or gives what its tool has asked for."""
        how = self._dice.choice(["allowed", "refused", "given"])
        if how == "given":
            self.events.append(InputAnswered(input="i", action="accept"))
            return
        self.events.append(ApprovalAnswered(approval="a", allowed=how == "allowed"))
        if how == "refused":
            self._waiting.pop()
            self._all_bad = False


@pytest.mark.long
@pytest.mark.parametrize("part", range(PARTS))
def test_the_loop_of_a_random_walk_is_in_the_state_of_the_live_one(part: int) -> None:
    commands: set[Command] = set()
    for number in range(part, WALKS, PARTS):
        walk = _Walk(number)
        while walk.loop.state is not State.ENDED and walk.loop.steps < 30:
            commands.add(walk.go())
            live, rebuilt = walk.loop, Loop.of(walk.events, walk.limits)
            if live.state is State.ENDED:
                assert rebuilt.state is State.ENDED
            else:
                assert _stands(rebuilt) == _stands(live), f"walk {number}, after {walk.events[-8:]}"
    assert commands == set(Command)
