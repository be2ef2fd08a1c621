"""Other libraries in the probes: each as its own documentation writes a streaming agent with tools.

    PYTHON -P tests/system/faults/peer_programs.py LIBRARY PROBE URL

PYTHON is that library's; nothing of ours is imported, and -P hides the modules of this folder. The last line that it
prints is what was seen, as JSON: the text that was shown, the tools' starts and results, and how it ended.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any, Final

MODEL: Final = "gpt-5.4"
READ: Final = 4
"""Tokens that are read before the loop is left."""
LINGER_SECONDS: Final = 6
"""How long the program lives on after it left its loop: the server needs four seconds for what is left."""
PATIENCE_SECONDS: Final = 20
"""How long a stream that has stalled is waited for, after its last text."""

shown: list[str] = []
last: list[float] = [0.0]
"""When text was shown last."""
starts: dict[str, float] = {}
results: list[tuple[str, float]] = []


def told(text: str) -> bool:
    """Text is shown; whether to leave the loop."""
    shown.append(text)
    last[0] = time.monotonic()
    return PROBE == "leaving" and len(shown) >= READ


def resulted(name: str) -> None:
    """A tool's result is seen."""
    results.append((name, time.monotonic()))


async def slow() -> str:
    """Take a second."""
    starts["slow"] = time.monotonic()
    await asyncio.sleep(1.0)
    return "slow"


async def fast() -> str:
    """Take a tenth of one."""
    starts["fast"] = time.monotonic()
    await asyncio.sleep(0.1)
    return "fast"


async def note() -> str:
    """Take a note."""
    starts["note"] = time.monotonic()
    return "noted"


TOOLS: Final[dict[str, list[Any]]] = {"fast_tool": [slow, fast], "eager_tool": [note]}


async def pydantic_ai(url: str) -> None:
    """`run_stream_events`."""
    package: Any = importlib.import_module("pydantic_ai")
    models: Any = importlib.import_module("pydantic_ai.models.openai")
    providers: Any = importlib.import_module("pydantic_ai.providers.openai")

    def made() -> Any:
        return models.OpenAIChatModel(MODEL, provider=providers.OpenAIProvider(base_url=url, api_key="k"))

    model = made()
    if PROBE == "fallback_after_tokens":
        model = importlib.import_module("pydantic_ai.models.fallback").FallbackModel(model, made())
    agent = package.Agent(model, tools=TOOLS.get(PROBE, []))
    async with agent.run_stream_events("Go") as events:
        async for event in events:
            text = ""
            if event.event_kind == "part_start" and event.part.part_kind == "text":
                text = event.part.content
            elif event.event_kind == "part_delta" and event.delta.part_delta_kind == "text":
                text = event.delta.content_delta
            elif event.event_kind == "function_tool_result":
                resulted(event.part.tool_name)
            if text and told(text):
                break


async def openai_agents(url: str) -> None:
    """`Runner.run_streamed`, which has no fallback for a model."""
    package: Any = importlib.import_module("agents")
    client = importlib.import_module("openai").AsyncOpenAI(base_url=url, api_key="k")
    model = package.OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
    tools = [package.function_tool(one) for one in TOOLS.get(PROBE, [])]
    names: dict[str, str] = {}
    async for event in package.Runner.run_streamed(
        package.Agent(name="probed", model=model, tools=tools), "Go"
    ).stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            if told(event.data.delta):
                break
        elif event.type == "run_item_stream_event":
            raw = event.item.raw_item
            if event.item.type == "tool_call_item":
                names[raw.call_id] = raw.name
            elif event.item.type == "tool_call_output_item":
                resulted(names[raw["call_id"]])


async def langchain(url: str) -> None:
    """`create_agent`, with messages and updates."""
    chat: Any = importlib.import_module("langchain_openai").ChatOpenAI

    def made() -> Any:
        return chat(model=MODEL, base_url=url, api_key="k")

    middleware = []
    if PROBE == "fallback_after_tokens":
        fallback: Any = importlib.import_module("langchain.agents.middleware").ModelFallbackMiddleware
        middleware = [fallback(made())]
    create_agent: Any = importlib.import_module("langchain.agents").create_agent
    agent = create_agent(made(), tools=TOOLS.get(PROBE, []), middleware=middleware)
    asked = {"messages": [{"role": "user", "content": "Go"}]}
    async for mode, data in agent.astream(asked, stream_mode=["messages", "updates"]):
        if mode == "messages":
            chunk = data[0]
            if chunk.type == "AIMessageChunk" and (text := str(chunk.text)) and told(text):
                break
        else:
            for message in (data.get("tools") or {}).get("messages", []):
                resulted(message.name)


