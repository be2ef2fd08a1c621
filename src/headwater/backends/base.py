"""The protocols of backends: a provider, the offline model or a recording.

Owns protocols only; it must not import an implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headwater.events import Event
    from headwater.providers.decoder import Decoder, Place
    from headwater.providers.request import HTTPRequest, Request

__all__ = (
    "Exchange",
    "Post",
    "Reply",
    "Backend",
)


class Exchange(Protocol):
    """One request and its streamed answer."""

    @property
    def decoder(self) -> Decoder:
        """The state of the answer: `complete`, `error`, `finish_reason`, `usage`, … (see `Decoder`)."""

    @property
    def alive_at(self) -> float:
        """When the server last showed progress other than events, in the loop's time; 0 for never."""

    async def pull(self) -> list[Event]:
        """Returns the next events, waiting until there are some; an empty list once the answer has ended for any
        reason.

        Events that are available together are returned together. Raises HeadwaterError if no connection could be made,
        the provider answered with an error, or a limit was exceeded.
        """

    def abort(self) -> None:
        """Stops at once and releases everything. Never waits; may be called twice, and from a finalizer."""

    def shut(self) -> None:
        """Tells the server to stop, from any thread, while the loop is idle; `abort` follows later."""


class Backend(Protocol):
    """Answers model requests: a model at a provider, the offline model, a recording.

    A backend may have a `quota` (anything hashable): when a provider asks one of them to wait, all with an equal quota
    wait; see `rate_limits`.
    """

    @property
    def provider(self) -> str:
        """The provider's name, such as `openai`."""

    @property
    def api(self) -> str:
        """Its API, such as `openai-chat`: signatures in a history are sent back only to this API."""

    @property
    def model(self) -> str:
        """The model's name as the provider knows it."""

    def open(self, request: Request, place: Place) -> Exchange:
        """Prepares the exchange; nothing is sent before the first `pull`.

        Raises ConfigurationError if this backend cannot accept the request.
        """


class Reply(Protocol):
    """A response whose head has arrived: `transport.Reply`, or a recorded one."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """Returns the bytes received, waiting until there are some; b"" at the end. Raises ConnectionFailed."""

    async def read_error(self) -> bytes:
        """Returns the body of an error response, as far as it arrived."""

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read."""

    def release(self) -> None:
        """Returns the connection to the pool; nothing more will be read."""

    def abort(self) -> None:
        """Closes the connection; nothing more will be read."""

    def shut(self) -> None:
        """Tells the server to stop, without releasing anything."""


class Post(Protocol):
    """Sends a request and returns the response once its head has arrived: `transport.post`, or a replacement."""

    async def __call__(self, request: HTTPRequest, *, connect: float | None = None) -> Reply:
        """See `transport.post`."""
