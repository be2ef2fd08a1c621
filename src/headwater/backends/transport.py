"""The only module that knows the HTTP client: open, read, close.

One aiohttp session serves all runs of an event loop and pools their connections. It closes automatically before its
loop does (`loop_end`): an asynchronous generator started on the loop holds it, which `asyncio.run` closes too. It must
not know JSON, events or providers, and must retry nothing, except on a kept-alive connection that turns out to be dead
before anything arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import socket
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from headwater.backends.loop_end import before_end
from headwater.backends.proxies import host_of, not_retryable, proxy_for, proxy_refused
from headwater.errors import ConnectionFailed, ConnectTimeout, HeadwaterError
from headwater.providers.request import HTTPRequest

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.client_proto import ResponseHandler

__all__ = (
    "Reply",
    "import_client",
    "post",
)

READ_BUFFER_BYTES: Final = 64 * 1024
"""Bytes read ahead of a slow reader: some hundred tokens; beyond that TCP flow control slows the provider down."""

MAX_ERROR_BODY_BYTES: Final = 256 * 1024
"""Bytes of an error's body to read: enough for any message; an HTML page cannot fill memory."""

KEEP_ALIVE_SECONDS: Final = 60
"""Seconds of silence after which TCP probes the peer; most middleboxes drop idle connections later than that."""

LARGE_BODY_BYTES: Final = 512 * 1024
"""Request bodies from this size on are written in pieces, so that uploading images does not block the loop."""


