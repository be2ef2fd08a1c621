"""What is known of a server while it is connected: its client, its tools, and the calls that it is working on.

Owns the cache of its tools. It neither opens nor closes the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from mcp import Client
    from mcp.client.session import ClientRequestContext, IncomingMessage
    from mcp_types import ElicitRequestParams, ElicitResult, ErrorData, Tool

__all__ = ("AtWork", "Session")

MAX_PAGES: Final = 100
"""Pages of tools that are read: a server whose list never ends must not hang a run."""

MAX_LINES: Final = 20
"""Lines of a command's standard error that are kept, for the error if it does not start."""

MAX_TOOLS: Final = 10_000
"""Tools that are kept of one server."""


class AtWork(Protocol):
    """A call that the server is working on."""

    async def elicited(self, params: ElicitRequestParams) -> ElicitResult:
        """Asks a person, and returns the answer. Raises CancelledError where the call ends before."""


class Session:
    """An open session. `client` is the SDK's; `fault` is what ended it, where it ended by itself.

    `stop` makes its task close it."""

    client: Client

    def __init__(self, name: str, stop: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self._stop = stop
        self.over: bool = False
        self.fault: BaseException | None = None
        self.left: asyncio.Event = asyncio.Event()
        """Set once the client has left."""
        self.written: deque[str] = deque(maxlen=MAX_LINES)
        """The last lines of its standard error, where it is a command."""
        self.running: list[AtWork] = []
        """The calls at work, the newest last."""
        self._tools: tuple[Tool, ...] | None = None
        self._until: float | None = None
        self._listing = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None

    def opened(self, client: Client) -> None:
        """Called when the client is connected."""
        self.client = client

    def ended(self) -> None:
        """Called when the client is about to leave, or has left."""
        self.over = True
        if self._watching is not None:
            self._watching.cancel()

    def gone(self) -> None:
        """Called when the server has closed the connection: what is sent from here on is lost."""
        self.over = True
        if hasattr(self, "client"):  # else connecting fails by itself
            self._stop()

    def failed(self, error: BaseException) -> None:
        """Called when the client ended by itself."""
        self.fault = error

    # --- its tools

    async def tools(self) -> tuple[Tool, ...]:
        """Returns the server's tools, from the cache while that is valid. Raises as the client does."""
        async with self._listing:
            if self._tools is None or self._expired():
                self._watch()
                self._tools = ()  # a change from here on makes it None, and the next one to ask lists them again
                try:
                    tools = await self._listed()
                except BaseException:
                    self._tools = None
                    raise
                if self._tools is not None:
                    self._tools = tools
                return tools
            return self._tools

    def forget_tools(self) -> None:
        """Called when the tools have changed."""
        self._tools = None

    def _expired(self) -> bool:
        if self._watching is not None and not self._watching.done():
            return False
        return self._until is not None and asyncio.get_running_loop().time() >= self._until

    async def _listed(self) -> tuple[Tool, ...]:
        found: dict[str, Tool] = {}
        cursor: str | None = None
        seconds: float | None = None
        for _ in range(MAX_PAGES):
            page = await self.client.list_tools(cursor=cursor, cache_mode="bypass")
            if self.modern:
                seconds = page.ttl_ms / 1000 if seconds is None else min(seconds, page.ttl_ms / 1000)
            for tool in page.tools:
                found.setdefault(tool.name, tool)
            cursor = page.next_cursor
            if not cursor or len(found) >= MAX_TOOLS:
                break
        self._until = None if seconds is None else asyncio.get_running_loop().time() + seconds
        return tuple(found.values())[:MAX_TOOLS]

    @property
    def modern(self) -> bool:
        """Whether it speaks a revision without a handshake, where lists have a time to live."""
        from mcp_types.version import MODERN_PROTOCOL_VERSIONS

        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS

    def _watch(self) -> None:
        """Subscribes to changes, where the server tells of them and does so only to those who ask."""
        if not self.modern or (self._watching is not None and not self._watching.done()):
            return
        tools = self.client.server_capabilities.tools
        if tools is not None and tools.list_changed:
            self._watching = asyncio.get_running_loop().create_task(self._hear_changes(), context=contextvars.Context())

    async def _hear_changes(self) -> None:
        try:
            async with self.client.listen(tools_list_changed=True) as changes:
                self.forget_tools()  # what has changed before it was heard of
                async for _ in changes:
                    self.forget_tools()
        except Exception as error:  # without it the list's time to live counts
            logging.getLogger("headwater.mcp").debug("%s tells of no changes: %s", self.name, error)
        finally:
            self.forget_tools()

    async def on_message(self, message: IncomingMessage) -> None:
        """Called with every notification."""
        from mcp_types import ToolListChangedNotification

        if isinstance(message, ToolListChangedNotification):
            self.forget_tools()

    # --- its questions

    async def on_elicit(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        """Called when the server asks a person; the question belongs to the call that started last."""
        from mcp_types import ElicitResult

        if not self.running:
            return ElicitResult(action="cancel")
        with contextlib.suppress(asyncio.CancelledError):
            return await self.running[-1].elicited(params)
        task: Any = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        return ElicitResult(action="cancel")
