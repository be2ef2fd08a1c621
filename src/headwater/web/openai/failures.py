"""How a run that did not finish is told to OpenAI's clients: an error in their form, and the status that goes with it.

Owns which status and which word an error has. An agent's error is the server's own; a bare model's is told with the
status of its provider, for whoever asked decides by that whether to try again. Pure.
"""

from __future__ import annotations

from math import ceil
from typing import Any, Final

from headwater.events import ErrorInfo, Event, RunCancelled, RunFailed

__all__ = ("CANCELLED", "failure", "failure_headers", "kind_of", "model_failure", "status_of")

CANCELLED: Final = "cancelled"

_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

_STATUS: Final = {
    "RateLimited": 429,
    "QuotaExhausted": 429,
    "Overloaded": 503,
    "LimitExceeded": 502,
    "MalformedResponse": 502,
    "ConnectionFailed": 502,
    "IncompleteStream": 502,
    "ConnectTimeout": 504,
    "FirstTokenTimeout": 504,
    "IdleTimeout": 504,
    "StepTimeout": 504,
    "RunTimeout": 504,
    "ConfigurationError": 400,
    "UnsupportedSetting": 400,
    "InvalidRequest": 400,
    "InvalidTool": 400,
    "HistoryInvalid": 400,
    "ContextTooLong": 400,
    "ModelNotFound": 404,
}
"""The status of an error that the provider told without one, or that is none of its; else 500."""

_CODES: Final = {
    "RateLimited": "rate_limit_exceeded",
    "QuotaExhausted": "insufficient_quota",
    "ContextTooLong": "context_length_exceeded",
    "ModelNotFound": "model_not_found",
    "AuthenticationFailed": "invalid_api_key",
}
"""OpenAI's own words, where there is one that clients know; else the error's class."""


def kind_of(status: int) -> str:
    """OpenAI's type of an error of that status."""
    return "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")


def failure(end: Event | None) -> dict[str, Any]:
    """How an agent's run that did not finish is told."""
    if isinstance(end, RunFailed):
        message, code = end.error.message, end.error.type
    else:
        by = end.by if isinstance(end, RunCancelled) else "nobody"
        message, code = f"The run was cancelled ({by}).", CANCELLED
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def model_failure(end: Event | None) -> dict[str, Any]:
    """How a model's request that did not finish is told: in its provider's words, with what can be done."""
    if not isinstance(end, RunFailed):
        return failure(end)
    error = end.error
    message = f"{error.message} {error.hint}".strip()
    told = {"message": message, "type": kind_of(status_of(error)), "param": None}
    return {"error": {**told, "code": _CODES.get(error.type, error.type)}}


def status_of(error: ErrorInfo) -> int:
    """The provider's own status, where it is an error's; else the one that fits."""
    if error.status is not None and 400 <= error.status < 600:
        return error.status
    return _STATUS.get(error.type, 500)


def failure_headers(error: ErrorInfo) -> dict[str, str]:
    """What is said of an error in headers: when to come back, in whole seconds."""
    return {} if error.retry_after is None else {"retry-after": str(max(0, ceil(error.retry_after)))}
