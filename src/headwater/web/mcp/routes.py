"""`/mcp`: streamable HTTP with the `mcp` package, which is imported at the first request.

Owns the task in which the package's sessions live: the package needs a lifespan, which a router in another program does
not have. `calls` owns the tools and their calls.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from headwater.web.http.answers import json_answer, problem_headers
from headwater.web.http.bodies import parsed
from headwater.web.http.site import Handler, Site
from headwater.web.problems import Problem

if TYPE_CHECKING:
    from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

    from headwater.web.mcp.calls import Asking

__all__ = ("ENDING_SECONDS", "MCPRoutes", "refusal")

ENDING_SECONDS: Final = 5.0
"""How long a server that stops waits for the results of calls, whose runs have ended, to be sent."""

_INVALID_REQUEST: Final = -32600
_PARSE_ERROR: Final = -32700
_INTERNAL_ERROR: Final = -32603


def refusal(problem: Problem) -> Response:
    """Returns a problem as a JSON-RPC error."""
    code = _PARSE_ERROR if problem.code == "bad_json" else _INVALID_REQUEST
    code = _INTERNAL_ERROR if problem.status >= 500 else code
    error = {"code": code, "message": f"{problem.message} {problem.hint}".strip()}
    return json_answer({"jsonrpc": "2.0", "id": None, "error": error}, problem.status, problem_headers(problem))


class MCPRoutes:
    """The handlers of `/mcp`."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sessions: StreamableHTTPSessionManager | None = None
        self._task: asyncio.Task[None] | None = None
        self._begun = asyncio.Event()
        self._answering: set[asyncio.Task[Any]] = set()
        """The tasks of the requests that still have to be answered."""

    def handlers(self) -> dict[str, dict[str, Handler]]:
        """Returns the handlers by path and method."""
        return {"/mcp": {"GET": self.serve, "POST": self.serve, "DELETE": self.serve}}

    async def serve(self, request: Request, caller: str | None) -> Response:
        """Answers a message, opens the stream of a session, or ends a session."""
        body = await self._site.body(request) if request.method == "POST" else b""
        if request.method == "POST":
            parsed(body)  # reject it before the package reads it, with the limits of all routes
        return _Answer(self._site, await self._ready(), body, caller, self._answering)

    async def _ready(self) -> StreamableHTTPSessionManager:
        """Returns the package's session manager, which runs in a task of this event loop."""
        try:
            await asyncio.to_thread(importlib.import_module, "headwater.web.mcp.calls")
            from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

            from headwater.web.mcp.calls import server_of
        except ImportError as error:
            said = f"MCP needs the package mcp, 2.3 or later ({error})."
            raise Problem("not_configured", said, hint='Install it: pip install "headwater[mcp]".') from error
        if self._site.manager.stopped.is_set():
            raise _stopped()
        if self._sessions is None or self._task is None or self._task.done():
            limits = self._site.limits
            self._sessions = sessions = StreamableHTTPSessionManager(
                server_of(self._site), max_request_body_size=limits.body_bytes, max_sessions=limits.readers
            )
            self._begun = asyncio.Event()
            self._task = asyncio.create_task(self._keep(sessions, self._begun), name="headwater MCP sessions")
        await self._begun.wait()
        return self._sessions

    async def _keep(self, sessions: StreamableHTTPSessionManager, begun: asyncio.Event) -> None:
        """Keeps the sessions until the server has stopped and its calls are answered, or the event loop ends."""
        async with sessions.run():
            begun.set()
            await self._site.manager.stopped.wait()
            if self._answering:
                await asyncio.wait({*self._answering}, timeout=ENDING_SECONDS)


class _Answer(Response):
    """Sends the package's response with the headers of this server."""

    def __init__(
        self,
        site: Site,
        sessions: StreamableHTTPSessionManager,
        body: bytes,
        caller: str | None,
        answering: set[asyncio.Task[Any]],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._site = site
        self._sessions = sessions
        self._body = body
        self._caller = caller
        self._answering = answering

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the base class."""
        if self._site.manager.stopped.is_set():  # since the request was accepted: the sessions have ended
            await refusal(_stopped())(scope, receive, send)
            return
        from headwater.web.mcp.calls import ASKING, Asking

        asking = Asking(self._caller, asyncio.Event())
        ends = scope["method"] == "POST"  # once its run has ended; the stream of a session has no end of its own
        hears = _Hears(self._body, receive, asking, None if ends else self._site.manager.stopped)

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [header for header in self.raw_headers if header[0] not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        scope = {**scope, ASKING: asking, **_user(self._caller)}
        task = asyncio.current_task()
        if ends and task is not None:
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        try:
            await self._sessions.handle_request(scope, hears, tell)
        finally:
            asking.gone.set()


class _Hears:
    """The package's `receive`: the body, which was read before, and then a disconnect: the client's, or `stopped`."""

    def __init__(self, body: bytes, receive: Receive, asking: Asking, stopped: asyncio.Event | None) -> None:
        self._body: bytes | None = body
        self._receive = receive
        self._asking = asking
        self._stopped = stopped

    async def __call__(self) -> MutableMapping[str, Any]:
        """Returns the next message."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        message = await (self._receive() if self._stopped is None else self._until(self._stopped))
        if message["type"] == "http.disconnect":
            self._asking.gone.set()
        return message

    async def _until(self, stopped: asyncio.Event) -> MutableMapping[str, Any]:
        heard, stopping = asyncio.ensure_future(self._receive()), asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait({heard, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return heard.result() if heard.done() else {"type": "http.disconnect"}
        finally:
            heard.cancel()
            stopping.cancel()


def _stopped() -> Problem:
    return Problem("shutting_down", "The server is shutting down.", hint="Try again soon.", retry_after=5)


def _user(caller: str | None) -> dict[str, Any]:
    """Returns the caller in the package's format: only the caller may use a session that they started."""
    if caller is None:
        return {}
    from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
    from mcp.server.auth.provider import AccessToken

    return {"user": AuthenticatedUser(AccessToken(token="", client_id=caller, scopes=[]))}
