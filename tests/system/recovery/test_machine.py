"""The state machine of a run, for a bounded time; HEADWATER_RECOVERY_EXAMPLES asks for more of it, from chance."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.effort import tries
from tests.system.recovery.machine import RunMachine

pytestmark = pytest.mark.usefixtures("small_heap")  # it collects garbage again and again

EXAMPLES = int(os.environ.get("HEADWATER_RECOVERY_EXAMPLES", "0"))


@pytest.mark.long
@pytest.mark.timeout(1200)  # minutes where much is asked for
def test_a_run_is_consistent_whatever_happens() -> None:
    run_state_machine_as_test(
        RunMachine,
        settings=settings(
            max_examples=EXAMPLES or tries(10, 200),
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        ),
    )
