"""Chromium, driven over its DevTools protocol: a real browser without a library in between.

Owns starting and ending it, and the few things that tests do with a page.
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

from websockets.sync.client import ClientConnection, connect

__all__ = ("Browser", "Page", "browser", "found")

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "chrome")
PATIENCE: Final = 60.0
"""Timeout in seconds of a wait for a page: far above what the slowest machine needs."""


def found() -> str | None:
    """The path of a Chromium; None if there is none."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab. Its console messages and exceptions are kept in `problems`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.problems: list[str] = []
        self._traced: list[dict[str, Any]] | None = None
        self._complete = False
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Sends a command and returns its result. Raises AssertionError if the browser refuses it."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            told = json.loads(self._socket.recv(timeout=PATIENCE))
            if told.get("id") == self._number:
                assert "error" not in told, f"{method}: {told['error']}"
                result: dict[str, Any] = told["result"]
                return result
            self._heard(told)

    def _heard(self, told: dict[str, Any]) -> None:
        params = told.get("params", {})
        match told["method"]:
            case "Tracing.dataCollected" if self._traced is not None:
                self._traced += params["value"]
            case "Tracing.tracingComplete":
                self._complete = True
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.problems.append(details.get("exception", {}).get("description") or details["text"])
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning"):
                self.problems.append(" ".join(str(one.get("value", one.get("description"))) for one in params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                self.problems.append(params["entry"]["text"])

    def look(self, width: int, height: int, *, dark: bool = False, still: bool = False, dense: float = 1) -> None:
        """Sets the size of the window, the preferences for dark mode and reduced motion, and the pixel density."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=dense,
            mobile=width < 500,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"},
        ]
        self.ask("Emulation.setEmulatedMedia", features=features)

    def go(self, url: str) -> None:
        """Opens a URL and waits until the page is drawn."""
        self.ask("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && document.querySelector('.bar') !== null")

    def run(self, expression: str) -> Any:
        """Returns the value of a JavaScript expression; awaits a promise. Raises AssertionError if it throws."""
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def until(self, expression: str, *, patience: float = PATIENCE) -> Any:
        """Waits until an expression is true, and returns its value; `patience` is in seconds."""
        give_up = time.monotonic() + patience
        while time.monotonic() < give_up:
            with suppress(AssertionError):  # a page that is being left has no document for a moment
                if value := self.run(expression):
                    return value
            self.run("new Promise((later) => requestAnimationFrame(later))")
        raise AssertionError(f"It never came to be that {expression}; the page shows {self.text()[:2000]!r}")

    def text(self) -> str:
        """The visible text of the page."""
        return str(self.run("document.body.innerText"))

    def click(self, selector: str) -> None:
        """Clicks the middle of the first matching element."""
        place = self.until(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); if (!one) return null;"
            " one.scrollIntoView({block: 'nearest'}); const box = one.getBoundingClientRect();"
            " return box.width ? [box.x + box.width / 2, box.y + box.height / 2] : null; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    def press(self, key: str, *, text: str | None = None) -> None:
        """Press a key by its DOM name ("Escape", "ArrowLeft", "a")."""
        typed = text if text is not None else {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "")
        codes = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
        code = codes.get(key, ord(key.upper()) if len(key) == 1 else 0)
        common = {"key": key, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown" if typed else "rawKeyDown", text=typed, **common)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text: str) -> None:
        """Types a text into the focused element."""
        self.ask("Input.insertText", text=text)

    def begin_trace(self, *categories: str) -> None:
        """Starts to record what the browser does, in these categories."""
        self._traced, self._complete = [], False
        config = {"includedCategories": [*categories], "excludedCategories": ["*"]}
        self.ask("Tracing.start", traceConfig=config)

    def end_trace(self) -> list[dict[str, Any]]:
        """Ends the recording, and returns its events."""
        self.ask("Tracing.end")
        while not self._complete:
            self._heard(json.loads(self._socket.recv(timeout=PATIENCE)))
        traced, self._traced = self._traced or [], None
        return traced

    def picture(self, path: Path) -> None:
        """Writes a screenshot as PNG."""
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))


class Browser:
    """A running browser, which opens pages."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = ExitStack()

    def page(self, width: int = 1280, height: int = 800, *, dark: bool = False) -> Page:
        """A new, empty tab in its own profile."""
        request = Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urlopen(request, timeout=PATIENCE) as answer:
            told = json.load(answer)
        self._open.callback(self._end, told["id"])
        # Without pings: their thread would consume random numbers of tests with a seed.
        socket = connect(told["webSocketDebuggerUrl"], max_size=None, compression=None, ping_interval=None)
        page = Page(self._open.enter_context(socket))
        page.look(width, height, dark=dark)
        return page

    def close(self) -> None:
        """Closes all tabs. One that is left open goes on asking a server that has gone, and drawing."""
        self._open.close()

    def _end(self, tab: str) -> None:
        with urlopen(f"http://127.0.0.1:{self._port}/json/close/{tab}", timeout=PATIENCE) as answer:
            answer.read()


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """Chromium without a window, its profile in `folder`; ended afterwards. Raises AssertionError without one."""
    path = found()
    assert path is not None, "There is no Chromium."
    command = [
        path,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder}",
        "about:blank",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            port = next(
                int(line.split(":")[2].split("/")[0]) for line in process.stderr if "DevTools listening" in line
            )
            chromium = Browser(port)
            try:
                yield chromium
            finally:
                chromium.close()
        finally:
            process.terminate()
            process.stderr.read()
            process.wait()
