"""Requests to a provider over HTTP: one request, one response, decoded as it arrives.

A backend is a declaration that many runs share; an exchange is one request. Owns the limits on a response and how long
to wait for its end; `retry` owns retries, fallbacks and timeouts.
"""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from headwater.backends import proxies, transport
from headwater.backends.base import Post, Reply
from headwater.errors import (
    ConnectionFailed,
    HeadwaterError,
    IncompleteStream,
    LimitExceeded,
    MalformedResponse,
    ModelNotFound,
    ProviderError,
)
from headwater.events import CallDelta, ReasoningDelta, TextDelta
from headwater.providers.failures import http_error, output_hint
from headwater.providers.redaction import Scrubber, secrets_in, secrets_under

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from headwater.events import Event
    from headwater.providers.decoder import API, Decoder, Place
    from headwater.providers.request import Endpoint, HTTPRequest, Request, Secret

__all__ = ("HTTPBackend", "secrets_of")

MAX_RESPONSE_BYTES: Final = 512 * 1024 * 1024
"""The largest response: several images fit; an endless response cannot fill the disk of a program that logs it."""

MAX_SAID_CHARS: Final = 16 * 1024 * 1024
"""Maximum number of characters of text, reasoning and arguments in one response, counted once it has that many bytes:
many times the longest answer of any model, while images may still fill MAX_RESPONSE_BYTES. Text is kept in memory
several times; see `fold`."""

PROMISED_SECONDS: Final = 1.0
"""How long to wait after the finish reason for data that is known to follow (usage, a [DONE])."""

REST_SECONDS: Final = 0.1
"""How long to wait after the end marker for the end of the body, so that the connection can be reused. The time starts
again with each read: an event that has started is read completely, even on a slow machine."""

TRICKLE_SECONDS: Final = 10.0
"""How long data without content, such as comments, may follow the end before the response is abandoned."""


def secrets_of(request: HTTPRequest, given: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Returns the secrets of a request, which its answer may repeat; `given` are those in its body."""
    query = dict(parse_qsl(urlsplit(request.url).query)) if "?" in request.url else {}
    return (*given, *secrets_in(request.headers, query), *proxies.proxy_secrets(request.url))


class HTTPBackend:
    """A provider's model over HTTP.

    `post` sends the requests, by default over the network. `connect` is the connect timeout in seconds (None:
    unlimited) for requests without one; if unset, the caller decides.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        model: str,
        api: API,
        *,
        connect: float | msgspec.UnsetType | None = msgspec.UNSET,
        authorize: Callable[[], Awaitable[dict[str, str]]] | None = None,
        post: Post = transport.post,
    ) -> None:
        self.endpoint = endpoint
        self.post = post
        self.model = model
        self.connect = connect
        self._api = api
        self._authorize = authorize

    @property
    def provider(self) -> str:
        """See `Backend`."""
        return self.endpoint.provider

    @property
    def api(self) -> str:
        """See `Backend`."""
        return self.endpoint.api

    @property
    def quota(self) -> tuple[str, str, Secret | None]:
        """Identifies backends that are rate-limited together: the provider, its base URL and the key; see
        `rate_limits`."""
        return (self.endpoint.provider, self.endpoint.base_url, self.endpoint.key)

    def written(self, request: Request) -> HTTPRequest:
        """Returns what would be sent for `request`. Raises UnsupportedSetting, InvalidRequest."""
        return self._api.encode(request, self.endpoint)

    def open(self, request: Request, place: Place) -> HTTPExchange:
        """See `Backend`."""
        decoder = self._api.Decoder(place, self.endpoint.quirks)
        connect = self.connect if isinstance(request.connect, msgspec.UnsetType) else request.connect
        written = self.written(request)
        if written.replaced:
            decoder.warn("text_replaced", "The request held text that UTF-8 cannot encode; it was sent as U+FFFD.")
        if self.endpoint.start_hint:
            written = msgspec.structs.replace(written, start_hint=self.endpoint.start_hint)
        post = self.post
        if request.settings.background:
            from headwater.backends.background import resuming

            post = resuming(post, decoder.taken_up)
        return HTTPExchange(
            written,
            decoder,
            provider=self.provider,
            model=self.model,
            model_hint=self.endpoint.model_hint,
            connect=None if isinstance(connect, msgspec.UnsetType) else connect,
            authorize=self._authorize,
            post=post,
            secrets=secrets_under(request.settings.extra),
            output_mode=request.output.mode if request.output is not None else "",
        )

    def __repr__(self) -> str:
        return f"HTTPBackend({self.provider}/{self.model})"


