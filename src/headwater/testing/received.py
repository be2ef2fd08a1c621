"""What a provider's simulator was asked: one request, and how its client behaved."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from headwater.providers.redaction import without_secrets

__all__ = ("Received",)

SOON: Final = 5.0
"""Seconds that the `wait_…` methods wait at most: a test that is well waits for none of them."""


class Received:
    """A request as it came. Keys are not kept: what could be one is "…" in `headers` and `query`.

    `json` is the body, `api` the API that its path belongs to, `model` the model asked for. `connection` counts the
    connections of the simulator, `begun` is when it came (`time.monotonic`). `sent` and `pieces` count the bytes of the
    body that were answered so far and the writes they took.
    """

    def __init__(
        self,
        *,
        api: str,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        json: dict[str, Any],
        model: str,
        connection: int,
    ) -> None:
        self.api = api
        self.method = method
        self.path = path
        self.headers: dict[str, str] = without_secrets(headers)
        self.query: dict[str, str] = without_secrets(query)
        self.json = json
        self.model = model
        self.connection = connection
        self.begun = time.monotonic()
        self.status: int | None = None
        self.sent = 0
        self.pieces = 0
        self.ended: float | None = None
        """When the answer was whole, or broken off on purpose, or the client was seen to be gone."""
        self._gone = threading.Event()
        self._over = threading.Event()

    @property
    def gone(self) -> bool:
        """Whether the client closed the connection before the answer was whole."""
        return self._gone.is_set()

    @property
    def over(self) -> bool:
        """Whether nothing more is sent, for whatever reason."""
        return self._over.is_set()

    def wait_gone(self, seconds: float = SOON) -> bool:
        """Whether the client has gone away by then. Blocks this thread, so that no event loop of its helps."""
        return self._gone.wait(seconds)

    def wait_over(self, seconds: float = SOON) -> bool:
        """Whether nothing more is sent by then. Blocks this thread."""
        return self._over.wait(seconds)

    def end(self, *, gone: bool) -> None:
        """For the simulator: nothing more is sent."""
        self.ended = time.monotonic()
        if gone:
            self._gone.set()
        self._over.set()

    def __repr__(self) -> str:
        return f"<Received {self.method} {self.path}, {self.sent} bytes answered>"