class Reply:
    """A response whose head has arrived. Read its body, then release or abort it."""

    __slots__ = ("__weakref__", "_buffer", "_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        # If a later aiohttp stores its pieces elsewhere, use its public API: slower, and it loses data that arrives in
        # the same turn of the loop as the end of a broken connection.
        pieces = getattr(response.content, "_buffer", None)
        self._buffer: deque[bytes] | None = (
            pieces if isinstance(pieces, deque) and hasattr(response.content, "_wait") else None
        )
        if self._buffer is not None:
            _read_faster(response.content)
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """Returns the bytes received, waiting until there are some; b"" at the end.

        Bytes received before the connection broke are returned first. Raises ConnectionFailed if the body was cut off
        in a way that HTTP can detect.
        """
        try:
            content, buffer = self._response.content, self._buffer
            if buffer is None:
                return await content.readany()
            while not buffer:
                if content.exception() is not None or content.is_eof():
                    return await content.readany()
                await content._wait("read")
            if content.exception() is not None:  # `readany` would drop the bytes received before
                data = b"".join(buffer)
                buffer.clear()
                return data
            return content.read_nowait(-1)
        except _client_errors() as error:
            said = _reason(error)
        raise ConnectionFailed(
            f"The connection broke during the answer: {said}.",
            hint="The network or the provider cut it off; the partial answer is in the error's `response`.",
        )

    async def read_error(self) -> bytes:
        """Returns the body of an error response as far as it arrived, up to MAX_ERROR_BODY_BYTES."""
        pieces: list[bytes] = []
        size = 0
        try:
            while size < MAX_ERROR_BODY_BYTES and (piece := await self.read()):
                pieces.append(piece)
                size += len(piece)
        except ConnectionFailed:
            pass  # the status is known; a partial message is better than another error
        return b"".join(pieces)[:MAX_ERROR_BODY_BYTES]

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read, so that the connection can be reused."""
        return self._response.content.at_eof()

    def release(self) -> None:
        """Returns the connection to the pool if the body has ended, else closes it."""
        if self.ended:
            self._response.release()
        else:
            self.abort()

    def abort(self) -> None:
        """Closes the connection at once: the peer is notified before this returns. May be called twice."""
        transport = self._transport
        if transport is not None:
            _shut(transport)
            transport.abort()
        self._response.close()

    def shut(self) -> None:
        """Shuts the socket down without releasing anything: for another thread, while the loop is idle."""
        if self._transport is not None:
            _shut(self._transport)

    @property
    def _transport(self) -> asyncio.Transport | None:
        connection = self._response.connection
        return connection.transport if connection is not None else None


def import_client() -> None:
    """Imports the HTTP client, which takes longer than the rest of a first request."""
    import aiohttp  # noqa: F401


async def post(request: HTTPRequest, *, connect: float | None = None) -> Reply:
    """Sends the request and waits for the response's head.

    `connect` is the timeout for a connection, in seconds: DNS, TCP, proxy and TLS together.
    Raises: ConnectTimeout, ConnectionFailed, ConfigurationError.
    """
    import aiohttp

    pool = await _pool()
    try:
        for again in (True, False):
            opening = _Opening()
            _now_opening.set(opening)  # never reset: this coroutine may be closed from another context
            try:
                response = await pool.session.request(
                    request.method,
                    request.url,
                    data=request.body if len(request.body) < LARGE_BODY_BYTES else io.BytesIO(request.body),
                    headers=request.headers,
                    proxy=proxy_for(request.url),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, connect=connect),
                )
                reply = Reply(response)
                pool.replies.add(reply)
                return reply
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                # The peer had closed the pooled connection: nothing of the answer was received, and the request was not
                # handled, so one more try on a new connection is safe.
                connecting = isinstance(error, aiohttp.ClientConnectorError)
                if not again or opening.new or connecting or opening.begun(error):
                    raise
        raise AssertionError("the second try returns or raises")
    except aiohttp.ConnectionTimeoutError:
        failed: HeadwaterError = ConnectTimeout(
            f"No connection to {host_of(request.url)} within {connect or 0:g} s.",
            hint="Check the network and the base URL, or raise timeouts.connect.",
            clock="connect",
            seconds=connect or 0.0,
        )
    except _client_errors() as error:
        failed = _connection_failed(request, error)
    except asyncio.CancelledError as cancelled:
        raise cancelled.with_traceback(None)  # noqa: B904  # the same one, without the client's frames: see below
    # Raised outside the handler: the client's exception holds the request's headers and the proxy's password, and a
    # traceback would start with a screenful of it. Its text is in the message.
    raise failed


def _read_faster(content: aiohttp.StreamReader) -> None:
    """Replaces the parts of the client's reader that cost a token more than its decoding does."""
    # If a later aiohttp has another kind of reader, it is not changed: slower, but correct.
    if all(hasattr(content, name) for name in ("_buffer_offset", "_cursor", "_protocol", "_size", "_waiter")):
        with contextlib.suppress(TypeError):
            content.__class__ = _content_class()


@cache
def _content_class() -> type[aiohttp.StreamReader]:
    import aiohttp

    class Content(aiohttp.StreamReader):
        __slots__ = ()

        def begin_http_chunk_receiving(self) -> None:
            """Nothing: only chunk-wise readers need to know where each HTTP chunk ends."""

        def end_http_chunk_receiving(self) -> None:
            """Nothing. Reading ahead stays limited by bytes."""

        def read_nowait(self, n: int = -1) -> bytes:
            """See the base class, which takes one piece after another, and resumes the connection after each one: that
            runs the parser once more, without data. Here it is resumed if it was paused."""
            if n != -1 or self._buffer_offset or self._waiter is not None or self.exception() is not None:
                return super().read_nowait(n)
            buffer = self._buffer
            data = buffer[0] if len(buffer) == 1 else b"".join(buffer)
            buffer.clear()
            self._size -= len(data)
            self._cursor += len(data)
            protocol = self._protocol
            if getattr(protocol, "_reading_paused", True):
                protocol.resume_reading()
            return data

    return Content


def _client_errors() -> tuple[type[Exception], ...]:
    import aiohttp

    # A UnicodeError means a host name that cannot be resolved.
    return (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, UnicodeError)


class _Opening:
    """Whether a request's connection is new, and whether anything arrived on it. (aiohttp's own tracing costs 25 µs per
    request, and does not see a partial head.)"""

    __slots__ = ("came", "new")

    def __init__(self) -> None:
        self.new = False
        self.came: bool | None = None
        """Whether anything arrived; None if unknown."""

    def begun(self, error: Exception) -> bool:
        """Whether the server may have started to answer before the connection ended with `error`."""
        if self.came is not None:
            return self.came
        # The error's message is then the partial head.
        return not isinstance(getattr(error, "message", None), str)


_now_opening: ContextVar[_Opening] = ContextVar("headwater_now_opening")


class _FirstBytes:
    """Replaces a connection's parser until the first bytes of an answer arrive, and records their arrival.

    After that it is removed, so it adds no cost per token.
    """

    __slots__ = ("_opening", "_parser", "_protocol")

    def __init__(self, protocol: Any, opening: _Opening) -> None:
        self._protocol = protocol
        self._parser = protocol._parser
        self._opening = opening
        opening.came = False

    def feed_data(self, data: bytes) -> Any:
        """Restores the parser and passes the data on."""
        self._opening.came = True
        self._protocol._parser = self._parser
        return self._parser.feed_data(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


@cache
def _protocol_class() -> type[ResponseHandler]:
    from aiohttp.client_proto import ResponseHandler

    class Watched(ResponseHandler):
        def set_response_params(self, **params: Any) -> None:
            """Called before a request is sent, with the parameters for reading its answer."""
            super().set_response_params(**params)
            if getattr(self, "_parser", None) is not None and (opening := _now_opening.get(None)) is not None:
                self._parser = _FirstBytes(self, opening)  # type: ignore[assignment]

    return Watched


def _watch_answers(connector: aiohttp.TCPConnector, loop: asyncio.AbstractEventLoop) -> None:
    """Makes the connector's connections record whether anything of an answer arrived; see `_Opening`."""
    if hasattr(connector, "_factory"):  # if a later aiohttp renames it, arrival stays unknown
        connector._factory = partial(_protocol_class(), loop=loop)


# --- the pool


class _Pool:
    """A loop's session, its open replies, and the generator that closes both."""

    __slots__ = ("keeper", "process", "replies", "session")

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.replies: weakref.WeakSet[Reply] = weakref.WeakSet()
        self.process = os.getpid()
        self.keeper = _keep(session, self.replies)  # not given the pool, to avoid a reference cycle


_pools: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = weakref.WeakKeyDictionary()


_sockets: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakSet[socket.socket]] = (
    weakref.WeakKeyDictionary()
)


def _detach_after_fork() -> None:
    """After a fork the connections belong to the parent: nothing may be sent on them here, not even a close.

    Their descriptors are redirected to /dev/null, so that closing them here, now or at exit, does not affect the
    parent.
    """
    nowhere = os.open(os.devnull, os.O_RDWR)
    for sockets in _sockets.values():
        for sock in sockets:
            if sock.fileno() >= 0:
                os.dup2(nowhere, sock.fileno(), inheritable=False)
    os.close(nowhere)
    _sockets.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_detach_after_fork)


