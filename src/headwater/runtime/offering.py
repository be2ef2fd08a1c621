"""The tools that an agent's run offers at a step: its own, and those of its servers, which may change meanwhile.

Owns when they are listed and under which names: the agent's own tools keep theirs, then each server in the order of
`tools=`. It never calls a tool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from headwater.errors import MCPUnavailable
from headwater.events import Event, Warned
from headwater.events.messages import Message
from headwater.runtime.job import Job
from headwater.tools.work import Offered, Toolbox

__all__ = ("Offering",)


class Offering:
    """`job` is the run's, with the tools of its servers as they were last listed."""

    def __init__(self, job: Job) -> None:
        self.job: Job = job
        self._own = job
        self._listed: dict[Toolbox, Sequence[Any]] = {}
        self._given_up: set[Toolbox] = set()

    async def refresh(self, said: Sequence[Message]) -> list[Event]:
        """Lists all of them again, at the same time; returns warnings.

        Raises MCPUnavailable if a required one could never be reached.
        """
        boxes = [box for box in self._own.toolboxes if box not in self._given_up]
        found = await asyncio.gather(*(box.listing() for box in boxes), return_exceptions=True)
        warnings: list[Event] = []
        for box, listing in zip(boxes, found, strict=True):
            if not isinstance(listing, BaseException):
                self._listed[box] = listing
            elif not isinstance(listing, MCPUnavailable) or (box.required and box not in self._listed):
                raise listing
            elif box not in self._listed:
                self._given_up.add(box)
                warnings.append(Warned(code="mcp_unavailable", message=listing.message, hint="Its tools are missing."))
        return [*warnings, *self._offer(said)]

    def _offer(self, said: Sequence[Message]) -> list[Event]:
        own = self._own
        tools = dict(own.tools)
        taken = {*tools, *own.client}
        warnings: list[Event] = []
        for box, listing in self._listed.items():
            offered, names = box.offered(listing, taken, said)
            tools |= offered
            taken |= {*names}
            if changed := _changes(self.job.tools, offered, names):
                warnings.append(Warned(code="tools_changed", message=f"Tools of {box.name} have changed: {changed}."))
        if gone := [name for name in self.job.tools if name not in taken]:
            warnings.append(Warned(code="tools_changed", message=f"Tools are gone: {', '.join(gone)}."))
        self.job = msgspec.structs.replace(own, tools=tools)
        return warnings


def _changes(before: Mapping[str, Offered], now: Mapping[str, Offered], names: Any) -> str:
    return ", ".join(name for name in now if name in before and before[name].spec != now[name].spec)
