"""The public entry points: all routes as a Starlette Router, and as a FastAPI router.

Owns which path leads to which handler. Both routers work under any prefix and must never need a lifespan: what begins
with it otherwise begins with the first request.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from headwater.agents.runnable import Runnable
from headwater.web.a2a.routes import A2ARoutes
from headwater.web.a2a.routes import refusal as a2a_refusal
from headwater.web.ag_ui.routes import AGUIRoutes
from headwater.web.ai_sdk.chats import Chats
from headwater.web.ai_sdk.routes import AISDKRoutes
from headwater.web.ai_sdk.socket import ChatTalk
from headwater.web.http.answers import json_answer, problem_answer, words_answer
from headwater.web.http.guard import Guard
from headwater.web.http.site import Endpoint, Handler, Owner, Refusal, Site
from headwater.web.http.socket_talk import serve_socket
from headwater.web.limits import Limits
from headwater.web.mcp.routes import MCPRoutes
from headwater.web.mcp.routes import refusal as mcp_refusal
from headwater.web.native.openapi import OPERATIONS, document
from headwater.web.native.routes import NativeRoutes
from headwater.web.native.socket import Conversation
from headwater.web.openai.routes import OpenAIRoutes, refusal
from headwater.web.page.routes import PAGE_PATHS, PageRoutes
from headwater.web.problems import Problem
from headwater.web.runs.actions import Actions
from headwater.web.runs.live_run import OnDisconnect

if TYPE_CHECKING:
    from fastapi import APIRouter

__all__ = ("Served", "api_router", "by_method", "router", "router_of")


_MEANT: Final = {
    **dict.fromkeys(
        ("/chat/completions", "/responses", "/models"), "The base URL of OpenAI clients ends with /v1, once."
    ),
    **dict.fromkeys(("/v1/agents", "/v1/runs"), "The URL of the server is without /v1, which is for OpenAI clients."),
    "/api/chat": "The AI SDK's useChat connects to /ai-sdk/chat.",
    "/sse": "MCP clients connect to /mcp, over streamable HTTP.",
}
"""What to write instead of paths that clients of the wires ask for by default, or with a wrong base URL."""


def router(
    *members: Runnable,
    on_disconnect: OnDisconnect | None = None,
    owner: Owner | None = None,
    limits: Limits | None = None,
    origins: Iterable[str] = (),
    page: bool = True,
    journal: str | None = None,
    guard: Guard | None = None,
) -> Router:
    """Returns a Starlette Router that serves agents and workflows, to be mounted in a program or served directly.

    `on_disconnect` sets what happens to a run when its last reader disconnects: "continue", "cancel", or a grace period
    in seconds; the default depends on the wire. `owner(request)` returns the name of the caller, who sees only their
    own runs; it may be a coroutine function. `limits` are the limits of the server. `origins` are the sites whose pages
    may send requests, besides the server's own. `page` sets whether the page is served at `/`.

    `journal` is the URL of the store of all runs and threads, as for `headwater serve --journal`: they survive this
    process, and continue without readers. None: that of the agents, if they have one, else they are kept in memory.

    Raises ConfigurationError.
    """
    site = Site(
        members,
        on_disconnect=on_disconnect,
        owner=owner,
        limits=limits,
        guard=guard or Guard(origins=origins),
        journal=journal,
    )
    return router_of(site, page=page)


def router_of(site: Site, *, page: bool = True) -> Router:
    """Returns the router of a site."""
    nowhere = site.endpoint(_not_found)

    async def default(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            answer = await nowhere(Request(scope, receive))
            await answer(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})

    chats = Chats(site)
    served = endpoints(site, chats, page=page)
    routes: list[BaseRoute] = [Route(path, Served(endpoint)) for path, endpoint in served.items()]
    routes += [WebSocketRoute(path, serve) for path, serve in sockets(site, chats).items()]
    return Router(routes, default=default, redirect_slashes=False, lifespan=_lifespan(site))


def _lifespan(site: Site) -> Callable[[Any], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        site.begin()
        yield

    return lifespan


class Served:
    """An endpoint as an application for all methods: Starlette would reject some with its own messages."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        answer = await self._endpoint(Request(scope, receive))
        await answer(scope, receive, send)