async def _pool() -> _Pool:
    loop = asyncio.get_running_loop()
    pool = _pools.get(loop)
    if pool is not None and pool.process == os.getpid() and not pool.session.closed:
        return pool
    pool = _pools[loop] = _Pool(_new_session(loop))
    await anext(pool.keeper)
    before_end(loop, pool.keeper.aclose)
    await _close_sessions_of_closed_loops()
    return pool


async def _close_sessions_of_closed_loops() -> None:
    """Closes the sessions of closed loops: some loops are closed without their generators, and a session holds its
    loop."""
    for known in _pools.keyrefs():  # a copy: other threads have loops too
        loop = known()
        if loop is not None and loop.is_closed() and (pool := _pools.pop(loop, None)) is not None:
            await pool.session.close()


def _new_session(loop: asyncio.AbstractEventLoop) -> aiohttp.ClientSession:
    import aiohttp

    sockets = _sockets.setdefault(loop, weakref.WeakSet())

    def new_socket(address: Any) -> socket.socket:
        sock = socket.socket(*address[:3])
        sockets.add(sock)
        if (opening := _now_opening.get(None)) is not None:
            opening.new = True
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_SECONDS)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_SECONDS)
        return sock

    # The default limit of 100 connections would queue a thousand runs.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60, ssl=_tls(), socket_factory=new_socket)
    _watch_answers(connector, loop)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),
        # A compressed stream would arrive in blocks, not in tokens.
        headers={"Accept-Encoding": "identity"},
        skip_auto_headers=("User-Agent",),
        read_bufsize=READ_BUFFER_BYTES,
        # `proxy_for` looks proxies up: aiohttp's own lookup starts threads, and reads ~/.netrc.
        trust_env=False,
    )


