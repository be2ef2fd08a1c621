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
        "headwater.readers.partials",
        "headwater.runtime.compacting",
        "headwater.runtime.compaction",
        "headwater.runtime.guards",
        "headwater.runtime.guards.asking",
        "headwater.runtime.guards.gate",
        "headwater.runtime.guards.guard",
        "headwater.runtime.guards.input",
        "headwater.runtime.guards.json_text",
        "headwater.runtime.guards.results",
        "headwater.runtime.guards.verdicts",
        "headwater.runtime.guards.words",
        "headwater.runtime.tool_calls",
        "headwater.runtime.unfinished_answer",
        "headwater.schema.compiled",
        "headwater.schema.growing_json",
        "headwater.schema.json_in_text",
        "headwater.schema.output",
        "headwater.schema.parameters",
        "headwater.schema.parts",
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

MADE = """
from headwater import Agent, Model
from headwater.testing import ScriptedModel
{made}
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


def test_importing_agent_skips_optional_modules() -> None:
    brought = _imports("from headwater import Agent")
    assert not brought & (HEAVY | RARE)
    ours = {name for name in brought if name.startswith("headwater")}
    assert len(ours) <= 110, sorted(ours)
    assert len(brought - ours) <= 12, sorted(brought - ours)


@pytest.mark.parametrize("api", ["openai-chat", "anthropic"])
def test_a_request_imports_only_its_own_api(api: str) -> None:
    with ProviderSimulator(["Good day."]) as provider:
        program = ASKED.format(
            model=provider.model(api).name, url=provider.url(api), before="before = set(sys.modules)"
        )
        brought = _imports(program)
    ours = {name for name in brought if name.startswith("headwater")}
    assert not brought & (HEAVY | RARE)
    assert len(ours) <= 12, sorted(ours)


@pytest.mark.parametrize(
    "made",
    [
        'Agent(model="openai/gpt-5.4")',
        'Model("m", base_url="http://127.0.0.1:9/v1")',
        'Agent(model="offline", fallback=["openai/gpt-5.4"])',
    ],
)
def test_the_client_is_imported_with_a_model_that_uses_it(made: str) -> None:
    assert "aiohttp" in _imports(MADE.format(made=made))


@pytest.mark.parametrize(
    "made",
    ["Agent()", 'Agent(model="offline/json")', 'Model("replay:FILE")', 'Agent(model=ScriptedModel(["Good day."]))'],
)
def test_a_model_that_needs_no_client_imports_none(made: str) -> None:
    assert "aiohttp" not in _imports(MADE.format(made=made))


def test_a_first_request_does_not_wait_for_the_client() -> None:
    with ProviderSimulator(["Good day."]) as provider:
        program = ASKED.format(model=provider.model().name, url=provider.url(), before="before = set(sys.modules)")
        assert not [name for name in _imports(program) if name.startswith("aiohttp")]
