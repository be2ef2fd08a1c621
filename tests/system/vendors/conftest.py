"""The judge, started once a session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.system.vendors.judging import VARIABLE, Judge, start


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    """The judge; skips where nobody says who has the packages."""
    if not os.environ.get(VARIABLE):
        pytest.skip(f"no packages of the vendors: set {VARIABLE}, see CONTRIBUTING.md")
    with start() as judge:
        yield judge
