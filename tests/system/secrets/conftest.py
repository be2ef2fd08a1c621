from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.system.error_messages.cases import set_up_nothing
from tests.system.error_messages.server import Server


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where nothing has been set up."""
    set_up_nothing(monkeypatch)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server
