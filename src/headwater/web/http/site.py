"""A site: one manager and what guards it, and how a request becomes an answer or a refusal.

Each endpoint of ours is called through `Site.endpoint`, which checks who asks, reads the body within its bounds, words
what is refused, and writes a line to the log: so no route can forget one of them. What a route does is its own.
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
from headwater.errors import UsageError
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
"""Names the caller of a request, as a string; may be a coroutine function. None: nobody in particular."""

Handler: TypeAlias = Callable[[Request, str | None], Awaitable[Response]]
"""Answers a request of the caller whose name it is given. Raises Problem."""

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

Refusal: TypeAlias = Callable[[Problem], Response]
"""How a wire words what is refused."""

_OF_MCP: Final = "mcp-method, mcp-name, mcp-protocol-version, mcp-session-id"
"""What MCP's clients send in headers."""

BODY_SECONDS: Final = 30.0
"""How long a body may take to come: four megabytes at a kilobyte a millisecond, with patience."""


class Site:
    """What all the routes of a server share."""

    def __init__(
        self,
        members: Iterable[Runnable],
        *,
        on_disconnect: OnDisconnect | None = None,
        owner: Owner | None = None,
        limits: Limits | None = None,
        guard: Guard | None = None,
    ) -> None:
        self.manager = Manager(members, limits=limits)
        self.on_disconnect = checked_on_disconnect(on_disconnect)
        self.guard = guard or Guard()
        self._owner = owner
        self._heard = False

    @property
    def limits(self) -> Limits:
        """How much is taken on."""
        return self.manager.limits

    # --- who asks

    def asked(self, connection: HTTPConnection, *, public: bool = False) -> Asked:
        """What the checks look at."""
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
        """The name of whoever asks; what `owner` raises goes on."""
        if self._owner is None:
            return None
        named = self._owner(connection)
        if inspect.isawaitable(named):
            named = await named
        return None if named is None else str(named)

    def hear_signals(self) -> None:
        """Hear of the process's end from now on."""
        if not self._heard:
            self._heard = True
            signals.hear(self.manager)

    # --- answering

    def endpoint(self, handler: Handler, *, public: bool = False, refuse: Refusal = problem_answer) -> Endpoint:
        """The handler, behind the checks; what it refuses is worded by `refuse`."""

        async def endpoint(request: Request) -> Response:
            self.hear_signals()
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
                raise  # how a program's `owner` refuses someone in words of its own
            except Exception:
                answer = refuse(self.broken(request))
            self._allow(request, answer)
            LOG.info("%s %s %d", one_line(request.method), one_line(request.url.path), answer.status_code)
            return answer

        endpoint.__name__ = getattr(handler, "__name__", "endpoint")
        endpoint.__doc__ = handler.__doc__
        return endpoint

    def broken(self, connection: HTTPConnection) -> Problem:
        """Something broke here: whoever asked is told an id, the log all of it."""
        number = secrets.token_hex(4)
        LOG.exception("%s went wrong (%s).", one_line(connection.url.path), number)
        return Problem("internal", f"Something went wrong here ({number}).", hint="The server's log has more.")

    def _allow(self, request: Request, answer: Response) -> None:
        """Let a site that was allowed read the answer; all others cannot, for nothing is said to their browsers."""
        answer.headers.setdefault("vary", "origin")
        origin = request.headers.get("origin")
        if origin in self.guard.origins:
            answer.headers["access-control-allow-origin"] = origin
            answer.headers["access-control-expose-headers"] = "headwater-run, location, retry-after, mcp-session-id"

    async def preflight(self, request: Request, caller: str | None) -> Response:
        """What a browser asks before it lets a page of another site ask: which is only let where it is allowed."""
        if request.headers.get("origin") not in self.guard.origins:
            raise Problem("method_not_allowed", "Nothing is to be had by OPTIONS here.")
        allowed = {
            "access-control-allow-methods": "GET, POST, DELETE",
            "access-control-allow-headers": f"authorization, content-type, last-event-id, {_OF_MCP}",
            "access-control-max-age": "600",
        }
        return Response(status_code=204, headers=allowed)

    async def body(self, request: Request) -> bytes:
        """The request's body. Raises Problem where it is too long or does not come."""
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
            raise Problem("too_slow", f"The body did not come within {BODY_SECONDS:g} s.") from None
        return bytes(data)


def _ip_address(server: Any) -> str:
    """The IP address at which a request came in; a name there would be the caller's word."""
    try:
        return str(ipaddress.ip_address(server[0]))
    except (TypeError, ValueError, IndexError):
        return ""


def _too_large(bound: int) -> Problem:
    return Problem("too_large", f"The body is longer than {bound} bytes.", hint="Send less at once.")
