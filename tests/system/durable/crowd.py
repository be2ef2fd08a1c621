"""The scenarios of the kill suite as agents for `headwater worker`, which drives many of them at once.

    HEADWATER_TEST_PACE=0.05 HEADWATER_TEST_TRACES=file headwater worker tests.system.durable.crowd:plain …

Owns what a worker of these tests is told by its environment: the seconds before each piece of an answer, the file in
which tools leave their traces, and by how many seconds the clock of its machine is wrong.
"""

from __future__ import annotations

import os
import time
from typing import Any, Final

from tests.system.resume.scenarios import SCENARIOS, Pace, done

__all__ = ("CROWD", "PLACES")

CROWD: Final = {
    "plain": "parallel tools",
    "boss": "an agent as a tool",
    "front": "a handoff",
    "repair": "repair and loops",
    "bad": "bad calls",
    "tired": "giving up",
    "sequential-workflow": "sequential",
    "concurrent-workflow": "concurrent",
    "graph-workflow": "a graph with a cycle",
    "outer": "nested, with a failed member",
    "asker": "a tool that asks",
}
"""Each agent's scenario, by its name."""

PLACES: Final = [f"{__name__}:{name.replace('-', '_')}" for name in CROWD]
"""The agents, as a command line names them."""

_made: Final[dict[str, Any]] = {name.replace("-", "_"): SCENARIOS[scenario].make() for name, scenario in CROWD.items()}


def __getattr__(name: str) -> Any:
    if name in _made:
        return _made[name]
    raise AttributeError(name)


def _begin() -> None:
    Pace.seconds = float(os.environ.get("HEADWATER_TEST_PACE", "0"))
    if traces := os.environ.get("HEADWATER_TEST_TRACES"):
        done.kept = os.open(traces, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    if wrong := float(os.environ.get("HEADWATER_TEST_CLOCK", "0")):
        right = time.time
        time.time = lambda: right() + wrong


_begin()
