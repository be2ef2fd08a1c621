"""The agent loop as a state machine: a signal in, a command out.

Theory of operation. A run is READY until it starts. It asks a model (ASKING) until an answer is complete; if the answer
has calls, their tools run (TOOLING) and the model is asked again; if it has none, the answer is checked (CHECKING) and
the run either ends, continues from its own answer, or asks for a correction. A typed answer may be given by a call: its
tool checks it, and the same follows once the step's tools are done. If only people are left to wait for, it waits
(WAITING). Calls that the client runs end the run once the agent's own are done. A tool may hand the conversation to
another agent, whose run is followed to its end (FOLLOWING). Every state can fail or be cancelled; ENDED accepts
nothing. Waiting for child runs is up to the run and has no state here.

Rule 1: only `TRANSITIONS` defines what may follow what.
Rule 2: counting (steps, loops, repairs) is done here; acting is done in `agent_run`.
Rule 3: nothing here knows a model, a tool, a message's content or a clock.
Rule 4: a loop can be rebuilt from any prefix of its run's events (`Loop.of`). It then counts what happened without
evaluating guards: limits that have changed since apply from the next signal on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import ClassVar, Final

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
"""Maximum number of model requests per answer: more than any sensible chain of tool calls, but it stops endless
loops."""

MAX_REPAIRS: Final = 2
"""How often an invalid answer is sent back: the second try fixes most, the third nearly all that can be fixed."""

MAX_BAD_CALL_STEPS: Final = 3
"""Steps in a row with only invalid calls before the run fails: a model that fails three times will not recover."""


class _Word(Enum):
    """Identity hash: Enum's own hash is a Python function, and each transition needs several."""

    __hash__: ClassVar[Callable[[object], int]] = object.__hash__


class State(_Word):
    """The state of a run."""

    READY = "ready"
    ASKING = "asking"
    TOOLING = "tooling"
    WAITING = "waiting"
    """Like TOOLING, with nothing running: only people are left to wait for."""
    CHECKING = "checking"
    FOLLOWING = "following"
    ENDED = "ended"


class Signal(_Word):
    """What happened."""

    BEGIN = "begin"
    CALLED = "called"
    """The model's answer has calls for the agent to run."""
    GIVES = "gives"
    """The same, and one of them gives the answer; if it is valid, no further step is needed."""
    ANSWERED = "answered"
    """The model's answer is complete and has none."""
    OFFERED = "offered"
    """The model's answer has only calls for the client to run."""
    TOO_LONG = "too long"
    """The provider refused the conversation as too long, and it can be shortened."""
    PEOPLE_LEFT = "people left"
    """Nothing is running any more, and some calls wait for people."""
    HEARD = "heard"
    """One of them has an answer."""
    TOOLS_DONE = "tools done"
    HANDED_OFF = "handed off"
    """The tools are done, and one of them handed the conversation to another agent."""
    FOLLOWED = "followed"
    """That agent has answered."""
    STEERED = "steered"
    """There is a message that the model has not seen, and its answer is complete or was cut off for it."""
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
    """Ask the model to continue from its own answer, then like ASK."""
    REPAIR = "repair"
    """Tell the model what is wrong with its answer, unless the result of its call has, then like ASK."""
    FOLLOW = "follow"
    """Run the other agent."""
    WAIT = "wait"
    """Report that the run waits, and wait; it may be parked here."""
    FINISH = "finish"
    FAIL_STEPS = "fail: too many steps"
    FAIL_OUTPUT = "fail: output invalid"
    FAIL_CALLS = "fail: calls invalid"
    FAIL = "fail"
    CANCEL = "cancel"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a run."""

    max_loops: int = 1
    max_steps: int = MAX_STEPS
    max_repairs: int = MAX_REPAIRS
    max_bad_call_steps: int = MAX_BAD_CALL_STEPS


# For each state and signal, what follows: the first row whose guard is true counts. A guard is the name of a property
# of Loop, or None for always.
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
    (State.ASKING, Signal.TOO_LONG): (
        ("out_of_steps", State.ENDED, Command.FAIL_STEPS),
        (None, State.ASKING, Command.ASK),
    ),
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
    """One run's state, and its counts."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits: Limits = limits or Limits()
        self.state: State = State.READY
        self.steps: int = 0
        """Number of model requests so far, over all loops: the number of the current step."""
        self.loops: int = 1
        self.repairs: int = 0
        self.client_calls = False
        """Whether the last answer has calls that the client runs and answers in its next input."""
        self._steps_of_loop = 0
        self._bad_call_steps = 0

    @classmethod
    def of(cls, events: Iterable[Event], limits: Limits | None = None) -> Loop:
        """Rebuilds the loop of a run from its events up to some point."""
        past = _Past(cls(limits))
        for event in events:
            past.add(event)
        return past.loop

    def ask_anyway(self) -> None:
        """Counts the step that was decided on but not started when the log stopped."""
        self._count(Command.ASK)

    def look_again(self) -> None:
        """The last answer was not processed yet when the log stopped: it is classified now."""
        self.state = State.ASKING

    def take(self, signal: Signal, *, all_calls_bad: bool = False) -> Command:
        """Returns the command for `signal`.

        `all_calls_bad`, with TOOLS_DONE: every call of the step was invalid.

        Raises ValueError if the table has no row: a bug in the caller, never an error of a model or a user.
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
            self._bad_call_steps = 0  # an answer interrupts the series too, by a call or not
        for guard, state, command in rows:
            if guard is None or getattr(self, guard):
                if signal is Signal.STEERED:
                    self.repairs = self._steps_of_loop = self._bad_call_steps = 0  # like after any other input
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
        """Whether this loop has reached its maximum number of requests."""
        return self._steps_of_loop >= self.limits.max_steps

    @property
    def too_many_bad_calls(self) -> bool:
        """Whether the model made too many invalid calls in a row."""
        return self._bad_call_steps >= self.limits.max_bad_call_steps

    @property
    def more_loops(self) -> bool:
        """Whether the agent has to continue from its own answer."""
        return self.loops < self.limits.max_loops

    @property
    def out_of_repairs(self) -> bool:
        """Whether the answer was sent back the maximum number of times."""
        return self.repairs >= self.limits.max_repairs


class _Past:
    """Replays a run's events on a loop."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self._answer_tool = ""
        self._forget()

    def _forget(self) -> None:
        """Resets the counts of the step's calls: a step starts, or its output does not count."""
        self._ours = self._of_client = self._rejected = self._invalid = 0
        self._gives = self._last_batch = False

    def add(self, event: Event) -> None:
        """Handles the next event."""
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
                self._of_client += event.by == "client"  # it is in the message, and the client answers it too
            case StepFinished():
                self._step_finished(event)
            case ToolFinished():
                self._invalid += event.invalid
                self._last_batch = self._last_batch or (event.error is None and self._is_answer(event))
            case RunWaiting() if loop.state is State.TOOLING and event.on in ("approval", "input"):
                loop.state = State.WAITING
            case ApprovalAnswered() | InputAnswered() | ToolStarted() if loop.state is State.WAITING:
                loop.state = State.TOOLING
            case Handoff():
                loop.state = State.FOLLOWING
            case MessageAdded() if loop.state is State.CHECKING or (loop.state is State.TOOLING and self._last_batch):
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
        loop.state = State.ASKING  # anything else that is added before the step has no effect
        if event.cause == "compact":
            return  # the last step was refused as too long
        loop._bad_call_steps = 0
        if event.cause == "repair":
            loop.repairs += 1
        else:
            loop.repairs = loop._steps_of_loop = 0
            loop.loops += event.cause == "loop"
