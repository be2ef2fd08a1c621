"""The agent loop as a state machine: a signal in, a command out.

Theory of operation. A run is READY until it is told to begin. From then on it asks a model (ASKING) until an answer is
whole; where the answer holds calls, their tools run (TOOLING) and the model is asked again; where it holds none, the
answer is checked (CHECKING) and the run either ends, goes on from its own answer, or asks for it to be mended. An
answer of a type may be given by a call: its tool is what checks it, and the same follows once the step's tools are
done. Where only people are left to wait for, it waits (WAITING). Calls that the client runs end the run once our own
are done. A tool may give the conversation to another agent, whose run is followed to its end (FOLLOWING). Every state
can fail or be cancelled; ENDED takes nothing more. Waiting for runs below is the run's business and has no state here.

Rule 1: what may follow what stands in `TRANSITIONS` and nowhere else.
Rule 2: counting (steps, loops, repairs) is done here; doing is done in `agent_run`.
Rule 3: nothing here knows a model, a tool, a message's content or a clock.
Rule 4: a loop can be rebuilt from the events of its run (`Loop.of`), at every point of them. It then counts what has
happened and asks no guard about it: limits that have changed since count from the next signal on.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from headwater.events import (
    ApprovalAnswered,
    AttemptStarted,
    CallReady,
    CallRejected,
    Event,
    Handoff,
    InputAnswered,
    MessageAdded,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    ToolFinished,
    ToolStarted,
)

__all__ = ("TRANSITIONS", "Command", "Limits", "Loop", "Signal", "State")

MAX_STEPS: Final = 25
"""Model requests in one answer: more than any sane chain of tool calls, few enough that a model that circles stops."""

MAX_REPAIRS: Final = 2
"""How often an answer of the wrong shape is sent back: the second try mends most, the third nearly all there is."""

MAX_BAD_CALL_STEPS: Final = 3
"""Steps in a row in which every call was wrong, before the run fails: a model that errs thrice alike goes on so."""


class _Word(Enum):
    """Members are told apart by what they are: Enum's own hash is a Python function, and each turn asks for several."""

    __hash__ = object.__hash__


class State(_Word):
    """Where a run stands."""

    READY = "ready"
    ASKING = "asking"
    TOOLING = "tooling"
    WAITING = "waiting"
    """As TOOLING, with nothing at work: only people are left to wait for."""
    CHECKING = "checking"
    FOLLOWING = "following"
    ENDED = "ended"


