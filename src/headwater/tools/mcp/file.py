"""Reads `mcp.json`, the file in which editors and assistants keep their MCP servers.

Owns the format, and how `${NAME}` is filled in from the environment. It connects to nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headwater.errors import ConfigurationError

__all__ = ("servers_in",)

_HOW: Final = 'Write {"mcpServers": {"name": {"command": "…", "args": […]}, "other": {"url": "…"}}}.'

_OWN: Final = ("include", "exclude", "prefix", "approval", "defer", "required", "auth")
"""Options of `MCP` that a file may have; other programs ignore them."""

_VARIABLE: Final = re.compile(r"\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


def servers_in(path: str | os.PathLike[str]) -> dict[str, tuple[Any, dict[str, Any]]]:
    """Returns the target and the options of each server by its name, without those that are disabled.

    Raises ConfigurationError, which names the file, and the server and the variable if one of these is the cause.
    """
    where = os.fspath(path)
    try:
        read = json.loads(Path(where).read_text("utf-8"))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"{where} cannot be read: {why}.", hint="Name a file with MCP servers.") from None
    except ValueError as error:
        raise ConfigurationError(f"{where} is not JSON: {error}.", hint=_HOW) from None
    servers = read.get("mcpServers", read.get("servers")) if isinstance(read, dict) else None
    if not isinstance(servers, dict):
        raise ConfigurationError(f"{where} has no mcpServers.", hint=_HOW)
    found: dict[str, tuple[Any, dict[str, Any]]] = {}
    for name, entry in servers.items():
        if not isinstance(entry, dict):
            raise ConfigurationError(f"{name} in {where} is not an object.", hint=_HOW)
        if not entry.get("disabled"):
            found[name] = _server(_filled(entry, f"{name} in {where}"), f"{name} in {where}")
    return found


def _server(entry: Mapping[str, Any], where: str) -> tuple[Any, dict[str, Any]]:
    options = {key: entry[key] for key in _OWN if key in entry}
    if (command := entry.get("command")) is not None:
        arguments = entry.get("args", [])
        if not isinstance(command, str) or not isinstance(arguments, list):
            raise ConfigurationError(f"{where}: command is a string, and args a list.", hint=_HOW)
        return [command, *arguments], {**options, "env": entry.get("env"), "cwd": entry.get("cwd")}
    if isinstance(url := entry.get("url"), str):
        return url, {**options, "headers": entry.get("headers")}
    raise ConfigurationError(f"{where} has neither a command nor a URL.", hint=_HOW)


def _filled(value: Any, where: str) -> Any:
    """Returns the value with variables filled in, in all strings of it."""
    if isinstance(value, dict):
        return {key: _filled(one, where) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, where) for one in value]
    return _VARIABLE.sub(lambda match: _variable(match, where), value) if isinstance(value, str) else value


def _variable(match: re.Match[str], where: str) -> str:
    name, default = match.groups()
    value = os.environ.get(name) or default
    if value is None:
        raise ConfigurationError(
            f"{where} uses the environment variable {name}, which is not set.",
            hint=f"Set it, or write ${{{name}:-default}}.",
        )
    return value
