from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp.server.lowlevel import Server
from mcp_types import ListToolsResult, Tool

from headwater import MCP
from headwater.errors import MCPUnavailable
from headwater.events import Warned
from headwater.testing import Call
from headwater.tools.mcp.session import Session
from tests.support.mcp import log_of_calls, results, seen, small
from tests.support.mcp_server import server


def lister(*, seconds: float) -> tuple[Any, list[int]]:
    """A server of the newest revision whose list lives that long, and how often it was listed."""
    listed: list[int] = []

    async def tools(context: Any, params: Any) -> ListToolsResult:
        listed.append(1)
        return ListToolsResult(tools=[Tool(name="a", input_schema={"type": "object"})], ttl_ms=int(seconds * 1000))

    return Server("lister", on_list_tools=tools), listed


async def listed_twice(target: Any) -> None:
    async with MCP(target) as one:
        await one.listing()
        await one.listing()


def test_a_list_is_kept_for_its_time_to_live() -> None:
    lasting, listed = lister(seconds=3600)
    asyncio.run(listed_twice(lasting))
    assert len(listed) == 1


def test_a_list_without_one_is_asked_for_each_time() -> None:
    fleeting, listed = lister(seconds=0)
    asyncio.run(listed_twice(fleeting))
    assert len(listed) == 2


def test_an_older_servers_list_is_kept_until_it_says_that_it_has_changed(tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    log = asyncio.run(log_of_calls(small(saw=saw), Call("echo", {}), Call("change", {}), Call("pid", {})))
    assert seen(saw).count("list") == 2
    assert [event.message for event in log if isinstance(event, Warned)] == [
        "Tools of small have changed: echo.",
        "Tools are gone: pid.",
    ]
    assert "There is no tool named 'pid'" in results(log)["pid"]


def test_a_new_tool_is_offered_in_the_next_step() -> None:
    log = asyncio.run(log_of_calls(MCP(server()), Call("grow", {}), Call("grown", {})))
    assert results(log) == {"grow": "ok", "grown": "grown"}


def test_a_list_without_end_is_cut() -> None:
    async def main() -> None:
        async with small("endless") as one:
            listing = await one.listing()
            assert len({tool.remote_name for tool in listing}) == len(listing) == 10

    asyncio.run(main())


def test_a_question_without_a_call_is_cancelled() -> None:
    async def main() -> None:
        reply: Any = await Session("it").on_elicit(None, None)  # type: ignore[arg-type]
        assert reply.action == "cancel"

    asyncio.run(main())


def test_a_list_that_does_not_fit_the_protocol_says_where() -> None:
    async def main() -> None:
        async with small("broken") as one:
            with pytest.raises(MCPUnavailable, match=r"does not fit the protocol \(tools\.10\.inputSchema\.type\)"):
                await one.listing()

    asyncio.run(main())
