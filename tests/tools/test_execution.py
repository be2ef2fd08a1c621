from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from typing import Any

import pytest
import uvloop

from headwater.errors import ToolFailed, ToolTimeout
from headwater.events.messages import Image, Text
from headwater.tools import pool, progress
from headwater.tools.context import ToolContext
from headwater.tools.declaration import tool
from headwater.tools.execution import run_tool
from headwater.tools.outcome import ToolOutcome

SOON = 30.0
"""Seconds after which a test has failed; none waits that long where all is well."""

Run = Callable[[Coroutine[Any, Any, None]], None]


def _plain(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)


def _debug(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main, debug=True)


def _uvloop(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _elsewhere(main: Coroutine[Any, Any, None]) -> None:
    """In a loop of another thread than the main one."""
    ends: list[BaseException] = []

    def target() -> None:
        try:
            asyncio.run(main)
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    thread.join(SOON * 3)
    assert not thread.is_alive()
    if ends:
        raise ends[0]


@pytest.fixture(params=[_plain, _debug, _uvloop, _elsewhere], ids=["plain", "debug", "uvloop", "elsewhere"])
def run(request: pytest.FixtureRequest) -> Run:
    """Every kind of loop that tools must run in; no task of a call may remain in it."""

    def checked(main: Coroutine[Any, Any, None]) -> None:
        async def alone() -> None:
            await main
            assert asyncio.all_tasks() == {asyncio.current_task()}

        request.param(alone())

    return checked


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON):
        while not condition():  # noqa: ASYNC110  # what is waited for happens in a thread
            await asyncio.sleep(0.001)


# --- results


def test_plain_and_async_functions(run: Run) -> None:
    @tool
    def add(a: int, b: int = 2) -> int:
        assert threading.current_thread().daemon
        return a + b

    @tool
    async def add_later(a: int, b: int = 2) -> int:
        await asyncio.sleep(0)
        return a + b

    async def main() -> None:
        for one in (add, add_later):
            assert await run_tool(one, {"a": "3"}) == ToolOutcome(result="5", value=5)

    run(main())


def test_a_sync_function_that_returns_an_awaitable(run: Run) -> None:
    async def inner(a: int) -> int:
        return a

    @tool
    def outer(a: int) -> Awaitable[int]:
        return inner(a)

    @tool
    def words(n: int) -> AsyncIterator[int]:
        async def count() -> AsyncIterator[int]:
            for i in range(n):
                yield i

        return count()

    async def main() -> None:
        said: list[Any] = []
        assert (await run_tool(outer, {"a": 1})).value == 1
        assert (await run_tool(words, {"n": 3}, emit=said.append)).value == 2
        assert said == [0, 1, 2]

    run(main())


def test_parts_are_kept() -> None:
    picture = Image(data=b"\x89PNG\r\n\x1a\n")

    @tool
    async def draw() -> list[Any]:
        return ["Here:", picture]

    outcome = asyncio.run(run_tool(draw, {}))
    assert outcome.result == (Text(text="Here:"), picture)


def test_a_result_is_truncated_to_the_tools_limit(run: Run) -> None:
    @tool(max_result_chars=60)
    def long() -> str:
        return "x" * 100

    async def main() -> None:
        outcome = await run_tool(long, {})
        assert (len(outcome.result), outcome.truncated_from) == (60, 100)

    run(main())


def test_invalid_arguments_are_reported_and_nothing_runs() -> None:
    @tool
    def never(a: int) -> None:
        raise AssertionError

    outcome = asyncio.run(run_tool(never, {"a": "x", "b": 1}))
    assert outcome.invalid
    assert outcome.result == outcome.error
    assert outcome.error == (
        "The arguments do not fit:\n"
        "- a: must be a valid integer, unable to parse string as an integer, got 'x'\n"
        "- b: unknown; known names: a"
    )
    assert asyncio.run(run_tool(never, "no object")).invalid


def test_a_validators_exception_is_an_outcome_too() -> None:
    from typing import Annotated

    from pydantic import AfterValidator

    def broken(value: int) -> int:
        raise LookupError("broken")

    def f(a: Annotated[int, AfterValidator(broken)]) -> None:
        pass

    outcome = asyncio.run(run_tool(tool(f), {"a": 1}))
    assert (outcome.error, outcome.invalid) == ("LookupError: broken", True)


# --- errors


@pytest.mark.parametrize("error", [ValueError("bad"), StopIteration("bad"), TimeoutError("bad"), KeyError()])
def test_a_sync_tools_exception_goes_to_the_model(error: Exception, run: Run) -> None:
    @tool
    def fail() -> None:
        raise error

    async def main() -> None:
        outcome = await run_tool(fail, {}, timeout=SOON)
        said = f"{type(error).__name__}: bad" if error.args else "KeyError"
        assert (outcome.error, outcome.result, outcome.invalid) == (said, said, False)
        assert outcome.exception is error

    run(main())


