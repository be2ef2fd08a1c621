"""The extras: each is described and weighed on the page, and brings nothing under a license that is not allowed."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

WEIGHTS: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "weights.py"))
LICENSES: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "licenses.py"))


def test_the_page_weighs_every_extra() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert set(WEIGHTS["USES"]) == {"", *WEIGHTS["extras"]()}
    for extra, purpose in WEIGHTS["USES"].items():
        assert f"| `headwater{f'[{extra}]' if extra else ''}` | {purpose} | " in page


def test_what_is_compiled_later_weighs_nothing(tmp_path: Path) -> None:
    for name, size in (("a/one.py", 100), ("a/__pycache__/one.pyc", 900), ("a-1.dist-info/METADATA", 20)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    assert WEIGHTS["weigh"](tmp_path) == (1, 120)


def test_the_table_says_what_comes_on_top() -> None:
    weight = WEIGHTS["Weight"]
    lines = WEIGHTS["table"]({"": weight(20, 29_400_000), "web": weight(31, 51_900_000)}).splitlines()
    assert lines[3].endswith("| 20 | 29.4 |")
    assert lines[4].endswith("| +11 | +22.5 |")


def test_every_license_is_allowed() -> None:
    found = list(LICENSES["packages"]())
    assert {"aiohttp", "mcp", "opentelemetry-sdk", "psycopg", "starlette"} <= {package.name for package in found}
    assert [package for package in found if not LICENSES["allowed"](package.license)] == [], (
        "Decide whether a package under this license may come with headwater: scripts/licenses.py, ALLOWED."
    )


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("GPL-3.0-only OR BSD-3-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-3.0-only) AND MIT", False),
        ("unknown", False),
    ],
)
def test_an_expression_is_allowed_where_one_way_is(expression: str, allowed: bool) -> None:
    assert LICENSES["allowed"](expression) is allowed


def test_the_page_of_licenses_has_what_every_installation_brings() -> None:
    page = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8")
    for needed in ("aiohttp", "msgspec", "pydantic", "rich"):
        assert f"\n| {needed} | {LICENSES['license_of'](needed)} | headwater itself |\n" in page
