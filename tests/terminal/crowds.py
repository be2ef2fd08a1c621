"""Logs of several agents at once, as a workflow's run appends them, and screens to look at what is shown of them."""

from __future__ import annotations

import io
import os
import re
import select
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, TextIO

import msgspec
import pyte

from headwater.events import (
    AttemptFailed,
    AttemptStarted,
    CallReady,
    CallStarted,
    ChildFinished,
    ChildStarted,
    ErrorInfo,
    Event,
    ReasoningDelta,
    ReasoningStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
)
from headwater.events.messages import Usage

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ROOT = "workflow"


def at(event: Event, time: float, *names: str) -> Event:
    """`event` of the agent that stands at `names` below the workflow (none: of the workflow itself)."""
    path = (ROOT, *names)
    return msgspec.structs.replace(event, time=time, path=path, run="/".join(path))


def opened(time: float = 0.0) -> list[Event]:
    return [at(RunStarted(agent_name=ROOT), time)]


def begun(*names: str, time: float = 0.0, model: str = "m") -> list[Event]:
    """An agent's beginning, up to its first words."""
    *above, name = names
    return [
        at(ChildStarted(child="/".join((ROOT, *names)), name=name), time, *above),
        at(RunStarted(agent_name=name, model=model), time, *names),
        *asked(*names, time=time),
    ]


def asked(*names: str, time: float = 0.0, step: int = 1) -> list[Event]:
    return [at(StepStarted(step=step), time, *names), at(AttemptStarted(step=step), time, *names)]


def said(name: str, *pieces: str, time: float = 1.0, step: int = 1, lead: str = "") -> list[Event]:
    started = at(TextStarted(step=step, part=0, lead=lead), time, name)
    return [started, *(at(TextDelta(step=step, part=0, text=piece), time, name) for piece in pieces)]


def refused(name: str, text: str, time: float = 1.0) -> list[Event]:
    return [
        at(TextStarted(step=1, part=5, kind="refusal"), time, name),
        at(TextDelta(step=1, part=5, text=text), time, name),
    ]


def thought(name: str, *pieces: str, time: float = 1.0) -> list[Event]:
    started = at(ReasoningStarted(step=1, part=9), time, name)
    return [started, *(at(ReasoningDelta(step=1, part=9, text=piece), time, name) for piece in pieces)]


def called(name: str, tool: str, key: str = "c1", *, time: float = 1.0, **arguments: Any) -> list[Event]:
    return [
        at(CallStarted(step=1, call=key, name=tool), time, name),
        at(CallReady(step=1, call=key, name=tool, arguments=arguments), time, name),
    ]


def tool_started(name: str, tool: str, key: str = "c1", *, time: float = 1.0, try_: int = 1) -> list[Event]:
    return [at(ToolStarted(step=1, call=key, name=tool, try_=try_), time, name)]


def tool_progress(name: str, tool: str, data: Any, key: str = "c1", *, time: float = 1.0) -> list[Event]:
    return [at(ToolProgress(step=1, call=key, name=tool, data=data), time, name)]


def tool_finished(name: str, tool: str, key: str = "c1", *, time: float = 2.0, error: str | None = None) -> list[Event]:
    return [at(ToolFinished(step=1, call=key, name=tool, duration=0.4, error=error), time, name)]


def broke(name: str, *, time: float = 1.0, wait: float = 2.0, then: Literal["retry", "raise"] = "retry") -> list[Event]:
    error = ErrorInfo(type="ConnectionFailed", message="The connection broke.", retryable=True)
    return [at(AttemptFailed(step=1, attempt=1, error=error, then=then, wait=wait), time, name)]


def tried_again(name: str, *, time: float = 3.0) -> list[Event]:
    return [at(AttemptStarted(step=1, attempt=2, cause="retry"), time, name)]


def reported(name: str, tokens: int | None, *, time: float = 2.0, step: int = 1, read: int = 10) -> list[Event]:
    usage = Usage(input_tokens=read, output_tokens=tokens)
    return [at(UsageReported(step=step, attempt=1, usage=usage), time, name)]


def answered(name: str, *, time: float = 2.0, tokens: int | None = None, step: int = 1) -> list[Event]:
    report = reported(name, tokens, time=time, step=step) if tokens is not None else []
    return [*report, at(StepFinished(step=step, finish_reason="stop"), time, name)]


