"""The picture of the house in docs/ shows the house as it is, and every room of it within its walls."""

from __future__ import annotations

import runpy
import xml.etree.ElementTree as ET
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.paths import ROOT

SOURCE: Final = ROOT / "src" / "headwater"
SCRIPT: Final[dict[str, Any]] = runpy.run_path(str(ROOT / "scripts" / "draw_house.py"))
PICTURE: Final = (ROOT / "docs" / "assets" / "house.svg").read_text("utf-8")
NAMESPACE: Final = "{http://www.w3.org/2000/svg}"
BUSY: Final = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""However busy the machine is: what is asserted is no time."""


def drawn() -> ET.Element:
    return ET.fromstring(PICTURE)


def texts() -> list[str]:
    return [str(text.text) for text in drawn().iter(f"{NAMESPACE}text")]


def test_the_picture_is_current() -> None:
    assert SCRIPT["drawing"]() == PICTURE, "the house has changed: run python scripts/draw_house.py"


def test_it_shows_every_module_and_package() -> None:
    shown = texts()
    modules = [path.stem for path in SOURCE.rglob("*.py") if not path.stem.startswith("__")]
    for name in modules:
        assert shown.count(name) >= modules.count(name), name
    for path in SOURCE.rglob("__init__.py"):
        name = path.parent.name
        assert name in shown or f"{name}/" in shown


def test_the_version_is_at_the_bottom_and_the_commands_at_the_top() -> None:
    floors = SCRIPT["floors"]()
    assert floors[0].name == "cli"
    assert [room.name for room in floors[-1].rooms] == ["version"]
    below = {floor.name: at for at, floor in enumerate(floors)}
    assert below["runtime"] < below["backends"] < below["providers"] < below["events"] < below["errors"]


def test_every_folder_is_as_wide_as_its_name_and_within_the_picture() -> None:
    picture = drawn()
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    for group in picture.iter(f"{NAMESPACE}g"):
        wall, name = group.find(f"{NAMESPACE}rect"), group.find(f"{NAMESPACE}text")
        assert wall is not None
        left, top, wide = (float(wall.attrib[one]) for one in ("x", "y", "width"))
        assert 0 < left < left + wide < width
        assert 0 < top < height - 20
        if name is not None:
            assert wide > len(str(name.text)) * 6


def test_it_can_be_read_on_a_light_and_on_a_dark_page() -> None:
    style = str(next(drawn().iter(f"{NAMESPACE}style")).text)
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    names = {part.split(":")[0].strip() for part in light.split("{")[1].split("}")[0].split(";") if part.strip()}
    for name in names:
        assert f"{name}:" in dark, f"{name} has no color for a dark page"


@BUSY
@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=12), st.integers(120, 700))
def test_folders_keep_their_order_and_no_row_is_too_wide(names: list[str], width: int) -> None:
    rooms = [SCRIPT["Room"](name, False) for name in names]
    rows = SCRIPT["shelves"](rooms, width)
    assert [room for row in rows for room in row] == rooms
    for row in rows:
        assert len(row) == 1 or sum(room.width + 4 for room in row) - 4 <= width


@BUSY
@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=40))
def test_a_layer_that_is_too_wide_is_split_into_rows(names: list[str]) -> None:
    room = SCRIPT["Room"]
    suite = room("suite/", False, tuple(room(name, False) for name in names))
    parts = list(SCRIPT["fitting"]([suite], 400))
    assert [inner for part in parts for inner in part.rooms] == list(suite.rooms)
    assert all(part.name == "suite/" and part.width <= 400 for part in parts)


def test_a_module_that_is_named_pure_is_tinted_and_another_is_not() -> None:
    tinted = {
        str(text.text)
        for group in drawn().iter(f"{NAMESPACE}g")
        if "pure" in group.attrib["class"].split()
        for text in group.findall(f"{NAMESPACE}text")
    }
    assert {"agent_loop", "usage", "version", "registry"} <= tinted
    assert "transport" not in tinted


@pytest.mark.parametrize("page", ["design.md"])
def test_a_page_shows_it(page: str) -> None:
    assert "(assets/house.svg)" in (ROOT / "docs" / page).read_text("utf-8")
