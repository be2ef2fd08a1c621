"""Who answers a model request, as protocols: what `retry` needs of a provider, the offline model or a recording.

Owns the shapes alone.
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
        """When the other side last gave a sign of life that is no event, by the loop's clock; 0 where it never did."""

    async def pull(self) -> list[Event]:
        """The next events, waiting for them where there are none; an empty list once the answer is over, however.

        Events that need no waiting for come together. Raises HeadwaterError where no connection could be made, where
        the provider answered with an error, or where a bound was passed.
        """

    def abort(self) -> None:
        """Stop at once and let go of everything held. Never waits, may be called twice and from a finaliser."""

    def shut(self) -> None:
        """Tell the other side to stop, from any thread, while the loop stands idle; `abort` follows in its own time."""


class Backend(Protocol):
    """Something that can be asked: a model at a provider, the offline model, a recording.

    Where it has a `quota` (anything hashable), those with an equal one wait together when a provider asks one of them
    to; see `pacing`.
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
        """Make ready to ask; nothing is sent before the first `pull`.

        Raises ConfigurationError where the request cannot be asked of this backend.
        """


class Reply(Protocol):
    """A response whose head has arrived: `transport.Reply`, or one that is played back."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The bytes that have come; b"" at the end. Raises ConnectionFailed."""

    async def read_error(self) -> bytes:
        """What there is of an error's body."""

    @property
    def ended(self) -> bool:
        """Whether the whole body has been read."""

    def release(self) -> None:
        """Nothing more is read."""

    def abort(self) -> None:
        """Nothing more is read, and the other side is told."""

    def shut(self) -> None:
        """The other side is told, and no more."""


class Post(Protocol):
    """What sends a request and gives the response's head: `transport.post`, or what stands in its place."""

    async def __call__(self, request: HTTPRequest, *, connect: float | None = None) -> Reply:
        """See `transport.post`."""
