"""What is seen of a run by whoever has its log and nothing else: in any shape that a reader can ask for.

    python -m tests.system.invariants.late_reader log.jsonl '{"way": "select", "choice": {"final_only": true}}' …

`seen` gives all of it; the command prints it, a line for each log, in a process that knows nothing of the runs.
"""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from headwater import AgentStream, Response, Results
from headwater.events import ErrorInfo, Event
from headwater.events.answers import tree_response
from headwater.events.codec import decode
from headwater.readers.callbacks import token_watcher
from headwater.runtime.context import CallbackErrors
from headwater.runtime.shown import as_data
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.section_printer import SectionPrinter
from tests.support.late import Late, late_stream
from tests.system.invariants.trees import Ear, Hearing

__all__ = ("Asked", "Way", "heard", "known", "on_a_pipe", "seen", "shaped")

Way: TypeAlias = Literal["events", "chunks", "text", "result", "select", "chosen events"]

FIELDS = sorted(Response("").__dict__.keys() - {"output", "callback_errors", "members", "error"})


class Asked(msgspec.Struct, frozen=True):
    """What a reader asks for, and how its callback listens."""

    way: Way = "chunks"
    choice: dict[str, Any] = {}
    hearing: Hearing = Hearing()


def shaped(stream: AgentStream[Any], way: Way, choice: dict[str, Any]) -> Any:
    """The stream in the shape that was asked for."""
    if way in ("events", "chosen events"):
        return stream.events(**choice)
    if way == "select":
        return stream.select(**choice)
    return stream.text() if way == "text" else stream


def on_a_pipe() -> tuple[list[Callable[[Event], None]], Callable[[], dict[str, str]]]:
    """Printers that write to a pipe, and what all of them have written."""
    files = {name: io.StringIO() for name in ("lines", "lines at the end", "sections", "sections at the end")}
    printers: list[Callable[[Event], None]] = [
        LinePrinter("top", file=files["lines"]),
        LinePrinter("top", file=files["lines at the end"], live=False),
        SectionPrinter(live=True, file=files["sections"]),
        SectionPrinter(live=False, file=files["sections at the end"]),
    ]
    return printers, lambda: {name: file.getvalue() for name, file in files.items()}


def known(whole: Response[Any] | Results) -> dict[str, Any]:
    """All that a Response says and a log can say, as plain values."""
    if isinstance(whole, Results):
        return {
            "names": whole.names,
            "usage": whole.usage.to_dict(),
            "duration": whole.duration,
            "run_id": whole.run_id,
            "partial": whole.partial,
            "members": {name: known(one) for name, one in whole.members.items()},
        }
    error = None if whole.error is None else ErrorInfo.of(whole.error)
    return {
        **{name: getattr(whole, name) for name in FIELDS},
        "text": whole.text,
        "usage": whole.usage.to_dict(),
        "output": as_data(whole.output if not isinstance(whole.output, str) else str.__str__(whole.output)),
        "error": error and (error.type, error.message),
        "members": {name: known(one) for name, one in whole.members.items()},
        "order": [*whole.members],
    }


def heard(how: Hearing, log: Sequence[Event]) -> list[tuple[int, tuple[Any, ...]]]:
    """What a callback of the log's first run is told, each with the number of the event that it is told at."""
    run = Late(log)
    ear = Ear(msgspec.structs.replace(how, waits="no", raises=0.0))
    watch = token_watcher(ear.callback, run, CallbackErrors(), details=how.details, on_retract=ear.on_retract)
    told: list[tuple[int, tuple[Any, ...]]] = []
    for event in log:
        if event.run == run.id:
            run.fold.add(event)
        watch(event)
        told += [(event.seq, one) for one in ear.heard]
        ear.heard.clear()
    return told


def seen(log: Sequence[Event], asked: Asked) -> dict[str, Any]:
    """All that the log shows: the Response, what was asked for, what a callback is told, what printers write."""

    async def read() -> list[Any]:
        return [item async for item in shaped(late_stream(log), asked.way, asked.choice)]

    printers, written = on_a_pipe()
    for event in log:
        for printer in printers:
            printer(event)
    return {
        "response": known(tree_response(log)),
        "read": [] if asked.way == "result" else asyncio.run(read()),
        "callback": [told for _, told in heard(asked.hearing, log)],
        "printed": written(),
    }


def main(arguments: Sequence[str]) -> int:
    """Print what is seen of each file, as it is asked for after the file's name."""
    for file, asked in zip(arguments[::2], arguments[1::2], strict=True):
        log = [decode(line) for line in Path(file).read_bytes().splitlines()]
        print(repr(seen(log, msgspec.json.decode(asked, type=Asked))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
