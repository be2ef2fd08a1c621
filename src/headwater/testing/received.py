"""One request to the provider simulator, and how its client behaved."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from headwater.providers.redaction import without_secrets

__all__ = ("Received",)

SOON: Final = 5.0
"""The maximum wait of the `wait_…` methods, in seconds; a passing test does not wait."""


class Received:
    """A received request. Keys are not kept: possible keys are replaced by "…" in `headers` and `query`.

    `json` is the body, `api` the API that its path belongs to, `model` the requested model. `connection` is the number
    of the connection, `begun` the time of arrival (`time.monotonic`). `sent` and `pieces` count the bytes of the
    response body so far and the writes.
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
        self.begun: float = time.monotonic()
        self.status: int | None = None
        self.sent = 0
        self.pieces = 0
        self.ended: float | None = None
        """When the answer was complete, or broken off on purpose, or the client was found to be gone."""
        self._gone = threading.Event()
        self._over = threading.Event()

    @property
    def gone(self) -> bool:
        """Whether the client closed the connection before the answer was complete."""
        return self._gone.is_set()

    @property
    def over(self) -> bool:
        """Whether the answer has ended, for any reason."""
        return self._over.is_set()

    def wait_gone(self, seconds: float = SOON) -> bool:
        """Wait until the client has disconnected, and return whether it has. Blocks this thread and its event loop."""
        return self._gone.wait(seconds)

    def wait_over(self, seconds: float = SOON) -> bool:
        """Wait until the answer has ended, and return whether it has. Blocks this thread."""
        return self._over.wait(seconds)

    def end(self, *, gone: bool) -> None:
        """Called by the simulator when the answer has ended."""
        self.ended = time.monotonic()
        if gone:
            self._gone.set()
        self._over.set()

    def __repr__(self) -> str:
        return f"<Received {self.method} {self.path}, {self.sent} bytes answered>"
