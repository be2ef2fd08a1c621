"""The agents and workflows whose runs can be driven in this process, by name, and the event loop of each.

Owns two rules. A name has one declaration in a process: a run is stored under its agent's name only, so a second
declaration would continue the runs of the first. And a run that is continued here is driven on the loop in which its
agent was last started from async code, while that loop runs.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from headwater.backends.interrupt import running_loop
from headwater.durable.drive import Drivable
from headwater.errors import ConfigurationError, HeadwaterError
from headwater.events.messages import Message
from headwater.readers.kept_loop import is_kept
from headwater.runtime.context import driven

__all__ = ("Members", "declaration_hash", "driving_loop")


def driving_loop() -> asyncio.AbstractEventLoop | None:
    """Returns the running event loop if runs may be driven on it.

    None in sync code, because the loop that is kept for sync code stops between two calls.
    """
    loop = running_loop()
    return None if loop is None or is_kept(loop) else loop


class Members(Mapping[str, Drivable]):
    """Thread-safe: `add` may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Drivable] = {}
        self._loops: dict[str, asyncio.AbstractEventLoop] = {}

    def add(self, member: Drivable) -> None:
        """Adds the member, and notes the running event loop as its own.

        Raises ConfigurationError if another declaration has the name.
        """
        loop = driving_loop()
        with self._lock:
            known = self._known.get(member.name)
            if known is not None and known is not member and _differ(known, member):
                raise ConfigurationError(
                    f"Two different agents of this process are named {member.name!r}, and a run is stored under its "
                    "agent's name alone: each could continue the other's runs.",
                    hint="Give each its own name: name=…. To change an agent, restart the process.",
                )
            self._known[member.name] = member
            if loop is not None:
                self._loops[member.name] = loop

    def loop(self, name: str) -> asyncio.AbstractEventLoop | None:
        """Returns the event loop in which the member was last started, if that runs."""
        loop = self._loops.get(name)
        return loop if loop is not None and loop.is_running() else None

    def __getitem__(self, name: str) -> Drivable:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._known))

    def __len__(self) -> int:
        return len(self._known)


def _differ(one: Drivable, other: Drivable) -> bool:
    if type(one) is not type(other):
        return True
    declared = declaration_hash(one), declaration_hash(other)
    return all(declared) and declared[0] != declared[1]


def declaration_hash(member: Drivable) -> str:
    """Returns the hash of its declaration, as in the logs of its runs; empty if it has none, or cannot run here."""
    token = driven.set(True)
    try:
        run: Any = member.run_stream([Message.user("")], context={}).claim()
    except HeadwaterError:
        return ""
    finally:
        driven.reset(token)
    declared: str = run.definition_hash
    return declared
