"""Setup for every test: a small heap, a working Ctrl-C, no leftover pauses or journals, and the meaning of a skip."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from headwater.backends import rate_limits
from tests.support import bodies, programs
from tests.support.effort import LONG

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.support.scheduling import UnitScheduling

NOTHING_SKIPPED = os.environ.get("HEADWATER_NO_SKIPS", "") == "1"
"""A check that did not run proves nothing: in `.ci/run`, a skip is a failure. Elsewhere a machine without Node or
without the recordings tests what it can, and reports what it skipped."""

settings.register_profile("headwater", deadline=None)  # a loaded machine is slow, which is no failure
settings.load_profile("headwater")


def pytest_configure() -> None:
    """Handles SIGINT even if the shell that started the tests ignores it, as for a runner's background jobs.

    Child programs inherit the ignored signal, and Python then never raises KeyboardInterrupt: tests with Ctrl-C would
    hang. They do not inherit a handler: a program started here has the default one.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["HEADWATER_HISTORY"] = "off"  # no command in a test stores anything in the user's own folder
    if folder := os.environ.get(bodies.VARIABLE):
        bodies.keep_bodies(Path(folder))


def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are cores: tests that wait for a browser or a clock leave a core to others."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> UnitScheduling | None:
    """Deals tests out in units of several where they go to several processes by groups, as pyproject.toml asks."""
    from tests.support.scheduling import UnitScheduling

    return UnitScheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Marks tests of hypothesis as `long`: with HEADWATER_LONG=1 they try more examples."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        item.add_marker(pytest.mark.long)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what only HEADWATER_LONG runs."""
    left = [item for item in items if not LONG and any(mark.kwargs.get("only") for mark in item.iter_markers("long"))]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in {*left}]


def pytest_collection_finish() -> None:
    """Excludes objects from before the tests from garbage collection.

    Thousands of collected tests and recordings are half a million objects, and each full collection walks all of them,
    which took most of the suite's time. No test looks for them: its garbage is created later.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Ends the processes that programs of the tests are forked from."""
    programs.close()


@pytest.fixture
def small_heap() -> None:
    """For tests that collect garbage, or for a test that does repeatedly: also excludes what earlier tests left."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_pauses() -> None:
    """Clears the pauses of the process: one test's "retry after" must not delay another test."""
    rate_limits._pauses.clear()


@pytest.fixture(autouse=True)
def _no_log_handlers() -> Generator[None, None, None]:
    """Removes what a command that ran in this process has set up, which would hide the next test's lines."""
    yield
    for name in ("headwater", "headwater.models", "headwater.tools", "headwater.web", "headwater.journal"):
        logger = logging.getLogger(name)
        if logger.handlers:
            logger.handlers.clear()
            logger.setLevel(logging.NOTSET)
            logger.propagate = True


@pytest.fixture(autouse=True)
def _no_signal_handlers() -> Generator[None, None, None]:
    """Restores what a server that ran in this process has replaced: it would stand between Ctrl-C and the next test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) is not handler:
            signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _no_journals() -> Generator[None, None, None]:
    """Leaves the journals that the test used: their threads would open files while later tests look for such."""
    home = sys.modules.get("headwater.durable.home")
    before = {*home._homes} if home is not None else set()
    yield
    if (home := sys.modules.get("headwater.durable.home")) is not None:
        for url in {*home._homes} - before:
            home._homes.pop(url).stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turns a skipped test into a failed one."""
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
