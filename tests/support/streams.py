"""Agents on scripted models, and the whole log of a run held to its grammar; for tests of what runs do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater import Agent, AgentStream
from headwater.backends.offline import ScriptedModel, Turn
from headwater.events import Event
from headwater.testing import check_log

__all__ = ("always", "log_of", "scripted", "types_of")


def scripted(*turns: Any, **more: Any) -> Agent[Any, Any]:
    """An agent whose model says these turns, one a request."""
    return Agent(model=ScriptedModel(turns), **more)


def always(*turn: Any) -> ScriptedModel:
    """A model that answers every request with this one turn."""
    said: Turn = turn
    return ScriptedModel(lambda request: said)


async def log_of(stream: AgentStream[Any], until: Callable[[Event], bool] | None = None) -> list[Event]:
    """All events of a run read to its end, held to the grammar; with `until`, left at the first of which that holds."""
    log: list[Event] = []
    async for event in stream.events():
        log.append(event)
        if until is not None and until(event):
            return log
    check_log(log)
    return log


def types_of(log: list[Event], *prefixes: str) -> list[str]:
    """The events' types, of those that begin so."""
    return [event.type for event in log if not prefixes or event.type.startswith(prefixes)]
