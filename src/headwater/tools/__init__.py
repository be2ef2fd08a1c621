"""Tools: functions that a model may call. Declared by `tool`, run by `run_tool`, spoken to through `ToolContext`."""

from headwater.tools.context import ToolContext
from headwater.tools.declaration import Tool, as_tool, as_tools, tool
from headwater.tools.execution import run_tool
from headwater.tools.outcome import MAX_RESULT_CHARS, ToolOutcome
from headwater.tools.pool import MAX_TOOL_THREADS

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