class Signal(_Word):
    """What has happened."""

    BEGIN = "begin"
    CALLED = "called"
    """The model's answer holds calls that are ours to run."""
    GIVES = "gives"
    """The same, and one of them gives the answer, be it a good one: no further step is needed to look at it."""
    ANSWERED = "answered"
    """The model's answer is whole and holds none."""
    OFFERED = "offered"
    """The model's answer holds calls, and none but the client's own to run."""
    PEOPLE_LEFT = "people left"
    """Nothing is at work any more, and some calls wait for people."""
    HEARD = "heard"
    """One of those people has answered."""
    TOOLS_DONE = "tools done"
    HANDED_OFF = "handed off"
    """The tools are done, and one of them has given the conversation to another agent."""
    FOLLOWED = "followed"
    """That agent has come to its answer."""
    STEERED = "steered"
    """Something was said that the model has not heard, and its answer is whole or was cut for it."""
    VALID = "valid"
    INVALID = "invalid"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Command(_Word):
    """What to do now."""

    ASK = "ask"
    RUN_TOOLS = "run tools"
    CHECK = "check"
    GO_ON = "go on"
    """Ask the model to go on from its own answer, then as ASK."""
    REPAIR = "repair"
    """Tell the model what is wrong with its answer, unless the result of its call has, then as ASK."""
    FOLLOW = "follow"
    """Have the other agent answer."""
    WAIT = "wait"
    """Say that the run waits, and wait; its process may let go of it here."""
    FINISH = "finish"
    FAIL_STEPS = "fail: too many steps"
    FAIL_OUTPUT = "fail: output invalid"
    FAIL_CALLS = "fail: calls invalid"
    FAIL = "fail"
    CANCEL = "cancel"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run may go."""

    max_loops: int = 1
    max_steps: int = MAX_STEPS
    max_repairs: int = MAX_REPAIRS
    max_bad_call_steps: int = MAX_BAD_CALL_STEPS


# For each state and signal, what follows: rows are tried in order, the first whose guard holds is taken. A guard is the
# name of a property of Loop, or None for always.
_Row = tuple[str | None, State, Command]
_CLIENTS_TURN: Final[_Row] = ("client_calls", State.ENDED, Command.FINISH)
_STEERED: Final[tuple[_Row, ...]] = ((None, State.ASKING, Command.ASK),)
_VALID: Final[tuple[_Row, ...]] = (
    ("more_loops", State.ASKING, Command.GO_ON),
    (None, State.ENDED, Command.FINISH),
)
_INVALID: Final[tuple[_Row, ...]] = (
    ("out_of_repairs", State.ENDED, Command.FAIL_OUTPUT),
    ("out_of_steps", State.ENDED, Command.FAIL_STEPS),
    (None, State.ASKING, Command.REPAIR),
)
TRANSITIONS: Final[dict[tuple[State, Signal], tuple[_Row, ...]]] = {
    (State.READY, Signal.BEGIN): ((None, State.ASKING, Command.ASK),),
    (State.ASKING, Signal.CALLED): (
        ("out_of_steps", State.ENDED, Command.FAIL_STEPS),
        (None, State.TOOLING, Command.RUN_TOOLS),
    ),
    (State.ASKING, Signal.GIVES): ((None, State.TOOLING, Command.RUN_TOOLS),),
    (State.ASKING, Signal.OFFERED): ((None, State.ENDED, Command.FINISH),),
    (State.ASKING, Signal.ANSWERED): ((None, State.CHECKING, Command.CHECK),),
    (State.TOOLING, Signal.TOOLS_DONE): (
        ("too_many_bad_calls", State.ENDED, Command.FAIL_CALLS),
        _CLIENTS_TURN,
        ("out_of_steps", State.ENDED, Command.FAIL_STEPS),
        (None, State.ASKING, Command.ASK),
    ),
    (State.TOOLING, Signal.STEERED): (_CLIENTS_TURN, *_STEERED),
    (State.TOOLING, Signal.VALID): (_CLIENTS_TURN, *_VALID),
    (State.TOOLING, Signal.INVALID): (_CLIENTS_TURN, *_INVALID),
    (State.TOOLING, Signal.PEOPLE_LEFT): ((None, State.WAITING, Command.WAIT),),
    (State.WAITING, Signal.HEARD): ((None, State.TOOLING, Command.RUN_TOOLS),),
    (State.TOOLING, Signal.HANDED_OFF): ((None, State.FOLLOWING, Command.FOLLOW),),
    (State.FOLLOWING, Signal.FOLLOWED): ((None, State.ENDED, Command.FINISH),),
    (State.CHECKING, Signal.STEERED): _STEERED,
    (State.CHECKING, Signal.VALID): _VALID,
    (State.CHECKING, Signal.INVALID): _INVALID,
    **{
        (state, signal): ((None, State.ENDED, command),)
        for state in State
        if state is not State.ENDED
        for signal, command in ((Signal.FAILED, Command.FAIL), (Signal.CANCELLED, Command.CANCEL))
    },
}


class Loop:
    """One run's place in the table, and its counts."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.state = State.READY
        self.steps = 0
        """Model requests so far, over all loops: the number of the current step."""
        self.loops = 1
        self.repairs = 0
        self.client_calls = False
        """Whether the last answer holds calls that the client runs, and answers in its next input."""
        self._steps_of_loop = 0
        self._bad_call_steps = 0

    @classmethod
    def of(cls, events: Iterable[Event], limits: Limits | None = None) -> Loop:
        """The loop of a run as it stood where these events, all of that one run, end."""
        past = _Past(cls(limits))
        for event in events:
            past.add(event)
        return past.loop

    def ask_anyway(self) -> None:
        """Count the step that was decided on and not begun when the log stopped: what led to it stands there."""
        self._count(Command.ASK)

    def look_again(self) -> None:
        """Nothing was made of the last answer yet when the log stopped: it is to be sorted now."""
        self.state = State.ASKING

    def take(self, signal: Signal, *, all_calls_bad: bool = False) -> Command:
        """What to do after `signal`.

        `all_calls_bad`, with TOOLS_DONE: every call of the step was refused for what the model wrote.
        Raises ValueError where the table has no row: a mistake in the caller, never in a model or a user.
        """
        try:
            rows = TRANSITIONS[self.state, signal]
        except KeyError:
            raise ValueError(f"{signal} in state {self.state}: the table has no such row.") from None
        if signal is Signal.TOOLS_DONE and all_calls_bad:
            self._bad_call_steps += 1
        elif signal in (Signal.TOOLS_DONE, Signal.ANSWERED) or (
            self.state is State.TOOLING and signal in (Signal.VALID, Signal.INVALID)
        ):
            self._bad_call_steps = 0  # an answer breaks the row too, whether by a call or not
        for guard, state, command in rows:
            if guard is None or getattr(self, guard):
                if signal is Signal.STEERED:
                    self.repairs = self._steps_of_loop = self._bad_call_steps = 0  # as after any other input
                self.state = state
                self._count(command)
                return command
        raise AssertionError("every entry ends with a row that has no guard")

    def _count(self, command: Command) -> None:
        if command is Command.GO_ON:
            self.loops += 1
            self.repairs = 0
            self._steps_of_loop = 0
        if command is Command.REPAIR:
            self.repairs += 1
        if command in (Command.ASK, Command.GO_ON, Command.REPAIR):
            self.steps += 1
            self._steps_of_loop += 1

    @property
    def out_of_steps(self) -> bool:
        """Whether this loop has made all the requests it may."""
        return self._steps_of_loop >= self.limits.max_steps

    @property
    def too_many_bad_calls(self) -> bool:
        """Whether the model erred in its calls too often in a row."""
        return self._bad_call_steps >= self.limits.max_bad_call_steps

    @property
    def more_loops(self) -> bool:
        """Whether the agent is to go on from its own answer."""
        return self.loops < self.limits.max_loops

    @property
    def out_of_repairs(self) -> bool:
        """Whether the answer was sent back often enough."""
        return self.repairs >= self.limits.max_repairs


