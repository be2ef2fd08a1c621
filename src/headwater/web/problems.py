"""Request errors: an exception with a status and a code, which each wire formats in its own way.

Values only: this module never decides when to raise a problem, and never sends one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

__all__ = ("STATUS", "Problem", "no_agent")

STATUS: Final[dict[str, int]] = {
    "bad_request": 400,
    "bad_json": 400,
    "bad_position": 400,
    "unauthorized": 401,
    "bad_origin": 403,
    "not_found": 404,
    "unknown_agent": 404,
    "unknown_run": 404,
    "unknown_question": 404,
    "method_not_allowed": 405,
    "too_slow": 408,
    "run_ended": 409,
    "thread_busy": 409,
    "answered": 409,
    "too_large": 413,
    "not_json": 415,
    "bad_host": 421,
    "too_many_runs": 429,
    "internal": 500,
    "not_configured": 500,
    "not_stored": 503,
    "shutting_down": 503,
    "too_many_readers": 503,
}
"""The HTTP status of each code."""


class Problem(Exception):
    """A rejected request. `param` is the name of the invalid field; `retry_after` is in seconds."""

    def __init__(
        self, code: str, message: str, *, hint: str = "", param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status: int = STATUS[code]
        self.message = message
        self.hint = hint
        self.param = param
        self.retry_after = retry_after

    @property
    def closes(self) -> bool:
        """Whether the connection cannot be reused, because the body was not read completely."""
        return self.code in ("too_large", "too_slow")

    def body(self) -> dict[str, dict[str, str]]:
        """Returns the problem in the format of the native routes."""
        error = {"code": self.code, "message": self.message}
        return {"error": {**error, "hint": self.hint} if self.hint else error}


def no_agent(message: str, name: str, known: Collection[str], *, param: str) -> Problem:
    """The problem of a name that none of the agents has, with the one that may be meant."""
    import difflib

    near = difflib.get_close_matches(name, known, 1)
    hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(known)}." if known else ""
    return Problem("unknown_agent", message, hint=hint, param=param)
