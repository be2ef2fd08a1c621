"""Every exception headwater raises, as one tree split by whose fault it is and whether trying again is sane.

    HeadwaterError                  .message .hint .response (what had been said) .retryable
    ├── UsageError                  yours: the program has to change
    │   ├── ConfigurationError      a setting, a name or a combination that cannot work
    │   │   ├── ModelNotNamed       no model was named anywhere
    │   │   ├── UnknownModel        the name leads to no provider we know
    │   │   ├── MissingKey          the provider wants a key and none was found
    │   │   ├── UnsupportedSetting  the provider cannot honour this setting
    │   │   └── InvalidTool         a function that cannot be offered as a tool
    │   ├── InvalidRecord           what was to be read is no event, message, thread or Response of ours
    │   ├── ThreadBusy              one conversation, two runs at once
    │   ├── HistoryInvalid          messages that no provider takes: a call without its result: .ids
    │   ├── DefinitionChanged       the agent is not the one that the log was written by
    │   ├── UnknownQuestion         no question of this run has that id
    │   ├── AlreadyAnswered         someone has answered it: .by
    │   ├── AnswerInvalid           the answer does not fit what was asked
    │   ├── RunEnded                the run is over, and nobody waits for the answer
    │   ├── LogNotKept              the run's log was not kept, so nobody can go on with it
    │   └── LoopMisuse              the plain face inside a running loop, or the async one outside
    ├── ProviderError               theirs: .provider .status .request_id
    │   ├── InvalidRequest          400, 413, 422: the provider refused what was sent
    │   │   └── ContextTooLong      the conversation does not fit the model
    │   ├── AuthenticationFailed    401
    │   ├── PermissionDenied        403
    │   ├── QuotaExhausted          402, or a 429 that waiting will not mend
    │   ├── ModelNotFound           404
    │   ├── RateLimited             429                    retryable, .retry_after in seconds
    │   ├── Overloaded              503, 529, in-band      retryable
    │   ├── ServerError             other 5xx, 408, 409    retryable
    │   └── MalformedResponse       bytes that are not the API's
    ├── ConnectionFailed            the network's: name, route, TLS, refused; retryable
    │   └── IncompleteStream        it ended before its end marker; retryable
    ├── TimedOut                    a clock ran out: .clock .seconds
    │   ├── ConnectTimeout, FirstTokenTimeout, IdleTimeout, StepTimeout    retryable
    │   └── RunTimeout, ToolTimeout
    ├── LimitExceeded               a bound was passed: .limit .size
    │   ├── MaxStepsReached         the loop went round too often
    │   ├── MaxHandoffsReached      the conversation was handed over too often
    │   └── MaxDepthReached         too many runs inside each other
    ├── ModelMisbehaved             the model's: what it wrote cannot be used
    │   ├── OutputInvalid           the answer is not the output type asked for
    │   └── ToolCallInvalid         it kept calling tools wrongly
    ├── ToolFailed                  a tool said that the run must end
    ├── Declined                    a person did not answer what a tool asked
    ├── Parked                      the run was left as it stood: .log, to go on from
    │   └── ApprovalNeeded          it waits for people, and nobody is there to answer: .pending
    └── Cancelled                raised only where a cancelled run has no other way to answer

This file owns the exceptions and how they are worded; it must never format a request, a header or a key into a message.
"""

from __future__ import annotations

from typing import Any

__all__ = (
    "AlreadyAnswered",
    "AnswerInvalid",
    "ApprovalNeeded",
    "AuthenticationFailed",
    "Cancelled",
    "ConfigurationError",
    "ConnectTimeout",
    "ConnectionFailed",
    "ContextTooLong",
    "Declined",
    "DefinitionChanged",
    "FirstTokenTimeout",
    "HeadwaterError",
    "HistoryInvalid",
    "IdleTimeout",
    "IncompleteStream",
    "InvalidRecord",
    "InvalidRequest",
    "InvalidTool",
    "LimitExceeded",
    "LogNotKept",
    "LoopMisuse",
    "MalformedResponse",
    "MaxDepthReached",
    "MaxHandoffsReached",
    "MaxStepsReached",
    "MissingKey",
    "ModelMisbehaved",
    "ModelNotFound",
    "ModelNotNamed",
    "OutputInvalid",
    "Overloaded",
    "Parked",
    "PermissionDenied",
    "ProviderError",
    "QuotaExhausted",
    "RateLimited",
    "RunEnded",
    "RunTimeout",
    "ServerError",
    "StepTimeout",
    "ThreadBusy",
    "TimedOut",
    "ToolCallInvalid",
    "ToolFailed",
    "ToolTimeout",
    "UnknownModel",
    "UnknownQuestion",
    "UnsupportedSetting",
    "UsageError",
)


