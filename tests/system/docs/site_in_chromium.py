"""The built site in Chromium, at three widths and in both themes, served from nothing but its own folder.

    python -m tests.system.docs.site_in_chromium [FOLDER]

No page is wider than its window, complains on the console or asks another server; the search finds; the themes differ.
With FOLDER, pictures of a few pages are kept there, to be looked at.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from tests.support.chromium import Page, browser
from tests.support.paths import ROOT

__all__ = ("main",)

SITE: Final = ROOT / "build" / "site"
SIZES: Final = ((390, 844), (768, 1024), (1440, 900))
LOOKED_AT: Final = ("", "quickstart/", "from-pydantic-ai/", "api/agents/", "events/")
"""The pages of which pictures are kept."""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing on standard error."""


@contextmanager
def _served() -> Iterator[str]:
    """The address of the site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(SITE)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _opened(page: Page, url: str) -> None:
    page.ask("Page.navigate", url=url)
    page.until(f"location.href === {url!r} && document.readyState === 'complete'")


def _faults(page: Page, name: str) -> Iterator[str]:
    """What is wrong with the page that is open, at any width."""
    for width, height in SIZES:
        page.look(width, height)
        if (wide := page.run("document.documentElement.scrollWidth")) > width:
            yield f"/{name}: {wide} pixels wide in a window of {width}"
    foreign = "performance.getEntriesByType('resource').map(r => r.name).filter(n => !n.startsWith(location.origin))"
    yield from (f"/{name}: asks {url}" for url in page.run(foreign))
    yield from (f"/{name}: {problem}" for problem in page.problems)
    page.problems.clear()


def _search(page: Page, home: str) -> None:
    """The search finds what a reader asks for."""
    page.look(1440, 900)
    _opened(page, home)
    page.click(".md-search__button")
    page.until("document.activeElement.shadowRoot?.activeElement?.tagName === 'INPUT'")
    page.type("approval")
    found = "[...document.querySelectorAll('*')].flatMap(e => [...(e.shadowRoot?.querySelectorAll('a') ?? [])])"
    page.until(f"{found}.some(link => new URL(link.href).pathname === '/approvals/')")


def _themes(page: Page, home: str) -> None:
    """The theme is the system's."""
    colors = []
    for dark in (False, True):
        page.look(1440, 900, dark=dark)
        _opened(page, home)
        colors.append(page.run("getComputedStyle(document.body).backgroundColor"))
    assert colors[0] != colors[1], colors


def _keep(page: Page, home: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in LOOKED_AT:
        for width, height in SIZES:
            for dark in (False, True):
                page.look(width, height, dark=dark, still=True)
                _opened(page, f"{home}{name}")
                stem = f"{name.strip('/').replace('/', '-') or 'home'}-{width}-{'dark' if dark else 'light'}"
                page.picture(folder / f"{stem}.png")


def main() -> int:
    """Look at every page. Returns the exit code."""
    found = sorted(path.parent.relative_to(SITE).as_posix() for path in SITE.rglob("index.html"))
    pages = [name for name in found if not name.startswith("decisions/")]  # plain prose, half of all pages
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder)) as chromium, _served() as home:
        page = chromium.page()
        for name in ("" if one == "." else f"{one}/" for one in pages):
            _opened(page, f"{home}{name}")
            faults += _faults(page, name)
        _search(page, home)
        _themes(page, home)
        if sys.argv[1:]:
            _keep(page, home, Path(sys.argv[1]))
    print(*faults, f"{len(pages)} pages at {len(SIZES)} widths: {len(faults)} faults", sep="\n")
    return int(bool(faults) or len(pages) < 50)


if __name__ == "__main__":
    sys.exit(main())
