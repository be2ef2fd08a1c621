"""Draws the page as a browser shows it: docs/assets/page-*.png, from a real server and a real run.

python scripts/page_pictures.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.chromium import Page, browser  # noqa: E402
from tests.system.page.scene import TASK, harbour_fleet, harbour_workflow  # noqa: E402
from tests.system.page.serving import serving  # noqa: E402

ASSETS = ROOT / "docs" / "assets"


def main() -> None:
    """Runs the scene once, and takes a picture at every size."""
    with (
        tempfile.TemporaryDirectory() as folder,
        browser(Path(folder)) as chromium,
        serving(harbour_workflow(), harbour_fleet(200, paragraphs=4)) as url,
    ):
        page = chromium.page()
        page.go(url)
        page.until("document.querySelector('.card') !== null")
        picture(page, "begin")
        ask(page, TASK)
        page.until("document.querySelector('.prose td') !== null")
        page.until("/[23] of 4 models/.test(document.body.innerText)")
        page.run("document.querySelector('.talk').scrollTop = 0")
        page.press("Escape")
        picture(page, "light")
        page.run("document.querySelector('.talk').scrollTop = 1e6")
        page.until("document.querySelector('.ask') !== null")
        settle(page)
        page.look(1280, 800, dark=True)
        picture(page, "dark")
        page.look(390, 844, dense=2)
        picture(page, "phone")
        page.look(390, 844, dark=True, dense=2)
        page.click(".tabs button:nth-child(2)")
        picture(page, "phone-timeline")
        page.look(1280, 800)
        page.press("n")
        page.until("document.querySelector('.card') !== null")
        page.click(".card:nth-child(2)")
        ask(page, "Where is each boat on Thursday?")
        page.until("document.querySelectorAll('.cell.done').length > 20")
        page.run("document.querySelector('.talk').scrollTop = 0")
        picture(page, "fleet")


def ask(page: Page, task: str) -> None:
    """Types a task and sends it."""
    page.click("#say")
    page.type(task)
    page.press("Enter")


def settle(page: Page) -> None:
    """Waits for the next update; there are ten per second."""
    page.run("new Promise((later) => setTimeout(later, 400))")


def picture(page: Page, name: str) -> None:
    """Writes a picture of the window."""
    settle(page)
    page.picture(ASSETS / f"page-{name}.png")
    print(f"docs/assets/page-{name}.png")


if __name__ == "__main__":
    main()
