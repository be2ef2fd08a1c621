"""The members of a server as MCP tools: their names, descriptions and the schemas of their input and output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from headwater.agents.runnable import Runnable, tool_name
from headwater.errors import ConfigurationError
from headwater.schema.output import OutputType
from headwater.web.mcp.wire import Offered

__all__ = ("INPUT", "offered")

INPUT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The task, with all details."}},
    "required": ["input"],
    "additionalProperties": False,
}
"""The input schema of every tool."""


def offered(members: Iterable[Runnable]) -> dict[str, Offered]:
    """Returns the members as tools by name: unique, of letters, digits, _ and -."""
    tools: dict[str, Offered] = {}
    for member in members:
        name = base = tool_name(member.name)
        number = 1
        while name in tools:
            number += 1
            name = f"{base[:60]}_{number}"
        description = getattr(member, "description", "") or f"Ask {member.name}, and get the answer."
        output, wrapped = _output(member)
        tools[name] = Offered(name, member.name, description, output, wrapped)
    return tools


def _output(member: Runnable) -> tuple[dict[str, Any] | None, bool]:
    """Returns the schema of a member's answers, and whether it wraps them."""
    kind = getattr(member, "output_type", None)
    if kind is None or kind is str:
        return None, False
    try:
        read: OutputType[Any] = OutputType(kind)
    except ConfigurationError:
        return None, False
    return read.schema, read.wrapped
