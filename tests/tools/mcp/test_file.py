from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater import MCP
from headwater.errors import ConfigurationError
from headwater.tools.mcp.file import servers_in


def written(folder: Path, content: Any) -> Path:
    path = folder / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_commands_and_urls_with_their_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "k1")
    servers = {
        "files": {"command": "npx", "args": ["-y", "server", "${HOME_OF_FILES:-/tmp}"], "env": {"KEY": "${env:KEY}"}},
        "site": {"type": "http", "url": "https://example.org/mcp", "headers": {"Authorization": "Bearer ${KEY}"}},
        "mine": {
            "command": "x",
            "include": ["a"],
            "prefix": "p_",
            "defer": True,
            "required": False,
            "autoApprove": ["a"],
        },
        "off": {"command": "y", "disabled": True},
    }
    found = servers_in(written(tmp_path, {"mcpServers": servers}))
    assert found == {
        "files": (["npx", "-y", "server", "/tmp"], {"env": {"KEY": "k1"}, "cwd": None}),
        "site": ("https://example.org/mcp", {"headers": {"Authorization": "Bearer k1"}}),
        "mine": (["x"], {"include": ["a"], "prefix": "p_", "defer": True, "required": False, "env": None, "cwd": None}),
    }


def test_editors_that_write_servers_are_read_too(tmp_path: Path) -> None:
    assert servers_in(written(tmp_path, {"servers": {"a": {"command": "x"}}})) == {
        "a": (["x"], {"env": None, "cwd": None})
    }


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ([], "has no mcpServers"),
        ({"mcpServers": {"a": 1}}, "a in .* is not an object"),
        ({"mcpServers": {"a": {}}}, "a in .* neither a command nor a URL"),
        ({"mcpServers": {"a": {"command": 1}}}, "a in .*command is a string"),
        ({"mcpServers": {"a": {"command": "x", "env": {"A": "${NOT_SET_AT_ALL}"}}}}, "a in .*NOT_SET_AT_ALL"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        servers_in(written(tmp_path, content))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ConfigurationError, match=f"{path.name} cannot be read: .+ Name a file with MCP servers"):
            MCP.from_file(path)


def test_each_becomes_a_server_under_its_name(tmp_path: Path) -> None:
    servers = MCP.from_file(written(tmp_path, {"mcpServers": {"a": {"command": "x"}, "b": {"url": "http://b"}}}))
    assert [one.name for one in servers] == ["a", "b"]
