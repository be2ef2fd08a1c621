"""`headwater probe` as it is written: what it prints, on a pipe and as JSON, and its exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.cli.commands import headwater
from tests.support.members import paced, speaker
from tests.support.served import Served
from tests.support.served_apart import served_apart

pytestmark = pytest.mark.interpreters

TOKEN = "a-token-that-nobody-guesses-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    site = (speaker("short"), paced("long", 12, 0.15))
    with served_apart(lambda: router_of(Site(site, guard=Guard(token=TOKEN)))) as served:
        yield served


ENV = {"HEADWATER_TOKEN": TOKEN}


def test_what_is_printed(server: Served) -> None:
    done = headwater("probe", server.url, "--agent", "long", env=ENV)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"POST {server.url}/runs"
    assert lines[1] == "HTTP 200, text/event-stream; charset=utf-8"
    for figure in ("head ", "first byte ", "first event ", "longest silence ", "delay on the way "):
        assert any(line.startswith(f"  {figure}") for line in lines), figure
    assert any(line.startswith("  end ") and line.endswith("run.finished") for line in lines)
    assert "  gaps between reads" in lines
    assert any(line.strip().startswith("< 250 ms") and line.endswith("#") for line in lines)
    assert lines[-1] == "Nothing delays the stream."
    assert "\x1b" not in done.stdout


def test_as_json(server: Served) -> None:
    done = headwater("probe", server.url, "--agent", "long", "--json", env=ENV)
    told = json.loads(done.stdout)
    assert (told["verdict"], told["findings"], told["status"]) == ("flows", [], 200)
    assert TOKEN not in done.stdout


def test_an_answer_that_is_too_short(server: Served) -> None:
    done = headwater("probe", server.url, env=ENV)
    assert done.returncode == 0
    assert "There was too little data to tell." in done.stdout
    assert "--task" in done.stdout


def test_an_api_with_its_key(server: Served) -> None:
    arguments = ("probe", f"{server.url}/v1", "--model", "long", "--key-env", "MY_KEY")
    done = headwater(*arguments, env={"MY_KEY": TOKEN})
    assert done.returncode == 0
    assert "[DONE]" in done.stdout
    refused = headwater(*arguments, env={"MY_KEY": TOKEN[::-1]})
    assert refused.returncode == 1
    assert "The stream does not arrive complete." in refused.stdout
    assert "HTTP 401" in refused.stdout
    assert TOKEN[::-1] not in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["localhost"], "not an http URL"),
        (["http://localhost/v1", "--model", "m", "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
        (["http://localhost/v1", "--key-env", "NO_SUCH_KEY"], "--model"),
        (["http://localhost/v1", "--model", "m", "--agent", "a"], "--agent"),
        (["http://localhost", "--seconds", "0"], "--seconds"),
    ],
)
def test_mistakes(arguments: list[str], said: str) -> None:
    done = headwater("probe", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_no_server() -> None:
    done = headwater("probe", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Connection refused" in done.stdout
