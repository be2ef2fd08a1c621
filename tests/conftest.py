"""What holds for every test: a small heap, a Ctrl-C that is heard, no pauses left over, and what a skip is."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from headwater.backends import rate_limits
from tests.support import bodies

NOTHING_SKIPPED = os.environ.get("HEADWATER_NO_SKIPS", "") == "1"
"""A check that did not run proves nothing: where `.ci/run` decides, a skip is a failure. Elsewhere a machine without
Node or without the recordings tests what it can, and its user is told what was not."""


def pytest_configure() -> None:
    """Hear SIGINT even where the shell that started the tests ignores it, as a runner's background jobs do.

    Programs inherit that from us, and Python then never raises KeyboardInterrupt: what is tested here with Ctrl-C would
    wait for ever. A handler of ours is none of theirs: a program that we start has the default one.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["HEADWATER_HISTORY"] = "off"  # no command that a test runs keeps anything in its user's own folder
    if folder := os.environ.get(bodies.VARIABLE):
        bodies.keep_bodies(Path(folder))


def pytest_collection_finish() -> None:
    """Take what was there before the tests out of the garbage collector's sight.

    Thousands of collected tests and read recordings make half a million objects, and each full collection walks all of
    them: that was most of the suite's time. Nothing of it is what a test looks for: garbage is made later.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def small_heap() -> None:
    """For a test that collects garbage over and over: what the tests before it left is out of sight too."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_pauses() -> None:
    """A provider's "retry after" counts for the whole process: one test's must not be another one's wait."""
    rate_limits._pauses.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skipped test into a failed one."""
    report = yield
    if NOTHING_SKIPPED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"Skipped where nothing may be: {_reason(report.longrepr)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself."""
    report = yield
    if NOTHING_SKIPPED and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"Skipped where nothing may be: {_reason(report.longrepr)}"
    return report


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
