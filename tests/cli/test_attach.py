"""`headwater attach` against a real server: on pipes, on a terminal, and left in every way."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from headwater import Agent, RunFile, tool
from headwater.backends.offline import Call, Fail, Say
from headwater.providers.request import Request
from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.cli.commands import headwater, started, terminal
from tests.support.members import SHAPES, paced, speaker
from tests.support.served import Served
from tests.support.served_apart import served_apart

pytestmark = pytest.mark.interpreters

TOKEN = "a-token-that-nobody-guesses-0123456789"


@tool(approval=True)
async def send(to: str) -> str:
    """Send it."""
    return f"sent to {to}"


def sender() -> Agent[Any, Any]:
    def turn(request: Request) -> Any:
        return "Done." if request.messages[-1].role == "tool" else [Say("I send it. "), Call("send", {"to": "ann"})]

    return speaker("sender", *[turn] * 8, tools=[send])  # the tests share a server, and so its script


def application() -> Any:
    members = (
        speaker("a"),
        SHAPES[1](0),
        sender(),
        paced("slow", 1000, 0.05),
        speaker("bad", [Say("Oh. "), Fail(400)]),
    )
    return router_of(Site(members, guard=Guard(token=TOKEN)))


@pytest.fixture
def server() -> Iterator[Served]:
    """A server for each test: a scripted model answers as often as its script says."""
    with served_apart(application) as served:
        yield served


ENV = {"HEADWATER_TOKEN": TOKEN}
SENT = {"authorization": f"Bearer {TOKEN}"}


def begun(server: Served, agent: str) -> str:
    body = {"input": "Go.", "agent": agent}
    answer = httpx.post(f"{server.url}/runs", json=body, headers=SENT, trust_env=False)
    return f"{server.url}/runs/{answer.json()['run_id']}"


def state(place: str) -> str:
    return str(httpx.get(place, headers=SENT, trust_env=False).json()["state"])


def test_an_answer_on_a_pipe(server: Served) -> None:
    done = headwater("attach", begun(server, "a"), env=ENV)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a says hi there.\n", "")


def test_a_workflow_on_a_pipe(server: Served) -> None:
    done = headwater("attach", begun(server, "top"), "--token", TOKEN)
    assert done.returncode == 0
    assert done.stdout.startswith("## a\n\na0 a1 a2")


def test_the_events_and_the_file(server: Served, tmp_path: Path) -> None:
    place = begun(server, "a")
    done = headwater("attach", place, "--json", "--save", str(tmp_path / "run.jsonl"), env=ENV)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["seq"] for event in events] == [*range(len(events))]
    assert RunFile(tmp_path / "run.jsonl").run_id == place.rpartition("/")[2]


def test_on_a_terminal_it_looks_as_at_home(server: Served) -> None:
    with terminal("attach", begun(server, "a"), env=ENV) as shown:
        assert shown.end() == 0
        assert "a says hi there." in shown.text


def test_what_is_asked_is_asked_here(server: Served) -> None:
    place = begun(server, "sender")
    with terminal("attach", place, env=ENV) as shown:
        shown.wait_for("Allow it?")
        shown.type("c\n")
        shown.wait_for("Enter for")
        shown.type("bob\n")
        assert shown.end() == 0
        assert "Done." in shown.text
    assert "bob" in str(httpx.get(place, headers=SENT, trust_env=False).json()["response"])


def test_questions_are_printed_on_a_pipe_and_answered_elsewhere(server: Served) -> None:
    place = begun(server, "sender")
    process = started("attach", place, env=ENV)
    assert process.stderr is not None
    assert b"waits for approval to run send" in process.stderr.readline()
    (question,) = httpx.get(place, headers=SENT, trust_env=False).json()["waiting"]
    body = {"approval": question["id"], "allowed": True}
    httpx.post(f"{place}/approve", json=body, headers=SENT, trust_env=False)
    out, _ = process.communicate()
    assert (process.returncode, out) == (0, b"I send it. \n\nDone.\n")


@pytest.mark.parametrize(("option", "then"), [("", "running"), ("--cancel", "cancelled")])
def test_ctrl_c(server: Served, option: str, then: str) -> None:
    place = begun(server, "slow")
    process = started("attach", place, *filter(None, [option]), env=ENV)
    assert process.stdout is not None
    process.stdout.read(3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert (b"being stopped" if option else b"detached") in error
    assert b"Traceback" not in error
    assert state(place) == then
    httpx.post(f"{place}/cancel", json={}, headers=SENT, trust_env=False)


def test_the_reader_of_the_output_disconnects(server: Served) -> None:
    place = begun(server, "slow")
    with started("attach", place, env=ENV) as process:
        assert process.stdout is not None
        process.stdout.read(3)
        process.stdout.close()
        assert process.wait() == 141
    assert state(place) == "running"
    httpx.post(f"{place}/cancel", json={}, headers=SENT, trust_env=False)


def test_a_run_that_fails(server: Served) -> None:
    done = headwater("attach", begun(server, "bad"), env=ENV)
    assert done.returncode == 1
    assert done.stdout == "Oh. \n"
    assert done.stderr.startswith("headwater: ")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["http://127.0.0.1:9/runs/x"], 1, "Connection refused"),
        (["SERVER/runs/nonesuch"], 2, "no such run"),
        (["SERVER"], 2, "not of a run. Write SERVER/runs/ID.\n"),
        (["SERVER/runs/"], 2, "not of a run. Write SERVER/runs/ID.\n"),
        (["run_x"], 2, "No journal was named. Add --journal sqlite:///runs.db, or set"),
        (["here"], 2, "not an http URL"),
        (["SERVER/runs/x", "--header", "nothing"], 2, "--header"),
        (["SERVER/runs/x", "--header", "Accept: x"], 2, "cannot be passed"),
    ],
)
def test_mistakes(server: Served, arguments: list[str], code: int, said: str) -> None:
    done = headwater("attach", *(one.replace("SERVER", server.url) for one in arguments), env=ENV)
    assert done.returncode == code
    assert said.replace("SERVER", server.url) in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_token(server: Served) -> None:
    done = headwater("attach", begun(server, "a"))
    assert done.returncode == 1
    assert "requires a token" in done.stderr
    assert "Set HEADWATER_TOKEN to the server's." in done.stderr
    assert "token=" not in done.stderr.replace("#token=TOKEN", "")
    other = headwater("attach", begun(server, "a"), "--header", f"Authorization: Bearer {TOKEN}")
    assert other.returncode == 0
