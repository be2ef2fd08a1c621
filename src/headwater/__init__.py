"""Streaming agents: one run is one ordered, truthful stream of events.

    from headwater import Agent

    agent = Agent(name="writer", model="openai/gpt-5.4")
    for chunk in agent.run_stream("Write a poem about rivers"):
        print(chunk.content, end="", flush=True)

Names are imported when they are first used, so that importing the package costs next to nothing.
"""

from typing import TYPE_CHECKING, Any

from headwater.version import __version__

if TYPE_CHECKING:
    from headwater import errors, events, telemetry, testing, web
    from headwater.agents.agent import Agent
    from headwater.agents.model import Model
    from headwater.agents.remote import Remote, attach
    from headwater.backends.timeouts import Timeouts
    from headwater.errors import HeadwaterError, IncompleteStream
    from headwater.events.codec import messages_from_json, messages_to_json
    from headwater.events.messages import File, Image, Message, Text, ToolCall, ToolResult, Usage
    from headwater.events.questions import Answer, Question
    from headwater.events.response import Response
    from headwater.providers.pricing import Price
    from headwater.providers.request import ProviderTool, Settings
    from headwater.readers.chunks import StreamChunk
    from headwater.readers.on_event import on_event
    from headwater.readers.partials import Partial, PartialArguments
    from headwater.readers.run_file import RunFile
    from headwater.readers.stream import AgentStream
    from headwater.runtime.budget import Budget
    from headwater.runtime.compaction import Compaction
    from headwater.runtime.guards.guard import Block, GuardContext, Replace, Retry, guard
    from headwater.runtime.thread import Thread
    from headwater.runtime.view import clip_tool_results
    from headwater.tools.context import ToolContext
    from headwater.tools.declaration import Tool, tool
    from headwater.tools.mcp.declaration import MCP
    from headwater.workflows import ConcurrentWorkflow, Edge, GraphWorkflow, Results, SequentialWorkflow

_HOMES = {
    "Agent": "agents.agent",
    "AgentStream": "readers.stream",
    "Answer": "events.questions",
    "Block": "runtime.guards.guard",
    "Budget": "runtime.budget",
    "Compaction": "runtime.compaction",
    "ConcurrentWorkflow": "workflows",
    "Edge": "workflows",
    "File": "events.messages",
    "GraphWorkflow": "workflows",
    "GuardContext": "runtime.guards.guard",
    "HeadwaterError": "errors",
    "Image": "events.messages",
    "IncompleteStream": "errors",
    "MCP": "tools.mcp.declaration",
    "Message": "events.messages",
    "Model": "agents.model",
    "Partial": "readers.partials",
    "PartialArguments": "readers.partials",
    "Price": "providers.pricing",
    "ProviderTool": "providers.request",
    "Question": "events.questions",
    "Remote": "agents.remote",
    "Replace": "runtime.guards.guard",
    "Response": "events.response",
    "Results": "events.results",
    "Retry": "runtime.guards.guard",
    "RunFile": "readers.run_file",
    "SequentialWorkflow": "workflows",
    "Settings": "providers.request",
    "StreamChunk": "readers.chunks",
    "Text": "events.messages",
    "Thread": "runtime.thread",
    "Timeouts": "backends.timeouts",
    "Tool": "tools.declaration",
    "ToolCall": "events.messages",
    "ToolContext": "tools.context",
    "ToolResult": "events.messages",
    "Usage": "events.messages",
    "attach": "agents.remote",
    "clip_tool_results": "runtime.view",
    "guard": "runtime.guards.guard",
    "messages_from_json": "events.codec",
    "messages_to_json": "events.codec",
    "on_event": "readers.on_event",
    "tool": "tools.declaration",
}
_MODULES = ("errors", "events", "telemetry", "testing", "web")

__all__ = (
    "Agent",
    "AgentStream",
    "Answer",
    "Block",
    "Budget",
    "Compaction",
    "ConcurrentWorkflow",
    "Edge",
    "File",
    "GraphWorkflow",
    "GuardContext",
    "HeadwaterError",
    "Image",
    "IncompleteStream",
    "MCP",
    "Message",
    "Model",
    "Partial",
    "PartialArguments",
    "Price",
    "ProviderTool",
    "Question",
    "Remote",
    "Replace",
    "Response",
    "Results",
    "Retry",
    "RunFile",
    "SequentialWorkflow",
    "Settings",
    "StreamChunk",
    "Text",
    "Thread",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolContext",
    "ToolResult",
    "Usage",
    "__version__",
    "attach",
    "clip_tool_results",
    "errors",
    "events",
    "guard",
    "messages_from_json",
    "messages_to_json",
    "on_event",
    "telemetry",
    "testing",
    "tool",
    "web",
)


if not TYPE_CHECKING:  # a checker would take every name for known

    def __getattr__(name: str) -> Any:
        import importlib

        if name in _MODULES:
            return importlib.import_module(f"headwater.{name}")
        if name not in _HOMES:
            raise _missing(name)
        value = getattr(importlib.import_module(f"headwater.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def _elsewhere(name: str) -> str:
    """Where to import a name from that another public module has."""
    import importlib.util

    if importlib.util.find_spec(f"headwater.{name}") is not None:
        return ""  # a module of ours that is not loaded yet
    for module in ("testing", "events", "errors"):
        if name in importlib.import_module(f"headwater.{module}").__all__:
            return f"Write `from headwater.{module} import {name}`."
    return ""


def _missing(name: str) -> Exception:
    """The error for a name that there is not; other libraries' names say what does the same here."""
    import sys

    from headwater.agents.spellings import name_hint

    # `from headwater import …` asks for the attribute first, and would drop what an AttributeError says.
    imported = sys._getframe(2).f_code.co_name == "_handle_fromlist"
    hint = "" if name.startswith("_") else name_hint(name) or (_elsewhere(name) if imported else "")
    if not hint:
        return AttributeError(f"module 'headwater' has no attribute {name!r}")
    kind = ImportError if imported else AttributeError
    return kind(f"headwater has no {name!r}. {hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
