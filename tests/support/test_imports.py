"""The reading of imports that tests rely on: circles are found, and imports for type checking are seen."""

from __future__ import annotations

from tests.support.imports import circles, import_graph
from tests.support.paths import ROOT


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_imports_of_packages_and_for_type_checking_are_seen() -> None:
    graph = import_graph(ROOT / "src" / "headwater")
    assert "headwater.events" in graph["headwater.providers.decoder"]
    assert "headwater.providers.decoder" in graph["headwater.backends.base"]  # for type checking only
