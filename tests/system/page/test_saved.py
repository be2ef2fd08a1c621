"""A saved run, opened from disk in Chromium: what it shows, how it plays, and that nothing in it acts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from headwater.events import Event, TextDelta
from headwater.testing import sample_logs
from headwater.web.page.saved import saved_page
from tests.support.chromium import Browser, Page
from tests.support.effort import one_in
from tests.system.page.scene import harbour_plan

HOSTILE = [
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>",
    "[click](javascript:window.hacked=3) ![p](https://evil.example/steal?x=1) <svg onload='window.hacked=4'>",
    "</script><script>window.hacked = 5</script><!--<script>",
    "\u202eevil\u202c \u2066x\u2069 \x1b[31mred\x1b[0m",
    "<style>*{display:none}</style><iframe srcdoc='<script>parent.hacked=6</script>'></iframe>",
    "| a |\n|---|\n| <b onmouseover=alert(1)>x</b> |\n\n```html\n<script>window.hacked=7</script>\n```\n",
    "x" * 1_000_000,
]


def opened(chromium: Browser, folder: Path, log: Sequence[Event], *, width: int = 1280, height: int = 800) -> Page:
    path = folder / "run.html"
    path.write_text(saved_page(log), encoding="utf-8")
    page = chromium.page(width, height)
    page.go(path.as_uri())
    return page


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(sample_logs())[:: one_in(7, 1)])
def test_every_kind_of_log_opens_and_can_be_stepped_through(name: str, chromium: Browser, tmp_path: Path) -> None:
    log = sample_logs()[name]
    page = opened(chromium, tmp_path, log)
    whole = page.text()
    for back in range(1, min(len(log), 5)):
        page.press("ArrowLeft")
        page.until(f"document.querySelector('.track').ariaValueNow === '{len(log) - back}'")
    page.press("l")
    page.until(f"document.querySelector('.track').ariaValueNow === '{len(log)}'")
    page.until(f"document.body.innerText === {json.dumps(whole)}")
    assert page.problems == []


def test_what_a_model_wrote_does_nothing(chromium: Browser, tmp_path: Path) -> None:
    log = list(sample_logs()["text"])
    at = next(place for place, event in enumerate(log) if isinstance(event, TextDelta))
    first = log[at]
    assert isinstance(first, TextDelta)
    said = "\n\n".join(HOSTILE)
    log[at] = msgspec.structs.replace(first, text=said)
    page = opened(chromium, tmp_path, log)
    page.until("document.querySelector('.prose') !== null")
    page.run("[...document.querySelectorAll('.prose a, .prose .dead')].forEach((one) => one.click?.())")
    page.run("new Promise((later) => setTimeout(later, 100))")
    assert page.run("window.hacked") is None
    assert (
        page.run(
            "document.querySelectorAll('.prose script, .prose img, .prose svg, .prose iframe, .prose style').length"
        )
        == 0
    )
    text = page.text()
    assert "<script>window.hacked = 1</script>" in text, "it is shown as it was written"
    assert not any(one in text for one in "\u202e\u2066\x1b")
    assert page.problems == []


def test_a_run_plays_from_its_beginning(chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, tmp_path, harbour_plan())
    page.click("[aria-label='To the start']")
    page.until("document.querySelector('.track').ariaValueNow === '1'")
    assert "Two notices" not in page.text()
    for _ in range(3):
        page.click(".speed")
    page.press("Escape")
    page.click("[aria-label='Play (Space)']")
    page.until("Number(document.querySelector('.track').ariaValueNow) > 5")
    page.click("[aria-label='Pause (Space)']")
    page.until("document.querySelector(`[aria-label='Play (Space)']`) !== null")  # it stands, and shows where
    stood = page.until("document.querySelector('.track').ariaValueNow")
    page.run("new Promise((later) => setTimeout(later, 120))")
    assert page.run("document.querySelector('.track').ariaValueNow") == stood
    assert page.problems == []


@pytest.mark.parametrize("width", [1280, 768, 390, 320])
def test_nothing_is_wider_than_the_window(width: int, chromium: Browser, tmp_path: Path) -> None:
    page = opened(chromium, tmp_path, harbour_plan(), width=width, height=800)
    for tab in range(
        page.run("[...document.querySelectorAll('.tabs button')].filter((one) => one.offsetWidth).length") or 1
    ):
        if width <= 820:
            page.run(f"document.querySelectorAll('.tabs button')[{tab}].click()")
            page.run("new Promise((later) => setTimeout(later, 60))")
        assert page.run("document.documentElement.scrollWidth <= innerWidth"), (width, tab)
        beyond = page.run(
            "[...document.querySelectorAll('#app *')].filter((one) => one.checkVisibility()"
            " && !one.closest('.scroll, pre, .fall, .track, .hide, .skip')"
            " && one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.className || one.tagName)"
        )
        assert beyond == [], (width, tab)
