"""The log lines of a `verbose` agent, through the standard `logging` module.

Never a key, never the text itself: content belongs in the stream, not in a log file.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Final

from headwater.events import (
    AttemptAccepted,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    Event,
    ReasoningDelta,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
)
from headwater.events.controls import harmless
from headwater.events.messages import Usage
from headwater.runtime.context import Watcher

__all__ = ("log_watcher",)

_SILENT = (TextDelta, ReasoningDelta, CallDelta, ToolProgress)
_UNSAID = (
    "seq",
    "time",
    "run",
    "path",
    "extra",
    "input",
    "history",
    "message",
    "settings",
    "context",
    "output",
    "item",
    "arguments",
    "raw",
    "result",
    "data",
    "body",
    "note",
)


def log_watcher(name: str) -> Watcher:
    """Returns a watcher that logs a run's events at DEBUG on the logger `headwater.NAME`, configured to be visible."""
    logger = logging.getLogger("headwater").getChild(name.replace(".", "_"))
    logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        handler = _Lines()
        handler.setFormatter(_Harmless("%(levelname)s %(name)s: %(message)s"))
        logging.getLogger("headwater").addHandler(handler)

    def watch(event: Event) -> None:
        if not isinstance(event, _SILENT):
            logger.debug("%s", _words(event))

    return watch


class _Lines(logging.StreamHandler[Any]):
    """Formats lines as dim on a terminal, to set them apart from the agent's text."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        dim = os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
        try:
            dim = dim and self.stream.isatty()
        except (AttributeError, ValueError):  # no such method, or closed
            dim = False
        return f"\x1b[2m{line}\x1b[0m" if dim else line


class _Harmless(logging.Formatter):
    """Tracebacks contain other texts too, such as the error of a tool or a callback."""

    def format(self, record: logging.LogRecord) -> str:
        if record.levelno == logging.DEBUG:
            return harmless(f"DEBUG {record.name.removeprefix('headwater.')}: {record.getMessage()}")
        return harmless(super().format(record))


def _words(event: Event) -> str:
    """Describes an event; by its name and fields if it has no description."""
    say = _SAID.get(event.__class__)
    return say(event) if say is not None else f"{event.type.replace('.', ' ')}{_fields(event)}"


def _usage(usage: Usage) -> str:
    counts = ((usage.input_tokens, "in"), (usage.output_tokens, "out"))
    told = ", ".join(f"{count} {name}" for count, name in counts if count is not None)
    return f"usage: {told}" if told else "usage: unknown"


def _attempt(event: AttemptStarted) -> str:
    asked = f"asked {event.model or 'the model'}" + (f" of {event.provider}" if event.provider else "")
    return asked if event.attempt == 1 else f"{asked}, attempt {event.attempt} ({event.cause})"


def _attempt_failed(event: AttemptFailed) -> str:
    error = event.error
    broke = f"{error.type} {error.status}" if error.status else error.type
    return f"attempt {event.attempt} failed: {broke}; then {event.then}" + (
        f" in {event.wait:.1f} s" if event.wait else ""
    )


def _tool_finished(event: ToolFinished) -> str:
    ended = f"tool {event.name} finished after {event.duration:.1f} s"
    return ended if event.error is None else f"{ended}: {_short(event.error)}"


_SAID: Final[dict[type[Event], Callable[[Any], str]]] = {
    RunStarted: lambda event: "run started" + (f" with {event.model}" if event.model else ""),
    RunFinished: lambda event: f"run finished: {event.finish_reason}; {_usage(event.usage)}",
    StepStarted: lambda event: f"step {event.step} started",
    StepFinished: lambda event: f"step {event.step} finished: {event.finish_reason}",
    AttemptStarted: _attempt,
    AttemptAccepted: lambda event: f"{event.model or 'the model'} answers",
    AttemptFailed: _attempt_failed,
    UsageReported: lambda event: _usage(event.usage) + ("" if event.origin == "measured" else f" ({event.origin})"),
    ToolStarted: lambda event: f"tool {event.name} runs" + (f", try {event.try_}" if event.try_ > 1 else ""),
    ToolFinished: _tool_finished,
}


def _fields(event: Event) -> str:
    said = [
        f" {name}={_short(value)}"
        for name in event.__struct_fields__
        if name not in _UNSAID and (value := getattr(event, name)) not in (None, "", (), {}, 0)
    ]
    return "".join(said)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
