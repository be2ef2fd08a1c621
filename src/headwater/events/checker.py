"""The laws of the log, as code: what a log of events must be for everyone who reads one to be right.

Theory of operation. A log is one tree of runs in one order. Each run stands between its `run.started` and its end, and
inside the run that it is part of; it goes from step to step.

    run.started  ( message.added* step )*  run.finished | run.failed | run.cancelled
    step       = step.started  attempt*  step.finished  tools
    attempt    = attempt.started  ( part | call | source | file | provider.item | usage.reported )*
                 ( attempt.failed  retracted? )?
    part       = text.started  text.delta*  text.ended        and the same for reasoning; parts overlap freely
    call       = call.started  call.delta*  ( call.ready | call.rejected )
    tools      = ( tool.started  ( tool.progress | child.started … child.finished )*  tool.finished )*    side by side

`step.finished` comes as soon as the model's answer is whole, before any of its tools runs: what a model said is on
record before anything is done because of it, so that nothing is done twice when the record is all that is left. Hence
the tools of a step stand between its `step.finished` and the next `step.started`, and all of them have ended by then.

A run can break off anywhere; then what is open is ended, innermost first, and the run's end follows. So these rules
hold for failed and cancelled runs as they do for finished ones, and a log that only stops is told by `finish` alone.

The checker keeps what it needs to judge the next event and its own account of what was shown; what the events come to
it asks `fold`. It must never mend, guess or decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from headwater.events.fold import Fold
from headwater.events.messages import Usage
from headwater.events.types import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Event,
    FileMade,
    Handoff,
    MessageAdded,
    ProviderItemMade,
    ReasoningDelta,
    ReasoningEnded,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    SourceFound,
    StepFinished,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
)

__all__ = ("RULES", "LogChecker", "LogError", "check_log")

RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "seq": "numbers are dense from 0",
        "time": "time never falls",
        "begin": "run.started is the first event of each run, and there is one",
        "end": "each run has exactly one end, and nothing of it follows",
        "path": "an event bears the path of its run, and a run's path extends that of the run it is part of",
        "child": "a run inside another stands between child.started and child.finished, and these say what it came to",
        "step": "steps are numbered from 1 without gaps, one at a time, and each is finished before its run ends",
        "attempt": "attempts are numbered from 1 in their step; another follows only where one failed and said so",
        "place": "what a model says stands in the step and the attempt in which it says it",
        "part": "each part is started once, and ended once before its attempt is over",
        "delta": "deltas stand in open parts and calls of their kind, and are never empty",
        "call": "each call has a key of its own in its run, and is ready or rejected once before its attempt is over",
        "retracted": "what a failed attempt had shown is retracted before the next one, and only that",
        "text": "the transcript is all the text shown, less what was retracted, steps parted by their leads",
        "message": "step.finished bears the message that the step's events come to",
        "usage": "the usage of a step, of a child and of a run is what was reported for it",
        "tool": "a tool runs once for a call that was ready, after its step; each one started is finished once",
        "settled": "a step's tools have ended before anything is added to the conversation and before the run ends",
        "approval": "leave is asked once for a call that waits for its tool, and answered once",
        "outcome": "run.finished says why the last step ended, unless another run has the last word",
    }
)
"""Every rule by its name: what it asks for."""


class LogError(AssertionError):
    """A log breaks a rule of the grammar: a mistake in what wrote it, never in a user's input.

    `rule` is a name in RULES; `seq` is the number of the event that broke it, None where the log ended too soon.
    """

    def __init__(self, rule: str, detail: str, event: Event | None = None) -> None:
        where = f"seq {event.seq}, {event.type}" if event is not None else "at the end of the log"
        super().__init__(f"{where}: {detail}. Rule {rule!r}: {RULES[rule]}.")
        self.rule = rule
        self.seq = event.seq if event is not None else None


def check_log(events: Iterable[Event]) -> None:
    """Check a whole log, of one run or of a tree of them. Raises LogError for the first breach. Source: spec/00."""
    checker = LogChecker()
    for event in events:
        checker.add(event)
    checker.finish()


class LogChecker:
    """`check_log` an event at a time, so that a live stream can be held to the rules.

    After a LogError it is of no further use.
    """

    def __init__(self) -> None:
        self._seq = 0
        self._time = float("-inf")
        self._runs: dict[str, _Run] = {}

    def add(self, event: Event) -> None:
        """Take in the next event. Raises LogError where it may not stand there."""
        if event.seq != self._seq:
            raise LogError("seq", f"number {self._seq} was due", event)
        if not event.time >= self._time:
            raise LogError("time", f"its time {event.time!r} is before {self._time!r}", event)
        self._seq, self._time = event.seq + 1, event.time
        run = self._runs.get(event.run)
        if run is None:
            run = self._runs[event.run] = self._begin(event)
        elif isinstance(event, RunStarted):
            raise LogError("begin", f"run {event.run!r} was started before", event)
        elif run.over:
            raise LogError("end", f"run {event.run!r} is over", event)
        if event.path != run.path:
            raise LogError("path", f"its path is {event.path!r}, its run's is {run.path!r}", event)
        run.add(event)

    def finish(self) -> None:
        """The log has ended. Raises LogError where it holds no run, or one that has no end."""
        if not self._runs:
            raise LogError("begin", "it holds nothing")
        for name, run in self._runs.items():
            if not run.over:
                raise LogError("end", f"run {name!r} has no end")

    def _begin(self, event: Event) -> _Run:
        if not isinstance(event, RunStarted):
            raise LogError("begin", f"nothing of run {event.run!r} may stand before its run.started", event)
        if not self._runs:
            return _Run(event)
        for above in self._runs.values():
            child = above.children.get(event.run)
            if child is not None and not above.over:
                return above.begin_child(child, event)
        raise LogError("child", f"no run that is going on has started run {event.run!r}", event)


class _Part:
    """A part of text or reasoning that was started."""

    __slots__ = ("kind", "open")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.open = True


class _Call:
    """A call, from its first word to its tool's end."""

    __slots__ = ("by", "name", "step", "tool", "tries", "written")

    def __init__(self, event: CallStarted) -> None:
        self.step = event.step
        self.name = event.name
        self.by = event.by
        self.written = "open"  # then ready, rejected; or retracted, with its attempt
        self.tool = "none"  # then started, finished; or refused
        self.tries = 0


