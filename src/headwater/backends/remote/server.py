"""Requests to a headwater server over HTTP, and its refusals as exceptions.

Owns the requests, their headers and the error messages. It keeps no state of a run, and must never show the token.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import msgspec

from headwater.backends import transport
from headwater.backends.base import Post, Reply
from headwater.backends.http import secrets_of
from headwater.backends.proxies import host_of, proxy_refused
from headwater.backends.remote.address import Address
from headwater.errors import (
    AlreadyAnswered,
    AuthenticationFailed,
    ConfigurationError,
    ConnectionFailed,
    HeadwaterError,
    InvalidRequest,
    MalformedResponse,
    Overloaded,
    PermissionDenied,
    ProviderError,
    RateLimited,
    RunEnded,
    ServerError,
    ThreadBusy,
    UnknownQuestion,
    UnknownRun,
)
from headwater.providers.redaction import Scrubber
from headwater.providers.request import HTTPRequest, Secret

__all__ = ("ASK_SECONDS", "CONNECT_SECONDS", "RemoteServer")

CONNECT_SECONDS: Final = 10.0
"""Timeout in seconds of a connection: DNS, TCP, proxy and TLS together."""

ASK_SECONDS: Final = 30.0
"""Timeout in seconds of a response that is not a stream."""

_FORBIDDEN_HEADERS: Final = ("accept", "accept-encoding", "authorization", "content-length", "content-type", "host")


_KINDS: Final[Mapping[str, type[HeadwaterError]]] = {
    "unknown_run": UnknownRun,
    "unknown_agent": ConfigurationError,
    "unknown_question": UnknownQuestion,
    "answered": AlreadyAnswered,
    "run_ended": RunEnded,
    "thread_busy": ThreadBusy,
}
"""The exception for each error code of a server."""


class RemoteServer:
    """A server and its access: `headers` are sent with each request, `token` as `Authorization: Bearer …`.

    Raises ConfigurationError.
    """

    def __init__(
        self,
        address: Address,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        post: Post = transport.post,
    ) -> None:
        self.address = address
        self.host: str = host_of(address.base)
        self._token = Secret(_checked_token(token or address.token or None) or "")
        self._headers = _checked_headers(headers or {}, has_token=bool(self._token))
        self._post = post

    def at(self, address: Address) -> RemoteServer:
        """Returns the same server and access with another of its addresses."""
        other = RemoteServer(address, headers=self._headers, post=self._post)
        other._token = self._token
        return other

    def _request(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> HTTPRequest:
        sent = {**self._headers, **headers}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token.reveal()}"
        if body:
            sent["Content-Type"] = "application/json"
        hint = "Is `headwater serve` running there? Check the port."
        return HTTPRequest(method=method, url=url, headers=sent, body=body, start_hint=hint)

    async def open(self, method: str, path: str, *, headers: Mapping[str, str], body: Any = None) -> Reply:
        """Sends a request below the server's address. Returns the reply after its head, with any status.

        Raises like `transport.post`.
        """
        data = b"" if body is None else msgspec.json.encode(body)
        request = self._request(method, f"{self.address.base}{path}", headers, data)
        try:
            return await self._post(request, connect=CONNECT_SECONDS)
        except HeadwaterError as error:
            self._scrub(error, request)
            raise

    async def ask(
        self, path: str, body: Any = None, *, method: str = "POST", means: Mapping[str, type[HeadwaterError]] = _KINDS
    ) -> Any:
        """Sends a JSON body, and returns the JSON of the response. Raises the exception of a refusal.

        `means` has the exceptions for error codes that differ from the default.
        """
        try:
            async with asyncio.timeout(ASK_SECONDS):
                reply = await self.open(method, path, headers={"Accept": "application/json"}, body=body)
                try:
                    if reply.status // 100 != 2:
                        raise await self.refused(reply, means)
                    data = b"".join([piece async for piece in _pieces(reply)])
                finally:
                    reply.release()
        except TimeoutError:
            raise ConnectionFailed(
                f"{self.host} did not answer within {ASK_SECONDS:g} s.", hint="Check the network, and the server."
            ) from None
        try:
            return msgspec.json.decode(data) if data else None
        except msgspec.DecodeError:
            raise self.no_headwater(reply) from None

    # --- refusals

    async def refused(self, reply: Reply, means: Mapping[str, type[HeadwaterError]] = _KINDS) -> HeadwaterError:
        """Returns the exception for a status other than 2xx; the reply has been read and released."""
        try:
            body = await reply.read_error()
        finally:
            reply.release()
        error = self._meaning(reply, _told(body), means)
        self._scrub(error)
        return error

    def _meaning(
        self, reply: Reply, told: _Refusal | None, means: Mapping[str, type[HeadwaterError]]
    ) -> HeadwaterError:
        status = reply.status
        if told is not None and (kind := means.get(told.code) or _KINDS.get(told.code)) is not None:
            return kind(told.message, hint=told.hint)
        if status // 100 == 3:
            where = reply.headers.get("location", "").partition("?")[0]
            return ConfigurationError(
                f"{self.host} answers with a redirect (HTTP {status}) to {where!r}.",
                hint="Redirects are not followed, because they would forward the token: use that URL.",
            )
        if status == 407:
            return proxy_refused(self.host, status)
        said = told.message if told is not None else f"It answered with HTTP {status}."
        hint = told.hint if told is not None else ""
        if status == 401:
            return AuthenticationFailed(
                f"{self.host} requires a token: {said}"
                if not self._token
                else f"{self.host} refuses the token: {said}",
                hint="Pass the one that the server was started with: token=….",
                provider=self.host,
                status=status,
            )
        if told is None and status == 404:
            return self.no_headwater(reply)
        kinds = {403: PermissionDenied, 421: PermissionDenied, 429: RateLimited, 503: Overloaded}
        refused = kinds.get(status, ServerError if status >= 500 or status == 408 else InvalidRequest)
        return refused(
            f"{self.host} refused: {said}",
            hint=hint,
            provider=self.host,
            status=status,
            code=told.code if told is not None else None,
            retry_after=_seconds(reply.headers.get("retry-after")),
        )

    def no_headwater(self, reply: Reply) -> ProviderError:
        """Returns the exception for a response that is not a headwater server's."""
        kind = reply.headers.get("content-type", "").partition(";")[0] or "nothing readable"
        return MalformedResponse(
            f"{self.host} does not answer like a headwater server: HTTP {reply.status}, {kind}.",
            hint="Check the address, and the prefix under which the router is mounted.",
            provider=self.host,
            status=reply.status,
        )

    def _scrub(self, error: HeadwaterError, request: HTTPRequest | None = None) -> None:
        sent = request or self._request("GET", self.address.base, {})
        Scrubber(lambda: secrets_of(sent)).error(error)

    def __repr__(self) -> str:
        return f"RemoteServer({self.address.base!r})"


