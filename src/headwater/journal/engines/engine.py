"""An engine of many machines: its protocol, and the format of its address. It owns no engine and opens none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from headwater.errors import ConfigurationError
from headwater.journal.addresses import TEMPORAL, shown
from headwater.journal.engines.executor import Drive, Executor
from headwater.journal.engines.in_process import InProcess

__all__ = ("Engine", "TemporalAddress", "temporal_address")


class Engine(Executor, Protocol):
    """An engine whose runs wait outside of this process. `here` are those that are driven in it."""

    here: InProcess

    async def serve(
        self,
        drive: Drive,
        *,
        queues: Sequence[str] = ("default",),
        concurrency: int = 100,
        name: str = "",
        agents: Iterable[str] | None = None,
    ) -> None:
        """See Executor. `agents` are the names of those that this process knows by now; runs of others wait."""

    async def waiting(self, runs: Sequence[str]) -> set[str]:
        """Returns those of the runs that a worker is going to get now, without waiting for their time."""

    async def close(self) -> None:
        """Closes its connections."""


class TemporalAddress(NamedTuple):
    """What a URL of Temporal names: the server as `host:port`, and one of its namespaces."""

    target: str
    namespace: str


def temporal_address(engine: str) -> TemporalAddress:
    """Returns what the URL names. Raises ConfigurationError."""
    found = TEMPORAL.fullmatch(engine)
    if found is None:
        raise ConfigurationError(
            f"The engine {shown(engine)} is not the URL of one.",
            hint="Write temporal://host:7233 or temporal://host:7233/namespace. An API key or a certificate is read "
            "from the environment: TEMPORAL_API_KEY, TEMPORAL_TLS_CLIENT_CERT_PATH.",
        )
    return TemporalAddress(f"{found['host']}:{found['port'] or 7233}", found["name"] or "default")
