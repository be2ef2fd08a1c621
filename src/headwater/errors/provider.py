"""Errors of the provider and of the connection to it."""

from __future__ import annotations

from typing import Any

from headwater.errors.base import HeadwaterError

__all__ = (
    "AuthenticationFailed",
    "ConnectionFailed",
    "ContextTooLong",
    "IncompleteStream",
    "InvalidRequest",
    "MalformedResponse",
    "ModelNotFound",
    "Overloaded",
    "PermissionDenied",
    "ProviderError",
    "QuotaExhausted",
    "RateLimited",
    "ServerError",
)


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
