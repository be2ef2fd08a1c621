"""A site: one manager, its guard, and how a request becomes a response or an error.

Every endpoint is called through `Site.endpoint`, which checks access, reads the body within its limits, formats errors
and writes an access log line, so no route can forget one of these. The routes own everything else.
"""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import logging
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response

from headwater.agents.runnable import Runnable
from headwater.errors import ConfigurationError, UsageError
from headwater.events.controls import one_line
from headwater.web.http.answers import problem_answer
from headwater.web.http.guard import Asked, Guard
from headwater.web.limits import Limits
from headwater.web.problems import Problem
from headwater.web.runs import signals
from headwater.web.runs.live_run import OnDisconnect
from headwater.web.runs.manager import Manager, checked_on_disconnect

__all__ = ("LOG", "Endpoint", "Handler", "Owner", "Refusal", "Site")

LOG: Final = logging.getLogger("headwater.web")

Owner: TypeAlias = Callable[[HTTPConnection], Any]
"""Returns the name of a request's caller; may be a coroutine function. None stands for an anonymous caller."""

Handler: TypeAlias = Callable[[Request, str | None], Awaitable[Response]]
"""Handles a request, given the caller's name. Raises Problem."""

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

Refusal: TypeAlias = Callable[[Problem], Response]
"""Formats a problem for a wire."""

_OF_MCP: Final = "mcp-method, mcp-name, mcp-protocol-version, mcp-session-id"
"""The headers that MCP clients send."""

BODY_SECONDS: Final = 30.0
"""Timeout for receiving a body: generous for four megabytes at a kilobyte per millisecond."""


class Site:
    """The state that all routes of a server share."""

    def __init__(
        self,
        members: Iterable[Runnable],
        *,
        on_disconnect: OnDisconnect | None = None,
        owner: Owner | None = None,
        limits: Limits | None = None,
        guard: Guard | None = None,
        journal: str | None = None,
        engine: str | None = None,
    ) -> None:
        self.manager: Manager = Manager(members, limits=limits, journal=journal, engine=engine)
        self.on_disconnect = checked_on_disconnect(on_disconnect)
        if self.manager.durable is not None and self.on_disconnect not in (None, "continue"):
            raise ConfigurationError("Runs of a journal continue without readers.", hint="Leave out on_disconnect.")
        self.guard: Guard = guard or Guard()
        self._owner = owner
        self._heard = self._begun = False

    @property
    def limits(self) -> Limits:
        """The limits of this server."""
        return self.manager.limits

    # --- access

    def asked(self, connection: HTTPConnection, *, public: bool = False) -> Asked:
        """Returns the input of the guard's checks."""
        names = Counter(name.decode("latin-1").lower() for name, _ in connection.scope["headers"])
        return Asked(
            method=connection.scope.get("method", "GET"),
            scheme=connection.scope.get("scheme", "http"),
            headers=dict(connection.headers),
            doubled=frozenset(name for name, times in names.items() if times > 1),
            address=_ip_address(connection.scope.get("server")),
            subprotocols=tuple(connection.scope.get("subprotocols", ())),
            public=public,
        )

    async def caller(self, connection: HTTPConnection) -> str | None:
        """Returns the caller's name; exceptions from `owner` propagate."""
        if self._owner is None:
            return None
        named = self._owner(connection)
        if inspect.isawaitable(named):
            named = await named
        return None if named is None else str(named)

    def begin(self) -> None:
        """Continues the runs of an earlier process. Called when the server starts, if it says so, else by `hear`."""
        if not self._begun:
            self._begun = True
            self.manager.adopt()

    def hear(self) -> None:
        """Called with each request: the first one begins what a server does, in a program that did not say so."""
        self.begin()
        if not self._heard:
            self._heard = True
            signals.hear(self.manager)

    # --- responses

    def endpoint(self, handler: Handler, *, public: bool = False, refuse: Refusal = problem_answer) -> Endpoint:
        """Wraps the handler with the checks; `refuse` formats its problems."""

        async def endpoint(request: Request) -> Response:
            self.hear()
            try:
                asked = self.asked(request, public=public)
                self.guard.check(asked)
                answer = await handler(request, None if public else await self.caller(request))
            except Problem as problem:
                answer = refuse(problem)
            except ClientDisconnect:
                answer = Response(status_code=400)  # nobody reads it
            except UsageError as error:
                answer = refuse(Problem("bad_request", error.message, hint=error.hint))
            except HTTPException:
                raise  # a program's `owner` may send its own error response
            except Exception:
                answer = refuse(self.broken(request))
            self._allow(request, answer)
            LOG.info("%s %s %d", one_line(request.method), one_line(request.url.path), answer.status_code)
            return answer

        endpoint.__name__ = getattr(handler, "__name__", "endpoint")
        endpoint.__doc__ = handler.__doc__
        return endpoint

    def broken(self, connection: HTTPConnection) -> Problem:
        """Handles an unexpected error: the client gets an id, the log gets the details."""
        number = secrets.token_hex(4)
        LOG.exception("%s went wrong (%s).", one_line(connection.url.path), number)
        return Problem(
            "internal",
            f"The server failed to handle the request ({number}).",
            hint="See this number in the server's log.",
        )

    def _allow(self, request: Request, answer: Response) -> None:
        """Adds the CORS headers for an allowed site; without them, browsers hide the response from other sites."""
        answer.headers.setdefault("vary", "origin")
        origin = request.headers.get("origin")
        if origin in self.guard.origins:
            answer.headers["access-control-allow-origin"] = origin
            answer.headers["access-control-expose-headers"] = "headwater-run, location, retry-after, mcp-session-id"

    async def preflight(self, request: Request, caller: str | None) -> Response:
        """Answers a CORS preflight request; only allowed sites pass."""
        if request.headers.get("origin") not in self.guard.origins:
            raise Problem("method_not_allowed", "OPTIONS is not supported here.")
        allowed = {
            "access-control-allow-methods": "GET, POST, DELETE",
            "access-control-allow-headers": f"authorization, content-type, last-event-id, {_OF_MCP}",
            "access-control-max-age": "600",
        }
        return Response(status_code=204, headers=allowed)

    async def body(self, request: Request) -> bytes:
        """Reads the request body. Raises Problem if it is too long or does not arrive in time."""
        bound = self.limits.body_bytes
        said = request.headers.get("content-length", "0")
        if not said.isdigit() or int(said[:20]) > bound:
            raise _too_large(bound)
        data = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for part in request.stream():
                    data += part
                    if len(data) > bound:
                        raise _too_large(bound)
        except TimeoutError:
            raise Problem("too_slow", f"The body did not arrive within {BODY_SECONDS:g} s.") from None
        return bytes(data)


def _ip_address(server: Any) -> str:
    """Returns the local IP address that received the request; a host name there would be set by the caller."""
    try:
        return str(ipaddress.ip_address(server[0]))
    except (TypeError, ValueError, IndexError):
        return ""


def _too_large(bound: int) -> Problem:
    return Problem("too_large", f"The body is longer than {bound} bytes.", hint="Send a shorter body.")
