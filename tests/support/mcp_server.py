"""A real MCP server, written with the package `mcp`: `python -m tests.support.mcp_server [stdio|http|sse] [PORT]`.

`server()` makes one in this process. Where `HEADWATER_TEST_SAW` names a file, what the server sees is written there, a
word a line: calls that were cancelled, and its end.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    EmbeddedResource,
    InputRequiredResult,
    ResourceLink,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c626001000000ffff03000006000557bfabd40000000049454e44ae426082"
)


FORM: dict[str, Any] = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "why": {"type": "string", "default": "because"}},
    "required": ["ok"],
}


class Point(BaseModel):
    x: int
    y: int


def saw(word: str) -> None:
    if path := os.environ.get("HEADWATER_TEST_SAW"):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{word}\n")


def server(extra: int = 0) -> MCPServer[Any]:
    """A server with tools of every kind, and `extra` more."""
    made: MCPServer[Any] = MCPServer("Test", log_level="CRITICAL")

    @made.tool(annotations=ToolAnnotations(read_only_hint=True))
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @made.tool()
    def point(x: int, y: int) -> Point:
        """Return a point."""
        return Point(x=x, y=y)

    @made.tool()
    async def slow(steps: int, ctx: Context[Any]) -> str:
        """Work for a while."""
        saw("slow")
        try:
            for step in range(steps):
                await ctx.report_progress(step + 1, steps, f"step {step + 1}")
                await anyio.sleep(0.02)
        except BaseException:
            saw("cancelled")
            raise
        return "done"

    _add_failing(made)
    _add_talking(made)
    for number in range(extra):
        made.add_tool(lambda: "x", name=f"extra_{number}", description=f"The extra tool of number {number}.")
    return made


def _add_failing(made: MCPServer[Any]) -> None:
    @made.tool()
    def boom() -> str:
        """Fail."""
        raise ToolError("kaputt")

    @made.tool()
    def pid() -> str:
        """Tell the process."""
        return str(os.getpid())

    @made.tool()
    def die() -> str:
        """End the process in the middle of the call."""
        saw("die")
        os._exit(1)

    @made.tool(annotations=ToolAnnotations(idempotent_hint=True))
    def die_once() -> str:
        """End the process the first time."""
        path = Path(os.environ["HEADWATER_TEST_SAW"])
        if "died" not in (path.read_text() if path.exists() else ""):
            saw("died")
            os._exit(1)
        return "alive"


def _add_talking(made: MCPServer[Any]) -> None:
    @made.tool(structured_output=False)
    def parts() -> list[Any]:
        """Return an image, a resource and a link."""
        return [
            "look",
            Image(data=PIXEL, format="png"),
            EmbeddedResource(type="resource", resource=TextResourceContents(uri="memo://1", text="inside")),
            ResourceLink(type="resource_link", name="page", uri="https://example.org/x"),
        ]

    @made.tool()
    async def ask(ctx: Context[Any]) -> CallToolResult | InputRequiredResult:
        """Ask a person."""
        saw("ask")
        if not (given := ctx.input_responses):
            schema = {
                "type": "object",
                "properties": {"ok": {"type": "boolean"}, "why": {"type": "string", "default": "because"}},
                "required": ["ok"],
            }
            params = ElicitRequestFormParams(message="Really?", requested_schema=schema)
            return InputRequiredResult(input_requests={"q": ElicitRequest(params=params)}, request_state="state-1")
        answer: Any = given["q"]
        said = f"{answer.action} {answer.content} {ctx.request_state}"
        return CallToolResult(content=[TextContent(type="text", text=said)])

    @made.tool()
    async def grow(ctx: Context[Any]) -> str:
        """Add a tool to the server."""

        def grown() -> str:
            """Say that it has grown."""
            return "grown"

        made.add_tool(grown)
        await ctx.session.send_tool_list_changed()
        return "ok"


def main() -> None:
    how = sys.argv[1] if len(sys.argv) > 1 else "stdio"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    if how == "http":
        server().run("streamable-http", port=port)
    elif how == "sse":
        server().run("sse", port=port)
    else:
        print("hello from the server", file=sys.stderr, flush=True)
        server().run("stdio")
    saw("end")


if __name__ == "__main__":
    main()
