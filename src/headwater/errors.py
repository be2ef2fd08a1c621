"""Every exception headwater raises, as one tree split by whose fault it is and whether trying again is sane.

    HeadwaterError                  .message .hint .response (what had been said) .retryable
    ├── UsageError                  yours: the program has to change
    │   ├── ConfigurationError      a setting, a name or a combination that cannot work
    │   │   ├── ModelNotNamed       no model was named anywhere
    │   │   ├── UnknownModel        the name leads to no provider we know
    │   │   ├── MissingKey          the provider wants a key and none was found
    │   │   ├── UnsupportedSetting  the provider cannot honour this setting
    │   │   └── InvalidTool         a function that cannot be offered as a tool
    │   ├── InvalidRecord           what was to be read is no event, message or Response of ours
    │   ├── ThreadBusy              one conversation, two runs at once
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
    └── Cancelled                raised only where a cancelled run has no other way to answer

This file owns the exceptions and how they are worded; it must never format a request, a header or a key into a message.
"""

from __future__ import annotations

from typing import Any

__all__ = (
    "AuthenticationFailed",
    "Cancelled",
    "ConfigurationError",
    "ConnectTimeout",
    "ConnectionFailed",
    "ContextTooLong",
    "FirstTokenTimeout",
    "HeadwaterError",
    "IdleTimeout",
    "IncompleteStream",
    "InvalidRecord",
    "InvalidRequest",
    "InvalidTool",
    "LimitExceeded",
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
    "PermissionDenied",
    "ProviderError",
    "QuotaExhausted",
    "RateLimited",
    "RunTimeout",
    "ServerError",
    "StepTimeout",
    "ThreadBusy",
    "TimedOut",
    "ToolCallInvalid",
    "ToolFailed",
    "ToolTimeout",
    "UnknownModel",
    "UnsupportedSetting",
    "UsageError",
)


class HeadwaterError(Exception):
    """What every error of this library is.

    `message` says what happened, `hint` what to do about it, `response` is the partial `Response` of the run that
    ended here (None where nothing had begun), `retryable` whether the same request may succeed when sent again.
    """

    retryable: bool = False

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
    """The calling program has to change."""


class ConfigurationError(UsageError):
    """A setting, a name or a combination of them that cannot work."""


class ModelNotNamed(ConfigurationError):
    """No model was named anywhere."""


class UnknownModel(ConfigurationError):
    """The name leads to no provider we know."""


class MissingKey(ConfigurationError):
    """The provider wants a key and none was found."""


class UnsupportedSetting(ConfigurationError):
    """The provider cannot honour this setting; nothing was sent."""


class InvalidTool(ConfigurationError):
    """A function that cannot be offered as a tool."""


class InvalidRecord(UsageError):
    """What was to be read or written is no event, message or Response as JSON has them."""


class ThreadBusy(UsageError):
    """A conversation takes one run at a time."""


class LoopMisuse(UsageError):
    """The plain face was used inside a running event loop, or the async face outside one."""


class ProviderError(HeadwaterError):
    """The provider refused or failed.

    `status` is the HTTP status (None for an error inside a stream), `code` the provider's own word,
    `request_id` what to quote to its support.
    """

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
    """The provider would not take what was sent (400, 413, 422)."""


class ContextTooLong(InvalidRequest):
    """The conversation does not fit the model."""


class AuthenticationFailed(ProviderError):
    """The key was not accepted (401)."""


class PermissionDenied(ProviderError):
    """The key is known and may not do this (403)."""


class QuotaExhausted(ProviderError):
    """Out of credit or quota (402, or a 429 that waiting will not mend)."""


class ModelNotFound(ProviderError):
    """The provider has no such model or address (404)."""


class RateLimited(ProviderError):
    """Too many requests (429); `retry_after` is in seconds where the provider said."""

    retryable = True


class Overloaded(ProviderError):
    """The provider has no capacity now (503, 529, or said so inside the stream)."""

    retryable = True


class ServerError(ProviderError):
    """The provider failed (5xx, 408, 409, or said so inside the stream)."""

    retryable = True


class MalformedResponse(ProviderError):
    """The bytes that came are not what the API promises."""


class ConnectionFailed(HeadwaterError):
    """No connection, or it broke: name, route, TLS, refused, reset."""

    retryable = True


class IncompleteStream(ConnectionFailed):
    """The stream stopped before its API's end marker; `response` holds what had come."""


class TimedOut(HeadwaterError):
    """A clock ran out: `clock` names it, `seconds` is what it was set to."""

    def __init__(
        self, message: str, *, hint: str = "", response: Any = None, clock: str = "", seconds: float = 0.0
    ) -> None:
        super().__init__(message, hint=hint, response=response)
        self.clock = clock
        self.seconds = seconds


class ConnectTimeout(TimedOut):
    """No connection within `timeouts.connect`."""

    retryable = True


class FirstTokenTimeout(TimedOut):
    """Nothing of the answer within `timeouts.first_token`."""

    retryable = True


class IdleTimeout(TimedOut):
    """The answer stood still for `timeouts.idle`."""

    retryable = True


class StepTimeout(TimedOut):
    """One model request took longer than `timeouts.step`."""

    retryable = True


class RunTimeout(TimedOut):
    """The whole run took longer than `timeouts.run`."""


class ToolTimeout(TimedOut):
    """A tool took longer than its own timeout or `timeouts.tool`."""


class LimitExceeded(HeadwaterError):
    """A bound was passed: `limit` names the setting, `size` is its value."""

    def __init__(self, message: str, *, hint: str = "", response: Any = None, limit: str = "", size: int = 0) -> None:
        super().__init__(message, hint=hint, response=response)
        self.limit = limit
        self.size = size


class MaxStepsReached(LimitExceeded):
    """The model asked for tools more often than `max_steps` allows."""


class MaxHandoffsReached(LimitExceeded):
    """Agents handed the conversation over more often than is allowed."""


class MaxDepthReached(LimitExceeded):
    """Too many runs stand inside each other."""


class ModelMisbehaved(HeadwaterError):
    """What the model wrote cannot be used."""


class OutputInvalid(ModelMisbehaved):
    """The answer is not the output type asked for, also after it was sent back."""


class ToolCallInvalid(ModelMisbehaved):
    """The model kept calling tools with arguments that do not fit."""


class ToolFailed(HeadwaterError):
    """Raised by a tool to end the run; any other exception goes back to the model as the tool's result."""


class Cancelled(HeadwaterError):
    """The run was cancelled and there is no other way to say so; `response` is the partial."""