async def _pieces(reply: Reply) -> AsyncGenerator[bytes, None]:
    while piece := await reply.read():
        yield piece


class _Refusal(msgspec.Struct, frozen=True):
    code: str
    message: str
    hint: str = ""


class _Refused(msgspec.Struct, frozen=True):
    error: _Refusal


def _told(body: bytes) -> _Refusal | None:
    """Returns the error in a response of a headwater server; None if it is another server's."""
    try:
        return msgspec.json.decode(body, type=_Refused).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 7 else None


def _checked_token(token: str | None) -> str | None:
    if token is not None and not (isinstance(token, str) and token.isascii() and token.isprintable() and token):
        raise ConfigurationError(
            "The token has characters that are not allowed in a header.", hint="Pass it exactly as it was generated."
        )
    return token


def _checked_headers(headers: Mapping[str, str], *, has_token: bool) -> dict[str, str]:
    for name, value in headers.items():
        if not (isinstance(name, str) and isinstance(value, str)) or not name or not (name + value).isprintable():
            raise ConfigurationError(
                f"headers[{name!r}] is not a valid header.", hint="Pass names and values as strings."
            )
        if name.lower() in _FORBIDDEN_HEADERS and not (name.lower() == "authorization" and not has_token):
            raise ConfigurationError(
                f"The header {name!r} is set by headwater, and cannot be passed.",
                hint="Pass token=… instead." if name.lower() == "authorization" else "Leave it out.",
            )
    return dict(headers)
