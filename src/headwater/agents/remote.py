"""Runs on a headwater server elsewhere: an agent or a workflow there as if it were here, and runs that go on already.

    for chunk in Remote("http://host:8000", agent="writer").run_stream("Explain tides"):
        print(chunk.content, end="")

Every way of running makes the same `Attached` and reads it, as agents do with theirs. Nothing is asked of a model here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict, TypeVar, cast

import msgspec
from typing_extensions import Unpack

from headwater.agents import validation
from headwater.agents.runnable import UnawaitedRun
from headwater.agents.task import Task, as_messages
from headwater.backends.remote.address import address_of
from headwater.backends.remote.log import IDLE_SECONDS, RECONNECT_SECONDS, RemoteLog
from headwater.backends.remote.server import RemoteServer
from headwater.backends.timeouts import is_seconds
from headwater.errors import ConfigurationError
from headwater.events.response import Response
from headwater.readers.callbacks import watch
from headwater.readers.kept_loop import blocks_here, kept_loop_for, refuse_inside_loop
from headwater.readers.stream import AgentStream
from headwater.runtime.attached import Attached
from headwater.schema.well_formed import all_well_formed

if TYPE_CHECKING:
    from headwater.events.messages import Message
    from headwater.readers.callbacks import Callback
    from headwater.runtime.people import Approver

__all__ = ("Remote", "attach")

T = TypeVar("T")

GRACE_SECONDS: Final = 30.0
"""How long a run that was begun here goes on without its reader: time to come back, and not forever."""


class ReadOptions(TypedDict, total=False):
    """What a remote run may be read with, as a run at home."""

    streaming_callback: Callback | None
    on_event: Callback | None
    on_retract: Callback | None
    stream: bool
    approver: Approver | None
    keep_log: bool
    save: str | os.PathLike[str] | None


class StartOptions(ReadOptions, total=False):
    """The same, and what a run on a server may be started with."""

    context: Any
    history: Sequence[Message] | None
    thread: str | None
    on_disconnect: Literal["continue", "cancel"] | float | None


def attach(
    url: str,
    *,
    journal: str | None = None,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    idle_timeout: float = IDLE_SECONDS,
    reconnect_timeout: float = RECONNECT_SECONDS,
    **options: Unpack[ReadOptions],
) -> AgentStream[Any, Any]:
    """A run of a journal or on a headwater server, from its beginning, as a stream with every face that a stream has.

    A run's id, as `agent.start` returns it, is looked for in the `journal` of that URL (None: HEADWATER_JOURNAL).
    Leaving the stream cancels nothing; `cancel()` stops the run, wherever it is driven. Of the options it takes
    `approver`.

    `url` is the run's address, `http://host/runs/ID`, under any prefix; the address of its events or of the page that
    shows it will do. `token` is sent as `Authorization: Bearer …`, `headers` as they are. A connection that breaks, or
    that is silent for `idle_timeout` seconds, is replaced by one that continues after the last event; after
    `reconnect_timeout` seconds without success the reading fails. Leaving the stream closes the connection, and the
    server's `on_disconnect` decides what happens to the run; `cancel()` stops it.

    Raises ConfigurationError; out of the reading UnknownRun, AuthenticationFailed, ConnectionFailed, and what ended the
    run.
    """
    if isinstance(url, str) and "://" not in url and (journal is not None or not url.startswith(("http:", "/"))):
        from headwater.durable.run_ref import attached

        approver = validation.callback("approver", options.pop("approver", None))
        if given := next(
            (name for name, value in {"token": token, "headers": headers, **options}.items() if value), ""
        ):
            raise ConfigurationError(
                f"attach() takes no {given} with a run of a journal.",
                hint="Watch its events instead: for event in attach(id).events().",
            )
        return attached(url, journal, approver=approver)
    address = address_of(url)
    if not address.run:
        base = address.base.removesuffix("/runs")
        raise ConfigurationError(
            f"{address.base} is the address of a server, not of a run.",
            hint=f"Write {base}/runs/ID, or begin one: Remote({base!r}).run_stream(task).",
        )
    server = RemoteServer(address, token=token, headers=headers)
    clocks = _clocks(idle_timeout, reconnect_timeout)
    return _stream(lambda: RemoteLog(server, **clocks), options)


class Remote:
    """An agent or a workflow on a headwater server, run as if it were here.

    `url` is the server's address with its prefix, `agent` a name there (None: the first that it serves).
    `on_disconnect` says what happens to a run that its reader leaves: "continue", "cancel", or the seconds within which
    someone must come back. The other arguments are those of `attach`.
    """

    def __init__(
        self,
        url: str,
        *,
        agent: str | None = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        on_disconnect: Literal["continue", "cancel"] | float = GRACE_SECONDS,
        idle_timeout: float = IDLE_SECONDS,
        reconnect_timeout: float = RECONNECT_SECONDS,
        **options: Unpack[ReadOptions],
    ) -> None:
        address = address_of(url)
        if address.run:
            raise ConfigurationError(
                f"{address.run_url} is the address of a run.", hint=f"Read it: headwater.attach({address.run_url!r})."
            )
        self.agent = agent
        self.on_disconnect = on_disconnect
        self._server = RemoteServer(address, token=token, headers=headers)
        self._clocks = _clocks(idle_timeout, reconnect_timeout)
        self._options = options

    @property
    def name(self) -> str:
        """Who is asked, as it is known here before a run has begun."""
        return self.agent or self._server.host

    def run(self, task: Task, **options: Any) -> Response[Any]:
        """Run to the end: blocks in sync code; inside a running event loop returns an awaitable. See `run_stream`.

        Ctrl-C leaves the run, and raises KeyboardInterrupt with the partial as `response`. Raises ApprovalNeeded, with
        the questions as `pending`, if the run waits for people and has no approver; it goes on waiting on the server.
        """
        if blocks_here():
            return self.run_sync(task, **options)
        return cast("Response[Any]", UnawaitedRun(self.arun(task, **options)))

    async def arun(self, task: Task, **options: Any) -> Response[Any]:
        """`run` as a plain coroutine."""
        return cast("Response[Any]", await self._stream(task, alone=True, **options).result())

    def run_sync(self, task: Task, **options: Any) -> Response[Any]:
        """`run` that always blocks. Raises LoopMisuse inside a running event loop."""
        refuse_inside_loop("`await remote.run(…)`")
        return cast("Response[Any]", self._stream(task, alone=True, **options).result_sync())

    def run_stream(self, task: Task, **options: Unpack[StartOptions]) -> AgentStream[Any, Any]:
        """The run as a stream; the server begins it when it is first read.

        `context` is JSON for the agent's tools and instructions; `history` is what was said before, `thread` the name
        of a conversation that the server remembers. Raises ConfigurationError; out of the reading, as `attach` does.
        """
        return self._stream(task, **options)

    def _stream(
        self,
        task: Task,
        *,
        alone: bool = False,
        context: Any = None,
        history: Sequence[Message] | None = None,
        thread: str | None = None,
        on_disconnect: Literal["continue", "cancel"] | float | None = None,
        **options: Unpack[ReadOptions],
    ) -> AgentStream[Any, Any]:
        said = (*validation.messages(history), *as_messages(task))
        body: dict[str, Any] = {
            "input": msgspec.to_builtins(all_well_formed(said)),
            "on_disconnect": self.on_disconnect if on_disconnect is None else on_disconnect,
        }
        given = {"agent": self.agent, "context": _as_json(context), "thread": thread}
        body |= {name: value for name, value in given.items() if value is not None}
        make = partial(RemoteLog, self._server, start=body, **self._clocks)
        return _stream(make, cast("ReadOptions", {**self._options, **options}), alone=alone)

    def attach(self, run_id: str, **options: Unpack[ReadOptions]) -> AgentStream[Any, Any]:
        """A run of this server by its id, as `headwater.attach` has it."""
        address = msgspec.structs.replace(self._server.address, run=run_id)
        server = self._server.at(address)
        return _stream(lambda: RemoteLog(server, **self._clocks), cast("ReadOptions", {**self._options, **options}))

    def __repr__(self) -> str:
        return f"Remote({self._server.address.base!r}, agent={self.agent!r})"


# --- inside


class _PlainCode:
    """How sync code waits: on the event loop that is kept for its thread."""

    def blocks(self) -> bool:
        """See `Blocking`."""
        return blocks_here()

    def wait(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None) -> T:
        """See `Blocking`."""
        return kept_loop_for(loop).run(coroutine)


_PLAIN_CODE: Final = _PlainCode()


def _stream(make: Callable[[], RemoteLog], options: ReadOptions, *, alone: bool = False) -> AgentStream[Any, Any]:
    if unknown := options.keys() - ReadOptions.__annotations__:
        raise validation.unknown(min(unknown), hint="It belongs to the agent, which is the server's.")
    for name in ("streaming_callback", "on_event", "on_retract", "approver"):
        validation.callback(name, options.get(name))
    return AgentStream(lambda: _begun(make(), alone=alone, **options))


def _begun(
    log: RemoteLog,
    *,
    alone: bool,
    streaming_callback: Callback | None = None,
    on_event: Callback | None = None,
    on_retract: Callback | None = None,
    stream: bool = False,
    approver: Approver | None = None,
    keep_log: bool = False,
    save: str | os.PathLike[str] | None = None,
) -> Attached:
    """The run of a log, with all who watch it."""
    run = Attached(log, blocking=_PLAIN_CODE, approver=approver, keep_log=keep_log, alone=alone)

    def attach() -> None:
        if save is not None:
            from headwater.readers.run_file import RunWriter

            RunWriter.attach(save, run)
        watch(run, streaming_callback, on_event, details=stream, on_retract=on_retract)

    if save is not None or streaming_callback is not None or on_event is not None:
        run.once_known(attach)
    return run


def _clocks(idle_timeout: float, reconnect_timeout: float) -> dict[str, float]:
    clocks = {"idle_timeout": idle_timeout, "reconnect_timeout": reconnect_timeout}
    for name, seconds in clocks.items():
        if not is_seconds(seconds):
            raise ConfigurationError(f"{name} is {seconds!r}.", hint="Give seconds, more than 0.")
    return clocks


def _as_json(context: Any) -> Any:
    try:
        return msgspec.to_builtins(context, str_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"The context has no JSON form: {error}.", hint="A remote agent is given plain values: dicts, lists, texts."
        ) from None
