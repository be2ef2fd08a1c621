"""Processes that carry out runs or go on with some, and die of SIGKILL at events of them.

    with Processes() as processes:
        processes.carry_out([Job("denied", folder, stops=(Stop(7, left),))])

Each knows nothing but what stands in the folders of its jobs: the log, a line an event, and what tools have done, both
written as it happens. They are forked from a process that has brought in what they need and has never run anything,
which takes a fiftieth of the time that a new interpreter does. Where a process is to die, it forks: one of the two dies
there, and what it leaves is kept; the other goes on, to where the next one is to die. So a run dies at all of its
events, and is carried out once.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

import msgspec

import headwater.events
import headwater.readers
import headwater.runtime
import headwater.tools
from headwater.events import Event, decode, encode, tree_response
from tests.support.paths import ROOT

__all__ = ("Job", "Left", "Processes", "Stop")

KILLED: Final = -signal.SIGKILL


FILES: Final = ("log", "done")


class Left(msgspec.Struct, frozen=True):
    """What stands in the folder of a process: the bytes of its log, and of what its tools have done."""

    stored: bytes
    said: bytes

    @classmethod
    def by(cls, folder: str) -> Left:
        """What stands there now."""
        return cls(*(path.read_bytes() if (path := Path(folder, name)).exists() else b"" for name in FILES))

    def put(self, folder: str) -> None:
        """Put it into a folder."""
        for name, data in zip(FILES, (self.stored, self.said), strict=True):
            Path(folder, name).write_bytes(data)

    def log(self) -> list[Event]:
        """The log, as it is stored."""
        return [decode(line) for line in self.stored.splitlines()]

    def done(self) -> list[str]:
        """What tools have done."""
        return self.said.decode().splitlines()


class Stop(msgspec.Struct, frozen=True):
    """A death: at an event, counted from the first of the process, before it is stored or after.

    What is left then goes to `folder`.
    """

    at: int
    folder: str
    before: bool = False

    @property
    def came(self) -> bool:
        """Whether a process has died there; else it came to its end before."""
        return Path(self.folder).exists()


class Job(msgspec.Struct, frozen=True):
    """What a process is to do: to carry out the scenario, or to go on with what stands in the folder."""

    scenario: str
    folder: str
    stops: tuple[Stop, ...] = ()

    def error(self) -> str:
        """The name of the error that the run has raised. Raises AssertionError where the process did not do well."""
        wrong = Path(self.folder, "wrong")
        assert not wrong.exists(), wrong.read_text()
        return Path(self.folder, "error").read_text()


class Processes:
    """Begins processes."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.system.resume.processes"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def carry_out(self, jobs: Sequence[Job]) -> None:
        """Do the jobs in a new process, one after another. Raises AssertionError where it does not come to its end."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(msgspec.json.encode(jobs) + b"\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline() or 1)
        assert not status, f"{[job.scenario for job in jobs]} ended with {status}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(30)


# --- in these processes


def _work(job: Job) -> None:
    """What a process does."""
    from tests.system.invariants.late_reader import known
    from tests.system.resume.kills import Drive
    from tests.system.resume.scenarios import SCENARIOS, done

    Path(job.folder).mkdir(exist_ok=True)
    before, mode = Left.by(job.folder).log(), os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log, done.kept = (os.open(Path(job.folder, name), mode, 0o600) for name in FILES)
    stops = {(stop.at, stop.before): stop for stop in job.stops}
    came = 0

    def store(event: Event) -> None:
        nonlocal came
        came += 1
        if (stop := stops.get((came, True))) is not None:
            _die(job, stop)
        os.write(log, encode(event, stamps=True) + b"\n")
        if (stop := stops.get((came, False))) is not None:
            _die(job, stop)

    try:
        went = Drive(SCENARIOS[job.scenario], before, watch=store).go()
        assert went.live == known(tree_response(went.log)), "the live Response is another than that of its log"
        Path(job.folder, "error").write_text(went.error)
    except Exception:
        Path(job.folder, "wrong").write_text(traceback.format_exc())
    finally:
        os.close(log)
        os.close(done.kept)


def _die(job: Job, stop: Stop) -> None:
    child = os.fork()
    if child == 0:
        try:
            os.mkdir(stop.folder)
            for name in FILES:
                shutil.copyfile(Path(job.folder, name), Path(stop.folder, name))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == KILLED
    assert stop.came


def _bring_in() -> None:
    """Once, for all processes."""
    from tests.system.resume import kills  # noqa: F401

    for package in (headwater.events, headwater.readers, headwater.runtime, headwater.tools):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".mcp" not in module.name:
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # what is shared stays shared


def _serve() -> None:
    _bring_in()
    for line in sys.stdin.buffer:
        jobs = msgspec.json.decode(line, type=list[Job])
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for job in jobs:
                    _work(job)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        sys.stdout.buffer.write(b"%d\n" % os.waitstatus_to_exitcode(ended))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
