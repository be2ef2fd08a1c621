"""`headwater serve`: processes that serve, and what they refuse to do."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater.cli import main, serve
from headwater.cli.demo import make_workflow
from headwater.cli.named_journal import ask_journal
from headwater.journal.run_log import RunLog
from tests.cli.commands import PATIENCE, command, environment, headwater
from tests.support.places import stored

HARBOUR = """
from headwater import Agent
from headwater.testing import ScriptedModel

pilot = Agent(name="pilot", model=ScriptedModel(lambda request: "Aye."), description="Knows the harbour.")


def crew():
    return Agent(name="crew", model=ScriptedModel(lambda request: "Ho."))
"""

TOKEN = "a-token-of-no-less-than-32-characters"


@contextmanager
def serving(*options: str, cwd: Path | None = None, **env: str) -> Iterator[tuple[httpx.Client, list[str], Any]]:
    """A server on a free port: a client of it, and what it has told by then."""
    process = subprocess.Popen(
        command("serve", "--port", "0", *options), stderr=subprocess.PIPE, text=True, cwd=cwd, env=environment(**env)
    )
    assert process.stderr is not None
    told: list[str] = []
    try:
        for line in process.stderr:
            told.append(line.rstrip())
            if found := re.search(r"serving .* on (http://[^/]+)/", line):
                break
        else:
            raise AssertionError(told)
        with httpx.Client(base_url=found[1], timeout=PATIENCE, trust_env=False) as client:
            yield client, told, process
    finally:
        process.kill()
        process.communicate()


def test_the_demo_is_served_and_each_run_of_it_completes() -> None:
    with serving() as (client, told, process):
        assert told == [f"headwater: serving {make_workflow().name} on {client.base_url}/ (Ctrl-C stops it)"]
        (member,) = client.get("/agents").json()["agents"]
        demo = make_workflow()
        assert (member["name"], member["kind"]) == (demo.name, demo.kind)
        assert member["members"] == [agent.name for agent in demo.agents]
        assert client.get("/").headers["content-type"] == "text/html; charset=utf-8"
        runs = [client.post("/runs", json={"input": "Go."}).json()["events"] for _ in range(2)]
        for events in runs:
            lines = client.get(events, headers={"accept": "application/x-ndjson"}).text.splitlines()
            assert json.loads(lines[-1])["type"] == "run.finished"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM


def test_agents_of_your_own_are_served(tmp_path: Path) -> None:
    (tmp_path / "harbour.py").write_text(HARBOUR)
    with serving("harbour:pilot", "harbour:crew", "--no-page", cwd=tmp_path) as (client, told, _):
        assert "serving pilot, crew on" in told[-1]
        agents = client.get("/agents").json()["agents"]
        assert [(one["name"], one["description"]) for one in agents] == [("pilot", "Knows the harbour."), ("crew", "")]
        assert client.get("/").status_code == 404
        answer = client.post("/runs", json={"input": "Go.", "agent": "crew"}, headers={"accept": "text/plain"})
        assert answer.text == "Ho."


def test_only_its_own_host_names_are_accepted(tmp_path: Path) -> None:
    with serving("--insecure", "--allow-host", "mine.example", "--origin", "https://friend.example") as (
        client,
        _,
        _process,
    ):
        for host, status in (("localhost", 200), ("mine.example:80", 200), ("evil.example", 421)):
            assert client.get("/agents", headers={"host": host}).status_code == status
        for origin, status in (("https://friend.example", 200), ("https://evil.example", 403)):
            assert client.get("/agents", headers={"origin": origin}).status_code == status


def test_a_token_is_generated_and_required() -> None:
    with serving("--token", "--host", "0.0.0.0") as (client, told, _):
        found = re.fullmatch(r".* on http://localhost:\d+/#token=([\w-]{43}) \(Ctrl-C stops it\)", told[-1])
        assert found is not None
        assert client.get("/agents").status_code == 401
        headers = {"authorization": f"Bearer {found[1]}"}
        assert client.get("/agents", headers=headers).status_code == 200
        # By the address at which it came in, but by no other name.
        assert client.get("/agents", headers={**headers, "host": "127.0.0.1"}).status_code == 200
        assert client.get("/agents", headers={**headers, "host": "evil.example"}).status_code == 421


def test_a_token_of_the_environment_is_printed_nowhere() -> None:
    with serving(HEADWATER_TOKEN=TOKEN) as (client, told, process):
        assert client.get("/agents").status_code == 401
        assert client.get(f"/agents?token={TOKEN}").status_code == 401
        assert client.get("/agents", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(PATIENCE) == 130
        assert "GET /agents 401" in rest
        assert TOKEN not in "".join(told) + rest
        assert "Traceback" not in rest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "reachable from other machines, and no token is set"),
        (["--allow-host", "agents.example"], "agents.example is reachable from other machines, and no token is set"),
        (["--token", "short"], "at least 32 are required"),
        (["--origin", "friend.example"], "not an origin"),
        (["--on-disconnect", "sleep"], "not continue, cancel or seconds"),
        (["--on-disconnect", "-1"], "not continue, cancel or seconds"),
        (["--port", "x"], "not a port"),
        (["--port", "70000"], "not a port"),
        (["nothing_here:agent"], "there is no module 'nothing_here'"),
        (["nothing_here"], "names no agent or workflow"),
        (["--journal", "memory:"], "The demo has no journal."),
        (["a:b", "--engine", "temporal://h"], "An engine delivers the runs of a journal."),
        (["a:b", "--journal", "memory:", "--on-disconnect", "cancel"], "Runs of a journal continue without readers."),
        (["--host", "256.1.1.1", "--insecure"], "cannot be used"),
    ],
)
def test_an_invalid_target_is_reported_in_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = headwater("serve", *arguments, env=environment(), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use_is_reported() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = headwater("serve", "--port", str(taken.getsockname()[1]), env=environment())
    assert done.returncode == 2
    assert "cannot be used" in done.stderr


def test_other_machines_without_a_token_require_insecure(capsys: pytest.CaptureFixture[str]) -> None:
    with serving("--host", "0.0.0.0", "--insecure", WEB_CONCURRENCY="4") as (client, told, _):
        assert client.get("/agents").status_code == 200
        assert "serving" in told[0]
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    assert "HEADWATER_TOKEN" in capsys.readouterr().err


def test_the_start_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "4")
    asked = Namespace(host="::", allow_host=[], token=None)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        settings = {"token": None, "journal": None, "page": True}
        first, open_to_all, alone = serve._told(asked, settings, listener, ["a", "b"])
        _, of_browsers, _ = serve._told(asked, {**settings, "token": TOKEN}, listener, ["a", "b"])
    assert first == f"serving a, b on http://localhost:{port}/ (Ctrl-C stops it)"
    assert "no token" in open_to_all
    assert (
        of_browsers
        == f"a browser needs the token: open http://localhost:{port}/#token=TOKEN, with the one that is set."
    )
    assert "WEB_CONCURRENCY" in alone


def test_a_missing_requirement_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert main(["serve"]) == 2
    assert 'pip install "headwater[web]"' in capsys.readouterr().err


def test_a_change_of_a_file_is_served(tmp_path: Path) -> None:
    file = tmp_path / "harbour.py"
    file.write_text(HARBOUR)
    with serving("harbour:pilot", "--reload", cwd=tmp_path) as (client, _, process):
        assert _described(client) == "Knows the harbour."
        file.write_text(HARBOUR.replace("Knows the harbour.", "Knows the river."))
        for _ in range(600):
            if _described(client) == "Knows the river.":
                break
        else:
            raise AssertionError("it was not served again")
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def _described(client: httpx.Client) -> str:
    """What the agent says of itself; while the server begins again, a request waits at its socket or is dropped."""
    import time

    try:
        return str(client.get("/agents").json()["agents"][0]["description"])
    except httpx.TransportError:
        return ""
    finally:
        time.sleep(0.05)


TILL = """
import threading
from pathlib import Path

