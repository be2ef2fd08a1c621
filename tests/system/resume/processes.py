"""Processes that carry out a run or go on with one, and die of SIGKILL at one of its events.

    with Processes() as processes:
        died = processes.carry_out(Job("denied", folder, at=7))

Each knows nothing but what stands in the folder: the log, a line an event, and what tools have done, both written as it
happens. They are forked from a process that has brought in what they need and has never run anything, which takes a
fiftieth of the time that a new interpreter does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from headwater.events import Event, decode, encode, tree_response
from tests.support.paths import ROOT

__all__ = ("Job", "Processes")

KILLED: Final = -signal.SIGKILL


class Job(msgspec.Struct, frozen=True):
    """What a process is to do: to carry out the scenario, or to go on with what stands in the folder."""

    scenario: str
    folder: str
    at: int = 0
    """The event at which it is killed, counted from its first; 0: none."""
    before: bool = False
    """Whether that is before the event is stored, or after."""

    def log(self) -> list[Event]:
        """The log, as it is stored."""
        return [decode(line) for line in _lines(self._path("log"))]

    def done(self) -> list[str]:
        """What tools have done."""
        return [line.decode() for line in _lines(self._path("done"))]

    def error(self) -> str:
        """The name of the error that the last process has raised."""
        return self._path("error").read_text()

    def _path(self, name: str) -> Path:
        return Path(self.folder, name)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines() if path.exists() else []


class Processes:
    """Begins a process for each job."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.system.resume.processes"]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)

    def carry_out(self, job: Job) -> bool:
        """Do the job; returns whether it was killed. Raises AssertionError where it ended in any other way."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(msgspec.json.encode(job) + b"\n")
        self._server.stdin.flush()
        status = int(self._server.stdout.readline() or 1)
        assert status in (0, KILLED), f"{job} ended with {status}"
        assert not (status and not job.at), "killed by someone else"
        return status == KILLED

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
    from tests.system.resume.kills import Drive
    from tests.system.resume.scenarios import SCENARIOS, done

    before, mode = job.log(), os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(job._path("log"), mode, 0o600)
    done.kept = os.open(job._path("done"), mode, 0o600)
    came = 0

    def store(event: Event) -> None:
        nonlocal came
        came += 1
        if came == job.at and job.before:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(log, encode(event, stamps=True) + b"\n")
        if came == job.at:
            os.kill(os.getpid(), signal.SIGKILL)

    from tests.system.invariants.late_reader import known

    went = Drive(SCENARIOS[job.scenario], before, watch=store).go()
    assert went.live == known(tree_response(went.log)), "the live Response is another than that of its log"
    job._path("error").write_text(went.error)


def _serve() -> None:
    from tests.system.resume import kills  # noqa: F401  # brought in once, for all

    for line in sys.stdin.buffer:
        job = msgspec.json.decode(line, type=Job)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                _work(job)
                status = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        sys.stdout.buffer.write(b"%d\n" % os.waitstatus_to_exitcode(ended))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
