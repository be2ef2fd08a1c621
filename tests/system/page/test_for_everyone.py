"""The page can be used by everyone: axe-core finds nothing, at any size, in either theme, with the keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from headwater.events import Event
from headwater.testing import sample_logs
from headwater.web.page.saved import saved_page
from tests.support.chromium import Browser
from tests.support.effort import tries
from tests.support.npm import NoPackage, installed
from tests.system.page.scene import harbour_plan

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core."""
    try:
        return (installed(HERE) / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    except NoPackage as problem:
        pytest.skip(f"no axe-core: {problem}")


LOGS = ("plan", "input asked and answered", "failed")


def log_of(name: str) -> Sequence[Event]:
    return harbour_plan() if name == "plan" else sample_logs()[name]


@pytest.mark.long
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", LOGS[: tries(1, 3)])
def test_axe_finds_nothing(name: str, width: int, dark: bool, chromium: Browser, axe: str, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(saved_page(log_of(name)), encoding="utf-8")
    page = chromium.page(width, 800, dark=dark)
    page.ask("Page.setBypassCSP", enabled=True)  # for axe itself, which is no part of the page
    page.go(path.as_uri())
    page.run(axe + "; 0")
    for tab in range(3 if width == 390 else 1):
        if width == 390:
            page.run(f"document.querySelectorAll('.tabs button')[{tab}].click()")
            page.run("new Promise((later) => setTimeout(later, 60))")
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        found = page.run(
            f"axe.run(document, {{runOnly: {json.dumps(rules)}}}).then((told) => told.violations.map("
            "(one) => `${one.id}: ${one.nodes.map((node) => node.html).join(' | ')}`))"
        )
        assert found == [], "\n".join(found)


def test_all_of_it_can_be_done_with_the_keyboard(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(saved_page(harbour_plan()), encoding="utf-8")
    page = chromium.page()
    page.go(path.as_uri())
    seen = []
    for _ in range(60):
        page.press("Tab")
        if page.run("document.activeElement === document.body"):
            break
        seen.append(page.run("document.activeElement.ariaLabel || document.activeElement.innerText"))
        ring = page.run("getComputedStyle(document.activeElement).outlineStyle")
        assert ring != "none", f"nothing shows where the focus is: {seen[-1]}"
    assert any("Skip" in one for one in seen)
    for wanted in ("Light or dark", "Keys", "To the start", "Place in the log"):
        assert wanted in seen, seen
    page.press("?")
    page.until("document.querySelector('dialog').open")
    page.press("Escape")
    page.until("!document.querySelector('dialog').open")
    assert page.problems == []


def test_the_plots_follow_the_theme_of_the_system(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(saved_page(harbour_plan()), encoding="utf-8")
    page = chromium.page()
    page.go(path.as_uri())
    plot = "document.querySelector('.plot canvas').toDataURL()"
    light = page.until(plot)
    page.look(1280, 800, dark=True)
    page.until(f"{plot} !== {json.dumps(light)}")
    page.look(1280, 800)
    page.until(f"{plot} === {json.dumps(light)}")
    assert page.problems == []


def test_reduced_motion_disables_animations(chromium: Browser, tmp_path: Path) -> None:
    path = tmp_path / "run.html"
    path.write_text(saved_page(harbour_plan()), encoding="utf-8")
    page = chromium.page()
    page.look(1280, 800, still=True)
    page.go(path.as_uri())
    assert page.run("document.getAnimations({subtree: true}).length") == 0
