"""Traces across servers: a server's spans are below the span of the tool call that it works on."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from opentelemetry.sdk.trace import ReadableSpan

from headwater import MCP
from headwater.events import Event, ToolFinished
from headwater.testing import Call
from tests.support.mcp import log_of_calls, results, small
from tests.support.served import served
from tests.telemetry.traced import Traced, named, traced


def tides(told: Traced) -> MCPServer[Any]:
    """A server in this process, whose tool has a span of its own and tells what came with its call."""
    made: MCPServer[Any] = MCPServer("Tides", log_level="CRITICAL")

    @made.tool()
    async def tide(ctx: Context[Any]) -> str:
        """When the tide is highest."""
        with told.tracer.start_as_current_span("look it up"):
            meta = dict(ctx.request_context.meta or {})
            headers = {name: value for name, value in dict(ctx.headers or {}).items() if name == "traceparent"}
            return json.dumps({"meta": meta.get("traceparent"), "header": headers.get("traceparent")})

    return made


def under(span: ReadableSpan) -> str:
    """How W3C trace context names a span, without its flags."""
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"


def told_of(log: list[Event], name: str) -> Any:
    return json.loads(results(log)[name])


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def test_in_this_process_a_servers_span_is_below_the_calls() -> None:
    with traced() as told:
        asyncio.run(log_of_calls(MCP(tides(told)), Call("tide", {})))
    call = named(told.ended, "execute_tool tide")
    assert parent_of(named(told.ended, "look it up")) == call.context.span_id


@pytest.mark.parametrize("sse", [False, True])
def test_over_http_the_message_and_the_request_carry_the_calls_span(sse: bool) -> None:
    async def main() -> list[Event]:
        server = tides(told)
        app = server.sse_app() if sse else server.streamable_http_app()
        async with served(app, lifespan="on") as at, MCP(f"{at.url}/{'sse' if sse else 'mcp'}") as one:
            return await log_of_calls(one, Call("tide", {}))

    with traced() as told:
        log = asyncio.run(main())
    call = named(told.ended, "execute_tool tide")
    assert parent_of(named(told.ended, "look it up")) == call.context.span_id
    came = told_of(log, "tide")
    assert came["meta"].startswith(under(call))
    assert came["header"] == came["meta"]


def test_a_command_gets_the_calls_span_with_each_message() -> None:
    with traced() as told:
        log = asyncio.run(log_of_calls(small("meta"), [Call("meta", {"n": 1}), Call("meta", {"n": 2})]))
    calls = [span for span in told.ended if span.name == "execute_tool meta"]
    ends = [json.loads(str(event.result))["traceparent"] for event in log if isinstance(event, ToolFinished)]
    assert len(calls) == len(ends) == 2
    assert {end[:53] for end in ends} == {under(call)[:53] for call in calls}


def test_without_telemetry_nothing_is_sent() -> None:
    log = asyncio.run(log_of_calls(small("meta"), Call("meta", {})))
    assert set(told_of(log, "meta")) == {"progressToken"}
