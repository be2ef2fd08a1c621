"""The import graph that tests rely on: cycles are found, and imports for type checking are included."""

from __future__ import annotations

from tests.support.imports import circles, import_graph
from tests.support.paths import ROOT


def test_cycles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_imports_of_packages_and_for_type_checking_are_included() -> None:
    graph = import_graph(ROOT / "src" / "headwater")
    assert "headwater.events" in graph["headwater.providers.decoder"]
    assert "headwater.providers.decoder" in graph["headwater.backends.base"]  # for type checking only
