from __future__ import annotations

import pytest

from headwater import errors
from headwater.errors import HeadwaterError, UsageError, usage


@pytest.mark.parametrize("name", usage.__all__)
def test_trying_again_does_not_help_a_program(name: str) -> None:
    kind: type[HeadwaterError] = getattr(errors, name)
    assert issubclass(kind, UsageError)
    assert not kind.retryable


def test_the_calls_without_a_result_are_named() -> None:
    assert errors.HistoryInvalid("Bad.", ids=("a", "b")).ids == ("a", "b")
    assert errors.HistoryInvalid("Bad.").ids == ()


def test_who_answered_is_named() -> None:
    assert errors.AlreadyAnswered("Too late.", by="ann").by == "ann"
