"""A conversation in the terminal: the next message is read once an answer has ended.

Owns reading from standard input, in sync and async code. The runs are the agent's.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Callable
from typing import Any

from headwater.agents.task import Task
from headwater.events.response import Response
from headwater.readers.kept_loop import kept_loop
from headwater.readers.reading import drain_blocking
from headwater.runtime.run import Run
from headwater.runtime.thread import Thread

__all__ = ("converse", "converse_blocking")


async def converse(begin: Callable[..., Run], task: Task, options: dict[str, Any], *, asking: bool) -> Response[Any]:
    """Answer, then read the next message from the terminal, until there is none: the last answer.

    `begin` makes a run, as `Agent._begin` does; `asking` says whether a prompt may be written.
    """
    thread = thread_of(options)
    while True:
        run = begin(task, shown=True, thread=thread, **options)
        await run.drain()
        response = run.response()
        said = await in_thread(lambda: next_message(asking=asking))
        if said is None:
            return response
        task = said


def converse_blocking(begin: Callable[..., Run], task: Task, options: dict[str, Any], *, asking: bool) -> Response[Any]:
    """The same in sync code: the terminal is read where Ctrl-C is heard."""
    thread = thread_of(options)
    while True:
        run = begin(task, shown=True, thread=thread, **options)
        drain_blocking(run, kept_loop())
        said = next_message(asking=asking)
        if said is None:
            return run.response()
        task = said


def thread_of(options: dict[str, Any]) -> Thread:
    """What a conversation in the terminal goes on in: the thread that was given, be it empty, or one of its own."""
    thread: Thread | None = options.pop("thread", None)
    return Thread(options.pop("history", None) or ()) if thread is None else thread


def next_message(*, asking: bool) -> str | None:
    """The next line from the terminal; None at its end, or for `exit` and `quit`."""
    prompt = "\nYou: " if asking and sys.stdin is not None and sys.stdin.isatty() else ""
    while True:
        try:
            said = input(prompt)
        except (EOFError, RuntimeError, OSError, ValueError):
            return None
        if said.strip().lower() in ("exit", "quit"):
            return None
        if said.strip():
            return said


async def in_thread(function: Callable[[], str | None]) -> str | None:
    """What the function returns, from a thread that keeps no program from ending: nobody may ever type a line."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def settle(said: str | None) -> None:
        if not done.done():
            done.set_result(said)

    def work() -> None:
        # Where the program ends while the line is waited for, this frame is never left, and what it holds never let go
        # of: Python would want the file's lock to do that, which the reading has, and would abort instead.
        held = sys.stdin
        said = function()
        del held
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(settle, said)

    threading.Thread(target=work, name="headwater-input", daemon=True).start()
    return await done
