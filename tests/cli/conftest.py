"""An environment without anyone's keys, for commands that run inside the test's own process."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import EVERYWHERE, environment


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment as `commands.environment` has it; what the test changes is undone after it."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("HEADWATER_HISTORY", "off")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return monkeypatch


@pytest.fixture
def nothing_local(bare: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No server on this machine answers, whatever runs here."""
    for name, variable in EVERYWHERE.items():
        bare.setenv(variable, "http://127.0.0.1:1" if name == "ollama" else "http://127.0.0.1:1/v1")
    return bare


@pytest.fixture
def closed() -> Iterator[str]:
    """An address at which nobody listens, kept from being given to anyone else."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def state(tmp_path: Path) -> dict[str, str]:
    """The variables by which a command keeps what was said, in a folder of the test."""
    return {"HEADWATER_HISTORY": "", "XDG_STATE_HOME": str(tmp_path / "state")}
