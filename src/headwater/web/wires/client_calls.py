"""Calls of the client's own tools: told whole once nothing takes them back, or piece by piece as a model writes them.

An agent's calls are told whole, once their step has ended: a call that does not fit is mended by its run. A bare
model's are told as they come, for whoever asked checks them. Pure.
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
    """The next piece of a call's arguments."""

    id: str
    name: str
    """What is called, in the call's first piece; "" in the others."""
    arguments: str
    whole: str | None = None
    """All of the arguments, in the call's last piece."""


class ClientCalls:
    """Call it with every event of a log, after the `tree` was; each call that it returns is one piece."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._ready: dict[str, list[CallReady]] = {}

    def __call__(self, event: Event) -> Sequence[CallPiece]:
        """The calls of the step that ends with the event."""
        if isinstance(event, CallReady):
            if event.by == "client" and event.run in self._tree.speakers:
                self._ready.setdefault(event.run, []).append(event)
        elif isinstance(event, AttemptStarted):
            self._ready.pop(event.run, None)
        elif isinstance(event, StepFinished):
            return [_whole(one) for one in self._ready.pop(event.run, ())]
        return ()


class StreamedCalls:
    """Call it with every event of a model's log: what the model writes of calls, as it comes.

    Calls that the provider runs are not told. Pieces that may be taken back wait for the end of their step.
    """

    def __init__(self) -> None:
        self._hold: Hold[CallPiece] = Hold()
        self._written: dict[str, list[str]] = {}

    def __call__(self, event: Event) -> Sequence[CallPiece]:
        """What may be told now."""
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
    """A call's arguments as the text in which they are told."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments, enc_hook=str).decode()
