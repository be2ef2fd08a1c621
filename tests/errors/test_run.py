from __future__ import annotations

import pytest

from headwater import errors
from headwater.errors import ConnectionFailed, HeadwaterError, ProviderError, UsageError, run


@pytest.mark.parametrize("name", run.__all__)
def test_none_is_of_the_program_or_of_the_provider(name: str) -> None:
    kind: type[HeadwaterError] = getattr(errors, name)
    assert issubclass(kind, HeadwaterError)
    assert not issubclass(kind, (UsageError, ProviderError, ConnectionFailed))


def test_a_timeout_names_its_clock() -> None:
    error = errors.IdleTimeout("It stalled.", clock="idle", seconds=60.0)
    assert (error.clock, error.seconds, error.retryable) == ("idle", 60.0, True)
    assert not errors.RunTimeout("Over.").retryable


def test_a_parked_run_has_its_log_and_what_it_waits_for() -> None:
    error = errors.ApprovalNeeded("It waits.", log=(1, 2), pending=(3,))
    assert isinstance(error, errors.Parked)
    assert (error.log, error.pending) == ((1, 2), (3,))
