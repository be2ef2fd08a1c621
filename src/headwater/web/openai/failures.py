"""Reports a run that did not finish to OpenAI clients: an error in their format, and its HTTP status.

Owns the status and code of each error. An agent's error is a server error. A bare model's error keeps the provider's
status, by which clients decide whether to retry. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import Any, Final

from headwater.events import ErrorInfo, Event, RunCancelled, RunFailed
from headwater.events.questions import Question

__all__ = ("CANCELLED", "failure", "failure_headers", "kind_of", "model_failure", "status_of", "unanswered")

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
"""The status of an error that has none from the provider; 500 for others."""

_CODES: Final = {
    "RateLimited": "rate_limit_exceeded",
    "QuotaExhausted": "insufficient_quota",
    "ContextTooLong": "context_length_exceeded",
    "ModelNotFound": "model_not_found",
    "AuthenticationFailed": "invalid_api_key",
}
"""OpenAI's error codes that clients know; the error's class for others."""


def kind_of(status: int) -> str:
    """Returns OpenAI's error type for the status."""
    return "server_error" if status >= 500 else _TYPES.get(status, "invalid_request_error")


def failure(end: Event | None) -> dict[str, Any]:
    """Returns the error for an agent's run that did not finish."""
    if isinstance(end, RunFailed):
        message, code = end.error.message, end.error.type
    else:
        by = end.by if isinstance(end, RunCancelled) else "nobody"
        message, code = f"The run was cancelled ({by}).", CANCELLED
    return {"error": {"message": message, "type": "server_error", "param": None, "code": code}}


def unanswered(run: str, questions: Iterable[Question]) -> dict[str, Any]:
    """Returns the error for a run that waits for people: these APIs have no way to ask the client."""
    waits = ", ".join(f"{one.tool} ({one.id})" for one in questions)
    message = (
        f"The run {run} waits for people, but nobody is there to answer: {waits}. It goes on waiting: answer on the"
        f" server's page, or with POST /runs/{run}/approve or /answer, then read GET /runs/{run}."
    )
    return {"error": {"message": message, "type": kind_of(422), "param": None, "code": "approval_needed"}}


def model_failure(end: Event | None) -> dict[str, Any]:
    """Returns the error for a model request that did not finish, with the provider's message and a hint."""
    if not isinstance(end, RunFailed):
        return failure(end)
    error = end.error
    message = f"{error.message} {error.hint}".strip()
    told = {"message": message, "type": kind_of(status_of(error)), "param": None}
    return {"error": {**told, "code": _CODES.get(error.type, error.type)}}


def status_of(error: ErrorInfo) -> int:
    """Returns the provider's status if it is an error status, else the one for the error's class."""
    if error.status is not None and 400 <= error.status < 600:
        return error.status
    return _STATUS.get(error.type, 500)


def failure_headers(error: ErrorInfo) -> dict[str, str]:
    """Returns the headers of an error: when to retry, in whole seconds."""
    return {} if error.retry_after is None else {"retry-after": str(max(0, ceil(error.retry_after)))}
