from __future__ import annotations

from headwater.errors import HeadwaterError, RateLimited
from headwater.events import ErrorInfo


def test_an_error_tells_how_long_the_provider_asked_to_wait() -> None:
    told = ErrorInfo.of(RateLimited("busy", provider="groq", status=429, retry_after=7))
    assert (told.retry_after, told.status, told.retryable) == (7.0, 429, True)
    again = told.exception()
    assert isinstance(again, RateLimited)
    assert again.retry_after == 7.0
    assert ErrorInfo.of(ValueError("x")).retry_after is None


def test_an_exception_of_others_is_named_in_the_message() -> None:
    told = ErrorInfo(type="KeyError", message="'port'")
    again = told.exception()
    assert type(again) is HeadwaterError
    assert str(again) == "KeyError: 'port'"
    assert ErrorInfo.of(again) is told


def test_an_exception_whose_text_raises_is_named() -> None:
    class Bad(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert ErrorInfo.of(Bad()).message == "Bad"
