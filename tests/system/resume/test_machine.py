"""The state machine of people in a run, for a bounded time; HEADWATER_RESUME_EXAMPLES asks for more of it."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.effort import tries
from tests.system.resume.machine import PeopleMachine

EXAMPLES = int(os.environ.get("HEADWATER_RESUME_EXAMPLES", "0"))


@pytest.mark.long
@pytest.mark.timeout(2400)  # minutes where much is asked for
def test_nothing_is_lost_whatever_people_do() -> None:
    run_state_machine_as_test(
        PeopleMachine,
        settings=settings(
            max_examples=EXAMPLES or tries(5, 150),
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
