"""What is tried: under each heading of docs/errors.md, a function that gets exactly that wrong.

It raises what a newcomer would see at the end of a traceback, or returns what is printed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest

from headwater import Agent
from tests.system.error_messages.server import Server

__all__ = ("CASES", "Here", "case", "inside_a_loop", "offline", "openai")


class Here:
    """What a case may need: servers, and an environment to change."""

    def __init__(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        self._request = request
        self.setenv = monkeypatch.setenv
        self.servers: list[Server] = []

    @property
    def server(self) -> Server:
        """A server of one's own."""
        return self._server("server")

    @property
    def secure_server(self) -> Server:
        """The same behind TLS, with a certificate that nobody trusts."""
        return self._server("secure_server")

    def _server(self, fixture: str) -> Server:
        server: Server = self._request.getfixturevalue(fixture)
        self.servers.append(server)
        return server


Trigger: TypeAlias = Callable[[Here], Any]

CASES: dict[str, Trigger] = {}


def case(title: str) -> Callable[[Trigger], Trigger]:
    """Try the function under this heading."""

    def add(trigger: Trigger) -> Trigger:
        assert title not in CASES, f"{title} is tried twice"
        CASES[title] = trigger
        return trigger

    return add


def offline(**arguments: Any) -> Agent[Any, Any]:
    """An agent of the built-in model; arguments may be as wrong as the case wants them."""
    return Agent(model="offline", **arguments)


def openai(here: Here, **arguments: Any) -> Agent[Any, Any]:
    """An agent of a provider that is the case's own server."""
    here.setenv("OPENAI_BASE_URL", here.server.url)
    return Agent(**{"model": "openai/gpt-5.4", "api_key": "sk-newcomer-0123456789", "retries": 0, **arguments})


def inside_a_loop(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run it as a program's main would be."""
    return asyncio.run(main())
