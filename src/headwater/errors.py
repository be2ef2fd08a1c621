"""Every exception that headwater raises, as one tree, split by who is at fault and whether a retry makes sense.

    HeadwaterError                  .message .hint .response (partial) .retryable
    ├── UsageError                  yours: change the program
    │   ├── ConfigurationError      a setting, a name or a combination that cannot work
    │   │   ├── ModelNotNamed       no model was named anywhere
    │   │   ├── UnknownModel        the name matches no known provider
    │   │   ├── MissingKey          the provider needs a key and none was found
    │   │   ├── UnsupportedSetting  the provider does not support this setting
    │   │   ├── InvalidTool         the function cannot be used as a tool
    │   │   └── JournalMismatch     another version of headwater set up the journal
    │   ├── InvalidRecord           the data is not an event, message, thread or Response of headwater
    │   ├── ThreadBusy              two runs at once on one conversation
    │   ├── HistoryInvalid          no provider accepts these messages (a call without its result): .ids
    │   ├── DefinitionChanged       the agent is not the one that wrote the log
    │   ├── UnknownQuestion         this run has no question with that id
    │   ├── AlreadyAnswered         someone answered it already: .by
    │   ├── AnswerInvalid           the answer does not fit the question
    │   ├── RunEnded                the run is over, so nothing waits for the answer
    │   ├── UnknownRun              the journal or the server has no run with that id
    │   ├── LogNotKept              the run's log was not kept, so it cannot be resumed
    │   └── LoopMisuse              a blocking call inside a running event loop, or async code outside one
    ├── ProviderError               theirs: .provider .status .request_id
    │   ├── InvalidRequest          400, 413, 422: the provider refused what was sent
    │   │   └── ContextTooLong      the conversation does not fit the model
    │   ├── AuthenticationFailed    401
    │   ├── PermissionDenied        403
    │   ├── QuotaExhausted          402, or a 429 that waiting will not fix
    │   ├── ModelNotFound           404
    │   ├── RateLimited             429                    retryable, .retry_after in seconds
    │   ├── Overloaded              503, 529, in-band      retryable
    │   ├── ServerError             other 5xx, 408, 409    retryable
    │   └── MalformedResponse       the bytes are not what the API promises
    ├── ConnectionFailed            the network: DNS, route, TLS, refused; retryable
    │   └── IncompleteStream        it stopped before its end marker; retryable
    ├── JournalUnavailable          the journal's store does not answer; retryable
    ├── TimedOut                    a timeout expired: .clock .seconds
    │   ├── ConnectTimeout, FirstTokenTimeout, IdleTimeout, StepTimeout    retryable
    │   └── RunTimeout, ToolTimeout
    ├── LimitExceeded               a limit was exceeded: .limit .size
    │   ├── MaxStepsReached         the agent loop ran too many steps
    │   ├── MaxHandoffsReached      too many handoffs
    │   └── MaxDepthReached         runs are nested too deeply
    ├── ModelMisbehaved             the model: its output cannot be used
    │   ├── OutputInvalid           the answer does not match the output type
    │   └── ToolCallInvalid         it kept calling tools with invalid arguments
    ├── ToolFailed                  a tool ended the run
    ├── Declined                    a person did not answer a tool's question
    ├── Parked                      the run was parked; resume it from .log
    │   └── ApprovalNeeded          it waits for approval and nobody is there to answer: .pending
    ├── RunLost                     another process drives the run now
    ├── CrashLoop                   processes died one after another while they drove the run
    └── Cancelled                raised only where a cancelled run cannot report it otherwise

This file owns the exceptions and their wording; it must never format a request, a header or a key into a message.
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
    "CrashLoop",
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
    "JournalMismatch",
    "JournalUnavailable",
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
    "RunLost",
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
    "UnknownRun",
    "UnsupportedSetting",
    "UsageError",
)


class HeadwaterError(Exception):
    """Base class of all errors of this library.

    Catch it where you handle every failure in the same way. `str(error)` is the message and the hint.
    """

    message: str
    """What happened."""
    hint: str
    """What to do about it; empty where only the provider knows."""
    response: Any
    """The answer up to the error, as a partial `Response`; None if nothing had started."""
    retryable: bool = False
    """Whether sending the same request again may succeed."""

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
    """Returns an error with these attributes without calling its constructor: from a pickle or from a log."""
    error = kind.__new__(kind, state.get("message", ""))
    error.__dict__.update(state)
    return error


class UsageError(HeadwaterError):
    """The program has a mistake.

    Fix the program; trying again does not help.
    """


class ConfigurationError(UsageError):
    """A setting, a name or a combination of settings cannot work.

    The hint says what to write instead.
    """


class ModelNotNamed(ConfigurationError):
    """No model was named anywhere.

    Pass `model=`, or set the variable `HEADWATER_MODEL`.
    """


class UnknownModel(ConfigurationError):
    """The name matches no known provider.

    Write the provider before the model, as in `openai/gpt-5.4`; for a server of your own pass `base_url=`.
    """


class MissingKey(ConfigurationError):
    """The provider needs a key and none was found.

    Set the provider's variable, or pass `api_key=`. A local server needs no key.
    """


class UnsupportedSetting(ConfigurationError):
    """The provider does not support this setting; nothing was sent.

    Leave the setting out, correct its name, or choose a provider that supports it. Settings are never dropped silently.
    """


class InvalidTool(ConfigurationError):
    """The function cannot be used as a tool.

    It is raised when the agent is created, before any run. Change the function as the hint says.
    """


class JournalMismatch(ConfigurationError):
    """Another version of headwater set up the journal, and this version cannot use it.

    Run `headwater journal upgrade URL` if the journal is older; upgrade headwater if the journal is newer.
    """


class InvalidRecord(UsageError):
    """The data to read or write is not a valid event, message, thread or Response.

    Check the program that wrote it, and look for a truncated line.
    """


class ThreadBusy(UsageError):
    """A conversation takes one run at a time.

    Wait for the first run, or give each conversation a `Thread` of its own.
    """


class HistoryInvalid(UsageError):
    """The message history holds a call without its result, or a result without its call.

    Start the next input with the results of the calls that the client runs. A view must keep each call with its result.
    """

    ids: tuple[str, ...]
    """The ids of those calls."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint, response=response)
        self.ids = tuple(ids)