async def _keep(session: aiohttp.ClientSession, replies: weakref.WeakSet[Reply]) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        for reply in replies:
            reply.abort()
        _pools.pop(asyncio.get_running_loop(), None)  # the session holds its loop, which would never be collected
        await session.close()
        await asyncio.sleep(0)  # closed transports release their sockets one turn of the loop later


def _tls() -> Any:
    """The system's trust store, through truststore if installed; else OpenSSL's default."""
    try:
        import truststore  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return True
    import ssl

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


# --- closing, and errors


def _shut(transport: asyncio.BaseTransport) -> None:
    """Shuts the socket down now. `transport.abort` closes it only on the loop's next turn, and an idle loop has none;
    shutting it down needs no loop and works from any thread."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return
    try:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except (TypeError, NotImplementedError):
            # uvloop returns a wrapper without shutdown; a duplicate of its descriptor works. The number of a closed
            # descriptor may be in use by another one.
            if not transport.is_closing():
                with socket.socket(fileno=os.dup(sock.fileno())) as same:
                    same.shutdown(socket.SHUT_RDWR)
    except (OSError, ValueError):
        pass  # closed already


def _connection_failed(request: HTTPRequest, error: Exception) -> ConnectionFailed:
    """Returns the error for a connection that failed, or broke before an answer. aiohttp's text has the
    addresses."""
    import aiohttp

    host = host_of(request.url)
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError)):
        return _insecure(host, error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ConnectionFailed(
            f"No connection to the proxy {error.host}:{error.port}: {_reason(error)}.",
            hint="Check HTTPS_PROXY and HTTP_PROXY, or exclude the provider's host with NO_PROXY.",
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ConnectionFailed(
            f"No address was found for {host}.", hint="Check the network, and the spelling of the base URL."
        )
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return proxy_refused(host, error.status)
    if isinstance(error, aiohttp.ClientConnectorError):
        hint = "Is the server running? Check the base URL."
        if host.startswith(("127.", "localhost", "[::1]")):
            hint = request.start_hint or "Start the server there, or check the base URL's port."
        return ConnectionFailed(f"No connection to {host}: {_reason(error)}.", hint=hint)
    if isinstance(error, (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, UnicodeError)):
        return not_retryable(
            ConnectionFailed(f"{host or 'The base URL'} is not a valid http URL.", hint="Check base_url.")
        )
    return ConnectionFailed(
        f"The connection to {host} broke before an answer arrived: {_reason(error)}.", hint="Try again later."
    )


def _insecure(host: str, error: Exception) -> ConnectionFailed:
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    reason = getattr(cause, "reason", None)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return not_retryable(
            ConnectionFailed(f"{host} does not support TLS.", hint="Write http:// instead of https:// in the base URL.")
        )
    said = getattr(cause, "verify_message", None)
    if said:
        return not_retryable(
            ConnectionFailed(
                f"The certificate of {host} is not trusted: {said.rstrip('.')}.",
                hint="If you trust it (a company proxy, your own server), set the file of its certificate authority in "
                "SSL_CERT_FILE.",
            )
        )
    return ConnectionFailed(
        f"No secure connection to {host}: {reason or _reason(error)}.",
        hint="Check that the server supports https, and any proxy in between.",
    )


def _parser_reason(error: BaseException) -> str:
    """Returns a short reason from the client's HTTP parser; the rest of its message is the server's data."""
    inner = error.__cause__
    while inner is not None and inner.__cause__ is not None:
        inner = inner.__cause__
    said = str(getattr(inner, "message", ""))
    if said.startswith("Not enough data"):
        return "it was closed in the middle"
    return _QUOTED.split(said)[0]


_QUOTED: Final = re.compile(r""":?\n|:? b?['"]""")


def _reason(error: BaseException) -> str:
    if not isinstance(getattr(error, "message", ""), str):
        return "its head was cut off"  # its text is the partial head
    cause = getattr(error, "os_error", None) or error
    text = getattr(cause, "strerror", None) or str(cause)
    if "ConnectionResetError(" in text:
        text = "it was reset by the peer"
    elif said := _parser_reason(error):
        text = said
    number = getattr(cause, "errno", None) or next(iter(re.findall(r"\[Errno (\d+)\]", text)), None)
    if number and int(number) > 0:
        return os.strerror(int(number))  # asyncio's own text repeats the address
    return text.rstrip(".") or type(cause).__name__