from headwater import Agent, tool
from headwater.testing import Call, ScriptedModel


@tool(approval=True)
def pay() -> str:
    return "paid"


@tool
def count() -> str:
    if not Path("later").exists():
        threading.Event().wait()
    return "counted"


def of(name, tool):
    turns = {"user": [Call(tool.name, {})], "tool": "Done."}
    return Agent(name=name, model=ScriptedModel(lambda request: turns[request.messages[-1].role]), tools=[tool])


cashier, counter = of("cashier", pay), of("counter", count)
"""


def test_a_server_that_starts_again_continues_the_runs_of_its_journal(tmp_path: Path) -> None:
    """Nobody asks it for anything: one run was driven when its process was killed, one was approved meanwhile."""
    (tmp_path / "till.py").write_text(TILL)
    url = f"sqlite:///{tmp_path}/runs.db"

    def until(run: str, type: str) -> None:
        async def types(log: RunLog) -> set[str]:
            return {event.type for event in await stored(log, run)}

        deadline = time.monotonic() + PATIENCE
        while type not in ask_journal(url, types):
            assert time.monotonic() < deadline
            time.sleep(0.05)

    line = ("till:cashier", "till:counter", "--journal", url)
    with serving(*line, cwd=tmp_path) as (client, _, _process):
        runs = {
            name: client.post("/runs", json={"input": "Go.", "agent": name}).json()["run_id"]
            for name in ("cashier", "counter")
        }
        until(runs["cashier"], "run.waiting")
        until(runs["counter"], "tool.started")
    assert main(["runs", "approve", runs["cashier"], "--journal", url]) == 0
    (tmp_path / "later").touch()
    with serving(*line, cwd=tmp_path):
        for run in runs.values():
            until(run, "run.finished")
