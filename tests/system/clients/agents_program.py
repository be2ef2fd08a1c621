"""OpenAI's Agents SDK against a server of ours, which is its model provider and its MCP server:

    PYTHON -P tests/system/clients/agents_program.py http://127.0.0.1:8000

PYTHON is one that has the package `openai-agents`, and nothing of ours; -P hides the module `agents` of this folder.
The first difference ends it.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import Any

sdk: Any = importlib.import_module("agents")
mcp: Any = importlib.import_module("agents.mcp")

picked: list[list[str]] = []


def pick(among: list[str]) -> str:
    """Pick one."""
    picked.append(among)
    return among[1]


async def answers(base: str, *, responses: bool) -> None:
    """Text at once and as it streams, tools on both sides, an error, and what it stops."""
    provider = sdk.OpenAIProvider(base_url=f"{base}/v1", api_key="none", use_responses=responses)
    config = sdk.RunConfig(model_provider=provider, tracing_disabled=True)

    async def said(name: str, **more: Any) -> Any:
        return await sdk.Runner.run(sdk.Agent(name=name, model=name, **more), "Hi", run_config=config)

    plain = await said("plain")
    assert plain.final_output == "Found two.", plain.final_output
    usage = plain.context_wrapper.usage
    assert usage.output_tokens > 0, usage
    assert (await said("tools")).final_output.endswith("Found two.")
    assert (await said("client", tools=[sdk.function_tool(pick)])).final_output == "You said b."
    assert picked.pop() == ["a", "b"]

    stream = sdk.Runner.run_streamed(sdk.Agent(name="plain", model="plain"), "Hi", run_config=config)
    deltas = [
        event.data.delta
        async for event in stream.stream_events()
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta"
    ]
    assert "".join(deltas) == stream.final_output == "Found two.", deltas
    assert len(deltas) > 1, deltas
    again = await sdk.Runner.run(
        sdk.Agent(name="echo", model="echo"),
        [*stream.to_input_list(), {"role": "user", "content": "And?"}],
        run_config=config,
    )
    assert "assistant: Found two." in again.final_output, again.final_output
    assert again.final_output.endswith("user: And?"), again.final_output
    failed = None
    try:
        await said("fails")
    except Exception as error:
        failed = error
    assert failed is not None, "a run that failed was taken for an answer"

    slow = sdk.Runner.run_streamed(sdk.Agent(name="slow", model="slow"), "Hi", run_config=config)
    async for event in slow.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            slow.cancel()
    assert slow.is_complete


async def approvals(base: str) -> None:
    """A call of an agent of ours is approved by a function of the client's, or by its code in between."""
    config = sdk.RunConfig(
        model_provider=sdk.OpenAIProvider(base_url=f"{base}/v1", api_key="none"), tracing_disabled=True
    )
    server = {"type": "mcp", "server_label": "approval", "server_url": base, "require_approval": "always"}
    asked = []

    def decide(request: Any) -> Any:
        asked.append(request.data.name)
        return {"approve": True}

    hosted = sdk.HostedMCPTool(tool_config=server, on_approval_request=decide)
    agent = sdk.Agent(name="approval", model="approval", tools=[hosted])
    assert (await sdk.Runner.run(agent, "Hi", run_config=config)).final_output == "Done."
    assert asked == ["send"], asked
    agent = sdk.Agent(name="approval", model="approval", tools=[sdk.HostedMCPTool(tool_config=server)])
    result = await sdk.Runner.run(agent, "Hi", run_config=config)
    (interruption,) = result.interruptions
    state = result.to_state()
    state.reject(interruption)
    assert (await sdk.Runner.run(agent, state, run_config=config)).final_output == "Done."


async def tools(base: str) -> None:
    """A model of ours calls an agent of ours, over MCP."""
    config = sdk.RunConfig(
        model_provider=sdk.OpenAIProvider(base_url=f"{base}/v1", api_key="none"), tracing_disabled=True
    )
    async with mcp.MCPServerStreamableHttp(params={"url": f"{base}/mcp", "timeout": 30}, name="ours") as server:
        assert "plain" in {tool.name for tool in await server.list_tools()}
        agent = sdk.Agent(name="client", model="client", mcp_servers=[server])
        told = (await sdk.Runner.run(agent, "Hi", run_config=config)).final_output
        assert "Found two." in told, told


async def main() -> None:
    """Try all of it."""
    sdk.set_tracing_disabled(True)
    base = sys.argv[1]
    for responses in (True, False):
        await answers(base, responses=responses)
        print("as it should be, by", "Responses" if responses else "Chat Completions", flush=True)
    await approvals(base)
    print("as it should be, with approvals")
    await tools(base)
    print("as it should be, by MCP")
    print("OpenAI's Agents SDK runs our agents.")


asyncio.run(main())
