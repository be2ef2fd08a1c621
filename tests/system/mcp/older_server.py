"""A server of a package that knows only the revisions with a handshake: `python older_server.py PACKAGE [PORT]`.

PACKAGE is the module with the class FastMCP: `fastmcp` (2.x) or `mcp.server.fastmcp` (of `mcp` 1.x). It needs an
environment that has both, and nothing of this repository. With a port it serves streamable HTTP, else its standard
streams. What it sees is written to the file that `HEADWATER_TEST_SAW` names, a word a line.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys
from typing import Any

from pydantic import BaseModel


class Answer(BaseModel):
    """The form of a question."""

    ok: bool


def saw(word: str) -> None:
    with open(os.environ["HEADWATER_TEST_SAW"], "a", encoding="utf-8") as file:
        file.write(f"{word}\n")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def boom() -> str:
    """Fail."""
    raise ValueError("kaputt")


async def slow(steps: int, ctx: Any) -> str:
    """Work for a while."""
    try:
        for step in range(1, steps + 1):
            await ctx.report_progress(step, steps, f"step {step}")
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        saw("cancelled")
        raise
    return "done"


async def ask(ctx: Any) -> str:
    """Ask a person."""
    answer = await ctx.elicit("Really?", Answer)
    return f"{answer.action} {answer.data.ok}"


def main(package: Any, port: int) -> None:
    made = package.FastMCP("older")
    for work in (slow, ask):
        work.__annotations__["ctx"] = package.Context  # it is what tells the package to pass one
    for tool in (add, boom, slow, ask):
        made.tool()(tool)
    if not port:
        made.run()
    elif package.__name__ == "fastmcp":
        made.run("http", port=port, show_banner=False)
    else:
        made.settings.port = port
        made.run("streamable-http")


if __name__ == "__main__":
    main(importlib.import_module(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
