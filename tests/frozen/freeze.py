"""Writes the frozen runs of the version that is about to be released: once, before its release.

    python -m tests.frozen.freeze

They go to `runs_X_Y` beside this file. Times and ids are made up, so that the same runs give the same files.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec

from headwater import Response, Results, RunFile, __version__
from headwater.backends.jitter import seed
from headwater.errors import HeadwaterError
from headwater.events import Event, decode
from headwater.events.codec import encode_messages
from headwater.events.saved import first_line, line
from headwater.testing import run_virtual
from tests.frozen.declared import RUNS, Declared

__all__ = ("facts",)

FOLDER = Path(__file__).with_name("runs_" + "_".join(__version__.split(".")[:2]))
BEGUN = 1_764_400_000.0


def facts(whole: Response[Any] | Results) -> dict[str, Any]:
    """What a run has come to, as JSON."""
    if isinstance(whole, Results):
        told: dict[str, Any] = {"members": {name: facts(one) for name, one in whole.members.items()}}
    else:
        told = {
            "text": whole.text,
            "transcript": whole.transcript,
            "agent": whole.agent,
            "finish_reason": whole.finish_reason,
            "messages": json.loads(encode_messages(whole.messages))["messages"],
            "tool_errors": [error.name for error in whole.tool_errors],
            "unheard": [message.text for message in whole.unheard],
            "error": str(whole.error) if whole.error is not None else None,
            "members": {name: facts(one) for name, one in whole.members.items()},
        }
    return {**told, "partial": whole.partial, "usage": whole.usage.to_dict()}


def carried_out(declared: Declared, save: Path) -> None:
    """Carry the run out, with whoever read it, into a file."""

    async def main() -> None:
        stream = declared.make().run_stream(declared.task, save=save, keep_log=True)
        try:
            async for event in stream.events():
                declared.read(stream, event)
        except HeadwaterError:
            pass  # the file says so

    run_virtual(main())


def main() -> int:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for number, (name, declared) in enumerate(RUNS.items()):
        path, drawn, ticks = FOLDER / f"{name}.jsonl", itertools.count(number << 20), itertools.count()
        with (
            patch.object(os, "urandom", lambda size, drawn=drawn: next(drawn).to_bytes(size, "big")),
            patch.object(time, "time", lambda ticks=ticks: BEGUN + next(ticks) / 100),
            patch.object(time, "monotonic", lambda ticks=ticks: next(ticks) / 100),
        ):
            seed(number)
            carried_out(declared, path)
        write_facts(path)
    old = Path(__file__).with_name("logs_0_1") / "answer_parts_and_leads.jsonl"
    events: list[Event] = [decode(one) for one in old.read_bytes().splitlines()]
    path = FOLDER / "from_0_1.jsonl"
    path.write_bytes(first_line(by="headwater 0.1.0", saved=BEGUN) + b"".join(map(line, events)))
    write_facts(path)
    return 0


def write_facts(path: Path) -> None:
    """Write beside the file what its run has come to."""
    path.with_suffix(".json").write_bytes(msgspec.json.format(msgspec.json.encode(facts(RunFile(path).response))))


if __name__ == "__main__":
    sys.exit(main())
