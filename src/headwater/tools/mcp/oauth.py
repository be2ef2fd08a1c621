"""Signing in to a server with OAuth: in the user's browser, once; the tokens are kept in a private file.

Owns that file and the page that the browser comes back to. The package `mcp` owns the protocol. No error and no log
contains a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import msgspec

from headwater.backends.private_file import write_private
from headwater.backends.state_folder import state_path

if TYPE_CHECKING:
    import httpx2
    from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthToken

__all__ = ("SignIn", "Tokens", "signed_in")

SIGN_IN_SECONDS: Final = 300.0
"""How long a person may take to sign in."""

MAX_REQUEST: Final = 64 * 1024
"""Bytes of the browser's request that are read."""

_HOST: Final = "127.0.0.1"
_PAGE: Final = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"
    "<!doctype html><title>headwater</title><p>You can close this page."
)


def signed_in(url: str) -> httpx2.Auth:
    """Returns what signs the requests to a server, signing in first where there are no tokens."""
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientMetadata
    from pydantic import AnyUrl

    tokens = Tokens(state_path(f"mcp-{hashlib.sha256(url.encode()).hexdigest()[:16]}.json"))
    sign_in = SignIn(tokens.port)
    if sign_in.port != tokens.port:
        tokens.forget()  # the client is registered with another address to come back to
    back = f"http://{_HOST}:{sign_in.port}/callback"
    return OAuthClientProvider(
        url,
        OAuthClientMetadata(client_name="headwater", redirect_uris=[AnyUrl(back)]),
        tokens,
        redirect_handler=sign_in.open,
        callback_handler=sign_in.code,
    )


class _Kept(msgspec.Struct, kw_only=True):
    client: dict[str, Any] | None = None
    tokens: dict[str, Any] | None = None


class Tokens:
    """The tokens and the registration for one server, in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        except (OSError, msgspec.DecodeError):
            self._kept = _Kept()

    @property
    def port(self) -> int:
        """The port that the registered client comes back to; 0 if none is registered."""
        back: Any = (self._kept.client or {}).get("redirect_uris") or [""]
        with contextlib.suppress(ValueError):
            return urlsplit(str(back[0])).port or 0
        return 0

    def forget(self) -> None:
        """Forgets all of it, in memory."""
        self._kept = _Kept()

    async def get_tokens(self) -> OAuthToken | None:
        """See the SDK's TokenStorage."""
        from mcp.shared.auth import OAuthToken

        return None if self._kept.tokens is None else OAuthToken.model_validate(self._kept.tokens)

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """See the SDK's TokenStorage."""
        self._kept.tokens = tokens.model_dump(mode="json", exclude_none=True)
        self._write()

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """See the SDK's TokenStorage."""
        from mcp.shared.auth import OAuthClientInformationFull

        return None if self._kept.client is None else OAuthClientInformationFull.model_validate(self._kept.client)

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """See the SDK's TokenStorage."""
        self._kept.client = client_info.model_dump(mode="json", exclude_none=True)
        self._write()

    def _write(self) -> None:
        write_private(self._path, msgspec.json.encode(self._kept))


class SignIn:
    """Opens the browser, and waits for it to come back to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.port: int = _free(port)
        self._server: asyncio.Server | None = None
        self._came: asyncio.Future[str] | None = None

    async def open(self, address: str) -> None:
        """Opens the page on which the user signs in."""
        self._came = asyncio.get_running_loop().create_future()
        self._server = await asyncio.start_server(self._serve, _HOST, self.port, limit=MAX_REQUEST)
        await asyncio.to_thread(webbrowser.open, address)

    async def code(self) -> AuthorizationCodeResult:
        """Returns what the browser comes back with. Raises PermissionError if the user refused, TimeoutError."""
        from mcp.shared.auth import AuthorizationCodeResult

        assert self._came is not None
        assert self._server is not None
        try:
            async with asyncio.timeout(SIGN_IN_SECONDS):
                query = parse_qs(await self._came)
        finally:
            self._server.close()
        if "code" not in query:
            raise PermissionError(f"the sign-in was refused ({query.get('error', ['no code'])[0]})")
        first = {name: values[0] for name, values in query.items()}
        return AuthorizationCodeResult(code=first["code"], state=first.get("state"), iss=first.get("iss"))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
            line = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n", 1)[0]
            method, target, _ = line.split(" ", 2)
            parts = urlsplit(target)
            if method == "GET" and parts.path == "/callback" and self._came is not None and not self._came.done():
                self._came.set_result(parts.query)
            writer.write(_PAGE.encode())
            await writer.drain()
        writer.close()


def _free(port: int) -> int:
    """Returns the port if it is free, or any free one."""
    for wanted in (port, 0):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind((_HOST, wanted))
            return int(one.getsockname()[1])
    raise OSError("no free port")
