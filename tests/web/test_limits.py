from __future__ import annotations

from typing import Any

import msgspec
import pytest

from headwater.errors import ConfigurationError
from headwater.web.limits import Limits


def test_the_defaults_are_what_the_constants_say() -> None:
    limits = Limits()
    assert (limits.body_bytes, limits.runs, limits.readers, limits.threads) == (4_000_000, 100, 1_000, 1_000)
    assert (limits.log_bytes, limits.ended_bytes, limits.work_seconds) == (8_000_000, 256_000_000, 3600)


@pytest.mark.parametrize("name", Limits.__struct_fields__)
@pytest.mark.parametrize("value", [-1, True, "many", None, float("nan")])
def test_an_invalid_limit_is_rejected(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["ended_seconds", "ended_runs", "ended_bytes", "grace_seconds"])
def test_a_limit_of_zero_keeps_no_ended_runs(name: str) -> None:
    assert getattr(Limits(**{name: 0}), name) == 0


@pytest.mark.parametrize("name", ["runs", "readers", "log_bytes", "work_seconds", "stall_seconds"])
def test_a_server_that_accepts_no_runs_is_rejected(name: str) -> None:
    with pytest.raises(ConfigurationError):
        Limits(**{name: 0})


def test_limits_are_a_value() -> None:
    with pytest.raises(AttributeError):
        Limits().runs = 5  # type: ignore[misc]
    assert msgspec.structs.replace(Limits(), runs=5) == Limits(runs=5)