class _Attempt:
    """One asking: what it has shown, and whether it goes on."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.failed: AttemptFailed | None = None
        self.shown = False
        self.parts: dict[int, _Part] = {}
        self.calls: list[_Call] = []
        self.lead: str | None = None
        """None until a part of text has begun; then what is still to be shown before its first words."""
        self.text: list[str] = []


class _Step:
    """One step that is open."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.attempts = 0
        self.attempt: _Attempt | None = None
        self.parts: set[int] = set()


class _Child:
    """A run inside another, as that one knows it."""

    __slots__ = ("run", "started")

    def __init__(self, started: ChildStarted) -> None:
        self.started = started
        self.run: _Run | None = None


class _Run:
    """One run and where it stands."""

    def __init__(self, started: RunStarted) -> None:
        self.id = started.run
        self.path = started.path
        self.over = False
        self._goes_on = started.parent is not None and started.call is None
        """Whether it speaks for the run that it is part of, and so may go on from what was said there."""
        self.children: dict[str, _Child] = {}
        """The children that are going on."""
        self._all_children: set[str] = set()
        self._fold = Fold()
        self._end: RunFinished | RunFailed | RunCancelled | None = None
        self._steps = 0
        self._step: _Step | None = None
        self._calls: dict[str, _Call] = {}
        self._working: set[str] = set()
        """The calls whose tools are at work."""
        self._approvals: dict[str, str] = {}
        """The call of each approval that was asked for and not answered."""
        self._all_approvals: set[str] = set()
        self._shown: list[str] = []
        """What the steps before this one have shown."""
        self._finish_reason: str | None = None
        self._handed_off = False

    def add(self, event: Event) -> None:
        """The next event of this run."""
        if handler := _HANDLERS.get(event.__class__):
            handler(self, event)
        self._fold.add(event)

    # --- the tree

    def begin_child(self, child: _Child, event: RunStarted) -> _Run:
        """The run that this one has said it would start."""
        if event.path[:-1] != self.path or event.path[-1:] != (child.started.name,):
            raise LogError("path", f"{(*self.path, child.started.name)!r} was due, not {event.path!r}", event)
        if (event.parent, event.call) != (self.id, child.started.call):
            raise LogError("child", f"it names as its parent {event.parent!r}, and as its call {event.call!r}", event)
        child.run = _Run(event)
        return child.run

    def _child_started(self, event: ChildStarted) -> None:
        if event.child in self._all_children:
            raise LogError("child", f"child {event.child!r} was started before", event)
        if event.call is not None and event.call not in self._working:
            raise LogError("child", f"the tool of its call {event.call!r} is not at work", event)
        self._all_children.add(event.child)
        self.children[event.child] = _Child(event)

    def _child_finished(self, event: ChildFinished) -> None:
        child = self.children.pop(event.child, None)
        if child is None:
            raise LogError("child", f"child {event.child!r} is not going on", event)
        if (event.name, event.call) != (child.started.name, child.started.call):
            raise LogError("child", "its name and call are not those of its child.started", event)
        if child.run is None:
            if event.outcome == "finished":
                raise LogError("child", "it never began, so it cannot have finished", event)
            return
        end = child.run._end
        if end is None:
            raise LogError("child", f"run {event.child!r} has not ended", event)
        if end.type != f"run.{event.outcome}":
            raise LogError("child", f"it ended with {end.type}, not as {event.outcome}", event)
        _check_usage(event, event.usage, end.usage)

    # --- the run

    def _ended(self, event: RunFinished | RunFailed | RunCancelled) -> None:
        if self._step is not None:
            raise LogError("step", f"step {self._step.number} is not finished", event)
        self._check_settled(event)
        if self.children:
            raise LogError("child", f"child {next(iter(self.children))!r} is not finished", event)
        if isinstance(event, RunFinished) and self._steps and not self._handed_off:
            due = self._finish_reason
            if event.finish_reason != due:
                raise LogError("outcome", f"its finish reason is {event.finish_reason!r}, not {due!r}", event)
        _check_usage(event, event.usage, self._fold.usage)
        self._check_transcript(event)
        self._end = event
        self.over = True

    def _handoff(self, event: Handoff) -> None:
        if self._step is not None:
            raise LogError("settled", f"step {self._step.number} is not finished", event)
        self._check_settled(event)
        self._handed_off = True

    def _message_added(self, event: MessageAdded) -> None:
        if self._step is not None:
            raise LogError("settled", f"step {self._step.number} is not finished", event)
        self._check_settled(event)

    def _check_settled(self, event: Event) -> None:
        if self._working:
            raise LogError("settled", f"the tool of call {min(self._working)!r} is not finished", event)

    def _check_transcript(self, event: Event) -> None:
        shown, transcript = "".join(self._shown), self._fold.transcript
        if shown != transcript:
            raise LogError("text", f"the transcript is {transcript!r}, and shown was {shown!r}", event)

    # --- steps and attempts

    def _step_started(self, event: StepStarted) -> None:
        if self._step is not None:
            raise LogError("step", f"step {self._step.number} is not finished", event)
        if event.step != self._steps + 1:
            raise LogError("step", f"step {self._steps + 1} was due, not {event.step}", event)
        self._check_settled(event)
        self._steps = event.step
        self._step = _Step(event.step)

    def _step_finished(self, event: StepFinished) -> None:
        step = self._in_step(event)
        if step.attempt is not None:
            self._check_closed(event, step.attempt)
        said = event.message
        due = self._fold.step_end(
            api=said.api if said else "",
            model=said.model if said else "",
            finish_reason=event.finish_reason,
            word=event.provider_finish_reason,
        )
        assert due.message is not None
        if said != due.message and (said is not None or due.message.content):
            raise LogError("message", f"the step's events come to {due.message!r}", event)
        _check_usage(event, event.usage, due.usage)
        if step.attempt is not None:
            self._shown += step.attempt.text
        self._finish_reason = event.finish_reason
        self._step = None

    def _attempt_started(self, event: AttemptStarted) -> None:
        step = self._in_step(event)
        if event.attempt != step.attempts + 1:
            raise LogError("attempt", f"attempt {step.attempts + 1} was due, not {event.attempt}", event)
        before, due = step.attempt, "first"
        if before is not None:
            if before.failed is None:
                raise LogError("attempt", f"attempt {before.number} has not failed", event)
            if before.shown:
                raise LogError("retracted", f"what attempt {before.number} had shown was not taken back", event)
            due = before.failed.then
        if event.cause != due:
            raise LogError("attempt", f"its cause is {event.cause!r}, and due was {due!r}", event)
        step.attempts = event.attempt
        step.attempt = _Attempt(event.attempt)

    def _attempt_failed(self, event: AttemptFailed) -> None:
        attempt = self._in_attempt(event)
        if event.attempt != attempt.number:
            raise LogError("attempt", f"attempt {attempt.number} is going on, not {event.attempt}", event)
        self._check_closed(event, attempt)
        attempt.failed = event

    def _retracted(self, event: Retracted) -> None:
        step = self._in_step(event)
        attempt = step.attempt
        if attempt is None or attempt.failed is None or attempt.number != event.attempt:
            raise LogError("retracted", f"attempt {event.attempt} has not just failed", event)
        if attempt.failed.then == "raise":
            raise LogError("retracted", "no attempt follows the one that failed", event)
        if not attempt.shown:
            raise LogError("retracted", "nothing was shown, or it was taken back before", event)
        chars = sum(map(len, attempt.text))
        if event.chars != chars:
            raise LogError("text", f"{chars} characters were shown, not {event.chars}", event)
        for call in attempt.calls:
            call.written = "retracted"
        attempt.text.clear()
        attempt.shown = False

    def _in_step(self, event: Any) -> _Step:
        if self._step is None or self._step.number != event.step:
            raise LogError("place", f"step {event.step} is not going on", event)
        return self._step

    def _in_attempt(self, event: Any) -> _Attempt:
        attempt = self._in_step(event).attempt
        if attempt is None or attempt.failed is not None:
            raise LogError("place", f"no attempt is going on in step {event.step}", event)
        return attempt

    def _check_closed(self, event: Event, attempt: _Attempt) -> None:
        for number, part in attempt.parts.items():
            if part.open:
                raise LogError("part", f"part {number} is not ended", event)
        for call in attempt.calls:
            if call.written == "open":
                raise LogError("call", f"a call of {call.name!r} is neither ready nor rejected", event)

    # --- what a model says

    def _text_started(self, event: TextStarted) -> None:
        attempt = self._begin_part(event, event.kind)
        if attempt.lead is None:
            attempt.lead = event.lead
            if event.lead and not (self._shown or self._goes_on):
                raise LogError("text", "it has a lead, and no step before it has shown text", event)
        elif event.lead:
            raise LogError("text", "it has a lead, and is not the first text of its step", event)

    def _reasoning_started(self, event: ReasoningStarted) -> None:
        self._begin_part(event, "reasoning")

    def _begin_part(self, event: TextStarted | ReasoningStarted, kind: str) -> _Attempt:
        attempt, step = self._in_attempt(event), self._in_step(event)
        if event.part in step.parts:
            raise LogError("part", f"part {event.part} was started before", event)
        step.parts.add(event.part)
        attempt.parts[event.part] = _Part(kind)
        attempt.shown = True
        return attempt

    def _text_delta(self, event: TextDelta) -> None:
        attempt = self._in_attempt(event)
        part = attempt.parts.get(event.part)
        if part is None or not part.open or part.kind == "reasoning":
            raise LogError("delta", f"part {event.part} is no open part of text", event)
        if not event.text:
            raise LogError("delta", "it is empty", event)
        if part.kind == "answer":
            if attempt.lead:
                attempt.text.append(attempt.lead)
                attempt.lead = ""
            attempt.text.append(event.text)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        part = self._in_attempt(event).parts.get(event.part)
        if part is None or not part.open or part.kind != "reasoning":
            raise LogError("delta", f"part {event.part} is no open part of reasoning", event)
        if not event.text:
            raise LogError("delta", "it is empty", event)

    def _part_ended(self, event: TextEnded | ReasoningEnded) -> None:
        part = self._in_attempt(event).parts.get(event.part)
        if part is None or not part.open or (part.kind == "reasoning") != isinstance(event, ReasoningEnded):
            raise LogError("part", f"part {event.part} is no open part of its kind", event)
        part.open = False

    def _in_place(self, event: SourceFound | ProviderItemMade) -> None:
        self._in_attempt(event)

    def _file_made(self, event: FileMade) -> None:
        self._in_attempt(event).shown = True

    def _usage_reported(self, event: UsageReported) -> None:
        attempt = self._in_attempt(event)
        if event.attempt != attempt.number:
            raise LogError("place", f"attempt {event.attempt} is not going on", event)

    # --- calls

    def _call_started(self, event: CallStarted) -> None:
        attempt = self._in_attempt(event)
        if event.call in self._calls:
            raise LogError("call", f"call {event.call!r} was started before", event)
        call = self._calls[event.call] = _Call(event)
        attempt.calls.append(call)
        attempt.shown = True

    def _call_delta(self, event: CallDelta) -> None:
        self._in_attempt(event)
        call = self._calls.get(event.call)
        if call is None or call.written != "open":
            raise LogError("delta", f"call {event.call!r} is not being written", event)
        if not event.json:
            raise LogError("delta", "it is empty", event)

    def _call_ended(self, event: CallReady | CallRejected) -> None:
        self._in_attempt(event)
        call = self._calls.get(event.call)
        if call is None or call.written != "open":
            raise LogError("call", f"call {event.call!r} is not being written", event)
        if event.by != call.by:
            raise LogError("call", f"it is run by the {event.by}, and was started as run by the {call.by}", event)
        call.written = "ready" if isinstance(event, CallReady) else "rejected"
        call.name = event.name  # a provider may write the name in pieces too

    # --- tools

    def _tool_started(self, event: ToolStarted) -> None:
        call = self._waiting(event, "tool")
        if event.call in self._approvals.values():
            raise LogError("approval", f"the leave asked for call {event.call!r} is not given", event)
        if event.try_ != call.tries + 1:
            raise LogError("tool", f"try {call.tries + 1} was due, not {event.try_}", event)
        call.tries = event.try_
        call.tool = "started"
        self._working.add(event.call)

    def _tool_progress(self, event: ToolProgress) -> None:
        self._at_work(event)

    def _tool_finished(self, event: ToolFinished) -> None:
        self._at_work(event).tool = "finished"
        for name, child in self.children.items():
            if child.started.call == event.call:
                raise LogError("child", f"child {name!r} of this call is not finished", event)
        self._working.remove(event.call)

    def _waiting(self, event: ToolStarted | ApprovalAsked, rule: str) -> _Call:
        """The call that waits for its tool; one that is at work may be tried again."""
        call = self._calls.get(event.call)
        if call is None or call.written != "ready" or call.by != "agent":
            raise LogError(rule, f"call {event.call!r} is not ready to be run here", event)
        if self._step is not None or call.step != self._steps:
            raise LogError(rule, f"call {event.call!r} is not of the step that has just finished", event)
        if call.tool in ("finished", "refused"):
            raise LogError(rule, f"the tool of call {event.call!r} was {call.tool}", event)
        self._check_tool(event, call)
        return call

    def _at_work(self, event: ToolProgress | ToolFinished) -> _Call:
        if event.call not in self._working:
            raise LogError("tool", f"the tool of call {event.call!r} is not at work", event)
        call = self._calls[event.call]
        self._check_tool(event, call)
        return call

    def _check_tool(self, event: ToolStarted | ToolProgress | ToolFinished | ApprovalAsked, call: _Call) -> None:
        if event.name != call.name:
            raise LogError("tool", f"its name is {event.name!r}, its call's is {call.name!r}", event)
        if not isinstance(event, ApprovalAsked) and event.step != call.step:
            raise LogError("tool", f"its step is {event.step}, its call's is {call.step}", event)

    def _approval_asked(self, event: ApprovalAsked) -> None:
        if event.approval in self._all_approvals:
            raise LogError("approval", f"approval {event.approval!r} was asked before", event)
        if self._waiting(event, "approval").tool != "none":
            raise LogError("approval", f"the tool of call {event.call!r} is at work already", event)
        self._all_approvals.add(event.approval)
        self._approvals[event.approval] = event.call

    def _approval_answered(self, event: ApprovalAnswered) -> None:
        call = self._approvals.pop(event.approval, None)
        if call is None:
            raise LogError("approval", f"approval {event.approval!r} is not asked for, or was answered before", event)
        if not event.allowed:
            self._calls[call].tool = "refused"


