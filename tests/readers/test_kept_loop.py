from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

import pytest
import uvloop

from headwater.errors import LoopMisuse
from headwater.readers.kept_loop import KeptLoop, blocks_here, in_loop, kept_loop, refuse_inside_loop


async def _value(value: Any = 5) -> Any:
    await asyncio.sleep(0)
    return value


SOON = 30.0


# --- kept loops


def test_a_threads_loop_is_kept_for_its_next_call() -> None:
    kept = kept_loop()
    assert kept_loop() is kept
    assert kept.run(_value()) == 5
    assert not in_loop()
    assert blocks_here()
    others: list[KeptLoop] = []
    thread = threading.Thread(target=lambda: others.append(kept_loop()))
    thread.start()
    thread.join()
    assert others[0] is not kept


def test_a_loop_ends_with_its_thread() -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    def work() -> None:
        kept = kept_loop()
        kept.run(asyncio.to_thread(int))
        loops.append(kept.loop)

    before = {thread.ident for thread in threading.enumerate()}
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert loops[0].is_closed()
    left = [thread for thread in threading.enumerate() if thread.ident not in before]
    assert not [thread for thread in left if not thread.name.startswith("asyncio_")]  # an idle one that is closed


def test_blocking_inside_a_kept_loop_uses_another_one() -> None:
    seen: list[Any] = []

    async def outer() -> None:
        assert in_loop()
        assert (lambda: blocks_here())()  # as a sync callback would
        assert not blocks_here()
        inner = kept_loop()
        assert inner is not kept
        seen.append(inner.run(_value(7)))
        assert asyncio.get_running_loop() is kept.loop

    kept = kept_loop()
    kept.run(outer())
    assert seen == [7]
    assert kept_loop() is kept


