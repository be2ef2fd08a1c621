"""Refusals in both bindings, held against the official package's own tables."""

from __future__ import annotations

from a2a.utils.errors import A2A_ERROR_MAPPING, JSON_RPC_ERROR_CODE_MAP

from headwater.web.a2a.failures import KINDS, Refused, http_error, kind_of, rpc_error
from headwater.web.problems import Problem


def test_the_kinds_are_the_protocols_own() -> None:
    codes = {code: kind for kind, code in JSON_RPC_ERROR_CODE_MAP.items()}
    for kind in KINDS.values():
        error = codes[kind.code]
        if error in A2A_ERROR_MAPPING:
            assert (kind.status, kind.name, kind.reason) == tuple(A2A_ERROR_MAPPING[error])[:3]


def test_a_rejection_is_reported_in_both_bindings() -> None:
    refused = Refused("no_push", "There are none.", hint="Stream.")
    error = rpc_error(refused, 7)
    assert (error["id"], error["error"]["code"], error["error"]["message"]) == (7, -32003, "There are none. Stream.")
    told = http_error(refused)["error"]
    assert (told["code"], told["status"]) == (400, "FAILED_PRECONDITION")
    assert told["details"] == error["error"]["data"]
    assert told["details"][0]["reason"] == "PUSH_NOTIFICATION_NOT_SUPPORTED"


def test_a_problem_of_a_run_has_a_kind_and_one_of_http_none() -> None:
    assert kind_of(Problem("unknown_run", "x")) == KINDS["task_not_found"]
    full = Problem("too_many_runs", "x")
    assert kind_of(full) is None
    assert (rpc_error(full, None)["error"]["code"], http_error(full)["error"]) == (
        -32600,
        {"code": 429, "message": "x"},
    )
    assert rpc_error(Problem("internal", "x"), None)["error"]["code"] == -32603
