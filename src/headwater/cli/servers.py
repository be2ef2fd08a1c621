"""Which servers run on this machine, and what they serve; and whether a provider can be reached at all.

Asks through the library's own transport, so that proxies, trust and addresses are those of a run. No key goes to a
server that was not told of it: what is sent is what a run would send.
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
"""A server on this machine answers within milliseconds; one in the same house within this."""

ANSWER_SECONDS: Final = 3.0
"""A list of models, from the first byte to the last."""

REACH_SECONDS: Final = 10.0
"""Name, TCP, proxy and TLS of a provider; what a run allows too."""

MAX_LIST_BYTES: Final = 4 * 1024 * 1024
"""A list of models: thousands of them fit."""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server that may run here; `problem` says why it was not `reachable`, or what is odd about its answer."""

    name: str
    base_url: str
    reachable: bool = False
    models: tuple[str, ...] = ()
    problem: str = ""


def local_servers(env: Mapping[str, str]) -> list[Server]:
    """Every kind of server that the registry knows as local, all asked at once."""
    return asyncio.run(_all_local(env))


def reach(endpoints: list[Endpoint]) -> list[str]:
    """For each endpoint, why it cannot be reached; "" where anything at all answered. No key is sent."""
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
        return Server(name=name, base_url=base_url, problem="something listens, and does not answer")
    if status != 200:
        said = "the key is not accepted" if status in (401, 403) else f"something else answers there (HTTP {status})"
        return Server(name=name, base_url=base_url, reachable=status in (401, 403), problem=said)
    models = names_in(body)
    if models is None:
        return Server(name=name, base_url=base_url, problem="something else answers there")
    return Server(name=name, base_url=base_url, reachable=True, models=tuple(map(scrubber.text, models)))


async def _listens(base_url: str) -> bool:
    """Whether anything takes connections there: that nobody does is the likeliest, and needs no long words."""
    parts = urlsplit(base_url)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    except (OSError, TimeoutError, UnicodeError):  # the last one for a host that can be no name
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
        return f"Connected, and nothing came back within {REACH_SECONDS:g} s."
    reply.abort()  # any status will do: name, route, proxy and TLS are in order
    return ""
