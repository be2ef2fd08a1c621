"""Where a server is: a command, a URL or an object of this program; and how a client for it is opened.

Owns what may be shown of it. A header, a query and a command's arguments may hold a key, and stand in no error.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from headwater.errors import ConfigurationError, MCPUnavailable
from headwater.events.controls import harmless
from headwater.providers.redaction import Scrubber, secrets_in
from headwater.version import __version__

if TYPE_CHECKING:
    import httpx2
    from mcp import Client

    from headwater.tools.mcp.session import Session

__all__ = ("OAUTH", "Target", "target_of")

MAX_SHOWN: Final = 300
"""Characters of a server's own words in an error."""

MAX_LINES: Final = 3
"""Lines of a command's standard error in an error: Python's ends with the reason, Node.js's with its version."""

HTTP_SECONDS: Final = 30.0
"""How long one connect or one write may take; how long a call may take is the tool's own timeout."""

OAUTH: Final = "oauth"
"""The word for signing in with a browser, in place of a bearer token."""

_NO_POST: Final = (400, 404, 405, 406, 415, 501)
"""What a server of the older transport answers to a POST."""

_HOW: Final = 'Pass a command ("npx -y server" or a list), a URL, or an in-process server.'


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server. Exactly one of `command`, `url` and `server` is set."""

    command: tuple[str, ...] = ()
    url: str = ""
    server: Any = None
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    auth: Any = None
    sampling: Any = None

    @property
    def shown(self) -> str:
        """What errors call it: the command's name, the address without its query, or the object's type."""
        if self.command:
            return self.command[0]
        if self.url:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}{parts.path}"
        return type(self.server).__name__

    def open(self, session: Session) -> AbstractAsyncContextManager[Client]:
        """Returns a client, to be entered in one task and left in the same."""
        _need_package()
        if self.command:
            return self._over_pipes(session)
        return self._over_http(session) if self.url else self._here(session)

    def unavailable(self, name: str, error: BaseException, written: Sequence[str] = ()) -> MCPUnavailable:
        """The error for a server that cannot be reached; `written` are the last lines of its standard error."""
        error = _innermost(error)
        why = self._words(error)
        hint = "Run the command in a terminal to see why." if self.command else ""
        if last := _last_words(written):
            why += f". It wrote: {self._harmless(last)[-MAX_SHOWN:].rstrip('.')}"
            hint = f"All that it writes goes to the logger headwater.mcp.{name}."
        if isinstance(error, ConfigurationError):  # no command was run
            hint = error.hint
        return MCPUnavailable(f"The MCP server {name} ({self.shown}) is not available: {why}.", hint=hint, server=name)

    def _client(self, transport: Any, session: Session) -> Client:
        from mcp import Client
        from mcp_types import Implementation

        log = logging.getLogger(f"headwater.mcp.{session.name}")

        async def logged(params: Any) -> None:
            log.log(_LEVELS.get(params.level, logging.INFO), "%s", params.data)

        return Client(
            transport,
            client_info=Implementation(name="headwater", version=__version__),
            elicitation_callback=session.on_elicit,
            message_handler=session.on_message,
            logging_callback=logged,
            sampling_callback=self.sampling,
            cache=None,
        )

    @asynccontextmanager
    async def _over_pipes(self, session: Session) -> AsyncGenerator[Client]:
        from mcp.client.stdio import get_default_environment

        from headwater.tools.mcp.process import talk

        env = {**get_default_environment(), **self.env}
        log = logging.getLogger(f"headwater.mcp.{session.name}")

        def written(line: str) -> None:
            log.info("%s", line)
            session.written.append(line)

        pipes = talk(self.command, env=env, cwd=self.cwd, log=written, gone=session.gone)
        async with self._client(pipes, session) as client:
            yield client

    @asynccontextmanager
    async def _here(self, session: Session) -> AsyncGenerator[Client]:
        async with self._client(getattr(self.server, "_mcp_server", self.server), session) as client:
            yield client

    @asynccontextmanager
    async def _over_http(self, session: Session) -> AsyncGenerator[Client]:
        """Streamable HTTP; server-sent events where the server knows no POST at this address."""
        from mcp import MCPError

        refused: list[int] = []
        async with AsyncExitStack() as stack:
            try:
                client = await stack.enter_async_context(self._streamable(session, refused))
            except Exception as error:
                if not refused or not isinstance(_innermost(error), MCPError):
                    raise  # such as a sign-in that failed
                if refused[-1] not in _NO_POST:
                    raise _Refused(refused[-1]) from error
                try:
                    client = await stack.enter_async_context(self._events(session, refused))
                except Exception:
                    raise _Refused(refused[-1]) from error
            yield client

    @asynccontextmanager
    async def _streamable(self, session: Session, refused: list[int]) -> AsyncGenerator[Client]:
        from mcp.client.streamable_http import streamable_http_client

        async with (
            self._http(refused) as http,
            self._client(streamable_http_client(self.url, http_client=http), session) as client,
        ):
            yield client

    @asynccontextmanager
    async def _events(self, session: Session, refused: list[int]) -> AsyncGenerator[Client]:
        from mcp.client.sse import sse_client

        def made(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
            return self._http(refused)

        async with self._client(sse_client(self.url, httpx_client_factory=made), session) as client:
            yield client

    def _http(self, refused: list[int]) -> httpx2.AsyncClient:
        import httpx2
        from opentelemetry.propagate import inject

        at = httpx2.URL(self.url)

        async def trace(request: httpx2.Request) -> None:
            # The trace context of the message that it carries, whose sender's context this runs in. Nobody else's
            # server gets it, such as one for signing in.
            if (request.url.scheme, request.url.host, request.url.port) == (at.scheme, at.host, at.port):
                inject(request.headers)

        async def look(response: httpx2.Response) -> None:
            # Requests for signing in go to other addresses.
            if response.status_code >= 400 and response.request.url.path == urlsplit(self.url).path:
                refused[:] = [response.status_code]

        auth = self.auth
        if auth == OAUTH:
            from headwater.tools.mcp.oauth import signed_in

            auth = signed_in(self.url)
        return httpx2.AsyncClient(
            headers=dict(self.headers),
            auth=auth,
            timeout=httpx2.Timeout(HTTP_SECONDS, read=None),
            event_hooks={"request": [trace], "response": [look]},
        )

    def _words(self, error: BaseException) -> str:
        """What an error says, without what may hold a key, in one line."""
        if type(error).__name__ == "ValidationError":
            where = ".".join(str(step) for step in error.errors()[0]["loc"])  # type: ignore[attr-defined]
            return f"its answer does not fit the protocol ({where})"
        said = error.message if isinstance(error, ConfigurationError) else str(error)
        return self._harmless(" ".join(said.split()))[:MAX_SHOWN].rstrip(".") or type(error).__name__

    def _harmless(self, said: str) -> str:
        """The words without what may hold a key."""
        secrets = (*secrets_in(self.headers), *self.env.values(), *self.command[1:])
        query = urlsplit(self.url).query if self.url else ""
        return harmless(Scrubber(lambda: (one for one in (*secrets, query) if len(one) > 3)).text(said))


def target_of(
    target: Any,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Any = None,
    headers: Mapping[str, str] | None = None,
    auth: Any = None,
    sampling: Any = None,
) -> Target:
    """Returns the server that a user means. Raises ConfigurationError."""
    env, headers = _texts("env", env), _texts("headers", headers)
    if isinstance(target, str) and target.startswith(("http://", "https://")):
        if env or cwd:
            raise ConfigurationError("env= and cwd= are for a command, not for a URL.", hint="Leave them out.")
        return Target(url=target, headers=headers, auth=_auth(auth), sampling=sampling)
    if headers or auth is not None:
        raise ConfigurationError("headers= and auth= are for a URL.", hint="Pass a command its keys in env=.")
    if isinstance(target, str):
        target = shlex.split(target)
    if isinstance(target, (list, tuple)):
        if not target or not all(isinstance(part, str) and part for part in target):
            raise ConfigurationError("The command of an MCP server is empty, or not all strings.", hint=_HOW)
        where = None if cwd is None else str(cwd)
        return Target(command=tuple(target), env=env, cwd=where, sampling=sampling)
    if not any(kind.__module__.partition(".")[0] in ("mcp", "fastmcp") for kind in type(target).__mro__):
        raise ConfigurationError(f"An MCP server cannot be of type {type(target).__name__}.", hint=_HOW)
    if env or cwd:
        raise ConfigurationError("env= and cwd= are for a command.", hint="Leave them out.")
    return Target(server=target, sampling=sampling)


def _texts(name: str, given: Any) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(x, str) for pair in given.items() for x in pair):
        raise ConfigurationError(f"{name} is not a dict of strings.", hint=f'Pass {name}={{"name": "value"}}.')
    return dict(given)


def _auth(auth: Any) -> Any:
    """A bearer token as a header, or a provider of the SDK."""
    if auth is None or auth == OAUTH or not isinstance(auth, str):
        return auth
    return _Bearer(auth)


class _Bearer:
    """Signs each request with a token; an `httpx2.Auth` is any function of a request."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def __repr__(self) -> str:
        return "Bearer(…)"


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


class _Refused(Exception):
    """The server answered with an HTTP error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"it answered with HTTP {status}")


def _last_words(written: Sequence[str]) -> str:
    """The last lines in one, without those of a stack, which are indented, and those without a word."""
    lines = [line.strip() for line in written if not line[:1].isspace() and any(map(str.isalpha, line))]
    return " / ".join(lines[-MAX_LINES:])


def _need_package() -> None:
    try:
        import mcp  # noqa: F401

        # Each thing that it logs is told in another way; without a handler Python prints it.
        logging.getLogger("mcp").addHandler(_SILENT)
    except ImportError as error:
        raise ConfigurationError(
            "MCP servers need the package mcp.", hint='Run: pip install "headwater[mcp]"'
        ) from error


_SILENT: Final = logging.NullHandler()

_LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "alert": logging.CRITICAL,
    "emergency": logging.CRITICAL,
}
