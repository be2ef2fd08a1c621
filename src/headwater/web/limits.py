"""How much a server takes on: each bound as a named constant with its reason, and all of them as one value.

Values only. Where a bound is passed, whoever owns what grows says so.
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
"""Bytes of a request's body: a long conversation with a few pictures in it."""

MAX_BODY_DEPTH: Final = 100
"""Arrays and objects inside each other in a body: deeper than any honest one, shallower than what exhausts a stack."""

MAX_SOCKET_MESSAGE: Final = 1_000_000
"""Bytes of one WebSocket message."""

MAX_RUNS: Final = 100
"""Runs at work at once: each holds a connection to a provider and up to MAX_LOG_BYTES."""

MAX_RUNS_OF_ONE: Final = 20
"""The same for one caller, where callers are told apart, so that one alone cannot use up the server."""

MAX_READERS: Final = 1_000
"""Readers at once, of all runs together: about as many sockets as a process may have open by default."""

WORK_SECONDS: Final = 3_600.0
"""How long a run may work; the time in which it waits for people is not counted."""

MAX_LOG_BYTES: Final = 8_000_000
"""Bytes of one run's log: about two million tokens."""

ENDED_SECONDS: Final = 300.0
"""How long the log of a run that has ended is kept: time for a phone to find its network again."""

ENDED_RUNS: Final = 500
"""How many runs that have ended are kept."""

ENDED_BYTES: Final = 256_000_000
"""Bytes of all the logs of runs that have ended."""

MAX_THREADS: Final = 1_000
"""Conversations that are remembered; the one that was used least recently is forgotten first."""

WRITE_BYTES: Final = 64 * 1024
"""Bytes that are written to a reader at once: what the server's own buffer takes before it says that it is full."""

FRAME_WINDOW: Final = 1_000_000
"""Bytes of a wire that are kept ready for those who come back soon; what is older is made anew for them."""

HEARTBEAT_SECONDS: Final = 15.0
"""Silence after which a reader is sent a sign of life: proxies close what is silent for 30 or 60 seconds."""

STALL_SECONDS: Final = 30.0
"""How long a reader may take for one write before it is cut off; it comes back by its last id."""

GRACE_SECONDS: Final = 5.0
"""How long runs may go on after the server was told to stop."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a server takes on; bytes and seconds. Give `router` one to change what is to differ."""

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
        """Raises ConfigurationError where one is no number, or below what makes sense."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= _LEAST.get(name, 1):
                raise ConfigurationError(f"Limits.{name} is {value!r}.", hint="Give a number above 0.")


_LEAST: Final = {"ended_seconds": 0, "ended_runs": 0, "ended_bytes": 0, "grace_seconds": 0, "work_seconds": 1e-9} | {
    "stall_seconds": 1e-9,
    "heartbeat_seconds": 1e-9,
}
"""The least that makes sense, where that is not 1: nothing may be kept of what has ended."""
