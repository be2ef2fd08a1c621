"""A conversation in the terminal: the next message is read when an answer has ended.

Owns reading messages from standard input, in sync and async code. The agent creates the runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from headwater.agents.task import Task
from headwater.agents.typed_line import in_thread
from headwater.events.response import Response
from headwater.readers.kept_loop import kept_loop
from headwater.readers.reading import drain_blocking
from headwater.runtime.people import Approver
from headwater.runtime.run import Run
from headwater.runtime.thread import Thread
from headwater.terminal.device import is_screen

__all__ = ("converse", "converse_blocking")


async def converse(
    begin: Callable[..., Run], task: Task, options: dict[str, Any], *, asking: bool, approver: Approver | None = None
) -> Response[Any]:
    """Answer, then read the next message from the terminal, until there is none. Returns the last answer.

    `begin` creates a run, like `Agent._begin`; `asking` says whether a prompt may be printed. `approver` is the
    agent's; without one, the terminal is asked. Raises ApprovalNeeded if there is no terminal.
    """
    thread = thread_of(options)
    _have_asked(options, approver, asking)
    while True:
        run = begin(task, shown=True, thread=thread, **options)
        _attend(run)
        await run.drain(alone=True)
        response = run.response()
        said = await in_thread(lambda: next_message(asking=asking))
        if said is None:
            return response
        task = said


def converse_blocking(
    begin: Callable[..., Run], task: Task, options: dict[str, Any], *, asking: bool, approver: Approver | None = None
) -> Response[Any]:
    """The same in sync code: the terminal is read in the thread that receives Ctrl-C."""
    thread = thread_of(options)
    _have_asked(options, approver, asking)
    while True:
        run = begin(task, shown=True, thread=thread, **options)
        _attend(run)
        drain_blocking(run, kept_loop(), alone=True)
        said = next_message(asking=asking)
        if said is None:
            return run.response()
        task = said


def _have_asked(options: dict[str, Any], approver: Approver | None, asking: bool) -> None:
    """Let the terminal answer the runs' questions, unless there is another approver."""
    if asking and approver is None and options.get("approver") is None and is_screen(sys.stdin):
        from headwater.agents.terminal_asking import TerminalAsker, can_ask

        if can_ask():
            options["approver"] = TerminalAsker()


def _attend(run: Run) -> None:
    if (attend := getattr(run.approver, "attend", None)) is not None:
        attend(run.people)


def thread_of(options: dict[str, Any]) -> Thread:
    """The conversation's thread: the given one, even if it is empty, or a new one."""
    thread: Thread | None = options.pop("thread", None)
    return Thread(options.pop("history", None) or ()) if thread is None else thread


def next_message(*, asking: bool) -> str | None:
    """The next line from the terminal; None at the end of input, or for `exit` and `quit`."""
    prompt = "\nYou: " if asking and is_screen(sys.stdin) else ""
    while True:
        try:
            said = input(prompt)
        except (EOFError, RuntimeError, OSError, ValueError):
            return None
        if said.strip().lower() in ("exit", "quit"):
            return None
        if said.strip():
            return said