class HTTPExchange:
    """One HTTP request and its response, decoded as it arrives."""

    def __init__(
        self,
        request: HTTPRequest,
        decoder: Decoder,
        *,
        provider: str = "",
        model: str = "",
        model_hint: str = "",
        connect: float | None = None,
        authorize: Callable[[], Awaitable[dict[str, str]]] | None = None,
        max_bytes: int = MAX_RESPONSE_BYTES,
        post: Post = transport.post,
        secrets: Iterable[str] = (),
        output_mode: str = "",
    ) -> None:
        self.decoder = decoder
        self.alive_at: float = 0.0
        self._request = request
        self._provider = provider
        self._model = model
        self._model_hint = model_hint
        self._connect = connect
        self._authorize = authorize
        self._left = max_bytes
        self._max = max_bytes
        self._said = 0
        self._post = post
        self._output_mode = output_mode
        self._scrubber = decoder.scrubber = Scrubber(partial(secrets_of, request, tuple(secrets)))
        self._reply: Reply | None = None
        self._over = False
        self._ended_at: float | None = None
        """When the answer ended, in the loop's time."""

    async def pull(self) -> list[Event]:
        """See `Exchange`."""
        if self._over:
            return []
        try:
            if self._reply is None:
                await self._open()
            decoder = self.decoder
            feed = decoder.feed
            reply = self._reply
            assert reply is not None
            while True:
                while not (decoder.ended or decoder.error is not None):
                    try:
                        data = await reply.read()
                    except ConnectionFailed as error:
                        return self._broken(error)
                    if not data:
                        return self._finish()
                    self._count(data)
                    seen = decoder.lifecycle
                    if events := feed(data):
                        if self._max - self._left > MAX_SAID_CHARS:
                            self._weigh(events)
                        return events
                    if decoder.lifecycle != seen:
                        self.alive_at = asyncio.get_running_loop().time()
                if (rest := await self._rest(reply)) is not None:
                    return rest
        except HeadwaterError as error:
            self._told(error)
            raise

    def abort(self) -> None:
        """See `Exchange`."""
        self._over = True
        if self._reply is not None:
            self._reply.abort()
            self._reply = None

    def shut(self) -> None:
        """See `Exchange`."""
        if self._reply is not None:
            self._reply.shut()

    async def _open(self) -> None:
        request = self._request
        if self._authorize is not None:
            request.headers.update(await self._authorize())
        reply = await self._post(request, connect=self._connect)
        if self._over:
            reply.abort()
            raise ConnectionFailed("The exchange was stopped before its answer arrived.")
        self._reply = reply
        if reply.status // 100 != 2:
            raise await self._refused(reply)
        if reply.headers.get("content-type", "").startswith("text/html"):
            reply.abort()
            raise MalformedResponse(
                f"{self._provider or 'The server'} answered with a web page instead of a stream.",
                hint="Check the base URL: for most servers it ends in /v1.",
                provider=self._provider,
                status=reply.status,
            )

    async def _refused(self, reply: Reply) -> HeadwaterError:
        body = await reply.read_error()
        self._over = True
        reply.release()
        if reply.status // 100 == 3:
            where = reply.headers.get("location", "").partition("?")[0]
            return ProviderError(
                f"{self._provider or 'The server'} answered with a redirect (HTTP {reply.status}) to {where!r}.",
                hint="Redirects are not followed, because the key would be sent along. Correct base_url.",
                provider=self._provider,
                status=reply.status,
            )
        if reply.status == 407:
            return proxies.proxy_refused(self._provider, reply.status)
        error = http_error(self._provider, reply.status, reply.headers, body, now=time.time())
        if isinstance(error, ModelNotFound):
            error.hint = self._model_hint or error.hint
            if self._post is transport.post and error.code != "DeploymentNotFound":  # deployments are in no list
                from headwater.backends import model_list

                models = await model_list.models_at(self._request, self._post, connect=self._connect)
                error.hint = " ".join(filter(None, (error.hint, model_list.in_words(models, self._model))))
        return error

    def _told(self, error: HeadwaterError) -> HeadwaterError:
        """Returns the same error with the provider's name, and without the key or any other secret."""
        if isinstance(error, ProviderError) and self._provider and error.provider != self._provider:
            # Decoders know their API, not the provider.
            error.message = error.message.replace(error.provider or "The provider", self._provider, 1)
            error.provider = self._provider
        if isinstance(error, ProviderError):
            error.hint = " ".join(filter(None, (error.hint, output_hint(error, self._output_mode))))
        self._scrubber.error(error)
        return error

    async def _rest(self, reply: Reply) -> list[Event] | None:
        """Reads what follows the answer, for a limited time: usage, a [DONE], the end of the body. None if the answer
        continues after its end."""
        decoder, now = self.decoder, asyncio.get_running_loop().time
        came = now()
        ended = self._ended_at = came if self._ended_at is None else self._ended_at
        try:
            async with asyncio.timeout(None) as clock:
                while not (reply.ended or decoder.error is not None):
                    until = came + REST_SECONDS
                    if decoder.more_promised and not decoder.complete:
                        until = max(until, ended + PROMISED_SECONDS)
                    clock.reschedule(min(until, ended + TRICKLE_SECONDS))
                    data = await reply.read()
                    came = now()
                    self._count(data)
                    events = decoder.feed(data) if data else []
                    if not decoder.ended:
                        self._ended_at, self.alive_at = None, came
                        return events or None
                    if events:
                        return events
        except (TimeoutError, ConnectionFailed):
            pass  # the answer is complete; only its connection cannot be reused
        return self._finish()

    def _count(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.abort()
            raise LimitExceeded(
                f"The response is longer than {self._max:,} bytes.", limit="max_response_bytes", size=self._max
            )

    def _weigh(self, events: list[Event]) -> None:
        """Counts the characters of an unusually long response."""
        for event in events:
            if isinstance(event, (TextDelta, ReasoningDelta)):
                self._said += len(event.text)
            elif isinstance(event, CallDelta):
                self._said += len(event.json)
        if self._said > MAX_SAID_CHARS:
            self.abort()
            raise LimitExceeded(
                f"The model wrote more than {MAX_SAID_CHARS:,} characters in one answer.",
                limit="max_said_chars",
                size=MAX_SAID_CHARS,
            )

    def _broken(self, error: ConnectionFailed) -> list[Event]:
        events = self._finish()
        if not self.decoder.complete and self.decoder.error is None:
            self.decoder.error = self._told(IncompleteStream(error.message, hint=error.hint))
        return events

    def _finish(self) -> list[Event]:
        self._over = True
        events = self.decoder.finish()
        if self.decoder.error is not None:
            error = self._told(self.decoder.error)
            # The decoder's frames hold the received bytes, and do not help to find the cause.
            error.__context__, error.__traceback__ = None, None
            self.decoder.error = error
        if self._reply is not None:
            self._reply.release()
            self._reply = None
        return events
