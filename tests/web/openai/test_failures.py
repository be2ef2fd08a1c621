from __future__ import annotations

import pytest

from headwater.events import ErrorInfo, RunCancelled, RunFailed
from headwater.web.openai.failures import failure, failure_headers, kind_of, model_failure, status_of

BUSY = ErrorInfo(type="RateLimited", message="groq: busy.", hint="Wait.", status=429, retryable=True, retry_after=1.2)


def test_an_agents_failure_is_the_servers() -> None:
    told = failure(RunFailed(error=BUSY))["error"]
    assert told == {"message": "groq: busy.", "type": "server_error", "param": None, "code": "RateLimited"}
    assert failure(RunCancelled(by="left"))["error"]["code"] == "cancelled"
    assert failure(None)["error"]["message"] == "The run was cancelled (nobody)."


def test_a_models_failure_has_its_providers_status_and_openais_words() -> None:
    told = model_failure(RunFailed(error=BUSY))["error"]
    assert told == {
        "message": "groq: busy. Wait.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert failure_headers(BUSY) == {"retry-after": "2"}
    assert model_failure(RunCancelled(by="left")) == failure(RunCancelled(by="left"))


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ErrorInfo(type="AuthenticationFailed", message="", status=401), 401, "authentication_error"),
        (ErrorInfo(type="ServerError", message="", status=529), 529, "server_error"),
        (ErrorInfo(type="ProviderError", message="", status=302), 500, "server_error"),
        (ErrorInfo(type="Overloaded", message=""), 503, "server_error"),
        (ErrorInfo(type="IncompleteStream", message=""), 502, "server_error"),
        (ErrorInfo(type="FirstTokenTimeout", message=""), 504, "server_error"),
        (ErrorInfo(type="UnsupportedSetting", message=""), 400, "invalid_request_error"),
        (ErrorInfo(type="ValueError", message=""), 500, "server_error"),
    ],
)
def test_each_error_has_a_status(error: ErrorInfo, status: int, kind: str) -> None:
    assert (status_of(error), kind_of(status_of(error))) == (status, kind)
    assert failure_headers(error) == {}