async def agno(url: str) -> None:
    """`arun` with all events."""
    like: Any = importlib.import_module("agno.models.openai.like").OpenAILike

    def made() -> Any:
        return like(id=MODEL, base_url=url, api_key="k")

    more = {"fallback_models": [made()]} if PROBE == "fallback_after_tokens" else {}
    package: Any = importlib.import_module("agno.agent")
    agent = package.Agent(model=made(), tools=TOOLS.get(PROBE, []), telemetry=False, **more)
    async for event in agent.arun("Go", stream=True, stream_events=True):
        if event.event == "RunContent" and event.content:
            if told(event.content):
                break
        elif event.event == "ToolCallCompleted":
            resulted(event.tool.tool_name)
        elif event.event == "RunError":
            raise RuntimeError(f"RunError: {event.content}")


async def litellm(url: str) -> None:
    """`acompletion`, which calls no tools."""
    package: Any = importlib.import_module("litellm")
    more = {"fallbacks": [f"openai/{MODEL}"]} if PROBE == "fallback_after_tokens" else {}
    stream = await package.acompletion(
        model=f"openai/{MODEL}",
        messages=[{"role": "user", "content": "Go"}],
        stream=True,
        api_base=url,
        api_key="k",
        **more,
    )
    async for chunk in stream:
        if chunk.choices and (text := chunk.choices[0].delta.content) and told(text):
            break


async def swarms(url: str) -> None:
    """`arun_stream`, which yields text alone, with tools that are plain functions."""
    below: Any = importlib.import_module("litellm")
    below.suppress_debug_info = True

    def slow() -> str:
        """Take a second."""
        starts["slow"] = time.monotonic()
        time.sleep(1.0)
        return "slow"

    def fast() -> str:
        """Take a tenth of one."""
        starts["fast"] = time.monotonic()
        time.sleep(0.1)
        return "fast"

    def note() -> str:
        """Take a note."""
        starts["note"] = time.monotonic()
        return "noted"

    plain = {"fast_tool": [slow, fast], "eager_tool": [note]}
    more = {"fallback_models": [f"openai/{MODEL}"] * 2} if PROBE == "fallback_after_tokens" else {}
    agent = importlib.import_module("swarms").Agent(
        agent_name="probed",
        model_name=f"openai/{MODEL}",
        llm_base_url=url,
        llm_api_key="k",
        max_loops=1,
        print_on=False,
        tools=plain.get(PROBE),
        **more,
    )
    async for text in agent.arun_stream("Go"):
        if told(text):
            break


LIBRARIES: Final[dict[str, Callable[[str], Any]]] = {
    "pydantic-ai": pydantic_ai,
    "openai-agents": openai_agents,
    "langchain": langchain,
    "agno": agno,
    "litellm": litellm,
    "swarms": swarms,
}


async def patiently(reading: asyncio.Task[None]) -> bool:
    """Wait until it ends, or a stalled stream has shown nothing for long; whether it has ended."""
    while not reading.done():
        await asyncio.wait([reading], timeout=0.2)
        if PROBE == "stall" and shown and time.monotonic() - last[0] > PATIENCE_SECONDS:
            return False
    await reading  # raises what it raised
    return True


async def main(library: str, url: str) -> None:
    """Run it, and tell what was seen."""
    ended = "complete"
    try:
        if not await patiently(asyncio.ensure_future(LIBRARIES[library](url))):
            ended = "waiting"
    except Exception as error:
        ended = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    over = time.monotonic()
    if PROBE == "leaving":
        await asyncio.sleep(LINGER_SECONDS)
    seen = {"shown": "".join(shown), "starts": starts, "results": results, "ended": ended, "over": over}
    sys.stdout.write("\n" + json.dumps(seen) + "\n")
    sys.stdout.flush()
    os._exit(0)  # some leave threads


if __name__ == "__main__":
    PROBE = sys.argv[2]
    os.environ |= {
        "AGNO_TELEMETRY": "false",
        "LANGSMITH_TRACING": "false",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "SWARMS_TELEMETRY_ON": "false",
        "WORKSPACE_DIR": tempfile.gettempdir(),
    }
    asyncio.run(main(sys.argv[1], sys.argv[3]))
