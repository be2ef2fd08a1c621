"""The protocols of whoever answers a model request: a provider, the offline model or a recording.

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
    """One request and the answer to it as it comes."""

    @property
    def decoder(self) -> Decoder:
        """What the answer has come to: `complete`, `error`, `finish_reason`, `usage`, … (see `Decoder`)."""

    @property
    def alive_at(self) -> float:
        """When the other side last sent a sign of life that is not an event, in the loop's time; 0 for never."""

    async def pull(self) -> list[Event]:
        """Returns the next events, waiting until there are some; an empty list once the answer has ended for any
        reason.

        Events that are available together are returned together. Raises HeadwaterError if no connection could be made,
        the provider answered with an error, or a limit was exceeded.
        """

    def abort(self) -> None:
        """Stop at once and release everything. Never waits; may be called twice, and from a finalizer."""

    def shut(self) -> None:
        """Tell the other side to stop, from any thread, while the loop is idle; `abort` follows later."""


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
        """The API it speaks, such as `openai-chat`: signatures in a history go back to this API alone."""

    @property
    def model(self) -> str:
        """The model's name as the provider knows it."""

    def open(self, request: Request, place: Place) -> Exchange:
        """Prepare the exchange; nothing is sent before the first `pull`.

        Raises ConfigurationError if this backend cannot take the request.
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
        """Nothing more will be read: return the connection to the pool."""

    def abort(self) -> None:
        """Nothing more will be read: close the connection."""

    def shut(self) -> None:
        """Tell the other side to stop, without releasing anything."""


class Post(Protocol):
    """Sends a request and returns the response once its head has arrived: `transport.post`, or a replacement."""

    async def __call__(self, request: HTTPRequest, *, connect: float | None = None) -> Reply:
        """See `transport.post`."""
