"""The log lines of an agent that is `verbose`: what happens in its runs, through the standard `logging`.

Never a key, never the text itself: what is said is for the stream, not for a log file.
"""

from __future__ import annotations

import logging

from headwater.events import CallDelta, Event, ReasoningDelta, TextDelta, ToolProgress
from headwater.events.controls import harmless
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
    """What logs a run's events at DEBUG, on the logger `headwater.NAME`, which is set so that they are seen."""
    logger = logging.getLogger("headwater").getChild(name.replace(".", "_"))
    logger.setLevel(logging.DEBUG)
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(_Harmless("%(levelname)s %(name)s: %(message)s"))
        logging.getLogger("headwater").addHandler(handler)

    def watch(event: Event) -> None:
        if not isinstance(event, _SILENT):
            logger.debug("%d %s%s", event.seq, event.type, _fields(event))

    return watch


class _Harmless(logging.Formatter):
    """What others say stands in tracebacks, too: a tool's error, a callback's."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


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
