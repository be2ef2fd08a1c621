"""What every provider API shares, under one name: `request` (what is asked), `decoder` (what comes back), `refusal`
(what goes wrong).

An API module (`openai_chat`, `anthropic`, …) offers two things: `encode(request, endpoint) -> HTTPRequest` and a
`Decoder`. Everything else about talking to a provider lives elsewhere: names and keys in `registry`, sockets in
`transport`, clocks and retries in `attempts`.
"""

from __future__ import annotations

from typing import Protocol

from headwater.providers.decoder import Call, Decoder, Part, Place, parse_arguments
from headwater.providers.refusal import (
    http_error,
    in_band_error,
    malformed,
    provider_error,
    read_error,
    read_error_body,
    retry_after,
)
from headwater.providers.request import (
    Effort,
    Endpoint,
    HTTPRequest,
    OutputSpec,
    Quirks,
    Request,
    Secret,
    Settings,
    ToolChoice,
    ToolSpec,
)

__all__ = (
    "API",
    "Call",
    "Decoder",
    "Effort",
    "Endpoint",
    "HTTPRequest",
    "OutputSpec",
    "Part",
    "Place",
    "Quirks",
    "Request",
    "Secret",
    "Settings",
    "ToolChoice",
    "ToolSpec",
    "http_error",
    "in_band_error",
    "malformed",
    "parse_arguments",
    "provider_error",
    "read_error",
    "read_error_body",
    "retry_after",
)


class API(Protocol):
    """What an API module offers (a module satisfies a protocol by its functions)."""

    def encode(self, request: Request, endpoint: Endpoint) -> HTTPRequest:
        """The request as this API writes it. Raises UnsupportedSetting, InvalidRequest."""

    @property
    def Decoder(self) -> type[Decoder]:  # noqa: N802
        """The decoder of its responses."""
