"""What is refused, in A2A's words: a code of JSON-RPC, and a status and a reason of HTTP+JSON. Pure."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from headwater.web.problems import Problem

__all__ = ("Kind", "Refused", "http_error", "kind_of", "no_push", "rpc_error")


class Kind(NamedTuple):
    """A way of refusing, in both bindings."""

    code: int
    status: int
    name: str
    reason: str


KINDS: Final = {
    "task_not_found": Kind(-32001, 404, "NOT_FOUND", "TASK_NOT_FOUND"),
    "not_cancelable": Kind(-32002, 400, "FAILED_PRECONDITION", "TASK_NOT_CANCELABLE"),
    "no_push": Kind(-32003, 400, "FAILED_PRECONDITION", "PUSH_NOTIFICATION_NOT_SUPPORTED"),
    "unsupported": Kind(-32004, 400, "FAILED_PRECONDITION", "UNSUPPORTED_OPERATION"),
    "content_type": Kind(-32005, 400, "INVALID_ARGUMENT", "CONTENT_TYPE_NOT_SUPPORTED"),
    "no_extended_card": Kind(-32007, 400, "FAILED_PRECONDITION", "EXTENDED_AGENT_CARD_NOT_CONFIGURED"),
    "version": Kind(-32009, 400, "FAILED_PRECONDITION", "VERSION_NOT_SUPPORTED"),
    "invalid_request": Kind(-32600, 400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
    "method": Kind(-32601, 404, "NOT_FOUND", "METHOD_NOT_FOUND"),
    "invalid_params": Kind(-32602, 400, "INVALID_ARGUMENT", "INVALID_PARAMS"),
    "internal": Kind(-32603, 500, "INTERNAL", "INTERNAL_ERROR"),
    "parse": Kind(-32700, 400, "INVALID_ARGUMENT", "INVALID_REQUEST"),
}

_OF_PROBLEMS: Final = {
    "bad_request": "invalid_params",
    "bad_position": "invalid_params",
    "bad_json": "parse",
    "unknown_run": "task_not_found",
    "unknown_question": "invalid_params",
    "run_ended": "unsupported",
    "thread_busy": "unsupported",
    "answered": "unsupported",
}


class Refused(Problem):
    """A request that A2A has a word of its own for."""

    def __init__(self, kind: str, message: str, *, hint: str = "") -> None:
        super().__init__("bad_request", message, hint=hint)
        self.kind: Kind = KINDS[kind]
        self.status: int = self.kind.status


def no_push() -> Refused:
    """Returns the refusal of push notifications."""
    hint = "Stream the task, or subscribe to it."
    return Refused("no_push", "This server sends no push notifications.", hint=hint)


def kind_of(problem: Problem) -> Kind | None:
    """The protocol's kind of a problem; None for one of HTTP's own, such as a missing token or a full server."""
    if isinstance(problem, Refused):
        return problem.kind
    kind = _OF_PROBLEMS.get(problem.code)
    return None if kind is None else KINDS[kind]


def _details(kind: Kind) -> list[dict[str, Any]]:
    known = {"reason": kind.reason, "domain": "a2a-protocol.org"}
    return [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **known}]


def rpc_error(problem: Problem, number: Any) -> dict[str, Any]:
    """A refusal as JSON-RPC has it."""
    kind = kind_of(problem)
    code = (
        (KINDS["internal"] if problem.status >= 500 else KINDS["invalid_request"]).code if kind is None else kind.code
    )
    error: dict[str, Any] = {"code": code, "message": f"{problem.message} {problem.hint}".strip()}
    if kind is not None:
        error["data"] = _details(kind)
    return {"jsonrpc": "2.0", "id": number, "error": error}


def http_error(problem: Problem) -> dict[str, Any]:
    """A refusal as HTTP+JSON has it."""
    kind = kind_of(problem)
    status = problem.status if kind is None else kind.status
    error: dict[str, Any] = {"code": status, "message": f"{problem.message} {problem.hint}".strip()}
    if kind is not None:
        error |= {"status": kind.name, "details": _details(kind)}
    return {"error": error}
