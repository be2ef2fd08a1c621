"""Servers on this machine, asked over real sockets."""

from __future__ import annotations

import json
import socket

import pytest

from headwater.cli.servers import Server, local_servers, reach
from headwater.providers.catalog import PROVIDERS
from headwater.providers.registry import resolve
from tests.cli.commands import EVERYWHERE, OPENAI_LIST, FixedServer, serving

OLLAMA_LIST = json.dumps({"models": [{"name": "llama3.2:latest", "size": 1}]})


def servers(closed: str, **env: str) -> dict[str, Server]:
    """What is found where every server that `env` does not name is not running."""
    there = {variable: f"{closed}/v1" if name != "ollama" else closed for name, variable in EVERYWHERE.items()}
    return {server.name: server for server in local_servers({**there, **env})}


def test_every_local_provider_is_asked(closed: str) -> None:
    found = servers(closed)
    assert set(found) == {provider.name for provider in PROVIDERS.values() if provider.local} == set(EVERYWHERE)
    assert {(server.reachable, server.problem) for server in found.values()} == {(False, "not running")}


def test_what_runs_is_listed(closed: str, bare: pytest.MonkeyPatch) -> None:
    answers = FixedServer({"/v1/models": (200, OPENAI_LIST), "/api/tags": (200, OLLAMA_LIST)})
    with serving(answers) as url:
        found = servers(closed, VLLM_BASE_URL=f"{url}/v1", OLLAMA_HOST=url, VLLM_API_KEY="token-1")
    assert found["vllm"] == Server(name="vllm", base_url=f"{url}/v1", reachable=True, models=("llama-3.1-8b", "qwen3"))
    assert found["ollama"].models == ("llama3.2:latest",)
    assert found["lmstudio"].problem == "not running"
    sent = dict(answers.asked)
    assert sent["/v1/models"]["authorization"] == "Bearer token-1"
    assert "authorization" not in sent["/api/tags"]


@pytest.mark.parametrize(
    ("status", "body", "reachable", "problem"),
    [
        (200, '{"object": "list", "data": []}', True, ""),
        (200, "<html>my own program</html>", False, "something else answers there"),
        (200, '{"data": 3}', False, "something else answers there"),
        (200, "[1]", False, "something else answers there"),
        (200, b'{"data": [{"id": "\xff\xfe"}]}', False, "something else answers there"),
        (200, "[" * 100_000, False, "something else answers there"),
        (200, '{"data": ' + "[" * 100_000, False, "something else answers there"),
        (200, '{"data": [{"id": "\\ud800"}]}', False, "something else answers there"),
        (200, '{"data": [{"id": "\\u001b[2J"}, {"id": 7}, 3]}', True, ""),
        (404, "no", False, "something else answers there (HTTP 404)"),
        (401, "{}", True, "the key is not accepted"),
    ],
)
def test_what_answers_otherwise(
    status: int, body: str | bytes, reachable: bool, problem: str, closed: str, bare: pytest.MonkeyPatch
) -> None:
    with serving(FixedServer({"/v1/models": (status, body)})) as url:
        found = servers(closed, LLAMACPP_BASE_URL=f"{url}/v1")["llamacpp"]
    assert (found.reachable, found.problem, found.models) == (reachable, problem, ())


def test_a_silent_server_is_given_up_on(closed: str, bare: pytest.MonkeyPatch) -> None:
    bare.setattr("headwater.cli.servers.ANSWER_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = servers(closed, LMSTUDIO_BASE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}/v1")["lmstudio"]
    assert (found.reachable, found.problem) == (False, "the port is open, but nothing answers")


def test_another_kind_of_server_is_reported(closed: str, bare: pytest.MonkeyPatch) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as odd:

        def hang_up() -> None:
            for _ in range(2):  # the request, and the look whether anybody listens
                connection, _ = odd.accept()
                connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        found = servers(closed, VLLM_BASE_URL=f"http://127.0.0.1:{odd.getsockname()[1]}/v1")["vllm"]
        thread.join()
    assert not found.reachable
    assert "broke before an answer arrived" in found.problem


def test_a_server_that_lists_the_key_shows_it_nowhere(closed: str, bare: pytest.MonkeyPatch) -> None:
    listed = json.dumps({"data": [{"id": "m"}, {"id": "m-token-0123456789"}]})
    with serving(FixedServer({"/v1/models": (200, listed)})) as url:
        found = servers(closed, VLLM_BASE_URL=f"{url}/v1", VLLM_API_KEY="token-0123456789")["vllm"]
    assert found.models == ("m", "m-…")


@pytest.mark.parametrize("host", ["a..b", "a" * 80 + ".example"])
def test_a_host_that_can_be_no_name_is_not_running(host: str, closed: str) -> None:
    found = servers(closed, VLLM_BASE_URL=f"http://{host}/v1")["vllm"]
    assert (found.reachable, found.problem) == (False, "not running")


def test_an_invalid_address_is_reported(closed: str) -> None:
    found = servers(closed, VLLM_BASE_URL="localhost:8000")["vllm"]
    assert (found.reachable, found.base_url) == (False, PROVIDERS["vllm"].base_url)
    assert found.problem.startswith("VLLM_BASE_URL is not an http(s) URL")


def test_a_provider_is_reached_without_its_key(closed: str, bare: pytest.MonkeyPatch) -> None:
    answers = FixedServer({})
    with serving(answers) as url:
        env = {"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": f"{url}/v1", "GROQ_API_KEY": "g", "GROQ_BASE_URL": closed}
        endpoints = [resolve(name, env=env).endpoint for name in ("openai/x", "groq/x")]
        here, nowhere = reach(endpoints)
    assert here == ""
    assert nowhere.startswith("No connection to 127.0.0.1")
    assert [path for path, _ in answers.asked] == ["/v1"]
    assert "sk-1" not in str(answers.asked)
