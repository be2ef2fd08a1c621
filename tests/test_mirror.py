"""tests/ mirrors src/: each module has a test module of its own name, and each test module a module."""

from __future__ import annotations

from pathlib import Path

import pytest

import headwater

SOURCES = Path(headwater.__file__).parent
TESTS = Path(__file__).parent

UNTESTED = {"backends/base.py"}
"""Protocols alone."""

ACROSS = {"backends/replay/test_command.py"}
"""Tests of several modules together."""


@pytest.mark.parametrize("package", ["backends", "providers"])
def test_each_module_has_its_tests_and_each_test_its_module(package: str) -> None:
    modules = {
        module.relative_to(SOURCES).with_name(f"test_{module.name}").as_posix()
        for module in (SOURCES / package).rglob("*.py")
        if module.name != "__init__.py" and module.relative_to(SOURCES).as_posix() not in UNTESTED
    }
    tests = {test.relative_to(TESTS).as_posix() for test in (TESTS / package).rglob("test_*.py")} - ACROSS
    assert sorted(modules - tests) == []
    assert sorted(tests - modules) == []
