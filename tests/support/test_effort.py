"""How much is tried: the usual, all of it, or a share."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.support import effort


@pytest.fixture(params=["", "0.2", "1"])
def asked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ModuleType]:
    """What HEADWATER_LONG is, and the module as it is then."""
    monkeypatch.setenv("HEADWATER_LONG", request.param)
    spec = importlib.util.spec_from_file_location("effort_of_a_test", effort.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return request.param, module


def test_more_is_tried_where_it_is_asked_for(asked: tuple[str, ModuleType]) -> None:
    share, module = asked
    assert module.tries(50, 500) == {"": 50, "0.2": 100, "1": 500}[share]
    assert module.tries(150, 500) == {"": 150, "0.2": 150, "1": 500}[share]
    assert module.one_in(19, 2) == {"": 19, "0.2": 10, "1": 2}[share]
    assert module.one_in(3, 1) == {"": 3, "0.2": 3, "1": 1}[share]
