"""A writer for handwritten logs: the caller says what happens, the writer stamps the events.

Owns the stamps, and the events that follow from others: the end of a step, of a run and of a child, computed with the
fold. The content is up to the caller and is not checked.

    writer = LogWriter()
    top = writer.begin("writer", "How is Paris?")
    top.answer("It is sunny.")
    top.finish()
    check_log(writer.log)
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptAccepted,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepStarted,
    TextDelta,
    TextEnded,
    TextStarted,
    ToolFinished,
    ToolStarted,
    UsageReported,
)
from headwater.events.fold import Fold
from headwater.events.messages import Message, Usage

__all__ = ("LogWriter", "RunWriter")

BEGUN = 1_700_000_000.0
"""The start time of the logs, in Unix seconds; arbitrary."""

LEAD = "\n\n"


class LogWriter:
    """A log being written; `log` is the list of its events."""

    def __init__(self) -> None:
        self.log: list[Event] = []
        self.runs: dict[str, RunWriter] = {}
        """The writer of each run, by its id: run_1, run_2 and so on."""
        self._ids = 0

    def begin(self, name: str, task: str = "", **fields: Any) -> RunWriter:
        """The outermost run; `fields` are those of its `run.started`."""
        return RunWriter(self, name, task, **fields)

    def append(self, event: Event, run: str, path: tuple[str, ...]) -> Event:
        """Stamp an event, a quarter of a second after the previous one, and append it."""
        seq = len(self.log)
        event = msgspec.structs.replace(event, seq=seq, time=BEGUN + seq / 4, run=run, path=path)
        self.log.append(event)
        return event

    def new_id(self) -> str:
        """An id for a run."""
        self._ids += 1
        return f"run_{self._ids}"


class RunWriter:
    """One run of a log, in grammar 2."""

    def __init__(
        self,
        log: LogWriter,
        name: str,
        task: str = "",
        *,
        above: RunWriter | None = None,
        child: ChildStarted | None = None,
        **fields: Any,
    ) -> None:
        self.id: str = child.child if child is not None else log.new_id()
        log.runs[self.id] = self
        self.path: tuple[str, ...] = (*above.path, name) if above is not None else (name,)
        self.fold: Fold = Fold()
        self._log = log
        self._above = above
        self._child = child
        self._step = self._attempt = self._part = 0
        if task:
            fields.setdefault("input", (Message.user(task),))
        if above is not None and child is not None:
            fields |= {"parent": above.id, "call": child.call}
        if "workflow" not in fields:
            fields.setdefault("model", "scripted")
        self.add(RunStarted(agent_name=name, grammar=2, **fields))

    def add(self, *events: Event) -> None:
        """Append any event."""
        for event in events:
            self.fold.add(self._log.append(event, self.id, self.path))

    # --- steps

    def ask_model(
        self,
        *,
        cause: Literal["first", "retry", "fallback", "restart", "resume", "guard"] = "first",
        final: bool = False,
        may_retract: bool = False,
    ) -> None:
        """A request to the model, in a new step or again in this one; the provider starts to answer."""
        if cause == "first":
            self._step += 1
            self._attempt = self._part = 0
            self.add(StepStarted(step=self._step))
        self._attempt += 1
        self.add(
            AttemptStarted(
                step=self._step,
                attempt=self._attempt,
                model="scripted",
                provider="offline",
                cause=cause,
                final=final,
                may_retract=may_retract,
            ),
            AttemptAccepted(step=self._step, attempt=self._attempt, id=f"answer_{self._step}", model="scripted-1"),
        )

    def say(self, text: str, *, whole: bool = True) -> None:
        """A part of text, word by word; without its end if not `whole`."""
        part, self._part = self._part, self._part + 1
        lead = LEAD if self.fold.has_text or self._follows_text() else ""
        self.add(TextStarted(step=self._step, part=part, lead=lead if not self.fold.shown_chars else ""))
        for at, word in enumerate(text.split(" ")):
            self.add(TextDelta(step=self._step, part=part, text=f" {word}" if at else word))
        if whole:
            self.add(TextEnded(step=self._step, part=part))

    def call(
        self,
        call: str,
        name: str,
        arguments: dict[str, Any] | str,
        *,
        by: Literal["agent", "provider", "client"] = "agent",
    ) -> None:
        """A tool call; with a string as arguments it is a custom tool's."""
        custom = isinstance(arguments, str)
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        self.add(
            CallStarted(step=self._step, call=call, name=name, by=by),
            CallDelta(step=self._step, call=call, json=written),
            CallReady(step=self._step, call=call, name=name, arguments=arguments, by=by, custom=custom),
        )

    def end_step(self, reason: str | None = "stop", usage: Usage | None = None) -> None:
        """The step is finished; the current attempt, if any, reports `usage`."""
        if self.fold.in_attempt is not None:
            usage = Usage(input_tokens=10, output_tokens=5) if usage is None else usage
            self.add(UsageReported(step=self._step, attempt=self._attempt, usage=usage))
        self.add(self.fold.step_end(api="offline", model="scripted", finish_reason=reason, word=reason))

    def answer(self, text: str, *, final: bool = True) -> None:
        """A step with text and without calls."""
        self.ask_model(final=final)
        self.say(text)
        self.end_step()

    # --- tools

    def start_tool(self, call: str, name: str, try_: int = 1) -> None:
        """A tool begins."""
        key = f"{self.id}/{call}"
        self.add(ToolStarted(step=self._step, call=call, name=name, try_=try_, idempotency_key=key))

    def end_tool(self, call: str, name: str, result: str, *, failed: bool = False) -> None:
        """A tool ends with its result."""
        error = result if failed else None
        self.add(ToolFinished(step=self._step, call=call, name=name, result=result, error=error, duration=0.25))

    def ask_approval(self, call: str, name: str, arguments: dict[str, Any], question: str = "") -> None:
        """A call needs approval; the id `question` is `ask-CALL` by default."""
        question = question or f"ask-{call}"
        self.add(ApprovalAsked(approval=question, call=call, name=name, arguments=arguments, reason="It acts."))

    def approve(self, call: str, allowed: bool = True, *, question: str = "", by: str = "ann", **fields: Any) -> None:
        """The call is approved or denied."""
        question = question or f"ask-{call}"
        self.add(ApprovalAnswered(approval=question, allowed=allowed, by=by, **fields))

    # --- the tree, and the end

    def child(
        self,
        name: str,
        task: str = "",
        *,
        role: Literal["member", "handoff", "tool", "helper"],
        call: str | None = None,
        after: tuple[RunWriter, ...] = (),
        final: bool | None = None,
        **fields: Any,
    ) -> RunWriter:
        """A child run starts."""
        started = ChildStarted(
            child=self._log.new_id(),
            name=name,
            call=call,
            role=role,
            after=tuple(run.id for run in after),
            final=final,
        )
        self.add(started)
        return RunWriter(self._log, name, task, above=self, child=started, **fields)

    def finish(self, *answer: RunWriter, reason: str | None = None, output: Any = msgspec.UNSET) -> None:
        """The run finishes; its answer is that of the children `answer`, if any, with an optional output."""
        reason = self.fold.finish_reason if reason is None else reason
        names = tuple(run.id for run in answer)
        self._end(RunFinished(finish_reason=reason, output=output, usage=self.fold.usage, answer=names), "finished")

    def fail(self, error: ErrorInfo) -> None:
        """The run fails."""
        self._end(RunFailed(error=error, usage=self.fold.usage), "failed")

    def cancel(self) -> None:
        """The run is cancelled."""
        self._end(RunCancelled(usage=self.fold.usage), "cancelled")

    def _end(
        self, end: RunFinished | RunFailed | RunCancelled, outcome: Literal["finished", "failed", "cancelled"]
    ) -> None:
        self.add(end)
        if self._above is not None and self._child is not None:
            child = self._child
            self._above.add(
                ChildFinished(
                    child=self.id,
                    name=child.name,
                    call=child.call,
                    outcome=outcome,
                    usage=self.fold.usage,
                    origin=self.fold.usage_origin,
                )
            )

    def _follows_text(self) -> bool:
        """Whether another run spoke earlier for the same outer run."""
        child, above = self._child, self._above
        return child is not None and above is not None and child.role == "handoff" and above.fold.has_text
