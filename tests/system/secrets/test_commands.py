"""The commands show no key either: on neither stream, whatever the environment holds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.error_messages.server import Server
from tests.system.secrets.canary import CANARY, Seen
from tests.system.secrets.places import VARIABLES


@pytest.mark.parametrize(
    "command",
    [
        ["doctor"],
        ["models"],
        ["run", "Hello", "--model", "openai/m"],
        ["run", "Hello", "--model", "openai/m", "--json"],
        ["run", "Hello", "--model", "gemini/m"],
    ],
    ids=lambda command: " ".join(command),
)
def test_a_command_shows_no_key(command: list[str], server: Server, tmp_path: Path) -> None:
    server.answers(401, lambda headers, body: f"{server.requests[-1][1]} {headers}".encode())
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {variable: CANARY for _, variable in VARIABLES}
    proxy = f"http://user:{CANARY}@{server.address}"
    environment |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy, "OPENAI_BASE_URL": f"{server.url}?api-key={CANARY}"}
    environment |= {"OLLAMA_HOST": f"http://user:{CANARY}@{server.address}", "PYTHONIOENCODING": "utf-8"}
    environment |= {"HEADWATER_HISTORY": "", "XDG_STATE_HOME": str(tmp_path / "state")}
    ran = subprocess.run(
        [sys.executable, "-m", "headwater", *command],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=50,
        check=False,
    )
    seen = Seen()
    seen.text("standard output", ran.stdout)
    seen.text("standard error", ran.stderr)
    for path in tmp_path.rglob("*.*"):
        seen.text(path.name, path.read_text(encoding="utf-8"))
    assert ran.stdout + ran.stderr
    assert not seen.leaks, "\n".join(seen.leaks)
