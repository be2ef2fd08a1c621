"""Other libraries, each as its own documentation writes a streaming agent: functions that read one stream.

Runs in each library's own environment, where headwater is not installed; `benchmarks.worker` measures it. Telemetry,
tracing and printing are off, as is what would ask the network for something else than the answer.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

__all__ = ("READERS",)

Take = Callable[[str], None] | None
Read = Callable[[Take], Awaitable[int]]

MODEL: Final = "gpt-5.4"

OFF: Final = {
    "AGNO_TELEMETRY": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOG": "ERROR",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "SWARMS_TELEMETRY_ON": "false",
    "WORKSPACE_DIR": tempfile.gettempdir(),  # where swarms writes
}


def litellm(url: str) -> Read:
    """`acompletion`."""
    package: Any = importlib.import_module("litellm")

    async def read(take: Take) -> int:
        count = 0
        async for chunk in await package.acompletion(
            model=f"openai/{MODEL}",
            messages=[{"role": "user", "content": "hi"}],
            stream=True,
            api_base=url,
            api_key="k",
        ):
            if text := chunk.choices[0].delta.content:
                count += 1
                if take is not None:
                    take(text)
        return count

    return read


def pydantic_ai(url: str) -> Read:
    """`Agent.run_stream`, each delta as it comes."""
    package: Any = importlib.import_module("pydantic_ai")
    models: Any = importlib.import_module("pydantic_ai.models.openai")
    providers: Any = importlib.import_module("pydantic_ai.providers.openai")
    model = models.OpenAIChatModel(MODEL, provider=providers.OpenAIProvider(base_url=url, api_key="k"))
    agent = package.Agent(model)

    async def read(take: Take) -> int:
        count = 0
        async with agent.run_stream("hi") as result:
            async for text in result.stream_text(delta=True, debounce_by=None):
                if text:
                    count += 1
                    if take is not None:
                        take(text)
        return count

    return read


def openai_agents(url: str) -> Read:
    """`Runner.run_streamed`, over Chat Completions."""
    package: Any = importlib.import_module("agents")
    client = importlib.import_module("openai").AsyncOpenAI(base_url=url, api_key="k")
    agent = package.Agent(name="reader", model=package.OpenAIChatCompletionsModel(model=MODEL, openai_client=client))

    async def read(take: Take) -> int:
        count = 0
        async for event in package.Runner.run_streamed(agent, "hi").stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                count += 1
                if take is not None:
                    take(event.data.delta)
        return count

    return read


def _chat_openai(url: str) -> Any:
    return importlib.import_module("langchain_openai").ChatOpenAI(model=MODEL, base_url=url, api_key="k")


def langchain_openai(url: str) -> Read:
    """The model alone: `ChatOpenAI.astream`."""
    model = _chat_openai(url)

    async def read(take: Take) -> int:
        count = 0
        async for chunk in model.astream("hi"):
            if text := str(chunk.text):
                count += 1
                if take is not None:
                    take(text)
        return count

    return read


def langchain_agent(url: str) -> Read:
    """`create_agent`, whose messages are streamed."""
    agent = importlib.import_module("langchain.agents").create_agent(_chat_openai(url), tools=[])

    async def read(take: Take) -> int:
        count = 0
        asked = {"messages": [{"role": "user", "content": "hi"}]}
        async for chunk, _ in agent.astream(asked, stream_mode="messages"):
            if text := str(chunk.text):
                count += 1
                if take is not None:
                    take(text)
        return count

    return read


def agno(url: str) -> Read:
    """`Agent.arun` with stream=True."""
    package: Any = importlib.import_module("agno.agent")
    model = importlib.import_module("agno.models.openai.like").OpenAILike(id=MODEL, base_url=url, api_key="k")
    agent = package.Agent(model=model, telemetry=False)

    async def read(take: Take) -> int:
        count = 0
        async for event in agent.arun("hi", stream=True):
            if event.event == "RunContent" and event.content:
                count += 1
                if take is not None:
                    take(event.content)
        return count

    return read


def swarms(url: str) -> Read:
    """`Agent.arun_stream`, with a new agent for each conversation, since an agent keeps its own."""
    package: Any = importlib.import_module("swarms")
    below: Any = importlib.import_module("litellm")
    below.suppress_debug_info = True
    importlib.import_module("loguru").logger.disable("swarms")

    async def read(take: Take) -> int:
        agent = package.Agent(
            agent_name="reader",
            model_name=f"openai/{MODEL}",
            llm_base_url=url,
            llm_api_key="k",
            max_loops=1,
            print_on=False,
        )
        count = 0
        async for text in agent.arun_stream("hi"):
            count += 1
            if take is not None:
                take(text)
        return count

    return read


READERS: Final[Mapping[str, Callable[[str], Read]]] = {
    "litellm": litellm,
    "pydantic-ai": pydantic_ai,
    "openai-agents": openai_agents,
    "langchain-openai": langchain_openai,
    "langchain agent": langchain_agent,
    "agno": agno,
    "swarms": swarms,
}

os.environ.update({name: value for name, value in OFF.items() if name not in os.environ})
