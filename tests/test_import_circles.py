"""No module leads back to itself by its imports, those for type checking included; import-linter skips the latter."""

from __future__ import annotations

from pathlib import Path

import pytest

import headwater
from tests.support.imports import circles, import_graph

GRAPH = import_graph(Path(headwater.__file__).parent)


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []
    assert "headwater.events" in GRAPH["headwater.providers.decoder"]
    assert "headwater.providers.decoder" in GRAPH["headwater.backends.base"]  # for type checking only


@pytest.mark.parametrize("package", ["backends", "events", "providers"])
def test_no_module_leads_back_to_itself(package: str) -> None:
    assert [group for group in circles(GRAPH) if any(name.startswith(f"headwater.{package}.") for name in group)] == []