def test_an_async_tools_exception_goes_to_the_model(run: Run) -> None:
    @tool
    async def fail(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i
        raise TimeoutError("its own")

    async def main() -> None:
        said: list[Any] = []
        outcome = await run_tool(fail, {"n": 2}, emit=said.append, timeout=SOON)
        assert outcome.error == "TimeoutError: its own"
        assert said == [0, 1]

    run(main())


class _Stop(BaseException):
    pass


@pytest.mark.parametrize("error", [ToolFailed("The run must end."), _Stop()])
def test_exceptions_that_end_the_run_are_raised(error: BaseException, run: Run) -> None:
    @tool
    def plain() -> None:
        raise error

    @tool
    async def later() -> None:
        raise error

    async def main() -> None:
        for one in (plain, later):
            with pytest.raises(type(error)) as caught:
                await run_tool(one, {}, timeout=SOON)
            assert caught.value is error

    run(main())


def test_a_foreign_cancellation_is_an_error_of_the_tool(run: Run) -> None:
    @tool
    async def waits_for_another() -> None:
        other = asyncio.ensure_future(asyncio.sleep(SOON))
        asyncio.get_running_loop().call_soon(other.cancel)
        await other

    @tool
    def raises_it() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        for one in (waits_for_another, raises_it):
            assert (await run_tool(one, {}, timeout=SOON)).error == "CancelledError"

    run(main())


# --- progress


def test_a_sync_generators_yields_are_progress_and_its_return_value_the_result(run: Run) -> None:
    @tool
    def count(n: int) -> Generator[dict[str, int], None, str]:
        for i in range(n):
            yield {"i": i}
        return f"counted {n}"

    async def main() -> None:
        here, threads, said = threading.get_ident(), set(), []

        def emit(data: Any) -> None:
            threads.add(threading.get_ident())
            said.append(data)

        # More than may be queued, so that the thread has to be released.
        n = progress.MAX_WAITING * 3
        outcome = await run_tool(count, {"n": n}, emit=emit)
        assert outcome.result == f"counted {n}"
        assert said == [{"i": i} for i in range(n)]
        assert threads == {here}

    run(main())


def test_an_async_generators_last_yield_is_the_result_too(run: Run) -> None:
    @tool
    async def count(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    async def main() -> None:
        said: list[Any] = []
        assert (await run_tool(count, {"n": 3}, emit=said.append)).value == 2
        assert said == [0, 1, 2]
        assert (await run_tool(count, {"n": 0})).value is None

    run(main())


def test_a_generator_that_never_waits_does_not_block_others() -> None:
    turns = 0

    @tool
    async def busy() -> AsyncIterator[int]:
        for i in range(50):
            yield i
        yield turns

    async def main() -> None:
        nonlocal turns

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        outcome = await run_tool(busy, {})
        task.cancel()
        assert outcome.value >= 49

    asyncio.run(main())


def test_a_tool_reports_progress_through_its_context(run: Run) -> None:
    @tool
    def plain(ctx: ToolContext[dict[str, str]]) -> str:
        ctx.emit({"half": {1}})
        return f"{ctx.context['user']} {ctx.call_id} {ctx.tool_name} {ctx.run_id}"

    @tool
    async def later(it: ToolContext[dict[str, str]]) -> str:
        it.emit({"half": {1}})
        return f"{it.context['user']} {it.call_id} {it.tool_name} {it.run_id}"

    async def main() -> None:
        for one in (plain, later):
            said: list[Any] = []
            outcome = await run_tool(one, {}, {"user": "ada"}, emit=said.append, call_id="c1", run_id="r1")
            assert outcome.result == f"ada c1 {one.name} r1"
            assert said == [{"half": [1]}]

    run(main())


def test_after_the_call_nothing_is_reported(run: Run) -> None:
    kept: list[ToolContext[Any]] = []

    @tool
    def keep(ctx: ToolContext) -> None:
        kept.append(ctx)

    async def main() -> None:
        said: list[Any] = []
        await run_tool(keep, {}, emit=said.append)
        kept[0].emit("late")
        await asyncio.to_thread(kept[0].emit, "late")
        await asyncio.sleep(0)
        assert said == []
        assert not kept[0].cancelled
        await asyncio.get_running_loop().shutdown_default_executor()

    run(main())


def test_a_thread_that_is_far_ahead_waits(run: Run) -> None:
    made: list[int] = []

    @tool
    def flood() -> Iterator[int]:
        for i in range(progress.MAX_WAITING * 4):
            made.append(i)
            yield i

    async def main() -> None:
        task = asyncio.create_task(run_tool(flood, {}, emit=lambda data: None))
        await asyncio.sleep(0)
        before = len(made)
        # Block the loop until the thread has stopped.
        for _ in range(1000):
            time.sleep(0.005)  # noqa: ASYNC251  # holding the loop is the point
            if len(made) == before > 0:
                break
            before = len(made)
        assert len(made) <= progress.MAX_WAITING + 1
        await task
        assert len(made) == progress.MAX_WAITING * 4

    run(main())


# --- timeouts and cancellation


def test_an_async_tool_that_takes_too_long(run: Run) -> None:
    cleaned: list[str] = []

    @tool
    async def slow() -> None:
        try:
            await asyncio.sleep(SOON)
        finally:
            cleaned.append("slow")

    @tool
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.sleep(SOON)
        finally:
            cleaned.append("stream")

    async def main() -> None:
        for one in (slow, stream):
            outcome = await run_tool(one, {}, timeout=0.01)
            assert outcome.error == f"ToolTimeout: {one.name} took longer than 0.01 seconds."
            assert isinstance(outcome.exception, ToolTimeout)
            assert outcome.exception.seconds == 0.01
        assert cleaned == ["slow", "stream"]

    run(main())


def test_a_stopped_async_tool_is_notified(run: Run) -> None:
    kept: list[ToolContext[Any]] = []

    @tool
    async def slow(ctx: ToolContext) -> None:
        kept.append(ctx)
        await asyncio.sleep(SOON)

    async def main() -> None:
        await run_tool(slow, {}, timeout=0.01)
        assert kept[0].cancelled, "its time was up"
        task = asyncio.create_task(run_tool(slow, {}, timeout=SOON))
        await _until(lambda: len(kept) == 2)
        assert not kept[1].cancelled
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert kept[1].cancelled, "it was cancelled"

    run(main())


def test_a_sync_tool_that_takes_too_long_is_notified_and_its_result_dropped(run: Run) -> None:
    ended = threading.Event()
    seen: list[bool] = []

    @tool(timeout=0.2)  # longer than a loaded machine takes to begin: else it was a thread that was waited for
    def slow(ctx: ToolContext) -> str:
        seen.append(ctx.wait(SOON))
        seen.append(ctx.cancelled)
        ctx.emit("too late")
        ended.set()
        return "dropped"

    async def main() -> None:
        said: list[Any] = []
        outcome = await run_tool(slow, {}, emit=said.append, timeout=SOON)
        assert outcome.error == "ToolTimeout: slow took longer than 0.2 seconds."
        await _until(ended.is_set)
        await asyncio.sleep(0)
        assert seen == [True, True]
        assert said == []

    run(main())


def test_the_tools_own_timeout_wins_and_the_context_has_the_earliest() -> None:
    @tool(timeout=50)
    async def own(ctx: ToolContext) -> float | None:
        return ctx.remaining()

    @tool
    async def none(ctx: ToolContext) -> float | None:
        return ctx.remaining()

    async def main() -> None:
        async def left(one: Any, **limits: Any) -> float:
            value: float = (await run_tool(one, {}, **limits)).value
            return value

        assert 49 < await left(own, timeout=100) <= 50
        assert 9 < await left(own, timeout=100, deadline=time.monotonic() + 10) <= 10
        assert 99 < await left(none, timeout=100) <= 100
        assert 9 < await left(none, deadline=time.monotonic() + 10) <= 10
        assert (await run_tool(none, {})).value is None

    asyncio.run(main())


def test_cancelling_the_task_cancels_an_async_tool(run: Run) -> None:
    async def main() -> None:
        begun, cleaned = asyncio.Event(), asyncio.Event()

        @tool
        async def slow() -> None:
            begun.set()
            try:
                await asyncio.sleep(SOON)
            finally:
                cleaned.set()

        task = asyncio.create_task(run_tool(slow, {}, timeout=SOON))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned.is_set()

    run(main())


def test_cancelling_the_task_leaves_a_sync_tool_at_once_and_notifies_it(run: Run) -> None:
    begun, ended = threading.Event(), threading.Event()

    @tool
    def slow(ctx: ToolContext) -> None:
        begun.set()
        assert ctx.wait(SOON)
        ended.set()

    async def main() -> None:
        task = asyncio.create_task(run_tool(slow, {}, timeout=SOON))
        await _until(begun.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(ended.is_set)

    run(main())


def test_cancelling_ends_a_sync_generator_at_its_next_yield(run: Run) -> None:
    closed = threading.Event()

    @tool
    def endless() -> Iterator[int]:
        try:
            i = 0
            while True:
                i += 1
                yield i
        finally:
            closed.set()

    async def main() -> None:
        said: list[int] = []
        task = asyncio.create_task(run_tool(endless, {}, emit=said.append))
        await _until(lambda: len(said) > 2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(closed.is_set)

    run(main())


def test_a_sync_tool_may_outlive_its_loop() -> None:
    begun, go, ended = threading.Event(), threading.Event(), threading.Event()

    @tool
    def slow(ctx: ToolContext) -> str:
        begun.set()
        assert go.wait(SOON)
        ctx.emit("nobody hears it")
        ended.set()
        return "nobody reads it"

    async def main() -> None:
        task = asyncio.create_task(run_tool(slow, {}))
        await _until(begun.is_set)
        task.cancel()

    asyncio.run(main())
    go.set()
    assert ended.wait(SOON)


def test_parallel_calls_run_in_parallel(run: Run) -> None:
    meet = threading.Barrier(4)

    @tool
    def together(n: int) -> int:
        meet.wait(SOON)
        return n

    async def main() -> None:
        outcomes = await asyncio.gather(*(run_tool(together, {"n": n}) for n in range(4)))
        assert [outcome.value for outcome in outcomes] == [0, 1, 2, 3]

    run(main())


def test_waiting_for_a_thread_counts_and_is_reported_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = pool.Pool(1)
    monkeypatch.setattr(pool, "submit", crew.submit)
    go = threading.Event()
    ran: list[int] = []

    @tool
    def hold() -> None:
        assert go.wait(SOON)

    @tool
    def never() -> None:
        ran.append(1)

    async def main() -> None:
        task = asyncio.create_task(run_tool(hold, {}))
        await _until(lambda: crew.threads == 1 and crew.waiting == 0)
        outcome = await run_tool(never, {}, timeout=0.01)
        assert outcome.error is not None
        assert outcome.error.startswith("ToolTimeout: never waited 0.01 seconds for a thread")
        assert crew.waiting == 0
        go.set()
        await task
        assert ran == []

    asyncio.run(main())


def test_a_sync_tool_may_run_a_loop_with_its_own_sync_tools() -> None:
    """More of them at once than there are threads for one depth."""

    @tool
    def inner(n: int) -> int:
        return n

    all_in = threading.Barrier(pool.MAX_TOOL_THREADS)

    @tool
    def outer(n: int) -> int:
        all_in.wait(SOON)
        value: int = asyncio.run(run_tool(inner, {"n": n})).value
        return value

    async def main() -> None:
        outcomes = await asyncio.gather(*(run_tool(outer, {"n": n}) for n in range(pool.MAX_TOOL_THREADS)))
        assert [outcome.value for outcome in outcomes] == list(range(pool.MAX_TOOL_THREADS))

    asyncio.run(main())


# --- context


def test_context_variables_reach_the_tool(run: Run) -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    @tool
    def plain() -> str:
        value = variable.get()
        variable.set("changed in a copy")
        return value

    async def main() -> None:
        variable.set("set")
        assert (await run_tool(plain, {})).result == "set"
        assert variable.get() == "set"

    run(main())


def test_an_idle_thread_keeps_no_reference_to_a_call() -> None:
    class Big:
        pass

    @tool
    def use(ctx: ToolContext) -> str:
        return type(ctx.context).__name__

    def call() -> weakref.ref[Big]:
        big = Big()
        assert asyncio.run(run_tool(use, {}, big)).result == "Big"
        return weakref.ref(big)

    left = call()
    deadline = time.monotonic() + SOON
    while left() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)
    assert left() is None


def test_many_cancellations_leak_nothing() -> None:
    @tool
    def plain(n: int) -> int:
        return n

    @tool
    async def later(n: int) -> AsyncIterator[int]:
        for i in range(n):
            yield i

    async def main() -> None:
        for round_ in range(200):
            tasks = [asyncio.create_task(run_tool((plain, later)[n % 2], {"n": n})) for n in range(20)]
            for _ in range(round_ % 4):
                await asyncio.sleep(0)
            for task in tasks[round_ % 3 :: 3]:
                task.cancel()
            for end in await asyncio.gather(*tasks, return_exceptions=True):
                assert isinstance(end, (ToolOutcome, asyncio.CancelledError))
                assert not isinstance(end, ToolOutcome) or end.error is None
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert pool.live_threads() <= pool.MAX_TOOL_THREADS * 2

    asyncio.run(main())


def test_a_sync_tool_that_is_cancelled_while_it_asks_ends_its_question_too(run: Run) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def ask(question: Any) -> Any:
            asked.set()
            await asyncio.Event().wait()

        @tool
        def book(ctx: ToolContext) -> str:
            """Book a room."""
            return ctx.ask_sync("For whom?", str)

        call = asyncio.ensure_future(run_tool(book, {}, ask=ask, timeout=SOON))
        await asyncio.wait_for(asked.wait(), SOON)
        (question,) = asyncio.all_tasks() - {call, asyncio.current_task()}
        call.cancel()
        await asyncio.wait({call, question}, timeout=SOON)
        assert call.cancelled()
        assert question.cancelled()

    run(main())
