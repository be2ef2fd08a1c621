"""Every place where a key can be given, each as an agent whose requests then carry it to a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from headwater import Agent, Model
from headwater.providers.catalog import PROVIDERS
from tests.system.error_messages.server import Server
from tests.system.secrets.canary import CANARY

__all__ = ("PLACES", "VARIABLES", "Place")

Place: TypeAlias = Callable[[Server, pytest.MonkeyPatch, dict[str, Any]], Agent[Any, Any]]


def of_the_agent(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="m", base_url=server.url, api_key=CANARY, **options)


def in_another_spelling(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="m", llm_base_url=server.url, llm_api_key=CANARY, **options)


def of_the_model(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model=Model("m", base_url=server.url, api_key=CANARY, **_of_a_model(options)), **_of_an_agent(options))


def of_a_fallback(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    fallback = Model("m", base_url=server.url, api_key=CANARY, **_of_a_model(options))
    return Agent(model=Model("m", base_url="http://127.0.0.1:9", retries=0, fallback=[fallback]), **options)


def anthropic(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="anthropic/m", base_url=server.url, api_key=CANARY, **options)


def responses(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="openai-responses/m", base_url=server.url, api_key=CANARY, **options)


def gemini(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="gemini/m", base_url=server.url, api_key=CANARY, **options)


def ollama(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="ollama/m", base_url=server.url, api_key=CANARY, **options)


def authorization(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    headers = {"Authorization": f"Bearer {CANARY}"}
    return Agent(
        model=Model("m", base_url=server.url, headers=headers, **_of_a_model(options)), **_of_an_agent(options)
    )


def secret_header(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    headers = {"X-Gateway-Key": CANARY}
    return Agent(
        model=Model("m", base_url=server.url, headers=headers, **_of_a_model(options)), **_of_an_agent(options)
    )


def query(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    return Agent(model="m", base_url=f"{server.url}?api-key={CANARY}", **options)


def extra(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    tool = {"type": "mcp", "server_url": "https://example.com", "authorization": CANARY, "headers": {"X-Pass": CANARY}}
    return Agent(model="m", base_url=server.url, extra={"tools": [tool], "api_key": CANARY}, **options)


def proxy(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    monkeypatch.setenv("HTTP_PROXY", f"http://user:{CANARY}@{server.address}")
    return Agent(model="m", base_url="http://api.example.com/v1", **options)


def tunnel(server: Server, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> Agent[Any, Any]:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{CANARY}@{server.address}")
    return Agent(model="m", base_url="https://api.example.com/v1", **options)


def _of_an_agent(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name == "verbose"}


def _of_a_model(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "verbose"}


PLACES: dict[str, Place] = {
    place.__name__: place
    for place in (
        of_the_agent,
        in_another_spelling,
        of_the_model,
        of_a_fallback,
        anthropic,
        responses,
        gemini,
        ollama,
        authorization,
        secret_header,
        query,
        extra,
        proxy,
        tunnel,
    )
}

VARIABLES = [
    (provider.name, variable)
    for provider in PROVIDERS.values()
    for variable in (*provider.key_variables, *provider.token_variables, *provider.header_variables.values())
]
"""Every variable that a provider's key, token or account is read from."""
