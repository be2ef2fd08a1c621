"""What a program imports before it asks for anything, and what its first request adds: counted, never timed.

A bound that is passed means that something new is imported by every program. Import it where it is needed; or, where
all need it, raise the bound and say so in the commit.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from headwater.testing import ProviderSimulator
from tests.support.paths import ROOT

HEAVY = frozenset({"aiohttp", "pydantic", "rich", "starlette", "openai", "prompt_toolkit"})

RARE = frozenset(
    {
        "headwater.agents.answer_tool",
        "headwater.agents.spellings",
        "headwater.runtime.tool_calls",
        "headwater.schema.compiled",
        "headwater.schema.output",
        "headwater.schema.parameters",
        "headwater.schema.plain",
        "headwater.tools.declaration",
        "headwater.tools.execution",
        "headwater.tools.outcome",
        "headwater.workflows",
    }
)
"""What an agent without tools and output types never needs."""

COUNTED = """
import asyncio, json, sys
import msgspec
before = set(sys.modules)
{program}
print(json.dumps(sorted(set(sys.modules) - before)))
"""

ASKED = """
from headwater import Agent
agent = Agent(model={model!r}, base_url={url!r}, api_key="k")
{before}
assert agent.run("Hello") == "Good day."
"""


def _imports(program: str) -> set[str]:
    """The modules that the program brings in beside asyncio and msgspec."""
    command = [sys.executable, "-c", COUNTED.format(program=program)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_the_package_imports_nothing() -> None:
    assert _imports("import headwater") == {"headwater", "headwater.version"}


def test_an_agent_is_imported_without_what_it_may_never_need() -> None:
    brought = _imports("from headwater import Agent")
    assert not brought & (HEAVY | RARE)
    ours = {name for name in brought if name.startswith("headwater")}
    assert len(ours) <= 100, sorted(ours)
    assert len(brought - ours) <= 12, sorted(brought - ours)


@pytest.mark.parametrize("api", ["openai-chat", "anthropic"])
def test_a_request_adds_its_own_api_and_the_client(api: str) -> None:
    with ProviderSimulator(["Good day."]) as provider:
        program = ASKED.format(
            model=provider.model(api).name, url=provider.url(api), before="before = set(sys.modules)"
        )
        brought = _imports(program)
    ours = {name for name in brought if name.startswith("headwater")}
    assert not brought & (HEAVY - {"aiohttp"} | RARE)
    assert len(ours) <= 12, sorted(ours)
