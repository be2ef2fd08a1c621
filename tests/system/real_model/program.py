"""Runs against a model that really generates, over each API that llama.cpp's server offers.

    python -m tests.system.real_model.program PYTHON

PYTHON is one that has requirements.txt. The first difference ends it. What the model writes is nobody's concern (it is
small, and not trained to answer); how it arrives is.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.request import urlopen

from headwater import Agent, SequentialWorkflow, Thread
from headwater.errors import OutputInvalid
from headwater.testing import check_log

MODEL: Final = "gemma-3-270m"
APIS: Final = {"llamacpp": "/v1", "openai-responses": "/v1", "anthropic": ""}
"""By the prefix of the model's name, what follows the server's address."""
SCHEMAS: Final = ("llamacpp",)
"""Where this server holds a model to a schema: in `text.format` and `output_config` it reads none."""

IDLE_SECONDS: Final = 0.5
"""How soon after `break` the server must have stopped generating: once at least, since others use the machine too."""
LEFT: Final = 5
"""How many streams are left over each API."""


@dataclass
class Tide:
    """A tide, as the model must describe one; all of it is to choose from, since a small model knows no end."""

    place: Literal["Brest", "Dover"]
    rising: bool


# --- the server


@contextmanager
def serving(python: str) -> Iterator[str]:
    """The address of the server."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, str(Path(__file__).with_name("server.py")), folder]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, "the server did not start; what it says is above"
            yield url
        finally:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()


def at_work(url: str) -> int:
    """How many answers the server is generating."""
    with urlopen(f"{url}/slots", timeout=30) as answer:
        return sum(slot["is_processing"] for slot in json.load(answer))


# --- what is asked of each API


def made(url: str, model: str, name: str, **settings: Any) -> Agent[Any, Any]:
    """An agent of the model, which always writes the same."""
    return Agent(name=name, model=model, base_url=url, api_key="none", retries=0, temperature=0, **settings)


async def streamed(agent: Agent[Any, Any]) -> str:
    """The chunks are the answer, in pieces as they were generated, with the usage that the server counted."""
    stream = agent.run_stream("The tide is", max_tokens=24)
    pieces = [chunk.content async for chunk in stream if chunk.content]
    response = stream.response
    assert response is not None
    assert "".join(pieces) == str(response), (pieces, str(response))
    assert len(pieces) > 4, pieces
    assert response.finish_reason in ("stop", "length"), response.finish_reason
    tokens = response.usage.output_tokens
    assert tokens is not None, response.usage
    assert tokens >= len(pieces) // 2, (tokens, pieces)
    return f"{len(pieces)} pieces, {tokens} tokens"


async def called_back(agent: Agent[Any, Any]) -> str:
    """A callback is told the same."""
    told: list[str] = []
    response = await agent.arun("The moon is", streaming_callback=told.append, max_tokens=24)
    assert "".join(told) == str(response) != "", told
    return f"{len(told)} calls"


async def typed(agent: Agent[Any, Any], *, held: bool) -> str:
    """A schema that the server holds the model to becomes a value; where it does not, prose is an error."""
    try:
        response = await agent.arun("A tide as JSON.", output_type=Tide, max_tokens=40)
    except OutputInvalid:
        assert not held, "the server did not hold the model to the schema"
        return "the server ignores the schema, and OutputInvalid says that the answer is none"
    assert held, f"{SCHEMAS} can hold more: the server holds the model to the schema"
    assert isinstance(response.output, Tide), response
    return repr(response.output)


async def conversed(agent: Agent[Any, Any]) -> str:
    """Three turns: each is asked with what came before, which the server counts."""
    thread = Thread()
    asked: list[int] = []
    for task in ("High tide is", "Low tide is", "Between them is"):
        response = await agent.arun(task, thread=thread, max_tokens=12)
        asked.append(response.usage.input_tokens or 0)
    assert [message.role for message in thread.messages] == ["user", "assistant"] * 3, thread.messages
    assert asked == sorted(set(asked)), asked
    return f"{asked} tokens of input"


async def worked(url: str, model: str) -> str:
    """A workflow of three: one log, whose rules hold, in which each is asked with what those before it have said."""
    members = [made(url, model, name, max_tokens=12) for name in ("first", "second", "third")]
    stream = SequentialWorkflow(members).run_stream("Tides")
    events = [event async for event in stream.events()]
    check_log(events)
    response = await stream.result()
    assert [*response.members] == ["first", "second", "third"], response
    return f"{len(events)} events"


async def left(agent: Agent[Any, Any], url: str) -> str:
    """After `break` the server stops generating: seconds until none of its slots is at work."""
    took: list[float] = []
    for _ in range(LEFT):
        read = 0
        async for chunk in agent.run_stream("Once upon a time", max_tokens=900):
            read += bool(chunk.content)
            if read == 3:
                assert at_work(url) == 1
                break
        begun = time.monotonic()
        while at_work(url):
            assert time.monotonic() < begun + 60, "the server goes on generating"
            await asyncio.sleep(0.01)
        took.append(time.monotonic() - begun)
    assert min(took) < IDLE_SECONDS, took
    return f"idle {min(took) * 1000:.0f} to {max(took) * 1000:.0f} ms after `break`"


async def check(url: str) -> None:
    """Ask it all of each API."""
    for prefix, path in APIS.items():
        base, model = url + path, f"{prefix}/{MODEL}"
        agent = made(base, model, "alone")
        print(f"{prefix}, stream: {await streamed(agent)}", flush=True)
        print(f"{prefix}, callback: {await called_back(agent)}", flush=True)
        print(f"{prefix}, typed answer: {await typed(agent, held=prefix in SCHEMAS)}", flush=True)
        print(f"{prefix}, three turns: {await conversed(agent)}", flush=True)
        print(f"{prefix}, workflow of three: {await worked(base, model)}", flush=True)
        print(f"{prefix}, leaving: {await left(agent, url)}", flush=True)


def main() -> int:
    """Start the server, and ask it."""
    with serving(sys.argv[1]) as url:
        asyncio.run(check(url))
    return 0


if __name__ == "__main__":
    sys.exit(main())
