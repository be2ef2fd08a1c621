"""What answers a model request: the protocol, which the HTTP providers, the offline model and replays all satisfy.

A source is a declaration that many runs share; an exchange is one asking. No clock, retry or fallback lives here: that
is `attempts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from headwater.events import Event
    from headwater.providers.base import Decoder, Place, Request

__all__ = ("Exchange", "Source")


class Exchange(Protocol):
    """One request and the answer to it as it comes."""

    @property
    def decoder(self) -> Decoder:
        """What the answer has come to: `complete`, `error`, `finish_reason`, `usage`, … (see `Decoder`)."""

    async def pull(self) -> list[Event]:
        """The next events, waiting for them where there are none; an empty list once the answer is over, however.

        Events that need no waiting for come together. Raises HeadwaterError where no connection could be made, where
        the provider answered with an error, or where a bound was passed.
        """

    def abort(self) -> None:
        """Stop at once and let go of everything held. Never waits, may be called twice and from a finaliser."""


class Source(Protocol):
    """Something that can be asked: a model at a provider, the offline model, a recording."""

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

        Raises ConfigurationError where the request cannot be asked of this source.
        """