def api_router(
    *members: Runnable,
    on_disconnect: OnDisconnect | None = None,
    owner: Owner | None = None,
    limits: Limits | None = None,
    origins: Iterable[str] = (),
    page: bool = True,
    journal: str | None = None,
) -> APIRouter:
    """Returns a FastAPI router: `app.include_router(api_router(agent), prefix="/agents", dependencies=[…])`.

    FastAPI applies dependencies to these routes, but not to a mounted application. Accepts the arguments of `router`.
    Raises ConfigurationError, and ImportError if FastAPI is not installed.
    """
    from fastapi import APIRouter

    site = Site(
        members,
        on_disconnect=on_disconnect,
        owner=owner,
        limits=limits,
        guard=Guard(origins=origins),
        journal=journal,
    )
    made = APIRouter(tags=["headwater"], lifespan=_lifespan(site))
    told = document(OPERATIONS)["paths"]
    chats = Chats(site)
    for path, serve in sockets(site, chats).items():
        made.add_api_websocket_route(path, serve)
    for path, endpoint in endpoints(site, chats, page=page).items():
        if path in PAGE_PATHS:
            made.add_api_route(path, endpoint, methods=[PAGE_PATHS[path]], response_model=None, include_in_schema=False)
        if path.startswith(("/v1/", "/ai-sdk/", "/ag-ui", "/a2a/", "/.well-known/")):
            made.add_api_route(path, endpoint, methods=["GET", "POST"], response_model=None, include_in_schema=False)
        if path == "/mcp":
            methods = ["GET", "POST", "DELETE"]
            made.add_api_route(path, endpoint, methods=methods, response_model=None, include_in_schema=False)
        for one in [one for one in OPERATIONS if one.path == path and path not in PAGE_PATHS]:
            made.add_api_route(
                path,
                endpoint,
                methods=[one.method],
                name=one.name,
                summary=one.summary,
                response_model=None,
                response_class=Response,
                include_in_schema=one.name != "openapi",
                openapi_extra={
                    "parameters": told[path][one.method.lower()].get("parameters", []),
                },
            )
    return made


def sockets(site: Site, chats: Chats) -> dict[str, Callable[[WebSocket], Awaitable[None]]]:
    """Returns the WebSocket endpoints by path."""
    actions = Actions(site.manager, site.on_disconnect)

    async def ws(websocket: WebSocket) -> None:
        await serve_socket(site, websocket, Conversation, actions=actions)

    async def ai_sdk(websocket: WebSocket) -> None:
        await serve_socket(site, websocket, ChatTalk, chats=chats)

    return {"/ws": ws, "/ai-sdk/ws": ai_sdk}


def endpoints(site: Site, chats: Chats, *, page: bool) -> dict[str, Endpoint]:
    """Returns the HTTP endpoints by path, each for all methods."""
    native = NativeRoutes(site)

    async def openapi(request: Request, caller: str | None) -> Response:
        """Returns the OpenAPI document of these routes."""
        server = request.url.path.removesuffix("/openapi.json")
        return json_answer(document(OPERATIONS, server=server, token=bool(site.guard.cookie)))

    named: dict[str, Handler] = {"openapi": openapi}
    paths: dict[str, dict[str, Endpoint]] = {}
    for one in OPERATIONS:
        if one.path in PAGE_PATHS:
            continue  # only present with the page
        handler = named.get(one.name) or getattr(native, one.name)
        paths.setdefault(one.path, {})[one.method] = site.endpoint(handler, public=one.public)
    if page:
        for path, endpoint in PageRoutes(site).endpoints().items():
            paths[path] = {PAGE_PATHS[path]: endpoint}
    for path, handlers in OpenAIRoutes(site).handlers().items():
        paths[path] = {method: site.endpoint(one, refuse=refusal) for method, one in handlers.items()}
    for path, handlers in AISDKRoutes(site, chats).handlers().items():
        paths[path] = {method: site.endpoint(one, refuse=words_answer) for method, one in handlers.items()}
    for path, handlers in AGUIRoutes(site).handlers().items():
        paths[path] = {method: site.endpoint(one, refuse=words_answer) for method, one in handlers.items()}
    for path, handlers in MCPRoutes(site).handlers().items():
        paths[path] = {method: site.endpoint(one, refuse=mcp_refusal) for method, one in handlers.items()}
    for path, handlers in A2ARoutes(site).handlers().items():
        paths[path] = {method: site.endpoint(one, refuse=a2a_refusal) for method, one in handlers.items()}
    return {path: by_method(site, methods) for path, methods in paths.items()}


def by_method(site: Site, methods: dict[str, Endpoint], *, refuse: Refusal = problem_answer) -> Endpoint:
    """Returns one endpoint for several methods; `refuse` formats the error for other methods."""
    known = {**methods, "OPTIONS": site.endpoint(site.preflight, public=True)}
    if "GET" in methods:
        known["HEAD"] = methods["GET"]
    allowed = ", ".join(methods)

    async def unknown(request: Request, caller: str | None) -> Response:
        raise Problem("method_not_allowed", f"The allowed methods here: {allowed}.")

    refused = site.endpoint(unknown, refuse=refuse)

    async def endpoint(request: Request) -> Response:
        answer = await known.get(request.method, refused)(request)
        if answer.status_code == 405:
            answer.headers["allow"] = allowed
        return answer

    return endpoint


async def _not_found(request: Request, caller: str | None) -> Response:
    """Handles unknown paths. Clients of the wires show only the message, so it has what they need."""
    path = f"{request.url.path}/"
    meant = next((said for wrong, said in _MEANT.items() if f"{wrong}/" in path), "")
    raise Problem("not_found", f"There is no such route. {meant}".rstrip(), hint="GET /openapi.json lists the routes.")