def ended(*names: str, time: float = 2.0, finish_reason: str = "stop") -> list[Event]:
    """The end of an agent or, without a name, of the workflow."""
    end = at(RunFinished(finish_reason=finish_reason), time, *names)
    return [end, *_told(names, time, "finished")]


def failed(*names: str, time: float = 2.0) -> list[Event]:
    error = ErrorInfo(type="Overloaded", message="No capacity.", hint="Try later.")
    return [at(RunFailed(error=error), time, *names), *_told(names, time, "failed")]


def cancelled(
    *names: str, time: float = 2.0, by: Literal["caller", "deadline", "parent", "shutdown"] = "parent"
) -> list[Event]:
    return [at(RunCancelled(by=by), time, *names), *_told(names, time, "cancelled")]


def _told(
    names: Sequence[str], time: float, outcome: Literal["finished", "failed", "cancelled"]
) -> Iterator[ChildFinished | Event]:
    if names:
        child = ChildFinished(child="/".join((ROOT, *names)), name=names[-1], outcome=outcome)
        yield at(child, time, *names[:-1])


# --- screens

BYTES_A_WRITE = 1024
"""As many as an empty terminal surely has room for."""


@contextmanager
def terminal(columns: int = 80, lines: int = 24, *, encoding: str = "utf-8") -> Iterator[tuple[TextIO, Watched]]:
    """A file that is a terminal, and what a person sees on it. However much is written, it never fills up."""
    import pty

    ours, theirs = pty.openpty()
    resize(theirs, columns, lines)
    watched = Watched(ours, columns, lines)
    output = io.BufferedWriter(_Drained(theirs, watched))
    with io.TextIOWrapper(output, encoding=encoding, line_buffering=True) as file:
        yield file, watched
    os.close(ours)


class _Drained(io.FileIO):
    """The terminal as its writer has it. A terminal that nobody reads blocks its writer: it is read before a write."""

    def __init__(self, descriptor: int, watched: Watched) -> None:
        super().__init__(descriptor, "w")
        self._watched = watched

    def write(self, data: ReadableBuffer, /) -> int:
        self._watched.drain()
        return super().write(memoryview(data)[:BYTES_A_WRITE])


def resize(descriptor: int, columns: int, lines: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


class Watched:
    """The other end of a terminal: an emulated screen with its scrollback."""

    def __init__(self, descriptor: int, columns: int, lines: int) -> None:
        self._descriptor = descriptor
        os.set_blocking(descriptor, False)
        self.screen = pyte.HistoryScreen(columns, lines, history=1000, ratio=0.5)
        self._stream = pyte.Stream(self.screen)
        self._unread = bytearray()
        """What has come since the last look."""
        self._lock = threading.Lock()
        self.raw = ""
        """All that was written."""
        self.last = ""
        """What was written since the last look."""

    def drain(self) -> None:
        """Take what has been written, in any thread, so that there is room for more."""
        with self._lock, suppress(OSError):
            while piece := os.read(self._descriptor, 65536):
                self._unread += piece

    def look(self) -> list[str]:
        """The rows now, without the empty ones below."""
        self.drain()
        with self._lock:
            self.last = self._unread.decode(errors="ignore")
            self._unread.clear()
        self.raw += self.last
        self._stream.feed(self.last)
        return trimmed(self.screen.display)

    def wait_for(self, words: str, *, seconds: float = 30.0) -> list[str]:
        """The rows as soon as `words` stand in one of them; for a program of its own."""
        deadline = time.monotonic() + seconds
        while words not in "\n".join(rows := self.look()):
            left = deadline - time.monotonic()
            assert left > 0, rows
            select.select([self._descriptor], [], [], left)
        return rows

    def resize(self, columns: int, lines: int) -> None:
        """Become another size; what no longer fits goes off the top, and the cursor with the rest."""
        gone = max(self.screen.lines - lines, 0)
        self.screen.resize(lines, columns)
        self.screen.cursor.y = max(self.screen.cursor.y - gone, 0)

    @property
    def scrolled(self) -> list[str]:
        """What went off the top."""
        columns = self.screen.columns
        return ["".join(row[at].data for at in range(columns)).rstrip() for row in self.screen.history.top]


def trimmed(display: Sequence[str]) -> list[str]:
    rows = [row.rstrip() for row in display]
    while rows and not rows[-1]:
        rows.pop()
    return rows


def plain(row: str) -> str:
    """A row without its escape codes."""
    return re.sub("\x1b\\[[0-9;]*[A-Za-z]", "", row)
