"""Boards that logs were fed to, and what stands on them in words."""

from __future__ import annotations

from headwater.events import (
    Event,
)
from headwater.terminal.dashboard.agent_state import AgentView
from headwater.terminal.dashboard.blocks import ToolLine, Words
from headwater.terminal.dashboard.state import Board
from tests.terminal import crowds as log
from tests.terminal import logs


def fed(*parts: list[Event], members: tuple[str, ...] = ("ann", "bob")) -> Board:
    board = Board("workflow", members)
    for event in [*log.opened(), *logs.joined(*parts)]:
        board.feed(event)
    return board


def ann(*parts: list[Event]) -> AgentView:
    """The state of the first agent, after it began and `parts` happened."""
    return fed(log.begun("ann"), *parts).agents[0]


def texts(view: AgentView) -> list[str]:
    """The blocks of an agent, in words."""
    told = []
    for block in view.blocks:
        if isinstance(block, Words):
            told.append(f"{block.voice}: {block.since(0)}")
        elif isinstance(block, ToolLine):
            told.append(f"tool: {block.phrase}")
        else:
            told.append(f"{block.level}: {block.text}")
    return told
