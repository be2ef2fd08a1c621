"""A conversation in the terminal: the next message is read once an answer has ended.

Owns reading from standard input, in sync and async code. The runs are the agent's.
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
    """Answer, then read the next message from the terminal, until there is none: the last answer.

    `begin` makes a run, as `Agent._begin` does; `asking` says whether a prompt may be written. `approver` is the
    agent's own, where it has one; else who sits at the terminal is asked. Raises ApprovalNeeded where nobody can be.
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
    """The same in sync code: the terminal is read where Ctrl-C is heard."""
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
    """Have the person at the terminal answer what the runs ask, where that is nobody else's."""
    if asking and approver is None and options.get("approver") is None and is_screen(sys.stdin):
        from headwater.agents.terminal_asking import TerminalAsker, can_ask

        if can_ask():
            options["approver"] = TerminalAsker()


def _attend(run: Run) -> None:
    if (attend := getattr(run.approver, "attend", None)) is not None:
        attend(run.people)


def thread_of(options: dict[str, Any]) -> Thread:
    """What a conversation in the terminal goes on in: the thread that was given, be it empty, or one of its own."""
    thread: Thread | None = options.pop("thread", None)
    return Thread(options.pop("history", None) or ()) if thread is None else thread


def next_message(*, asking: bool) -> str | None:
    """The next line from the terminal; None at its end, or for `exit` and `quit`."""
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
