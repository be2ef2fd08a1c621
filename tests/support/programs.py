"""Runs Python programs, each in a process of its own that is forked from one with everything imported.

    done = run(["-m", "headwater", "models"], env=environment())

A new interpreter spends most of its time importing what each test needs again. Such a process instead starts with
headwater's modules in place, as a copy of a process that has never run anything. Everything else is the program's own:
its arguments, environment, folder, standard streams, signals, terminal, `__main__` and exit code. What depends on the
order or the cost of imports needs an interpreter of its own, as do options of Python that no test here has used yet:
start those with `subprocess`. With HEADWATER_LONG=1, and where there is no fork, every program has a new interpreter.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from tests.support.effort import WHOLE
from tests.support.paths import ROOT

__all__ = ("Forked", "fork", "run")

FORKS: Final = hasattr(os, "fork") and not WHOLE
_OF_PYTHON: Final = ("PYTHON", "LANG", "LC_", "COVERAGE_")
"""How the variables begin that an interpreter reads once, when it starts."""


@dataclass(frozen=True)
class Asked:
    """What to run: `-m`, a module and its arguments, or a file and its arguments."""

    command: list[str]
    environment: dict[str, str]
    folder: str
    terminal: str = ""
    """The terminal that controls its session; empty: it has the streams that are passed, in our session."""


class Forked:
    """A program that runs: what tests use of `subprocess.Popen`."""

    returncode: int | None = None

    def __init__(self, told: int) -> None:
        self._told = os.fdopen(told, "rb")
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """Its exit code, once it has ended; raises TimeoutExpired after `timeout` seconds."""
        import select

        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self.returncode = int(self._told.readline() or -signal.SIGKILL)
            self._told.close()
        return self.returncode

    def kill(self) -> None:
        """Ends it at once."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()


class Nursery:
    """A process whose copies become the programs; `flags` are options of Python."""

    def __init__(self, flags: Sequence[str], environment: Mapping[str, str]) -> None:
        import socket

        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-m", "tests.support.nursery", str(theirs.fileno())],
                cwd=ROOT,
                env={**environment},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(self, asked: Asked, streams: Sequence[int]) -> Forked:
        """Starts a program with its standard input, output and error."""
        import socket

        hear, tell = os.pipe()
        try:
            socket.send_fds(self._channel, [pickle.dumps(asked)], [tell, *streams])
        finally:
            os.close(tell)
        return Forked(hear)

    def close(self) -> None:
        """Ends the process. The programs that it has become go on."""
        self._channel.close()
        self._process.wait(30)


_nurseries: dict[Any, Nursery] = {}
_one_starts: Final = threading.Lock()


def close() -> None:
    """Ends the processes that programs were forked from, at the end of the tests."""
    while _nurseries:
        _nurseries.popitem()[1].close()


def fork(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    streams: Sequence[int] = (),
    cwd: Path | None = None,
    flags: Sequence[str] = (),
    terminal: str = "",
) -> Forked:
    """Starts `python *flags *command` with `streams` as its standard ones, or on a terminal of its own."""
    ours = {name: value for name, value in env.items() if name.startswith(_OF_PYTHON)}
    key = (*flags, *sorted(ours.items()))
    with _one_starts:
        if key not in _nurseries:
            rest = {name: value for name, value in os.environ.items() if not name.startswith(_OF_PYTHON)}
            _nurseries[key] = Nursery(flags, rest | ours)
    asked = Asked([*command], {**env}, str(cwd or Path.cwd()), terminal)
    return _nurseries[key].fork(asked, streams)


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    stdin: str = "",
    cwd: Path | None = None,
    flags: Sequence[str] = (),
    timeout: float = 120.0,
) -> subprocess.CompletedProcess[str]:
    """Runs `python *flags *command` to its end on pipes, as `subprocess.run` does."""
    if not FORKS:
        return subprocess.run(
            [sys.executable, *flags, *command],
            input=stdin,
            env={**env},
            cwd=cwd,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
        )
    pipes = [os.pipe() for _ in range(3)]
    (into, given), (out, out_end), (error, error_end) = pipes
    begun = time.monotonic()
    try:
        process = fork(command, env=env, streams=[into, out_end, error_end], cwd=cwd, flags=flags)
    finally:
        for end in (into, out_end, error_end):
            os.close(end)
    said: dict[int, str] = {}
    threads = [threading.Thread(target=_write, args=(os.fdopen(given, "w", encoding="utf-8"), stdin))]
    threads += [
        threading.Thread(target=_read, args=(os.fdopen(end, encoding="utf-8"), said, end)) for end in (out, error)
    ]
    for thread in threads:
        thread.start()
    try:
        code = process.wait(timeout)
    finally:
        process.kill()
        for thread in threads:
            thread.join(max(begun + timeout - time.monotonic(), 5))
    return subprocess.CompletedProcess([*command], code, said[out], said[error])


def _write(pipe: IO[str], text: str) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(text)


def _read(pipe: IO[str], said: dict[int, str], end: int) -> None:
    with pipe:
        said[end] = pipe.read()