_Handler: TypeAlias = Callable[[_Run, Any], None]
_HANDLERS: Final[dict[type[Event], _Handler]] = {
    RunFinished: _Run._ended,
    RunFailed: _Run._ended,
    RunCancelled: _Run._ended,
    StepStarted: _Run._step_started,
    StepFinished: _Run._step_finished,
    AttemptStarted: _Run._attempt_started,
    AttemptFailed: _Run._attempt_failed,
    Retracted: _Run._retracted,
    TextStarted: _Run._text_started,
    TextDelta: _Run._text_delta,
    TextEnded: _Run._part_ended,
    ReasoningStarted: _Run._reasoning_started,
    ReasoningDelta: _Run._reasoning_delta,
    ReasoningEnded: _Run._part_ended,
    SourceFound: _Run._in_place,
    FileMade: _Run._file_made,
    ProviderItemMade: _Run._in_place,
    CallStarted: _Run._call_started,
    CallDelta: _Run._call_delta,
    CallReady: _Run._call_ended,
    CallRejected: _Run._call_ended,
    ToolStarted: _Run._tool_started,
    ToolProgress: _Run._tool_progress,
    ToolFinished: _Run._tool_finished,
    ApprovalAsked: _Run._approval_asked,
    ApprovalAnswered: _Run._approval_answered,
    ChildStarted: _Run._child_started,
    ChildFinished: _Run._child_finished,
    Handoff: _Run._handoff,
    MessageAdded: _Run._message_added,
    UsageReported: _Run._usage_reported,
}


def _check_usage(event: Event, said: Usage, due: Usage) -> None:
    # Reports of a provider's own (`raw`) are not added up; counts are.
    if said.to_dict() != due.to_dict():
        raise LogError("usage", f"it says {said.to_dict()}, and reported was {due.to_dict()}", event)
