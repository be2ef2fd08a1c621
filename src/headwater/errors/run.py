"""What ends or stops a run besides the provider: timeouts, limits, the model's output, tools, people, the journal."""

from __future__ import annotations

from typing import Any

from headwater.errors.base import HeadwaterError

__all__ = (
    "ApprovalNeeded",
    "BudgetExceeded",
    "Cancelled",
    "ConnectTimeout",
    "CrashLoop",
    "Declined",
    "FirstTokenTimeout",
    "GuardBlocked",
    "IdleTimeout",
    "ItemsRestarted",
    "JournalUnavailable",
    "LimitExceeded",
    "MCPUnavailable",
    "MaxDepthReached",
    "MaxHandoffsReached",
    "MaxStepsReached",
    "ModelMisbehaved",
    "OutputInvalid",
    "Parked",
    "RunLost",
    "RunTimeout",
    "StepTimeout",
    "TimedOut",
    "ToolCallInvalid",
    "ToolFailed",
    "ToolTimeout",
)


class JournalUnavailable(HeadwaterError):
    """The journal's store does not answer: it is unreachable, full or locked.

    The last write may or may not have been stored. Try again; runs wait meanwhile and lose nothing.
    """

    retryable = True


class MCPUnavailable(HeadwaterError):
    """An MCP server could not be started or reached.

    Check its command or URL. With `MCP(…, required=False)` runs continue without its tools.
    """

    retryable = True
    server: str
    """The server's name."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, server: str = "") -> None:
        super().__init__(message, hint=hint, response=response)
        self.server = server


class TimedOut(HeadwaterError):
    """A timeout of `Timeouts` expired.

    Raise the timeout that it names, or set it to None to disable it.
    """

    clock: str
    """Which one: connect, first_token, idle, step, run or tool."""
    seconds: float
    """Its value."""

    def __init__(
        self, message: str, *, hint: str = "", response: Any = None, clock: str = "", seconds: float = 0.0
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.clock = clock
        self.seconds = seconds


class ConnectTimeout(TimedOut):
    """No connection within `timeouts.connect`.

    Check the network and the base URL, or raise `timeouts.connect`.
    """

    retryable = True


class FirstTokenTimeout(TimedOut):
    """No part of the answer arrived within `timeouts.first_token`.

    Raise `timeouts.first_token` for models that think for long, or set a `fallback=`.
    """

    retryable = True


class IdleTimeout(TimedOut):
    """The answer stalled for `timeouts.idle`.

    Raise `timeouts.idle`, or set a `fallback=`; `response` holds the partial answer.
    """

    retryable = True


class StepTimeout(TimedOut):
    """One model request took longer than `timeouts.step`.

    Raise `timeouts.step`, or set a `fallback=`; `response` holds the partial answer.
    """

    retryable = True


class RunTimeout(TimedOut):
    """The whole run took longer than `timeouts.run`.

    Raise `timeouts.run`, which you have set; `response` holds the partial answer.
    """


class ToolTimeout(TimedOut):
    """A tool took longer than its own timeout or `timeouts.tool`.

    The model gets it as the call's result. Raise the tool's `timeout=` or `timeouts.tool`.
    """


class LimitExceeded(HeadwaterError):
    """A limit was exceeded.

    The hint names the argument to raise, if there is one.
    """

    limit: str
    """The name of the limit."""
    size: int
    """Its value."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, limit: str = "", size: int = 0) -> None:
        super().__init__(message, hint=hint, response=response)
        self.limit = limit
        self.size = size


class BudgetExceeded(LimitExceeded):
    """A `Budget` is used up: its dollars, tokens, requests or tool calls.

    Give a larger `budget=`, or a new one for each run; `response` holds the partial answer. It is never retried.
    """


class MaxStepsReached(LimitExceeded):
    """The model asked for tools more often than `max_steps` allows.

    Raise `max_steps=`, or make the task or the tools simpler; `response` holds the partial answer.
    """


class MaxHandoffsReached(LimitExceeded):
    """Agents handed the conversation over more often than allowed.

    Tell the agents in their instructions when to answer themselves, or remove the way back from `handoffs=`.
    """


class MaxDepthReached(LimitExceeded):
    """Runs are nested too deeply.

    Give an agent that is its own tool a way to answer without calling it.
    """


class ModelMisbehaved(HeadwaterError):
    """The model's output cannot be used.

    Make the task, the type or the tools simpler, or use a stronger model.
    """


class OutputInvalid(ModelMisbehaved):
    """The answer does not match the output type, even after it was sent back for correction.

    Use a simpler type or a stronger model; if the answer was cut off, raise `max_tokens=`.
    """


class ToolCallInvalid(ModelMisbehaved):
    """The model kept calling tools with invalid arguments.

    Describe the tools' parameters better, use fewer of them, or another model.
    """


class GuardBlocked(HeadwaterError):
    """A guard of the agent did not let something pass.

    The note says why, if the guard gave a reason; `response` holds what had passed before.
    """

    guard: str
    """The guard's name."""
    on: str
    """What it checked: input, output, reasoning, arguments or result."""
    note: str
    """Its reason."""

    def __init__(
        self, message: str, *, hint: str = "", response: Any = None, guard: str = "", on: str = "output", note: str = ""
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.guard = guard
        self.on = on
        self.note = note


class ToolFailed(HeadwaterError):
    """A tool raised this to end the run; other exceptions of a tool go back to the model.

    The message is the tool's own: the tool's author knows what to do.
    """


class Declined(HeadwaterError):
    """A person did not answer a tool's question: declined, dismissed, or too late.

    It is raised in the tool, which may continue without an answer; if the tool does not catch it, it goes to the model.
    """

    action: str
    """"decline" or "cancel"."""
    by: str
    """Who declined, if known; "timeout" if nobody answered in time."""

    def __init__(
        self, message: str, *, hint: str = "", response: Any = None, action: str = "decline", by: str = ""
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.action = action
        self.by = by


class ItemsRestarted(HeadwaterError):
    """The answer started again after items of it had been yielded: it was repeated, retracted or sent back.

    Read `items(restarts="again")`, which yields all items again, or `partials()`, which says when that happens.
    """


class Parked(HeadwaterError):
    """The run was parked: it stopped where it was, and its log has no end.

    Resume it at any time, in any process: `agent.resume(error.log)`.
    """

    log: tuple[Any, ...]
    """All its events so far."""
    pending: tuple[Any, ...]
    """The open questions."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        response: Any = None,
        log: tuple[Any, ...] = (),
        pending: tuple[Any, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.log = log
        self.pending = tuple(pending)


class ApprovalNeeded(Parked):
    """The run waits for approval and nobody is there to answer, so it was parked.

    Answer with `agent.resume(error.log, approvals={id: True})`, or give the run an `approver`. A run on another server
    is not parked, and goes on waiting there: answer it with `headwater.attach(url, approver=…)`.
    """


class RunLost(HeadwaterError):
    """This process no longer drives the run: another one does, or the journal refused the events.

    The run itself goes on and nothing of it is lost: read it with `headwater.attach(id)`.
    """


class CrashLoop(HeadwaterError):
    """Several processes in a row drove the run and finished no step and no tool of it, so it fails.

    Look at what its last step does: a tool may end the process, or use more memory than there is.
    """


class Cancelled(HeadwaterError):
    """The run was cancelled, and there was no other way to report it.

    Nothing went wrong. In a tool, do not catch it: it ends the tool's work.
    """
