"""One browser for all tests of the page; they are skipped where there is none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.chromium import Browser, browser, found


@pytest.fixture(scope="session")
def running_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, started once a process."""
    if found() is None:
        pytest.skip("no Chromium: install it, or set CHROMIUM to where it is")
    with browser(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture
def chromium(running_chromium: Browser) -> Iterator[Browser]:
    """The browser, whose tabs are closed after the test."""
    yield running_chromium
    running_chromium.close()
