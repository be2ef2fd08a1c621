"""The model of scaling: it adds up what it is told, and says what is used up first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.scale import ASSUMED, Times, fitted, need, streams_within

TIMES = Times(
    worker_token=100e-6,
    database_append=200e-6,
    database_token=20e-6,
    commit=4e-3,
    row=1e-4,
    log=300,
    due=1e-3,
    beat=1e-3,
    poll=1e-3,
    submit=5e-3,
    run=10e-3,
)


def test_two_loads_give_the_cost_of_an_append_and_of_a_token() -> None:
    def load(appends: float, tokens: float) -> tuple[float, float, float]:
        return appends, tokens, appends * 3e-4 + tokens * 2e-5

    assert fitted(load(50, 50), load(400, 5000)) == pytest.approx((3e-4, 2e-5))
    assert fitted((10, 10, 1.0), (10, 10, 1.0)) == (0.0, 0.1), "one load does not tell them apart"
    assert fitted((10, 100, 1.0), (100, 1000, 1.0)) == (0.0, 1e-3), "noise is no negative cost"


def test_a_busy_process_appends_less_often_for_each_token() -> None:
    quiet, busy = need(TIMES, 1, 1), need(TIMES, 100, 1)
    assert quiet.appends == 50
    takes = (TIMES.commit - TIMES.row) / (1 - 5000 * TIMES.row)  # an append of what gathers meanwhile
    assert busy.appends == pytest.approx(1 / takes)
    assert busy.database_cores < 100 * quiet.database_cores
    assert TIMES.commit < quiet.lag < busy.lag == pytest.approx(1.5 * takes)
    assert need(TIMES, 200, 1).busy == 1, "it never keeps up with more"


def test_the_lag_grows_steadily() -> None:
    lags = [need(TIMES, streams / 10, 1).lag for streams in range(1, 1500)]
    assert lags == sorted(lags)


def test_what_is_not_a_token_counts_too() -> None:
    plain = need(TIMES, 10, 4)
    more = need(TIMES, 10, 4, followed=2, runs=50)
    assert more.database_cores - plain.database_cores == pytest.approx(2 * 40 * 1e-3 + 50 * 5e-3)
    assert more.worker_cores - plain.worker_cores == pytest.approx(50 * 10e-3)
    assert more.connections - plain.connections == 8


def test_more_machines_drive_more_until_the_database_is_full() -> None:
    sizes = [streams_within(TIMES, ASSUMED, machines) for machines in (1, 2, 10)]
    assert sizes == sorted(sizes)
    assert need(TIMES, sizes[0] * 1.01, ASSUMED.cores).first(ASSUMED, 1)[0] == "the workers' CPU"
    slow = replace(TIMES, database_token=1e-3)
    full = streams_within(slow, ASSUMED, 10)
    assert need(slow, full * 1.01, 10 * ASSUMED.cores).first(ASSUMED, 10)[0] == "the database's CPU"
    assert full < streams_within(slow, ASSUMED, 10, database=False)
