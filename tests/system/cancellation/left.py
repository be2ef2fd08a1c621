"""What may not be left of a run: tasks, threads, descriptors; and what must be true of its partial Response."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Sequence
from typing import Any

from headwater.events.messages import Message, ToolCall, ToolResult
from headwater.events.response import Response
from tests.system.cancellation.server import FEW, Exchange

__all__ = ("Census", "assert_partial", "assert_told", "assert_valid", "look_ups_done", "no_tasks")


class Census:
    """What the process holds, apart from the server's own sockets and the tools' threads, which end when idle."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._before = self._count()

    def _count(self) -> tuple[set[str], list[str]]:
        threads = {t.name for t in threading.enumerate() if not t.name.startswith("headwater-tool")}
        return threads, sorted(kind for fd in _descriptors() if (kind := _kind(fd, self._port)))

    def assert_same(self) -> None:
        """Whether nothing has come to what there was."""
        threads, descriptors = self._count()
        assert threads <= self._before[0], f"left running: {threads - self._before[0]}"
        before = list(self._before[1])
        for kind in descriptors:
            assert kind in before, f"{kind} was left open: {descriptors}, before {self._before[1]}"
            before.remove(kind)


def _descriptors() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except FileNotFoundError:  # pragma: no cover  # not on this system: the tasks and the server's view remain
        return []


def _kind(fd: int, port: int) -> str:
    """What a descriptor is; "" for the server's own."""
    try:
        target = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return ""
    if not target.startswith("socket:"):
        return "" if target.startswith("/proc") else target.partition(":")[0]
    try:
        with socket.socket(fileno=os.dup(fd)) as sock:
            if sock.family not in (socket.AF_INET, socket.AF_INET6):
                return "socketpair"
            return "" if sock.getsockname()[1] == port else "connection"
    except OSError:
        return ""


async def look_ups_done() -> None:
    """Wait for the names that are being looked up: the HTTP client shares a look-up among all who want the name, and a
    system's answer cannot be waited for any less."""
    look_ups = [task for task in asyncio.all_tasks() if "_resolve_host" in repr(task.get_coro())]
    if look_ups:
        await asyncio.wait(look_ups, timeout=5)


def no_tasks() -> None:
    """Fail where the running loop has any task but this one."""
    assert asyncio.all_tasks() == {asyncio.current_task()}


def assert_told(exchange: Exchange, seen: Sequence[str]) -> None:
    """The client went away, and the server sent at most a few tokens more than were read."""
    assert exchange.wait_gone(), "the server still sends"
    assert exchange.sent <= len(seen) + FEW


def assert_partial(response: Response[Any], seen: Sequence[str]) -> None:
    """The Response is what was shown, and its history can be gone on from."""
    assert response.partial
    assert response.finish_reason == "cancelled"
    assert response.text == response.transcript == "".join(seen)
    if seen:
        assert response.messages[-1].text == response.text
    assert_valid(response.messages)


def assert_valid(messages: Sequence[Message]) -> None:
    """Any provider takes the messages: each call of ours is answered once, right after it, and nothing else is."""
    for at, message in enumerate(messages):
        calls = [part.id for part in message.content if isinstance(part, ToolCall) and part.by == "agent"]
        if calls:
            answers = messages[at + 1]
            assert [part.id for part in answers.content if isinstance(part, ToolResult)] == calls
        elif message.role == "tool":
            assert [part for part in messages[at - 1].content if isinstance(part, ToolCall)]