class HeadwaterError(Exception):
    """What every error of this library is.

    Catch it where you handle every failure in the same way. `str(error)` is the message and the hint.
    """

    message: str
    """What happened."""
    hint: str
    """What to do about it; empty where only the provider knows."""
    response: Any
    """What had been said before it went wrong, as a partial `Response`; None where nothing had begun."""
    retryable: bool = False
    """Whether the same request may succeed when it is sent again."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.response = response

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions pickle by their positional arguments; ours are keywords, so rebuild and restore the attributes.
        return (rebuilt, (type(self), dict(self.__dict__)))


def rebuilt(kind: type[HeadwaterError], state: dict[str, Any]) -> HeadwaterError:
    """An error of ours with these attributes, without its constructor: as it was pickled, or told by a log."""
    error = kind.__new__(kind, state.get("message", ""))
    error.__dict__.update(state)
    return error


class UsageError(HeadwaterError):
    """The program has to change.

    Correct the program; trying again does not help.
    """


class ConfigurationError(UsageError):
    """A setting, a name or a combination of them that cannot work.

    The hint says what to write instead.
    """


class ModelNotNamed(ConfigurationError):
    """No model was named anywhere.

    Pass `model=`, or set the variable `HEADWATER_MODEL`.
    """


class UnknownModel(ConfigurationError):
    """The name leads to no known provider.

    Write the provider before the model, as in `openai/gpt-5.4`; for a server of your own pass `base_url=`.
    """


class MissingKey(ConfigurationError):
    """The provider wants a key and none was found.

    Set the provider's variable, or pass `api_key=`. A local server needs no key.
    """


class UnsupportedSetting(ConfigurationError):
    """The provider cannot honour this setting; nothing was sent.

    Leave the setting out, correct its name, or choose a provider that has it. Settings are never dropped silently.
    """


class InvalidTool(ConfigurationError):
    """A function that cannot be offered as a tool.

    It is raised when the agent is made, so no run has begun. Change the function as the hint says.
    """


class InvalidRecord(UsageError):
    """What was to be read or written is no event, message, thread or Response as JSON has them.

    Look for the program that wrote it, or for a line that was cut.
    """


class ThreadBusy(UsageError):
    """A conversation takes one run at a time.

    Wait for the first run, or give each conversation a `Thread` of its own.
    """


class HistoryInvalid(UsageError):
    """Messages to go on from hold a call without its result, or a result without its call.

    Begin the next input with the results of the calls that the client runs. A view must keep each call with its result.
    """

    ids: tuple[str, ...]
    """The ids of those calls."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, response=response)
        self.ids = tuple(ids)


class DefinitionChanged(UsageError):
    """A log was to be gone on with by an agent or a workflow that is declared otherwise than when it was written.

    Use the declaration that wrote it, or `resume(log, on_changed="warn")`: what is declared now counts from there on.
    """


class UnknownQuestion(UsageError):
    """No question of this run has that id.

    `stream.pending` has the open questions with their ids.
    """


class AlreadyAnswered(UsageError):
    """The question was answered before, and that answer stands.

    Show who answered; there is nothing to be done.
    """

    by: str
    """Who answered, where that is known."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, by: str = "") -> None:
        super().__init__(message, hint=hint, response=response)
        self.by = by


class AnswerInvalid(UsageError):
    """An answer does not fit what was asked: arguments that the tool does not take, content of another type.

    Nothing was answered: the question is still open, so ask the person again.
    """


class RunEnded(UsageError):
    """The run that asked is over, and nobody waits for the answer any more.

    Its question was void from then on; start another run.
    """


class LogNotKept(UsageError):
    """The events of the run were not kept, so it cannot be left and gone on with.

    Give the agent or the run `keep_log=True`. Where a tool may ask people they are kept anyhow.
    """


class LoopMisuse(UsageError):
    """Code that blocks was called inside a running event loop, or async code outside one.

    In async code write `await agent.run(…)` and `async for`; in plain code `agent.run(…)` and `for`.
    """


class ProviderError(HeadwaterError):
    """The provider refused or failed.

    The message begins with the provider's name and ends with what it said.
    """

    provider: str
    """The provider's name."""
    status: int | None
    """The HTTP status; None for an error inside a stream."""
    code: str | None
    """The provider's own word for what went wrong."""
    request_id: str | None
    """What to quote to the provider's support."""
    retry_after: float | None
    """Seconds that the provider asked to wait; None where it did not say."""

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        response: Any = None,
        provider: str = "",
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.provider = provider
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after


class InvalidRequest(ProviderError):
    """The provider would not take what was sent (400, 413, 422).

    Read what the provider says; it names the setting or the part that it does not take.
    """


class ContextTooLong(InvalidRequest):
    """The conversation does not fit the model.

    Drop old messages from `history=`, start a new thread, or use a model with a larger context.
    """


class AuthenticationFailed(ProviderError):
    """The key was not accepted (401).

    Check that the key is whole, current and of this provider. The key itself never shows in a message.
    """


class PermissionDenied(ProviderError):
    """The key is known and may not do this (403).

    Ask the account's owner for access, or use another model.
    """


class QuotaExhausted(ProviderError):
    """Out of credit or quota (402, or a 429 that waiting will not mend).

    Check the account's plan and billing; trying again does not help.
    """


class ModelNotFound(ProviderError):
    """The provider has no such model or address (404).

    Check the spelling of the model and the base URL.
    """


