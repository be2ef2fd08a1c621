"""Tools: functions that a model may call. `tool` declares them, `run_tool` runs them, `ToolContext` connects them to a
run.

Each name is imported from its module on first use: agents without tools need none of it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headwater.tools.context import ToolContext
    from headwater.tools.declaration import Tool, as_tool, as_tools, tool
    from headwater.tools.execution import run_tool
    from headwater.tools.outcome import MAX_RESULT_CHARS, ToolOutcome
    from headwater.tools.pool import MAX_TOOL_THREADS

_HOMES = {
    "MAX_RESULT_CHARS": "outcome",
    "MAX_TOOL_THREADS": "pool",
    "Tool": "declaration",
    "ToolContext": "context",
    "ToolOutcome": "outcome",
    "as_tool": "declaration",
    "as_tools": "declaration",
    "run_tool": "execution",
    "tool": "declaration",
}

__all__ = (
    "MAX_RESULT_CHARS",
    "MAX_TOOL_THREADS",
    "Tool",
    "ToolContext",
    "ToolOutcome",
    "as_tool",
    "as_tools",
    "run_tool",
    "tool",
)

if not TYPE_CHECKING:  # type checkers would otherwise accept any name

    def __getattr__(name: str) -> Any:
        import importlib

        if name not in _HOMES:
            raise AttributeError(f"module 'headwater.tools' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"headwater.tools.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
