"""The state of an AG-UI client: its messages, as built from the events that it received.

A client can only retract content through a snapshot of all its messages, so the server must know them all. They are
assembled in the same way as in the clients. Pure; this module never sends anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = ("Document",)


class Document:
    """The messages of one client, starting with those that it sent."""

    def __init__(self, held: Iterable[Mapping[str, Any]] = ()) -> None:
        self._messages: dict[str, dict[str, Any]] = {str(one["id"]): {**one} for one in held}
        self._texts: dict[str, list[str]] = {}
        """The text of a message, or the arguments of a call, in pieces."""
        self._owners: dict[str, str] = {
            str(call.get("id")): message
            for message, one in self._messages.items()
            for call in one.get("toolCalls") or ()
        }
        """The message that contains each call."""
        self._results: dict[str, list[str]] = {}
        """The results that follow a message with calls."""
        for message, one in self._messages.items():
            if one["role"] == "tool" and (owner := self._owners.get(str(one.get("toolCallId")))) is not None:
                self._results.setdefault(owner, []).append(message)

    def open(self, message: str, role: str, **more: Any) -> None:
        """Starts a text message."""
        self._texts[message] = []
        self._messages[message] = {"id": message, "role": role, "content": "", **more}

    def call(self, call: str, name: str, parent: str, **more: Any) -> None:
        """Starts a call in the message `parent`, which is created if it does not exist."""
        message = self._messages.setdefault(parent, {"id": parent, "role": "assistant", **more})
        function = {"name": name, "arguments": ""}
        message["toolCalls"] = [*message.get("toolCalls", ()), {"id": call, "type": "function", "function": function}]
        self._texts[call] = []
        self._owners[call] = parent

    def say(self, id: str, text: str) -> None:
        """Appends to a message, or to the arguments of a call."""
        self._texts[id].append(text)

    def answer(self, call: str, message: str, content: Any, **more: Any) -> None:
        """Adds the result of a call."""
        self._messages[message] = {"id": message, "role": "tool", "toolCallId": call, "content": content, **more}
        if (owner := self._owners.get(call)) is not None:
            self._results.setdefault(owner, []).append(message)

    def forget(self, ids: Iterable[str]) -> None:
        """Retracts messages, calls and results. Reasoning is emptied if no other is left: see `snapshot`."""
        for number in ids:
            self._texts.pop(number, None)
            message = self._messages.pop(self._owners.pop(number, number), None)
            if message is not None and message["role"] == "reasoning" and not self._reasons():
                self._messages[number] = {**message, "content": ""}

    def _reasons(self) -> bool:
        return any(one["role"] == "reasoning" for one in self._messages.values())

    def snapshot(self) -> list[dict[str, Any]]:
        """Returns all messages so far.

        Clients keep reasoning that is missing from a snapshot, unless the snapshot has other reasoning.
        """
        return [*self._whole()]

    def _whole(self) -> Iterator[dict[str, Any]]:
        after = {result for results in self._results.values() for result in results}
        for number, message in self._messages.items():
            if number in after:
                continue
            yield self._filled(number, message)
            for result in self._results.get(number, ()):
                if result in self._messages:
                    yield self._messages[result]

    def _filled(self, id: str, message: dict[str, Any]) -> dict[str, Any]:
        filled = {**message, "content": "".join(self._texts[id])} if id in self._texts else message
        if "toolCalls" in filled:
            filled = {**filled, "toolCalls": [self._call(one) for one in filled["toolCalls"]]}
        return filled

    def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        pieces = self._texts.get(str(call.get("id")))  # a client may have sent a call with any id, or none
        if pieces is None:
            return call
        return {**call, "function": {**call["function"], "arguments": "".join(pieces)}}
