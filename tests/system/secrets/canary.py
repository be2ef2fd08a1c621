"""A key that is nobody's, and where to look for it: in everything that a run leaves behind.

Looked through: what was written to the screen and to every log, each event and its JSON, the Response and its pickle,
the exception with all that hangs on it and the variables of every frame that is not the test's own, and each object of
this library that is alive. All of it by `str`, `repr`, and by what rich makes of it, which reads fields by itself.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import io
import logging
import pickle
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.pretty import pretty_repr

from headwater.events import Event, codec
from headwater.events.response import Response
from tests.support.paths import ROOT

__all__ = ("BODY", "CANARY", "Seen")

BODY = "9f8e7d6c5b4a3928170654ab"
"""What of the key is nobody else's."""

CANARY = f"sk-canary-{BODY}"

PIECE = 8
"""Characters of it in a row that are a leak."""

HERE = ROOT / "tests"

_PIECES = {BODY[at : at + PIECE] for at in range(len(BODY) - PIECE + 1)}
_ENCODED = [base64.b64encode(f"user:{CANARY}".encode()).decode(), CANARY.encode().hex()]


class Seen:
    """Everything seen so far, under names; `leaks` are the names under which the key was."""

    def __init__(self) -> None:
        self.leaks: list[str] = []
        self.looked_at = 0
        self.log = io.StringIO()

    # --- by kind

    def text(self, name: str, text: str) -> None:
        """A text that someone can read."""
        self.looked_at += 1
        if any(piece in text for piece in _PIECES) or any(encoded in text for encoded in _ENCODED):
            at = min(text.find(piece) for piece in _PIECES if piece in text) if any(p in text for p in _PIECES) else 0
            self.leaks.append(f"{name}: …{text[max(0, at - 80) : at + 40]!r}")

    def value(self, name: str, value: Any) -> None:
        """A value, as it shows."""
        self.text(f"str of {name}", str(value))
        self.text(f"repr of {name}", repr(value))
        self.text(f"rich on {name}", pretty_repr(value))

    def event(self, event: Event) -> None:
        """An event, and its JSON."""
        self.value(f"event {event.type}", event)
        self.text(f"JSON of event {event.type}", codec.encode(event).decode())

    def response(self, response: Response[Any]) -> None:
        """A Response and its forms."""
        self.value("Response", response)
        self.value("Response's fields", vars(response))
        self.value("Response as a dict", response.to_dict())
        self.text("JSON of Response", response.to_json())
        self.pickled("Response", response)

    def pickled(self, name: str, value: Any) -> None:
        """A value's pickle, where it has one."""
        try:
            data = pickle.dumps(value)
        except Exception as refused:
            self.value(f"refused pickle of {name}", refused)
        else:
            self.text(f"pickle of {name}", data.decode("latin-1"))

    def error(self, error: BaseException, name: str = "exception") -> None:
        """An exception and all that hangs on it."""
        self.value(name, error)
        self.value(f"{name}'s args", error.args)
        self.value(f"{name}'s fields", vars(error))
        self.text(f"{name}'s traceback", "".join(traceback.format_exception(error)))
        self.frames(name, error.__traceback__)
        self.pickled(name, error)
        for chained in (error.__cause__, error.__context__):
            if chained is not None:
                self.error(chained, f"{name} > {type(chained).__name__}")

    def frames(self, name: str, trace: TracebackType | None) -> None:
        """The variables of the frames that an exception went through; the test's own hold the key by design."""
        for frame, line in traceback.walk_tb(trace):
            if not Path(frame.f_code.co_filename).is_relative_to(HERE):
                for variable, value in frame.f_locals.items():
                    where = f"{variable} in {frame.f_code.co_qualname}:{line} ({name})"
                    self.text(where, _safe_repr(value))
                    self.text(f"rich on {where}", pretty_repr(value))

    def living(self) -> None:
        """Every object of the library's own classes that is alive."""
        for value in [*_ours_from_before(), *_ours()]:
            with contextlib.suppress(AttributeError):  # one that could not be made, held by a test before
                self.value(f"a living {type(value).__name__}", value)

    # --- what is written by itself

    def __enter__(self) -> Seen:
        self._handler = logging.StreamHandler(self.log)
        root = logging.getLogger()
        self._level = root.level
        root.addHandler(self._handler)
        root.setLevel(logging.DEBUG)
        return self

    def __exit__(self, *_: object) -> None:
        root = logging.getLogger()
        root.removeHandler(self._handler)
        root.setLevel(self._level)
        self.text("the logs", self.log.getvalue())

    def __iter__(self) -> Iterator[str]:
        return iter(self.leaks)


def _ours() -> list[Any]:
    kinds: dict[type, bool] = {}  # asked once a class: there are as many objects as there were tests before
    found = []
    for value in gc.get_objects():
        kind = type(value)
        if kind not in kinds:
            kinds[kind] = str(kind.__module__).partition(".")[0] == "headwater"
        if kinds[kind]:
            found.append(value)
    return found


@cache
def _ours_from_before() -> list[Any]:
    """What tests/conftest.py has hidden from the collector, and with it from get_objects: that too could hold a key."""
    gc.unfreeze()
    ours = _ours()
    gc.freeze()
    return ours


def _safe_repr(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # as tracebacks do it
        return f"<{type(error).__name__}>"
