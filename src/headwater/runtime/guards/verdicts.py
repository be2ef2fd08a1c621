"""Calls guards, and says what their verdicts mean.

A guard that raises, takes too long or returns something else blocks. It must never put a text into an error or a log.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Generator
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import GuardBlocked
from headwater.runtime.context import current_run, report
from headwater.runtime.guards.guard import Block, Guard, GuardContext, On, Replace, Retry, Verdict
from headwater.schema.well_formed import well_formed

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = ("CANCELLED", "WITHHELD", "ask", "blocked", "judge")

_logger = logging.getLogger("headwater.guards")

WITHHELD: Final = "[Withheld by the guard {}.]"
"""What stands in the place of a text that a guard has blocked."""

_WHAT: Final[dict[On, str]] = {
    "output": "the answer",
    "input": "the input",
    "arguments": "the arguments of a call",
    "result": "the result of a tool",
    "reasoning": "the model's reasoning",
}


class Failed(Block, frozen=True):
    """The verdict of a guard that did not give one."""


CANCELLED: Final = Failed("The guard was cancelled.")
"""The verdict of a guard whose own work was cancelled, and not its run."""


def ask(run: Run, guard: Guard, text: str, about: GuardContext) -> Verdict | Awaitable[Verdict]:
    """Calls the guard; returns its verdict, or an awaitable of it if the guard is async."""
    token = current_run.set(run)
    try:
        said = guard(text, about)
    except asyncio.CancelledError:
        return CANCELLED
    except Exception as error:
        return _raised(run, guard, error)
    finally:
        current_run.reset(token)
    return _Awaited(run, guard, said) if inspect.isawaitable(said) else _verdict(said)


async def judge(run: Run, guard: Guard, text: str, about: GuardContext) -> Verdict:
    """Calls the guard and waits for its verdict."""
    said = ask(run, guard, text, about)
    return await said if isinstance(said, Awaitable) else said


class _Awaited(Awaitable[Verdict]):
    """The verdict of an async guard. A coroutine that nobody comes to await is closed, which is no mistake here."""

    __slots__ = ("_guard", "_run", "_said")

    def __init__(self, run: Run, guard: Guard, said: Awaitable[Any]) -> None:
        self._run, self._guard, self._said = run, guard, said

    def __await__(self) -> Generator[Any, None, Verdict]:
        return _awaited(self._run, self._guard, self._said).__await__()

    def __del__(self) -> None:
        said = self._said
        if inspect.iscoroutine(said) and inspect.getcoroutinestate(said) == inspect.CORO_CREATED:
            said.close()


async def _awaited(run: Run, guard: Guard, said: Awaitable[Any]) -> Verdict:
    """Waits for the guard in a task of its own: one that goes on after its time, or its run, is not waited for."""
    token = current_run.set(run)
    try:
        task = asyncio.ensure_future(said)
    finally:
        current_run.reset(token)
    try:
        await asyncio.wait({task}, timeout=guard.timeout)
    finally:
        if not task.done():
            _left.add(task)
            task.add_done_callback(_forget)
            task.cancel()
    if not task.done():
        return Failed(f"The guard gave no verdict within {guard.timeout:g} s.")
    if task.cancelled():
        return CANCELLED  # by other code: a group that it waited for, or itself
    try:
        return _verdict(task.result())
    except Exception as error:
        return _raised(run, guard, error)


def _raised(run: Run, guard: Guard, error: Exception) -> Failed:
    """Logs where the guard raised. The message stays out: it may quote the text."""
    who, quiet = f"The guard {guard.name}", run.callback_errors.quiet
    report(_logger, logging.ERROR, who, error, "it blocks", quiet=quiet, withheld=True)
    return Failed(f"The guard raised {type(error).__name__}.")


_left: set[asyncio.Future[Any]] = set()
"""Guards that were cancelled and have not ended: the event loop alone would not keep them."""


def _forget(task: asyncio.Future[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()  # seen, so that it is not reported as lost


def _verdict(said: Any) -> Verdict:
    match said:
        case None | Failed():
            return said
        case Replace(text=str(words)):
            return Replace(well_formed(words))
        case Retry(note=str(words)):
            return Retry(well_formed(words))
        case Block(note=str(words)):
            return Block(well_formed(words))
        case Replace() | Retry() | Block():
            return Failed(f"The guard returned {type(said).__name__} of something that is not a string.")
        case _:
            return Failed(f"The guard returned {type(said).__name__}, not None, Block, Replace or Retry.")


def blocked(guard: Guard, on: On, note: str) -> GuardBlocked:
    """Returns the error for a text that did not pass."""
    why = f": {note}{'' if note.endswith(('.', '!', '?', ')')) else '.'}" if note else "."
    return GuardBlocked(
        f"The guard {guard.name!r} blocked {_WHAT[on]}{why}",
        hint="What had passed before is in the error's `response`." if on in ("output", "reasoning") else "",
        guard=guard.name,
        on=on,
        note=note,
    )