class RateLimited(ProviderError):
    """Too many requests (429).

    It was tried again already. Run fewer at once, wait, or name a `fallback=`.
    """

    retryable = True


class Overloaded(ProviderError):
    """The provider has no capacity now (503, 529, or said so inside the stream).

    It was tried again already. Try later, or name a `fallback=` of another provider.
    """

    retryable = True


class ServerError(ProviderError):
    """The provider failed (5xx, 408, 409, or said so inside the stream).

    It was tried again already. Try later, or name a `fallback=`; the provider's status page knows more.
    """

    retryable = True


class MalformedResponse(ProviderError):
    """The bytes that came are not what the API promises.

    Check that the base URL is of an API and not of a web page, and that it is this API.
    """


class ConnectionFailed(HeadwaterError):
    """No connection, or it broke: name, route, TLS, refused, reset.

    Check the network, the base URL and the proxy; `headwater doctor` tries them one by one.
    """

    retryable = True


class IncompleteStream(ConnectionFailed):
    """The stream stopped before the mark that ends every answer of its API.

    Run again, or set `on_interrupted="restart"`. Half an answer is never passed off as a whole one.
    """


class TimedOut(HeadwaterError):
    """A clock of `Timeouts` ran out.

    Raise the clock that it names, or set it to None for never.
    """

    clock: str
    """Which one: connect, first_token, idle, step, run or tool."""
    seconds: float
    """What it was set to."""

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
    """Nothing of the answer within `timeouts.first_token`.

    Raise `timeouts.first_token` for models that think for long, or name a `fallback=`.
    """

    retryable = True


class IdleTimeout(TimedOut):
    """The answer stood still for `timeouts.idle`.

    Raise `timeouts.idle`, or name a `fallback=`; `response` holds what had come.
    """

    retryable = True


class StepTimeout(TimedOut):
    """One model request took longer than `timeouts.step`.

    Raise `timeouts.step`, or name a `fallback=`; `response` holds what had come.
    """

    retryable = True


class RunTimeout(TimedOut):
    """The whole run took longer than `timeouts.run`.

    Raise `timeouts.run`, which you have set; `response` holds what had come.
    """


class ToolTimeout(TimedOut):
    """A tool took longer than its own timeout or `timeouts.tool`.

    The model reads it as the call's result. Raise the tool's `timeout=` or `timeouts.tool`.
    """


class LimitExceeded(HeadwaterError):
    """A bound was passed.

    The hint names the argument to raise, where there is one.
    """

    limit: str
    """The name of the bound."""
    size: int
    """Its value."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, limit: str = "", size: int = 0) -> None:
        super().__init__(message, hint=hint, response=response)
        self.limit = limit
        self.size = size


class MaxStepsReached(LimitExceeded):
    """The model asked for tools more often than `max_steps` allows.

    Raise `max_steps=`, or make the task or the tools simpler; `response` holds what was said.
    """


class MaxHandoffsReached(LimitExceeded):
    """Agents handed the conversation over more often than is allowed.

    Tell the agents in their instructions when to answer themselves, or take the way back out of `handoffs=`.
    """


class MaxDepthReached(LimitExceeded):
    """Too many runs stand inside each other.

    Give an agent that is a tool of itself a way to answer without it.
    """


class ModelMisbehaved(HeadwaterError):
    """What the model wrote cannot be used.

    Make the task, the type or the tools simpler, or use a stronger model.
    """


class OutputInvalid(ModelMisbehaved):
    """The answer is not the output type asked for, also after it was sent back.

    Use a simpler type or a stronger model; where the answer was cut, raise `max_tokens=`.
    """


class ToolCallInvalid(ModelMisbehaved):
    """The model kept calling tools with arguments that do not fit.

    Describe the tools' parameters better, use fewer of them, or another model.
    """


class ToolFailed(HeadwaterError):
    """A tool raised it to end the run; other exceptions of a tool go back to the model.

    Whoever wrote the tool knows what to do; the message is its own.
    """


class Declined(HeadwaterError):
    """A person did not answer what a tool asked: declined, dismissed, or too late.

    It is raised in the tool, which may go on without; where the tool lets it pass, the model reads it.
    """

    action: str
    """"decline" or "cancel"."""
    by: str
    """Who, where that is known; "timeout" where nobody answered in time."""

    def __init__(
        self, message: str, *, hint: str = "", response: Any = None, action: str = "decline", by: str = ""
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.action = action
        self.by = by


class Parked(HeadwaterError):
    """The run was left as it stood, and its log has no end.

    Go on with it whenever you like, in any process: `agent.resume(error.log)`.
    """

    log: tuple[Any, ...]
    """All its events so far."""
    pending: tuple[Any, ...]
    """The questions that stand open."""

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
    """The run waits for people, and nobody is there to answer: it was left as it stood.

    Answer by `agent.resume(error.log, approvals={id: True})`, or give the run an `approver`.
    """


class Cancelled(HeadwaterError):
    """The run was cancelled, and there was no other way to say so.

    Nothing went wrong. In a tool it is the way out of a loop: let it pass.
    """
