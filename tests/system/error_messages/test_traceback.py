"""An error is raised where the run was read: the traceback of a script has no more than five frames."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from headwater import Agent, SequentialWorkflow
from headwater.errors import MissingKey, ToolFailed, UnknownModel
from headwater.testing import Call
from tests.support.streams import scripted

MOST = 5

BEGIN = """\
import asyncio
from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from headwater.testing import Call, ScriptedModel
agent = Agent(model='gpt-5.4')
"""

SCRIPTS = {
    "run": "agent.run('Hello')",
    "run_sync": "agent.run_sync('Hello')",
    "run with another model": "Agent(model='offline').run('Hello', model='gpt-5.4')",
    "run_stream": "for chunk in agent.run_stream('Hello'): pass",
    "next": "next(agent.run_stream('Hello'))",
    "events": "for event in agent.run_stream('Hello').events(): pass",
    "text": "for text in agent.run_stream('Hello').text(): pass",
    "select": "for chunk in agent.run_stream('Hello').select(depth=0): pass",
    "result_sync": "agent.run_stream('Hello').result_sync()",
    "asyncio.run": "asyncio.run(agent.arun('Hello'))",
    "a sequence": "SequentialWorkflow([agent]).run('Hello')",
    "side by side": "ConcurrentWorkflow([agent]).run('Hello')",
    "a graph": "GraphWorkflow([agent]).run('Hello')",
    "a workflow in one": "SequentialWorkflow([SequentialWorkflow([agent], name='inner')]).run('Hello')",
    "the stream of a workflow": "for chunk in SequentialWorkflow([agent]).run_stream('Hello'): pass",
    "the result of a workflow's stream": "SequentialWorkflow([agent]).run_stream('Hello').result_sync()",
    "an agent as a tool": (
        "Agent(model=ScriptedModel([Call('agent', {'task': 'Go.'})]), tools=[agent], tool_errors='raise').run('Hello')"
    ),
    "a model alone": "agent.llm.stream('Hello').result_sync()",
}


@pytest.mark.parametrize("way", SCRIPTS)
def test_a_missing_key_shows_few_frames(way: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{BEGIN}{SCRIPTS[way]}\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI")}
    done = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    frames = re.findall(r'^  File "(.*)", line \d+', done.stderr, re.MULTILINE)
    assert frames[0] == str(script)
    assert len(frames) <= MOST, done.stderr
    assert "\nheadwater.errors.MissingKey: No key for openai. Set OPENAI_API_KEY" in done.stderr
    assert done.stderr.count("Traceback") == 1


FAILURES = {
    "ConnectionFailed": "Agent(model=Model('vllm/x', base_url='http://127.0.0.1:9/v1', retries=0))",
    "OutputInvalid": "Agent(model=ScriptedModel(lambda _: 'no'), output_type=int)",
}
READ = (
    "{}.run('Hello')",
    "for chunk in {}.run_stream('Hello'): pass",
    "{}.run_stream('Hello').result_sync()",
    "SequentialWorkflow([{}]).run('Hello')",
)


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("way", READ)
def test_a_failed_run_shows_few_frames(way: str, kind: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"{BEGIN}from headwater import Model\n{way.format(FAILURES[kind])}\n")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, encoding="utf-8", check=False)
    frames = re.findall(r'^  File "(.*)", line \d+', done.stderr, re.MULTILINE)
    assert frames[0] == str(script)
    assert len(frames) <= MOST, done.stderr
    assert f"\nheadwater.errors.{kind}: " in done.stderr


def test_in_async_code_few_frames_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    agent = Agent(model="gpt-5.4")

    async def awaited() -> None:
        await agent.run("Hello")

    async def read() -> None:
        async for _ in agent.run_stream("Hello"):
            pass

    for main in (awaited, read):
        with pytest.raises(MissingKey) as caught:
            asyncio.run(main())
        files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert sum("/headwater/" in file for file in files) <= 3
        assert "registry.py" not in str(files)


def test_the_line_of_user_code_that_raised_is_shown() -> None:
    def look() -> str:
        """Look."""
        raise ToolFailed("I see nothing.")

    with pytest.raises(ToolFailed) as caught:
        scripted(Call("look"), "So.", tools=[look]).run("Hello")
    assert "look" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_the_line_of_user_code_with_the_mistake_is_shown() -> None:
    def look() -> str:
        """Look."""
        raise UnknownModel("No such model.")

    agent = scripted(Call("look"), "So.", tools=[look], tool_errors="raise")
    with pytest.raises(UnknownModel) as caught:
        SequentialWorkflow([agent]).run("Hello")
    assert "look" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