class DefinitionChanged(UsageError):
    """The agent or workflow that resumes a log is declared differently from the one that wrote it.

    Use the declaration that wrote it, or `resume(log, on_changed="warn")`: the current declaration then applies from
    there on.
    """


class UnknownQuestion(UsageError):
    """This run has no question with that id.

    `stream.pending` lists the open questions with their ids.
    """


class AlreadyAnswered(UsageError):
    """The question was answered before, and that answer stands.

    Show who answered; there is nothing else to do.
    """

    by: str
    """Who answered, if known."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, by: str = "") -> None:
        super().__init__(message, hint=hint, response=response)
        self.by = by


class AnswerInvalid(UsageError):
    """The answer does not fit the question: arguments that the tool does not accept, or content of another type.

    Nothing was recorded: the question is still open, so ask the person again.
    """


class RunEnded(UsageError):
    """The run that asked is over, and nothing waits for the answer any more.

    Its question is void; start another run.
    """


class UnknownRun(UsageError):
    """The journal or the server has no run with that id.

    Check the id, and that the journal is the one that the run was started with. A server without a journal keeps a run
    for five minutes after its end, and loses its runs when it is restarted.
    """


class LogNotKept(UsageError):
    """The run's events were not kept, so it cannot be parked and resumed.

    Give the agent or the run `keep_log=True`. Events are always kept if a tool may ask people.
    """


class LoopMisuse(UsageError):
    """A blocking call was made inside a running event loop, or async code ran outside one.

    In async code write `await agent.run(…)` and `async for`; in sync code `agent.run(…)` and `for`.
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
    """The provider's own error code."""
    request_id: str | None
    """The id to quote to the provider's support."""
    retry_after: float | None
    """Seconds that the provider asked to wait; None if it did not say."""

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
    """The provider rejected the request (400, 413, 422).

    Read the provider's message; it names the setting or the part that it does not accept.
    """


class ContextTooLong(InvalidRequest):
    """The conversation does not fit the model.

    Drop old messages from `history=`, start a new thread, or use a model with a larger context.
    """


class AuthenticationFailed(ProviderError):
    """The provider rejected the key (401).

    Check that the key is complete, current and for this provider. The key itself never appears in a message.
    """


class PermissionDenied(ProviderError):
    """The key is valid but not allowed to do this (403).

    Ask the account's owner for access, or use another model.
    """


class QuotaExhausted(ProviderError):
    """Out of credit or quota (402, or a 429 that waiting will not fix).

    Check the account's plan and billing; trying again does not help.
    """


class ModelNotFound(ProviderError):
    """The provider has no such model or address (404).

    Check the spelling of the model and the base URL.
    """


class RateLimited(ProviderError):
    """Too many requests (429).

    The request was retried already. Run fewer at once, wait, or set a `fallback=`.
    """

    retryable = True


class Overloaded(ProviderError):
    """The provider has no capacity now (503, 529, or an error inside the stream).

    The request was retried already. Try later, or set a `fallback=` to another provider.
    """

    retryable = True


class ServerError(ProviderError):
    """The provider failed (5xx, 408, 409, or an error inside the stream).

    The request was retried already. Try later, or set a `fallback=`; check the provider's status page.
    """

    retryable = True


class MalformedResponse(ProviderError):
    """The response is not what the API promises.

    Check that the base URL is that of an API, not of a web page, and that it is this API.
    """


class ConnectionFailed(HeadwaterError):
    """The connection failed or broke: DNS, route, TLS, refused, reset.

    Check the network, the base URL and the proxy; `headwater doctor` checks them one by one.
    """

    retryable = True


class IncompleteStream(ConnectionFailed):
    """The stream stopped before the marker that ends every answer of its API.

    Run again, or set `on_interrupted="restart"`. An incomplete answer is never presented as complete.
    """


class JournalUnavailable(HeadwaterError):
    """The journal's store does not answer: it is unreachable, full or locked.

    The last write may or may not have been stored. Try again; runs wait meanwhile and lose nothing.
    """

    retryable = True


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

    Answer with `agent.resume(error.log, approvals={id: True})`, or give the run an `approver`.
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
