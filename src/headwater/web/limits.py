"""The limits of a server: each as a named constant with its reason, and all of them as one value.

Values only: the owner of a limited resource enforces its limit.
"""

from __future__ import annotations

from typing import Final

import msgspec

from headwater.errors import ConfigurationError

__all__ = (
    "ENDED_BYTES",
    "ENDED_RUNS",
    "ENDED_SECONDS",
    "FRAME_WINDOW",
    "GRACE_SECONDS",
    "HEARTBEAT_SECONDS",
    "MAX_BODY_BYTES",
    "MAX_BODY_DEPTH",
    "MAX_LOG_BYTES",
    "MAX_READERS",
    "MAX_RUNS",
    "MAX_RUNS_OF_ONE",
    "MAX_SOCKET_MESSAGE",
    "MAX_THREADS",
    "STALL_SECONDS",
    "WORK_SECONDS",
    "WRITE_BYTES",
    "Limits",
)

MAX_BODY_BYTES: Final = 4_000_000
"""Maximum bytes of a request body: a long conversation with a few images."""

MAX_BODY_DEPTH: Final = 100
"""Maximum nesting of a body: deeper than any legitimate one, but too shallow to exhaust the stack."""

MAX_SOCKET_MESSAGE: Final = 1_000_000
"""Maximum bytes of one WebSocket message."""

MAX_RUNS: Final = 100
"""Maximum number of active runs: each holds a connection to a provider and up to MAX_LOG_BYTES."""

MAX_RUNS_OF_ONE: Final = 20
"""The same per caller, if callers have names, so that one caller cannot exhaust the server."""

MAX_READERS: Final = 1_000
"""Maximum number of readers of all runs: about as many sockets as a process may have open by default."""

WORK_SECONDS: Final = 3_600.0
"""Maximum duration of a run, not counting the time in which it waits for people."""

MAX_LOG_BYTES: Final = 8_000_000
"""Maximum bytes of one run's log: about two million tokens."""

ENDED_SECONDS: Final = 300.0
"""How long the log of an ended run is kept: enough for a phone to get its network back."""

ENDED_RUNS: Final = 500
"""Maximum number of ended runs that are kept."""

ENDED_BYTES: Final = 256_000_000
"""Maximum bytes of the logs of all ended runs."""

MAX_THREADS: Final = 1_000
"""Maximum number of conversations that are kept; the least recently used is dropped first."""

WRITE_BYTES: Final = 64 * 1024
"""Maximum bytes per write to a reader: the size at which the server's own buffer reports that it is full."""

FRAME_WINDOW: Final = 1_000_000
"""Bytes of a wire's output that are cached for readers that reconnect soon; older output is regenerated."""

HEARTBEAT_SECONDS: Final = 15.0
"""Interval of heartbeats to an idle reader: proxies close connections that are idle for 30 or 60 seconds."""

STALL_SECONDS: Final = 30.0
"""Timeout for one write to a reader; a reader that was cut off reconnects with its last event id."""

GRACE_SECONDS: Final = 5.0
"""How long runs may continue after the server starts to shut down."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a server, in bytes and seconds. Pass one to `router` to change the defaults."""

    body_bytes: int = MAX_BODY_BYTES
    socket_message_bytes: int = MAX_SOCKET_MESSAGE
    runs: int = MAX_RUNS
    runs_of_one: int = MAX_RUNS_OF_ONE
    readers: int = MAX_READERS
    work_seconds: float = WORK_SECONDS
    log_bytes: int = MAX_LOG_BYTES
    ended_seconds: float = ENDED_SECONDS
    ended_runs: int = ENDED_RUNS
    ended_bytes: int = ENDED_BYTES
    threads: int = MAX_THREADS
    stall_seconds: float = STALL_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    grace_seconds: float = GRACE_SECONDS

    def __post_init__(self) -> None:
        """Raises ConfigurationError if a limit is not a number, or is too low."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= _LEAST.get(name, 1):
                raise ConfigurationError(f"Limits.{name} is {value!r}.", hint="Give a number above 0.")


_LEAST: Final = {"ended_seconds": 0, "ended_runs": 0, "ended_bytes": 0, "grace_seconds": 0, "work_seconds": 1e-9} | {
    "stall_seconds": 1e-9,
    "heartbeat_seconds": 1e-9,
}
"""Minimum values other than 1: ended runs need not be kept at all."""
