"""Programs as a user would start them: a process of their own, in which every warning is an error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import TracebackType

from tests.system.cancellation.server import SOON, PacedServer

__all__ = ("Program",)

_BEGIN = """\
from headwater import Agent
import asyncio, gc, os, sys, threading
URL = {url!r}
def agent(model, *tools, **more):
    return Agent(model=model, base_url=URL, api_key="k", tools=tools, **more)
def stand_still():
    '''Say that we are here, and wait without turning any loop until we are told to go on.'''
    print("here", flush=True)
    assert sys.stdin.readline() == "go on\\n"
"""


class Program:
    """A program that runs while entered. It must end by itself before that, having written nothing to stderr."""

    def __init__(self, server: PacedServer, source: str, **environment: str) -> None:
        ours = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", "-c", _BEGIN.format(url=server.url) + textwrap.dedent(source)],
            env={**ours, "PYTHONIOENCODING": "utf-8", **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._process.kill()
            _, said = self._process.communicate()
            if error is not None and said:
                error.add_note(said)

    def here(self) -> None:
        """Wait until the program stands still."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "here\n"

    def shows(self, text: str) -> None:
        """Wait until the program has written that text, and its main thread sleeps again."""
        assert self._process.stdout is not None
        assert self._process.stdout.read(len(text)) == text
        state = Path(f"/proc/{self._process.pid}/stat")
        while state.exists() and state.read_text().rpartition(") ")[2][0] != "S":
            time.sleep(0)

    def go_on(self) -> None:
        """Let it."""
        assert self._process.stdin is not None
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def end(self, *, close: bool = True) -> tuple[int, str, str]:
        """Its exit code, and what it wrote to stdout and stderr; with `close` its stdin ends first."""
        if not close:
            self._process.wait(SOON * 4)
        out, error = self._process.communicate(timeout=SOON * 4)
        # asyncio's debug mode calls a turn of the loop slow: that is the machine's load, or an import.
        said = [line for line in error.splitlines() if not line.startswith("Executing <")]
        return self._process.returncode, out, "\n".join(said)

    def ends_quietly(self) -> str:
        """What it wrote, where it ended well and stderr is empty."""
        code, out, error = self.end()
        assert not error, error
        assert code == 0
        return out
