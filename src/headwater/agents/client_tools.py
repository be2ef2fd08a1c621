"""Tools that the client runs: a browser, an editor, the program that reads the answer. Here they are only described.

Owns their validation and the check that their names are unique.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from typing import Any, TypeAlias

from headwater.errors import InvalidTool
from headwater.providers.request import ToolSpec

__all__ = ("ClientTool", "client_specs", "offered_to_clients")

ClientTool: TypeAlias = ToolSpec | Mapping[str, Any]
"""A tool's description for the model: `{"name": …, "description": …, "parameters": {a JSON Schema}}`, or a ToolSpec."""

_HINT = 'Give {"name": …, "description": …, "parameters": {…}}, as in client_tools=[{"name": "pick_a_file"}].'


def client_specs(tools: Iterable[ClientTool] | None) -> tuple[ToolSpec, ...]:
    """The tools' specifications for the provider. Raises InvalidTool."""
    if tools is None:
        return ()
    if isinstance(tools, (str, bytes, Mapping)) or not isinstance(tools, Iterable):
        raise InvalidTool(f"client_tools is of type {type(tools).__name__}, not a list.", hint=_HINT)
    specs = tuple(map(_spec, tools))
    names = [spec.name for spec in specs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidTool(f"Two client tools have the name {twice!r}.", hint="Rename one.")
    return specs


def _spec(tool: ClientTool) -> ToolSpec:
    if isinstance(tool, ToolSpec):
        return tool
    if not isinstance(tool, Mapping):
        raise InvalidTool(f"A client tool is of type {type(tool).__name__}.", hint=_HINT)
    if strange := tool.keys() - {"name", "description", "parameters"}:
        raise InvalidTool(f"A client tool has no field {min(strange)!r}.", hint=_HINT)
    name, parameters = tool.get("name"), tool.get("parameters", {"type": "object", "properties": {}})
    if not isinstance(name, str) or not name or not isinstance(parameters, Mapping):
        raise InvalidTool(f"{dict(tool)!r} is not a valid client tool.", hint=_HINT)
    return ToolSpec(name=name, description=str(tool.get("description", "")), parameters=dict(parameters))


def offered_to_clients(specs: tuple[ToolSpec, ...], ours: Container[str]) -> tuple[ToolSpec, ...]:
    """The client's tools in addition to `ours`. Raises InvalidTool if both have a tool of the same name."""
    for spec in specs:
        if spec.name in ours:
            raise InvalidTool(f"{spec.name!r} is a tool of both the agent and the client.", hint="Rename one.")
    return specs