class _Past:
    """Takes a loop through what its run's events say that it has been through."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._answer_tool = ""
        self._forget()

    def _forget(self) -> None:
        """What the step's calls come to, counted anew: a step begins, or what it had said does not count."""
        self._ours = self._of_client = self._rejected = self._invalid = 0
        self._gives = self._given = False

    def add(self, event: Event) -> None:
        """The next event."""
        loop = self.loop
        match event:
            case RunStarted():
                self._answer_tool = event.answer_tool
            case StepStarted():
                self._step_started()
            case AttemptStarted() | Retracted():
                self._forget()
            case CallReady():
                self._ours += event.by == "agent"
                self._of_client += event.by == "client"
                self._gives = self._gives or (event.by == "agent" and self._is_answer(event))
            case CallRejected() if not event.cut:
                self._rejected += event.by == "agent"
                self._gives = self._gives or (event.by == "agent" and self._is_answer(event))
                self._of_client += event.by == "client"  # it stands in the message, and the client answers it too
            case StepFinished():
                self._step_finished(event)
            case ToolFinished():
                self._invalid += event.invalid
                self._given = self._given or (event.error is None and self._is_answer(event))
            case RunWaiting() if loop.state is State.TOOLING and event.on in ("approval", "input"):
                loop.state = State.WAITING
            case ApprovalAnswered() | InputAnswered() | ToolStarted() if loop.state is State.WAITING:
                loop.state = State.TOOLING
            case Handoff():
                loop.state = State.FOLLOWING
            case MessageAdded() if loop.state is State.CHECKING or (loop.state is State.TOOLING and self._given):
                self._message_added(event)
            case RunFinished() | RunFailed() | RunCancelled():
                loop.state = State.ENDED
            case _:
                pass

    def _is_answer(self, event: CallReady | CallRejected | ToolFinished) -> bool:
        return bool(self._answer_tool) and event.name == self._answer_tool

    def _step_started(self) -> None:
        loop = self.loop
        if loop.state in (State.TOOLING, State.WAITING) and self._gives:
            loop._bad_call_steps = 0
            loop.repairs += 1
        elif loop.state in (State.TOOLING, State.WAITING):
            all_bad = self._invalid == self._ours
            loop._bad_call_steps = loop._bad_call_steps + 1 if all_bad else 0
        loop.state = State.ASKING
        loop.steps += 1
        loop._steps_of_loop += 1
        self._forget()

    def _step_finished(self, event: StepFinished) -> None:
        loop = self.loop
        whole = event.finish_reason in ("tool_calls", "stop", None)
        called = whole and bool(self._ours or self._rejected)
        loop.client_calls = whole and bool(self._of_client)
        loop.state = State.TOOLING if called else State.ENDED if loop.client_calls else State.CHECKING
        if not called:
            loop._bad_call_steps = 0

    def _message_added(self, event: MessageAdded) -> None:
        loop = self.loop
        loop.state = State.ASKING  # whatever else is added before the step decides nothing any more
        loop._bad_call_steps = 0
        if event.cause == "repair":
            loop.repairs += 1
        else:
            loop.repairs = loop._steps_of_loop = 0
            loop.loops += event.cause == "loop"
