"""What every store says where something is not as it should be: the same words whichever store it is.

Owns those sentences; it must never look at a store.
"""

from __future__ import annotations

from headwater.errors import RunEnded, ThreadBusy, UnknownRun

__all__ = ("busy", "ended", "unknown")


def unknown(run: str) -> UnknownRun:
    """There is no such run."""
    return UnknownRun(
        f"No run {run!r} is in the journal.",
        hint="Check the id and the journal's URL; a run that was deleted, or kept for long enough, is gone.",
    )


def ended(run: str, state: str) -> RunEnded:
    """The run is over, and something was said to it."""
    return RunEnded(f"The run {run} is {state}; nobody hears what is said to it.", hint="Start another run.")


def busy(thread: str, ahead: str) -> ThreadBusy:
    """The thread has an open run."""
    return ThreadBusy(
        f"The thread {thread!r} is busy with the run {ahead}, and a thread takes one run at a time.",
        hint='Wait for that run to end, or pass when_busy="queue".',
    )
