"""A gateway as an application: its paths, and the errors for unknown ones.

Owns only the paths. It must never serve the page or the agents' routes: nobody reconnects to a model request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from headwater.web.gateway.model import ServedModel
from headwater.web.gateway.routes import GatewayRoutes
from headwater.web.http.guard import Guard
from headwater.web.http.site import Owner, Site
from headwater.web.limits import Limits
from headwater.web.native.routes import NativeRoutes
from headwater.web.openai.routes import refusal
from headwater.web.problems import Problem
from headwater.web.routing import Served, by_method

__all__ = ("LIMITS", "gateway_router", "gateway_router_of")

LIMITS: Final = Limits(body_bytes=32_000_000, runs=1_000, runs_of_one=1_000)
"""Larger than for agents: a request contains the whole conversation with its images, and the gateway only waits."""

_HINT: Final = "There are POST /v1/chat/completions, POST /v1/responses and GET /v1/models."


def gateway_router(
    *models: ServedModel,
    owner: Owner | None = None,
    limits: Limits | None = None,
    origins: Iterable[str] = (),
    guard: Guard | None = None,
) -> Router:
    """Returns a Starlette Router that serves models, to be mounted in a program. Accepts the arguments of `router`.

    Raises ConfigurationError.
    """
    return gateway_router_of(Site(models, owner=owner, limits=limits or LIMITS, guard=guard or Guard(origins=origins)))


def gateway_router_of(site: Site) -> Router:
    """Returns the router of a gateway's site."""
    paths = GatewayRoutes(site).handlers()
    paths["/v1/models/{id:path}"] = paths.pop("/v1/models/{id}")  # names may have a slash in them
    routes: list[BaseRoute] = []
    for path, handlers in paths.items():
        ways = {method: site.endpoint(one, refuse=refusal) for method, one in handlers.items()}
        routes.append(Route(path, Served(by_method(site, ways, refuse=refusal))))
    health = {"GET": site.endpoint(NativeRoutes(site).health, public=True)}
    routes.append(Route("/health", Served(by_method(site, health))))
    nowhere = site.endpoint(_not_found, refuse=_refuse_unknown)

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await nowhere(Request(scope, receive))
            await answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    return Router(routes, default=default, redirect_slashes=False)


async def _not_found(request: Request, caller: str | None) -> Response:
    """Handles unknown paths."""
    raise _nothing()


def _refuse_unknown(problem: Problem) -> Response:
    """Handles unknown paths with uploads: reports the unknown path rather than that the body is not JSON."""
    return refusal(_nothing() if problem.code == "not_json" else problem)


def _nothing() -> Problem:
    said = "This gateway has no such route: it serves language models, by Chat Completions and Responses."
    return Problem("not_found", said, hint=_HINT)
