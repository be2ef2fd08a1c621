"""AG-UI streams of logs of every kind, as lines of JSON for `ag_ui_streams.mjs`, which has the clients read them.

    python -m tests.system.clients.ag_ui_streams 200 streams.jsonl

Of every sample log each stretch between two answers of people, and of so many random trees of real runs the whole;
each for clients of 1.0 and of 0.0.x. With every stream goes what the client is to hold in the end.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headwater.events import Event
from headwater.testing import sample_logs
from headwater.web.wires.questions import Questions
from tests.support.ag_ui import HI, Client, streamed
from tests.system.invariants.log_alone import played

__all__ = ("main", "streams")


def streams(trees: int) -> Iterator[dict[str, Any]]:
    """Each stream, with its name, what its client held before, and what it is to hold after."""
    for name, log in sample_logs().items():
        questions = Questions()
        waits = sum(questions.add(event) for event in log)
        for modern in (True, False):
            yield from _stretches(name, log, waits, modern)
    for number in range(trees):
        if tree := played(number).log:
            for modern in (True, False):
                yield from _stretches(f"tree {number}", tree, 0, modern)


def _stretches(name: str, log: Sequence[Event], waits: int, modern: bool) -> Iterator[dict[str, Any]]:
    held: list[dict[str, Any]] = [HI]
    for stretch in range(waits + 1):
        sent = [one for one in held if one["role"] != "activity"]
        events = streamed(log, modern=modern, messages=tuple(sent), skip=stretch, stop=stretch + 1)
        client = Client(modern=modern, messages=held)
        for event in events:
            client.read(event)
        after = [*client.messages.values()]
        told = {"name": f"{name}, {stretch}", "modern": modern, "before": held, "events": events, "after": after}
        yield {**told, "pending": client.pending}
        held = after


def main() -> int:
    """Write them."""
    logging.disable(logging.CRITICAL)
    lines = [msgspec.json.encode(one) for one in streams(int(sys.argv[1]))]
    Path(sys.argv[2]).write_bytes(b"\n".join(lines) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
