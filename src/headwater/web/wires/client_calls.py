"""Calls of the client's own tools: sent whole once they cannot be retracted, or streamed as a model writes them.

An agent's calls are sent whole after their step has ended, because the run corrects invalid calls. A bare model's are
streamed, because its client validates them. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from headwater.events import (
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    StepFinished,
    TextDelta,
)
from headwater.events.tree import Tree
from headwater.readers.hold import Hold

__all__ = ("CallPiece", "ClientCalls", "StreamedCalls", "arguments_text")


class CallPiece(NamedTuple):
    """The next piece of a call."""

    id: str
    name: str
    """The name of the tool in the call's first piece; "" in the others."""
    arguments: str
    whole: str | None = None
    """The complete arguments, in the call's last piece."""


class ClientCalls:
    """Call it with every event of a log, after the `tree`; it returns each call as one piece."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._ready: dict[str, list[CallReady]] = {}

    def __call__(self, event: Event) -> Sequence[CallPiece]:
        """Returns the calls of the step that ends with the event."""
        if isinstance(event, CallReady):
            if event.by == "client" and event.run in self._tree.speakers:
                self._ready.setdefault(event.run, []).append(event)
        elif isinstance(event, AttemptStarted):
            self._ready.pop(event.run, None)
        elif isinstance(event, StepFinished):
            return [_whole(one) for one in self._ready.pop(event.run, ())]
        return ()


class StreamedCalls:
    """Call it with every event of a model's log; it returns the calls as the model writes them.

    Calls that the provider runs are left out. Pieces that may be retracted are held back until their step ends.
    """

    def __init__(self) -> None:
        self._hold: Hold[CallPiece] = Hold()
        self._written: dict[str, list[str]] = {}

    def __call__(self, event: Event) -> Sequence[CallPiece]:
        """Returns the pieces that can be sent now."""
        kind = event.__class__
        if kind is TextDelta:
            return ()
        items: Sequence[CallPiece] = ()
        if isinstance(event, CallDelta):
            if (written := self._written.get(event.call)) is not None:
                written.append(event.json)
                items = (CallPiece(event.call, "", event.json),)
        elif isinstance(event, CallStarted):
            if event.by != "provider":
                self._written[event.call] = []
                items = (CallPiece(event.call, event.name, ""),)
        elif isinstance(event, (CallReady, CallRejected)):
            if event.by != "provider":
                items = (self._last(event),)
        elif isinstance(event, AttemptStarted):
            self._written.clear()
        return self._hold(event, items)

    def _last(self, event: CallReady | CallRejected) -> CallPiece:
        begun = event.call in self._written
        text = "".join(self._written.pop(event.call, ()))
        rest = "" if text else event.raw if isinstance(event, CallRejected) else arguments_text(event.arguments)
        return CallPiece(event.call, "" if begun else event.name, rest, text or rest)


def _whole(one: CallReady) -> CallPiece:
    text = arguments_text(one.arguments)
    return CallPiece(one.call, one.name, text, text)


def arguments_text(arguments: dict[str, Any] | str) -> str:
    """Encodes a call's arguments as text."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments, enc_hook=str).decode()
