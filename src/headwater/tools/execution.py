"""Executes one call of a tool: checks arguments, runs it in the right place, applies limits, and returns the outcome.

An async tool runs in the calling task, a sync one in a thread of `pool`. Nothing here outlives the call except a thread
that does not end, which its context tells to stop. It appends no event; it reports progress through `emit`.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from concurrent.futures import CancelledError, Future
from typing import Any, Protocol

from headwater.backends.interrupt import running_loop
from headwater.errors import BudgetExceeded, Cancelled, LoopMisuse, ToolFailed, ToolTimeout
from headwater.events.questions import Answer
from headwater.schema.problems import ValidationFailed
from headwater.tools import pool
from headwater.tools.clock import CallClock
from headwater.tools.context import ToolContext, current_call, earliest
from headwater.tools.outcome import ToolOutcome
from headwater.tools.progress import Progress
from headwater.tools.work import Asked, Work

__all__ = ("Invocable", "run_tool", "run_work")

_LOOK_AGAIN = 1.0
"""Interval in seconds at which a waiting thread checks whether its loop still exists."""


class Invocable(Protocol):
    """A tool's function and its limits; see `Tool`."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def timeout(self) -> float | None:
        """The timeout of a call, in seconds."""

    @property
    def max_result_chars(self) -> int:
        """The length at which a result is truncated."""

    @property
    def is_async(self) -> bool:
        """Whether it runs in the event loop."""

    def validate(self, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
        """Returns the keyword arguments for the function. Raises ValidationFailed."""

    def invoke(self, arguments: Mapping[str, Any], context: ToolContext[Any]) -> Any:
        """Calls the function; nothing is awaited."""


async def run_work(tool: Invocable, work: Work) -> ToolOutcome:
    """Calls `tool` for a call of a run, as `run_tool` does."""
    return await run_tool(
        tool,
        work.arguments,
        work.context,
        emit=work.emit,
        timeout=work.timeout,
        deadline=work.deadline,
        call_id=work.call_id,
        run_id=work.run_id,
        ask=work.ask,
    )


async def run_tool(
    tool: Invocable,
    arguments: Mapping[str, Any] | str,
    context: Any = None,
    *,
    emit: Callable[[Any], None] | None = None,
    timeout: float | None = None,  # noqa: ASYNC109  # part of the contract: the outcome says that it ran out
    deadline: float | None = None,
    call_id: str = "",
    run_id: str = "",
    ask: Callable[[Asked], Awaitable[Answer]] | None = None,
) -> ToolOutcome:
    """Calls `tool` with a model's arguments and returns the outcome.

    `context` is the run's context. `emit` is called in this loop's thread with each progress value, plain JSON data,
    never after the return. `timeout` is in seconds, for a tool without its own; `deadline` is the run's, in seconds of
    `time.monotonic`: the tool can read it and the run itself enforces it. `ask` asks a person; the timeout pauses
    meanwhile.

    Raises: ToolFailed and any BaseException that is not an Exception, as raised by the tool; CancelledError if this
    task is cancelled.
    """
    try:
        values = tool.validate(arguments)
    except ValidationFailed as error:
        return ToolOutcome.failed(str(error), invalid=True, max_chars=tool.max_result_chars)
    except Exception as error:  # a user's validator that raises something else
        return ToolOutcome.raised(error, invalid=True, max_chars=tool.max_result_chars)
    seconds = timeout if tool.timeout is None else tool.timeout
    progress = Progress(emit)
    clock = CallClock(asyncio.timeout(seconds))
    asking = None if ask is None else _Asking(ask, clock)
    known = ToolContext(
        context,
        call_id=call_id,
        tool_name=tool.name,
        run_id=run_id,
        deadline=earliest(deadline, None if seconds is None else time.monotonic() + seconds),
        emit=progress.say,
        ask=asking,
    )
    token = current_call.set(known)
    try:
        return await _timed(_Call(tool, values, known), clock.timeout, seconds)
    except BaseException:
        known.stop()
        raise
    finally:
        current_call.reset(token)
        progress.close()
        clock.close()
        if asking is not None:
            asking.close()


async def _timed(call: _Call, clock: asyncio.Timeout, seconds: float | None) -> ToolOutcome:
    """Runs the call with its timeout, and converts exceptions for the model to an outcome."""
    task = asyncio.current_task()
    cancels = task.cancelling() if task is not None else 0
    try:
        async with clock:
            return await (call.here() if call.tool.is_async else call.in_thread())
    except (BudgetExceeded, ToolFailed):
        raise
    except Exception as error:
        if not clock.expired():
            return call.raised(error)
        call.context.stop()
        return call.raised(_too_late(call, seconds or 0.0))
    except asyncio.CancelledError as error:
        if task is None or task.cancelling() > cancels:
            raise
        # Something that the tool awaited was cancelled, not this task.
        return call.raised(error)


class _Asking:
    """Passes a tool's question to the run, from the loop's own thread or from another one."""

    def __init__(self, ask: Callable[[Asked], Awaitable[Answer]], clock: CallClock) -> None:
        self._open: tuple[Callable[[Asked], Awaitable[Answer]], CallClock] | None = (ask, clock)
        self._loop = asyncio.get_running_loop()
        self._in_threads: set[Future[Answer]] = set()
        """The futures that threads wait for, so that they end with the call."""

    def close(self) -> None:
        """Releases the run and the task when the call has ended."""
        self._open = None
        for waiting in tuple(self._in_threads):
            waiting.cancel()

    async def here(self, asked: Asked) -> Answer:
        """Wait in the loop for the answer."""
        if self._open is None:
            raise LoopMisuse("The call has ended, so it can no longer ask.", hint="Ask before it returns.")
        ask, clock = self._open
        clock.stand(True)
        try:
            return await ask(asked)
        finally:
            clock.stand(False)

    def in_thread(self, asked: Asked, stopped: threading.Event) -> Answer:
        """Block this thread until the answer is there. Raises Cancelled where the call is stopped before."""
        if running_loop() is not None:
            raise LoopMisuse("ctx.ask_sync would block the event loop.", hint="Write `await ctx.ask(…)`.")
        waiting = self._begin(asked)
        if waiting is None:
            raise Cancelled("The call was stopped before anyone answered.")
        try:
            while not (stopped.is_set() or self._loop.is_closed()):
                with contextlib.suppress(TimeoutError):
                    return waiting.result(_LOOK_AGAIN)
        except CancelledError:
            pass
        finally:
            self._in_threads.discard(waiting)
            waiting.cancel()
        raise Cancelled("The call was stopped before anyone answered.")

    def _begin(self, asked: Asked) -> Future[Answer] | None:
        """Returns the future of the answer; None if the loop is closed."""
        wait = self.here(asked)
        try:
            waiting = asyncio.run_coroutine_threadsafe(wait, self._loop)
        except RuntimeError:
            wait.close()
            return None
        self._in_threads.add(waiting)
        if self._open is None:
            waiting.cancel()
        return waiting


class _Call:
    """One running call. `began` is False while it waits for a thread."""

    __slots__ = ("began", "context", "tool", "values")

    def __init__(self, tool: Invocable, values: Mapping[str, Any], context: ToolContext[Any]) -> None:
        self.tool = tool
        self.values = values
        self.context = context
        self.began = True

    def raised(self, error: BaseException) -> ToolOutcome:
        return ToolOutcome.raised(error, max_chars=self.tool.max_result_chars)

    async def here(self) -> ToolOutcome:
        """Runs an async tool in the task."""
        return await self._settled(self.tool.invoke(self.values, self.context))

    async def in_thread(self) -> ToolOutcome:
        """Runs a sync tool in a thread of the pool; if this task is cancelled, the result is dropped."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

        def job() -> None:
            self.began = True
            end: tuple[Any, BaseException | None]
            self.context.work_here(True)
            try:
                end = (self._called(), None)
            except BaseException as error:
                end = (None, error)
            finally:
                self.context.work_here(False)
            _call_soon(loop, _settle, done, end)

        self.began = False
        take_back = pool.submit(job)
        try:
            value, error = await done
        except asyncio.CancelledError:
            self.context.stop()
            take_back()
            raise
        if error is not None:
            raise error
        return value if isinstance(value, ToolOutcome) else await self._settled(value)

    def _called(self) -> Any:
        """Runs in the thread and creates the outcome there, so that a large value is not converted in the loop.

        If a sync function turns out to be async, returns its awaitable, to be awaited in the loop.
        """
        try:
            value = self.tool.invoke(self.values, self.context)
            if isinstance(value, Generator):
                value = _drained(value, self.context)
            if inspect.isawaitable(value) or isinstance(value, AsyncGenerator):
                return value
            return ToolOutcome.of(value, max_chars=self.tool.max_result_chars)
        except (BudgetExceeded, ToolFailed):
            raise
        except Exception as error:  # caught here because a StopIteration cannot be raised in a task
            return self.raised(error)

    async def _settled(self, value: Any) -> ToolOutcome:
        """Returns the outcome of an async tool's return value: an awaitable, or an async generator."""
        if inspect.isawaitable(value):
            value = await value
        if isinstance(value, AsyncGenerator):
            value = await _last(value, self.context)
        return ToolOutcome.of(value, max_chars=self.tool.max_result_chars)


async def _last(generator: AsyncGenerator[Any, None], context: ToolContext[Any]) -> Any:
    last: Any = None
    async with contextlib.aclosing(generator):
        async for last in generator:
            context.emit(last)
            await asyncio.sleep(0)  # a generator that never waits would block readers
    return last


def _drained(generator: Generator[Any, None, Any], context: ToolContext[Any]) -> Any:
    try:
        while not context.cancelled:
            context.emit(next(generator))
    except StopIteration as end:
        return end.value
    finally:
        generator.close()
    return None


def _settle(done: asyncio.Future[tuple[Any, BaseException | None]], end: tuple[Any, BaseException | None]) -> None:
    if not done.done():
        done.set_result(end)


def _call_soon(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> bool:
    try:
        loop.call_soon_threadsafe(function, *args)
    except RuntimeError:  # the loop is closed, so the result is not needed
        return False
    return True


def _too_late(call: _Call, seconds: float) -> ToolTimeout:
    if call.began:
        message = f"{call.tool.name} took longer than {seconds:g} seconds."
    else:
        message = (
            f"{call.tool.name} waited {seconds:g} seconds for a thread: {pool.MAX_TOOL_THREADS} tools are running."
        )
    return ToolTimeout(message, clock="tool", seconds=seconds)
