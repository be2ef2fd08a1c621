"""Pages of React with others' chats, in Chromium, against `headwater serve`: useChat of the AI SDK 5, 6 and 7, and
assistant-ui over AG-UI.

    python -m tests.system.clients.react_pages FOLDER

The folder is one in which npm has installed `package.json`. The first difference ends it.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from tests.support.chromium import Page, browser
from tests.support.paths import ROOT

__all__ = ("main",)

PAGES: Final = {
    **{
        f"use_chat_{version}": ("use_chat", (f"--define:VERSION={version}", f"--alias:ai=ai{version}", *react))
        for version, react in (
            (5, ("--alias:@ai-sdk/react=@ai-sdk/react-2",)),
            (6, ("--alias:@ai-sdk/react=@ai-sdk/react-3",)),
            (7, ()),
        )
    },
    "assistant_ui": ("assistant_ui", ()),
}
"""Each page by name: its source, and what esbuild is told for it alone."""
AGENTS: Final = ("tools", "approval", "slow")
MODULE: Final = "tests.system.clients.agents"
SHOWN: Final = "[...document.querySelectorAll('.assistant')].map((one) => one.innerText).join(' ')"


def bundle(npm: Path, to: Path) -> None:
    """Bundles the pages with esbuild into `to`."""
    shutil.copytree(Path(__file__).parent / "pages", npm / "pages", dirs_exist_ok=True)
    options = ["--bundle", "--jsx=automatic", "--format=esm", '--define:process.env.NODE_ENV="production"']
    for name, (source, own) in PAGES.items():
        made = [f"pages/{source}.jsx", *options, *own, f"--outfile={to / name}.js", "--log-level=error"]
        subprocess.run([str(npm / "node_modules/.bin/esbuild"), *made], cwd=npm, check=True, timeout=120)
        shell = (
            f'<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="{name}.js">'
        )
        (to / f"{name}.html").write_text(f"{shell}</script>")


@contextmanager
def site(folder: Path) -> Iterator[str]:
    """The address of a server of files: the app's own, another site than the agents'."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def agents(origin: str) -> Iterator[str]:
    """The address of `headwater serve`, which lets the pages of `origin` ask."""
    members = [f"{MODULE}:{name}" for name in AGENTS]
    command = [sys.executable, "-m", "headwater", "serve", *members, "--port", "0", "--origin", origin, "--no-page"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = next(line for line in process.stderr if " serving " in line)
            yield next(word for word in line.split() if word.startswith("http")).rstrip("/")
        finally:
            process.terminate()


def opened(page: Page, url: str, agent: str, server: str) -> None:
    """Opens a page on an agent, and says something."""
    page.go(f"{url}?{urlencode({'agent': agent, 'server': server})}")
    page.run("sessionStorage.clear()")
    page.go(f"{url}?{urlencode({'agent': agent, 'server': server})}")
    if page.run("document.querySelector('#say') !== null"):
        page.click("#say")
        page.type("Hi")
        page.until("!document.querySelector('#send').disabled")
    page.click("#send")


def words(page: Page, text: str) -> None:
    """Waits until the answer holds a text."""
    page.until(f"({SHOWN}).includes({text!r})")


def ready(page: Page) -> None:
    """Waits until nothing runs; the page must show no error."""
    page.until("document.querySelector('.bar').innerText.trim() === 'ready'")
    assert page.problems == [], page.problems


def tries(page: Page, url: str, server: str, *, resumes: bool) -> None:
    """A tool, an approval, a text as it streams, a reload, and the stop."""
    opened(page, url, "tools", server)
    words(page, "Found two.")
    words(page, "2 hits for tides")
    ready(page)
    opened(page, url, "approval", server)
    page.click("#allow")
    words(page, "Done.")
    words(page, "sent to ann")
    ready(page)
    opened(page, url, "slow", server)
    words(page, "w3 ")
    seen = len(page.run(SHOWN))
    page.until(f"({SHOWN}).length > {seen}")
    if resumes:
        page.ask("Page.reload")
        page.until("performance.getEntriesByType('navigation')[0].type === 'reload'")
        words(page, "w0 w1 w2 w3 ")
        seen = len(page.run(SHOWN))
        page.until(f"({SHOWN}).length > {seen}")
    page.click("#stop")
    ready(page)
    assert "w1999" not in page.run(SHOWN)


def main() -> int:
    """Try all pages."""
    with tempfile.TemporaryDirectory() as scratch:
        built, profile = Path(scratch) / "site", Path(scratch) / "profile"
        built.mkdir()
        bundle(Path(sys.argv[1]), built)
        with site(built) as origin, agents(origin) as server, browser(profile) as chromium:
            for name in PAGES:
                tries(chromium.page(), f"{origin}/{name}.html", server, resumes=name != "assistant_ui")
                print("as it should be:", name, flush=True)
    print("React pages of others show our agents.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
