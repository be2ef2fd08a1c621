"""Calls of the client's own tools, told whole, once their step has ended and nothing takes them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from headwater.events import AttemptStarted, CallReady, Event, StepFinished
from headwater.events.tree import Tree

__all__ = ("ClientCalls", "arguments_text")


class ClientCalls:
    """Call it with every event of a log, after the `tree` was; it returns calls as Chat Completions has them."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._ready: dict[str, list[CallReady]] = {}

    def __call__(self, event: Event) -> Sequence[dict[str, Any]]:
        """The calls of the step that ends with the event."""
        if isinstance(event, CallReady):
            if event.by == "client" and event.run in self._tree.speakers:
                self._ready.setdefault(event.run, []).append(event)
        elif isinstance(event, AttemptStarted):
            self._ready.pop(event.run, None)
        elif isinstance(event, StepFinished):
            return [_call(one) for one in self._ready.pop(event.run, ())]
        return ()


def _call(one: CallReady) -> dict[str, Any]:
    function = {"name": one.name, "arguments": arguments_text(one.arguments)}
    return {"id": one.call, "type": "function", "function": function}


def arguments_text(arguments: dict[str, Any] | str) -> str:
    """A call's arguments as the text in which they are told."""
    return arguments if isinstance(arguments, str) else msgspec.json.encode(arguments, enc_hook=str).decode()
