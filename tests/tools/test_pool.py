from __future__ import annotations

import contextvars
import os
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from headwater.tools import pool
from headwater.tools.pool import Pool

SOON = 30.0
"""Seconds after which a test has failed; none waits that long where all is well."""


def _gate() -> tuple[threading.Event, threading.Semaphore, Callable[[], None]]:
    """A job that signals that it runs and then waits to be released."""
    go, running = threading.Event(), threading.Semaphore(0)

    def job() -> None:
        running.release()
        assert go.wait(SOON)

    return go, running, job


def test_no_more_threads_than_the_limit() -> None:
    crew = Pool(2)
    go, running, job = _gate()
    done = threading.Semaphore(0)

    def counted() -> None:
        job()
        done.release()

    for _ in range(5):
        crew.submit(counted)
    assert running.acquire(timeout=SOON)
    assert running.acquire(timeout=SOON)
    assert (crew.threads, crew.waiting) == (2, 3)
    assert not running.acquire(blocking=False)
    go.set()
    for _ in range(5):
        assert done.acquire(timeout=SOON)


def test_an_idle_thread_takes_the_next_job() -> None:
    crew = Pool(8)
    seen: set[int] = set()
    done = threading.Semaphore(0)

    def job() -> None:
        seen.add(threading.get_ident())
        done.release()

    for _ in range(20):
        crew.submit(job)
        assert done.acquire(timeout=SOON)
    # A thread signals the end of a job just before it is idle, so sometimes another one is started.
    assert len(seen) < 8
    assert crew.threads < 8


def test_threads_go_when_idle_and_come_again() -> None:
    crew = Pool(4, idle_seconds=0.01)
    threads: list[threading.Thread] = []
    ready = threading.Barrier(5)

    def job() -> None:
        threads.append(threading.current_thread())
        ready.wait(SOON)

    for round_ in range(3):
        for _ in range(4):
            crew.submit(job)
        ready.wait(SOON)
        assert len(threads) == 4 * (round_ + 1)
        for thread in threads:
            assert thread.daemon
            thread.join(SOON)
            assert not thread.is_alive()
        assert crew.threads == 0


def test_a_queued_job_can_be_withdrawn() -> None:
    crew = Pool(1)
    go, running, job = _gate()
    first = crew.submit(job)
    assert running.acquire(timeout=SOON)
    ran: list[int] = []
    second = crew.submit(lambda: ran.append(2))
    third = threading.Event()
    crew.submit(third.set)
    assert second() is True
    assert second() is False
    assert first() is False
    go.set()
    assert third.wait(SOON)
    assert ran == []


def test_without_a_thread_from_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = Pool(4)

    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            crew.submit(lambda: None)
    assert (crew.threads, crew.waiting) == (0, 0)
    done = threading.Event()
    crew.submit(done.set)
    assert done.wait(SOON)


def test_context_variables_are_copied_in() -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("here")
    seen: list[str] = []
    done = threading.Event()

    def job() -> None:
        seen.append(variable.get())
        variable.set("there")
        done.set()

    pool.submit(job)
    assert done.wait(SOON)
    assert seen == ["here"]
    assert variable.get() == "here"


def test_jobs_that_wait_for_jobs_do_not_deadlock() -> None:
    """As many as there are threads, each of which needs another one before it can go on."""
    done = threading.Semaphore(0)
    all_in = threading.Barrier(pool.MAX_TOOL_THREADS + 1)

    def outer() -> None:
        all_in.wait(SOON)
        inner = threading.Event()
        pool.submit(inner.set)
        if inner.wait(SOON):
            done.release()

    for _ in range(pool.MAX_TOOL_THREADS):
        pool.submit(outer)
    all_in.wait(SOON)
    for _ in range(pool.MAX_TOOL_THREADS):
        assert done.acquire(timeout=SOON)


def test_a_hanging_tool_does_not_keep_the_program_alive() -> None:
    program = (
        "import threading\n"
        "from headwater.tools import pool\n"
        "begun = threading.Event()\n"
        "pool.submit(lambda: (begun.set(), threading.Event().wait()))\n"
        "begun.wait()\n"
        "print(pool.live_threads())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "1"


@pytest.mark.parametrize("read", ["input()", "sys.stdin.buffer.read()"])
def test_a_tool_that_waits_for_a_person_does_not_abort_the_program(read: str) -> None:
    """It holds the lock of standard input when Python ends, which Python treats as a deadlock."""
    program = f"""
import io, sys, threading
from headwater.tools import pool
class Nobody(io.RawIOBase):
    def readable(self):
        return True
    def readinto(self, buffer):
        waits.set()
        threading.Event().wait()
waits = threading.Event()
sys.stdin = io.TextIOWrapper(io.BufferedReader(Nobody()))
pool.submit(lambda: {read})
waits.wait()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_has_its_own_threads() -> None:
    program = (
        "import os, threading\n"
        "from headwater.tools import pool\n"
        "def run():\n"
        "    done = threading.Event()\n"
        "    pool.submit(done.set)\n"
        "    assert done.wait(10)\n"
        "run()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    run()\n"
        "    os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "7"


def test_a_thread_that_waits_for_another_job_lets_one_more_run() -> None:
    crew = Pool(1)
    inner, done = threading.Event(), threading.Event()

    def outer() -> None:
        with crew.stretched():
            crew.submit(inner.set)
            assert inner.wait(SOON)
        done.set()

    crew.submit(outer)
    assert done.wait(SOON)


def test_a_job_that_waits_already_is_begun_when_a_thread_steps_aside() -> None:
    crew = Pool(1)
    inner, queued, done = threading.Event(), threading.Event(), threading.Event()

    def outer() -> None:
        assert queued.wait(SOON)
        with crew.stretched():
            assert inner.wait(SOON)
        done.set()

    crew.submit(outer)
    crew.submit(inner.set)
    queued.set()
    assert done.wait(SOON)


def test_a_tool_thread_knows_the_pool_that_it_steps_aside_in(monkeypatch: pytest.MonkeyPatch) -> None:
    crew, done = Pool(1), threading.Event()
    monkeypatch.setattr(pool, "_pools", {0: crew})

    def outer() -> None:
        with pool.aside():
            contextvars.Context().run(pool.submit, done.set)
            assert done.wait(SOON)

    pool.submit(outer)
    assert done.wait(SOON)
    with pool.aside():
        pass
