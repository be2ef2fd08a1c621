"""How long a run is kept: what is written, and which rule counts."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.errors import ConfigurationError
from headwater.journal.retention import Retention, seconds_of
from headwater.journal.run_log import Request


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30d", 2_592_000.0),
        ("1.5h", 5400.0),
        (" 90 m", 5400.0),
        ("45s", 45.0),
        ("2w", 1_209_600.0),
        (7, 7.0),
        (None, None),
    ],
)
def test_a_duration_is_seconds(written: Any, seconds: float | None) -> None:
    assert seconds_of(written) == seconds


@pytest.mark.parametrize(
    "wrong",
    ["", "30", "d", "-1d", "1y", "30 days", -1, float("nan"), float("inf"), True, [], "1d2h", "999999999d", 1e13],
)
def test_anything_else_is_refused_and_says_what_to_write(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="not a duration"):
        seconds_of(wrong)


@pytest.mark.parametrize(
    ("request_", "seconds"),
    [
        (Request(agent="other"), 30.0),
        (Request(agent="helper"), 5.0),
        (Request(agent="kept"), None),
        (Request(agent="helper", labels={"team": "red"}), 60.0),
        (Request(agent="helper", labels={"team": "blue"}), 5.0),
        (Request(agent="helper", labels={"team": "red", "audit": "yes"}), None),
        (Request(agent="helper", labels={"case": "17", "team": "red"}), 90.0),
        (Request(agent="helper", labels={"team": "red"}, keep=1.0), 1.0),
    ],
)
def test_a_label_counts_before_the_agent_and_the_agent_before_the_default(
    request_: Request, seconds: float | None
) -> None:
    rules = Retention(
        "30s", agents={"helper": "5s", "kept": None}, labels={"team=red": "1m", "audit": None, "case": "90s"}
    )
    assert rules.keep(request_) == seconds
    assert rules.applied(request_).keep == seconds
