from __future__ import annotations

import pytest

from headwater import errors
from headwater.errors import ConnectionFailed, HeadwaterError, ProviderError, provider


@pytest.mark.parametrize("name", provider.__all__)
def test_each_is_of_the_provider_or_of_the_connection(name: str) -> None:
    kind: type[HeadwaterError] = getattr(errors, name)
    assert issubclass(kind, (ProviderError, ConnectionFailed))


def test_what_passes_is_retryable() -> None:
    retryable = {name for name in provider.__all__ if getattr(errors, name).retryable}
    assert retryable == {"ConnectionFailed", "IncompleteStream", "Overloaded", "RateLimited", "ServerError"}


def test_rate_limited_has_retry_after() -> None:
    error = errors.RateLimited("Slow down.", provider="openai", status=429, retry_after=2.0)
    assert (error.retry_after, error.status, error.retryable) == (2.0, 429, True)
    assert isinstance(error, errors.ProviderError)
