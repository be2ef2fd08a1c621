"""Agents with scripted models, and the checked log of a run, for tests of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater import Agent, AgentStream
from headwater.backends.offline import ScriptedModel, Turn
from headwater.events import Event
from headwater.testing import check_log

__all__ = ("always", "log_of", "scripted", "types_of")


def scripted(*turns: Any, **more: Any) -> Agent[Any, Any]:
    """An agent whose model has these turns, one per request."""
    return Agent(model=ScriptedModel(turns), **more)


def always(*turn: Any) -> ScriptedModel:
    """A model that answers every request with this one turn."""
    said: Turn = turn
    return ScriptedModel(lambda request: said)


async def log_of(stream: AgentStream[Any], until: Callable[[Event], bool] | None = None) -> list[Event]:
    """Returns all events of a run, checked against the grammar; with `until`, leaves at the first matching event."""
    log: list[Event] = []
    async for event in stream.events():
        log.append(event)
        if until is not None and until(event):
            return log
    check_log(log)
    return log


def types_of(log: list[Event], *prefixes: str) -> list[str]:
    """The types of the events with this prefix."""
    return [event.type for event in log if not prefixes or event.type.startswith(prefixes)]
