"""Closing resources before a loop ends: once, in time, however it ends."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from headwater.backends import loop_end
from headwater.backends.loop_end import before_end

Make = Callable[[], asyncio.AbstractEventLoop]

LOOPS = pytest.mark.parametrize("make", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


def _note(told: list[str], word: str) -> Callable[[], Any]:
    async def finish() -> None:
        await asyncio.sleep(0)
        told.append(word)

    return finish


@LOOPS
def test_loop_close_runs_it_first(make: Make) -> None:
    loop, told = make(), list[str]()
    before_end(loop, _note(told, "first"))
    before_end(loop, _note(told, "done"))
    loop.close()
    loop.close()
    assert (told, loop.is_closed()) == (["done"], True)


@LOOPS
def test_a_runner_runs_it_too(make: Make) -> None:
    told: list[str] = []

    async def main() -> None:
        before_end(asyncio.get_running_loop(), _note(told, "done"))

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())
        assert told == []
    assert told == ["done"]


@LOOPS
def test_a_loop_can_be_closed_inside_another(make: Make) -> None:
    told: list[str] = []
    loop = make()
    before_end(loop, _note(told, "done"))

    async def main() -> asyncio.Task[Any] | None:
        loop.close()
        await asyncio.sleep(0)
        return asyncio.current_task()

    with asyncio.Runner(loop_factory=make) as runner:
        assert runner.run(main()) is not None
    assert (told, loop.is_closed()) == (["done"], True)


@LOOPS
def test_a_running_loop_still_refuses_and_may_be_closed_later(make: Make) -> None:
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        before_end(loop, _note(told, "done"))
        with pytest.raises(RuntimeError, match="running"):
            loop.close()

    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(main())
        assert told == []
    assert told == ["done"]


def test_hanging_or_failing_resources_do_not_keep_a_loop_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_end, "LAST_SECONDS", 0.01)
    hanging, failing = asyncio.new_event_loop(), asyncio.new_event_loop()
    ends: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("cancelled")

    async def fail() -> None:
        raise OSError("gone")

    before_end(hanging, hang)
    before_end(failing, fail)
    hanging.close()
    failing.close()
    assert (hanging.is_closed(), failing.is_closed(), ends) == (True, True, ["cancelled"])


def test_a_loop_with_a_patched_close_keeps_it() -> None:
    loop, told = asyncio.new_event_loop(), list[str]()

    def theirs() -> None:
        told.append("theirs")
        type(loop).close(loop)

    loop.close = theirs  # type: ignore[method-assign]
    before_end(loop, _note(told, "done"))
    loop.close()
    assert told == ["done", "theirs"]


def test_a_loop_without_attributes_is_not_changed() -> None:
    class Bare:
        __slots__ = ("__weakref__",)

    before_end(Bare(), _note([], "done"))  # type: ignore[arg-type]


@LOOPS
def test_a_loop_is_not_part_of_a_cycle(make: Make) -> None:
    def closed() -> weakref.ref[Any]:
        loop = make()
        before_end(loop, _note([], "done"))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        return weakref.ref(loop)

    gc.collect()
    gc.disable()
    try:
        assert closed()() is None
    finally:
        gc.enable()


_BEGIN = """\
import asyncio, os, sys
from headwater.backends.loop_end import before_end
async def finish():
    print("closed", os.getpid() == parent, flush=True)
parent = os.getpid()
loop = asyncio.new_event_loop()
before_end(loop, finish)
"""

PROGRAMS = {
    "a loop that is never closed": ("", "closed True\n"),
    "one that is being collected": ("asyncio.set_event_loop(loop); del loop", "closed True\n"),
    "one that runs in a thread still": (
        """
        import threading
        threading.Thread(target=loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        """,
        "",
    ),
    "a fork leaves it to its parent": (
        """
        if (child := os.fork()) == 0:
            loop.close()
            sys.exit()
        os.waitpid(child, 0)
        """,
        "closed True\n",
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_end_of_the_program_runs_it(name: str) -> None:
    source, says = PROGRAMS[name]
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + textwrap.dedent(source)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == (says, "")
