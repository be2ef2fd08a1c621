"""A server that runs as a process of its own: its pipes, and how it ends.

Closing never waits for the process. Its input is closed, which asks it to leave; one that stays is terminated in the
background, together with everything that it has started. When the program ends, what is left ends with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from headwater.backends.loop_end import at_last

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

__all__ = ("see_off", "talk")

MAX_LINE_BYTES: Final = 96 * 1024 * 1024
"""Maximum length of one message: the largest result of a tool, in base64, and what is around it."""

MAX_STDERR_BYTES: Final = 64 * 1024
"""Maximum length of one line for the logger; what is longer is logged in pieces."""

LAST_WORDS_SECONDS: Final = 0.25
"""How long to read the standard error of a server that ended at once; what it has started may hold it open."""

TERMINATE_SECONDS: Final = 2.0
"""How long a server may stay once its input is closed, as in the protocol's own SDKs."""

KILL_SECONDS: Final = 4.0
"""How long it may stay in all, from then on."""

LAST_SECONDS: Final = 0.25
"""How long the end of the program waits for them, before and after it terminates them."""

_LOOK_AGAIN: Final = 0.02


@asynccontextmanager
async def talk(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str | None,
    log: Callable[[str], None],
    gone: Callable[[], None],
) -> AsyncGenerator[TransportStreams]:
    """Starts a server and yields the streams of its messages; each line that it writes to standard error goes to `log`.

    `gone` is called when it has closed its output. Raises OSError if it cannot be started.
    """
    import anyio
    from mcp.shared.message import SessionMessage

    process = subprocess.Popen(  # noqa: ASYNC220  # asyncio's own would kill it when the loop ends
        [*command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        bufsize=0,
        start_new_session=True,
    )
    pipes = _Pipes(process)
    try:
        await pipes.open()
        # The ends that the session gets, and ours: what is read goes in, what is to be written comes out.
        read_in, read_out = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        write_in, write_out = anyio.create_memory_object_stream[SessionMessage](0)
        async with anyio.create_task_group() as pumps, read_in, read_out, write_in, write_out:
            pumps.start_soon(pipes.read, read_in, gone)
            pumps.start_soon(pipes.write, write_out, read_in)
            pumps.start_soon(pipes.log, log)
            try:
                yield read_out, write_in
            finally:
                pumps.cancel_scope.cancel()
    finally:
        pipes.close()
        see_off(process)


class _Pipes:
    """The pipes of a process, in an event loop."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._transports: list[asyncio.BaseTransport] = []
        self._out = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        self._err = asyncio.StreamReader(limit=MAX_STDERR_BYTES)
        self._in: asyncio.StreamWriter | None = None
        self._logged = asyncio.Event()

    async def open(self) -> None:
        loop, process = asyncio.get_running_loop(), self._process
        for reader, pipe in ((self._out, process.stdout), (self._err, process.stderr)):
            transport, _ = await loop.connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), pipe)
            self._transports.append(transport)
        flow = asyncio.StreamReaderProtocol(asyncio.StreamReader())
        sink, _ = await loop.connect_write_pipe(lambda: flow, process.stdin)
        self._transports.append(sink)
        self._in = asyncio.StreamWriter(sink, flow, None, loop)

    def close(self) -> None:
        """Closes them at once, which asks the process to leave."""
        for transport in self._transports:
            transport.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not self._transports:
                pipe.close()

    async def read(self, to: Any, gone: Callable[[], None]) -> None:
        """Passes on each message; the end of `to` tells the session that the server has gone."""
        from mcp.shared.message import SessionMessage
        from mcp_types import jsonrpc_message_adapter

        heard = False
        async with to:
            with contextlib.suppress(ValueError, OSError):  # a line without end: nothing after it can be read
                while line := await self._out.readline():
                    try:
                        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                    except ValueError as error:
                        if line.strip():
                            await to.send(error)
                        continue
                    heard = True
                    await to.send(SessionMessage(message))
            if (
                not heard
            ):  # why it ended stands in its standard error, and must be there before it is told that it ended
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._logged.wait(), LAST_WORDS_SECONDS)
            gone()

    async def write(self, messages: Any, to: Any) -> None:
        assert self._in is not None
        try:
            async for one in messages:
                data = one.message.model_dump_json(by_alias=True, exclude_unset=True)
                self._in.write(data.encode() + b"\n")
                await self._in.drain()
        except OSError:  # the process has closed its input: no answer will come
            await to.aclose()

    async def log(self, log: Callable[[str], None]) -> None:
        try:
            while True:
                try:
                    line = await self._err.readline()
                except ValueError:
                    continue
                except OSError:
                    return
                if not line:
                    return
                log(line.decode(errors="replace").rstrip())
        finally:
            self._logged.set()


# --- ending

_leaving: dict[subprocess.Popen[bytes], tuple[float, int]] = {}
"""The processes whose input is closed: since when, and in which process of ours."""
_lock = threading.Lock()


def see_off(process: subprocess.Popen[bytes]) -> None:
    """Ends a process whose input was closed, in the background."""
    with _lock:
        starts = not _leaving
        _leaving[process] = (time.monotonic(), os.getpid())
    if starts:
        with contextlib.suppress(RuntimeError):  # the program is ending, and ends them itself
            threading.Thread(target=_watch, name="headwater ends MCP servers", daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(_LOOK_AGAIN)
        with _lock:
            now = time.monotonic()
            for process, (since, _) in [*_leaving.items()]:
                _end(process, now - since)
            if not _leaving:
                return


def _end(process: subprocess.Popen[bytes], after: float) -> None:
    """Looks whether it has left; sends the signal that is due."""
    if process.poll() is not None:
        _signal(process, kill=True)  # what it has started
        del _leaving[process]
    elif after >= TERMINATE_SECONDS:
        _signal(process, kill=after >= KILL_SECONDS)


def _signal(process: subprocess.Popen[bytes], *, kill: bool) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL if kill else signal.SIGTERM)
        elif process.returncode is None:
            process.kill()


def _end_all() -> None:
    with _lock:
        for process, (_, owner) in [*_leaving.items()]:
            if owner != os.getpid():  # a fork: they belong to the parent
                del _leaving[process]
        for seconds in (0.0, TERMINATE_SECONDS):
            for process in [*_leaving]:
                _end(process, seconds)
            until = time.monotonic() + LAST_SECONDS
            while _leaving and time.monotonic() < until:
                time.sleep(_LOOK_AGAIN)
                for process in [*_leaving]:
                    _end(process, 0.0)
        for process in [*_leaving]:
            _end(process, KILL_SECONDS)


at_last(_end_all)
