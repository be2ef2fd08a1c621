"""Finds the servers that run on this machine and their models, and checks whether a provider is reachable.

Uses the library's own transport, so that proxies, certificates and addresses are the same as in a run. It must never
send a key that a run would not send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from headwater.backends import transport
from headwater.backends.http import secrets_of
from headwater.backends.model_list import names_in
from headwater.errors import ConnectTimeout, HeadwaterError
from headwater.providers.catalog import PROVIDERS
from headwater.providers.redaction import Scrubber
from headwater.providers.registry import resolve
from headwater.providers.request import HTTPRequest

if TYPE_CHECKING:
    from headwater.providers.request import Endpoint

__all__ = ("Server", "local_servers", "reach")

CONNECT_SECONDS: Final = 1.0
"""Timeout of a connection: a server on this machine answers within milliseconds."""

ANSWER_SECONDS: Final = 3.0
"""Timeout of a list of models, from the first byte to the last."""

REACH_SECONDS: Final = 10.0
"""Timeout of DNS, TCP, proxy and TLS of a provider, as in a run."""

MAX_LIST_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a list of models: enough for thousands."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that may run here; `problem` says why it is not `reachable`, or what is wrong with its answer."""

    name: str
    base_url: str
    reachable: bool = False
    models: tuple[str, ...] = ()
    problem: str = ""


def local_servers(env: Mapping[str, str]) -> list[Server]:
    """Asks every kind of local server in the registry, concurrently."""
    return asyncio.run(_all_local(env))


def reach(endpoints: list[Endpoint]) -> list[str]:
    """Returns for each endpoint why it cannot be reached; "" if anything answered. Sends no key."""
    return asyncio.run(_reach_all(endpoints))


async def _all_local(env: Mapping[str, str]) -> list[Server]:
    local = [provider for provider in PROVIDERS.values() if provider.local]
    return list(await asyncio.gather(*(_local(one.name, one.example, one.base_url, env) for one in local)))


async def _local(name: str, example: str, usual: str, env: Mapping[str, str]) -> Server:
    try:
        endpoint = resolve(f"{name}/{example}", env=env).endpoint
    except HeadwaterError as error:
        return Server(name=name, base_url=usual, problem=str(error))
    base_url = endpoint.base_url
    request = _list(base_url + ("/api/tags" if endpoint.api == "ollama" else "/models"), endpoint)
    scrubber = Scrubber(lambda: secrets_of(request))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            status, body = await _get(request)
    except ConnectTimeout:
        return Server(name=name, base_url=base_url, problem="not reached")
    except HeadwaterError as error:
        scrubber.error(error)
        problem = error.message if await _listens(base_url) else "not running"
        return Server(name=name, base_url=base_url, problem=problem)
    except TimeoutError:
        return Server(name=name, base_url=base_url, problem="the port is open, but nothing answers")
    if status != 200:
        said = "the key is not accepted" if status in (401, 403) else f"something else answers there (HTTP {status})"
        return Server(name=name, base_url=base_url, reachable=status in (401, 403), problem=said)
    models = names_in(body)
    if models is None:
        return Server(name=name, base_url=base_url, problem="something else answers there")
    return Server(name=name, base_url=base_url, reachable=True, models=tuple(map(scrubber.text, models)))


async def _listens(base_url: str) -> bool:
    """Whether the port accepts connections: usually it does not, and that needs no long message."""
    parts = urlsplit(base_url)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError, UnicodeError):  # UnicodeError for an invalid host name
        return False
    writer.close()
    return True


def _list(url: str, endpoint: Endpoint) -> HTTPRequest:
    headers = {"accept": "application/json", **endpoint.key_headers("authorization")}
    return HTTPRequest(method="GET", url=url, headers=headers, body=b"")


async def _get(request: HTTPRequest) -> tuple[int, bytes]:
    reply = await transport.post(request, connect=CONNECT_SECONDS)
    try:
        body = b""
        while len(body) < MAX_LIST_BYTES and (piece := await reply.read()):
            body += piece
        return reply.status, body
    finally:
        reply.release()


async def _reach_all(endpoints: list[Endpoint]) -> list[str]:
    return list(await asyncio.gather(*(_reach(endpoint) for endpoint in endpoints)))


async def _reach(endpoint: Endpoint) -> str:
    request = HTTPRequest(method="GET", url=endpoint.base_url, headers={}, body=b"")
    try:
        async with asyncio.timeout(REACH_SECONDS):
            reply = await transport.post(request, connect=REACH_SECONDS)
    except HeadwaterError as error:
        Scrubber(lambda: secrets_of(request)).error(error)
        return str(error)
    except TimeoutError:
        return f"Connected, but nothing came back within {REACH_SECONDS:g} s."
    reply.abort()  # any status: DNS, route, proxy and TLS work
    return ""