def test_blocking_inside_a_task_does_not_affect_other_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.14 on a thread runs one task at a time, whatever its loop: that rule, on whatever runs this."""
    at_work: list[Any] = []

    def enter(loop: Any, task: Any) -> None:
        assert not at_work, "Cannot enter into a task while another one is being executed."
        at_work.append(task)
        real_enter(loop, task)

    def leave(loop: Any, task: Any) -> None:
        assert at_work.pop() is task
        real_leave(loop, task)

    async def outer() -> None:
        task = asyncio.current_task()
        assert task is not None
        assert inner.run(_value(7)) == 7
        assert asyncio.current_task() is task
        await asyncio.sleep(0)
        with pytest.raises(LookupError):
            inner.run(_fail(LookupError()))
        assert asyncio.current_task() is task

    def made(loop: Any, coroutine: Any, **more: Any) -> Any:
        return asyncio.tasks._PyTask(coroutine, loop=loop, **more)  # type: ignore[attr-defined]

    real_enter, real_leave = asyncio.tasks._enter_task, asyncio.tasks._leave_task
    kept, inner = KeptLoop(), KeptLoop()
    if sys.version_info < (3, 14):  # from then on the real tasks hold to it
        monkeypatch.setattr(asyncio.tasks, "_enter_task", enter)
        monkeypatch.setattr(asyncio.tasks, "_leave_task", leave)
        for one in (kept, inner):
            one.loop.set_task_factory(made)
    kept.run(outer())
    for one in (kept, inner):
        one.close()
    assert not at_work


def test_a_loop_with_a_reader_belongs_to_it() -> None:
    """Its next piece may be asked for in another thread, and at any time."""

    def read() -> Any:
        yield 1

    kept, reader = kept_loop(), read()
    kept.readers.add(reader)
    assert next(reader)
    assert kept_loop() is not kept
    assert kept_loop() is kept_loop()
    assert next(reader, None) is None
    assert kept_loop() is kept  # though the reader is held still


def test_a_loop_with_a_reader_outlives_its_thread() -> None:
    def read() -> Any:
        try:
            yield 1
        finally:
            loops[0].let_go()

    def work() -> None:
        loops.append(kept_loop())
        loops[0].readers.add(reader)

    loops: list[KeptLoop] = []
    reader = read()
    next(reader)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not loops[0].loop.is_closed()
    assert next(reader, None) is None
    assert loops[0].loop.is_closed()


async def _fail(error: BaseException) -> None:
    await asyncio.sleep(0)
    raise error


def test_exceptions_are_raised_and_the_loop_stays_usable() -> None:
    kept = kept_loop()
    for error in (LookupError(), KeyboardInterrupt(), SystemExit(), asyncio.CancelledError()):
        with pytest.raises(type(error)):
            kept.run(_fail(error))
        assert kept.run(_value()) == 5
    assert not kept.busy


def test_closing_a_loop_closes_its_readers() -> None:
    closed: list[str] = []

    def read() -> Any:
        try:
            yield 1
        finally:
            closed.append("plain")

    async def read_later() -> Any:
        try:
            yield 1
        finally:
            closed.append("async")

    kept = KeptLoop()
    reader, later = read(), read_later()
    kept.readers.add(reader)
    next(reader)

    async def begin() -> None:
        await anext(later)

    kept.run(begin())
    kept.close()
    kept.close()
    assert closed == ["plain", "async"]
    assert kept.loop.is_closed()


def test_a_running_loop_is_not_closed() -> None:
    kept = KeptLoop()

    async def main() -> None:
        kept.close()
        await asyncio.sleep(0)

    kept.run(main())
    assert not kept.loop.is_closed()
    kept.close()


def test_inside_a_foreign_loop_blocking_is_refused() -> None:
    async def main() -> None:
        assert not blocks_here()
        with pytest.raises(LoopMisuse, match="Write `await x` instead"):
            refuse_inside_loop("`await x`")

    asyncio.run(main())
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    refuse_inside_loop("`await x`")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_does_not_change_its_parents_loop() -> None:
    """The selector is shared by both: what the child took out of it would be missing here."""
    kept = kept_loop()
    kept.run(_value())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            assert kept_loop() is not kept
            assert kept_loop().run(_value()) == 5
            kept.close()
            assert kept.loop.is_closed()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    # A thread wakes the loop by its pipe, which the selector has to know.
    assert kept.run(asyncio.wait_for(asyncio.to_thread(lambda: 6), SOON)) == 6


# --- Ctrl-C


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_cancels_the_current_task_and_is_raised_after_its_end() -> None:
    kept = KeptLoop()
    ended: list[str] = []

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(SOON)
        finally:
            await asyncio.sleep(0)
            ended.append("in order")

    with pytest.raises(KeyboardInterrupt):
        kept.run(wait())
    assert ended == ["in order"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert kept.run(_value()) == 5
    kept.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_is_raised_even_if_the_task_swallows_it() -> None:
    kept = KeptLoop()

    async def deaf() -> str:
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.sleep(SOON)
        except asyncio.CancelledError:
            return "as if nothing were"
        return "slept"

    with pytest.raises(KeyboardInterrupt):
        kept.run(deaf())

    async def stubborn() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        kept.run(stubborn())
    kept.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_between_a_tasks_end_and_the_stop_of_the_loop_is_raised_and_the_loop_stays_usable(presses: int) -> None:
    kept = KeptLoop()

    def press() -> None:
        for _ in range(presses):
            signal.raise_signal(signal.SIGINT)

    async def end() -> None:
        asyncio.get_running_loop().call_soon(press)  # the callbacks of this task's end come after it

    with pytest.raises(KeyboardInterrupt):
        kept.run(end())
    assert kept.run(_turns()) == "turned"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    kept.close()


async def _turns() -> str:
    for _ in range(3):
        await asyncio.sleep(0)
    return "turned"


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_is_raised_where_the_task_fails_as_well() -> None:
    kept = KeptLoop()

    async def fail() -> None:
        signal.raise_signal(signal.SIGINT)
        raise LookupError("The error.")

    with pytest.raises(KeyboardInterrupt) as caught:
        kept.run(fail())
    assert isinstance(caught.value.__cause__, LookupError)
    kept.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_at_any_line_of_a_run_is_raised_and_leaves_the_loop_usable() -> None:
    """By Python's own handler before the loop runs and after it, by ours in between."""
    kept = KeptLoop()
    unraisable: list[Any] = []
    lines, hook = 0, sys.unraisablehook

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == at:
                signal.raise_signal(signal.SIGINT)
        return trace

    at, raised = 0, 0
    sys.unraisablehook = unraisable.append
    try:
        while lines >= at:
            at, lines = at + 1, 0
            sys.settrace(trace)
            try:
                kept.run(_turns())
            except KeyboardInterrupt:
                raised += 1
            finally:
                sys.settrace(None)
            assert not kept.busy
            assert not in_loop()
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
            assert kept.run(_value()) == 5
            assert asyncio.all_tasks(kept.loop) == set()
    finally:
        sys.unraisablehook = hook
    assert raised == at - 1 > 50
    early = [one for one in unraisable if "was never awaited" in str(one.exc_value)]
    assert len(early) <= 2, "what was interrupted before its first statement cannot close the coroutine"
    assert unraisable == early
    kept.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_the_programs_own_handler_is_kept() -> None:
    kept = KeptLoop()
    heard: list[int] = []

    async def wait() -> str:
        signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0)
        return "went on"

    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        assert kept.run(wait()) == "went on"
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
    kept.close()


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_ctrl_c_reaches_the_innermost_of_nested_loops() -> None:
    order: list[str] = []
    outer, inner = KeptLoop(), KeptLoop()

    async def low() -> None:
        signal.raise_signal(signal.SIGINT)
        try:
            await asyncio.sleep(SOON)
        finally:
            order.append("inner")

    async def high() -> None:
        try:
            inner.run(low())
        finally:
            order.append("outer")

    with pytest.raises(KeyboardInterrupt):
        outer.run(high())
    assert order == ["inner", "outer"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    inner.close()
    outer.close()


def test_ctrl_c_before_the_start_leaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never() -> None:
        raise AssertionError("it was begun")

    kept = KeptLoop()
    coroutine = never()

    def pressed(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kept.loop, "create_task", pressed)
        with pytest.raises(KeyboardInterrupt):
            kept.run(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CLOSED
    assert not kept.busy
    kept.close()
