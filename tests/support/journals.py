"""Journals in a file, for tests, and agents that keep their runs there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headwater import Agent, tool
from headwater.testing import Call, ScriptedModel, Wait

__all__ = ("by_role", "journal", "payer", "plain", "slow")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """The URL of a journal that is not there yet."""
    return f"sqlite:///{tmp_path}/runs.db"


@tool(approval=True)
def pay(cents: int) -> str:
    """Pay so many cents."""
    return f"paid {cents}"


def by_role(**turns: Any) -> ScriptedModel:
    return ScriptedModel(lambda request: turns[request.messages[-1].role])


def plain(journal: str, **more: Any) -> Agent[Any, Any]:
    """Says one sentence."""
    return Agent(name="plain", model=by_role(user="Hello there."), journal=journal, **more)


def payer(journal: str | None, **more: Any) -> Agent[Any, Any]:
    """Wants to pay, and is asked about it."""
    model = by_role(user=["Let me. ", Call("pay", {"cents": 5})], tool="It is done.")
    return Agent(name="payer", model=model, tools=[pay], journal=journal, **more)


def slow(journal: str, **more: Any) -> Agent[Any, Any]:
    """Stops for a minute in the middle of its answer."""
    return Agent(name="slow", model=by_role(user=["I ", Wait(60.0), "think."]), journal=journal, **more)
