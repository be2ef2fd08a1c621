"""What stands between a program and its provider."""

from __future__ import annotations

import socket
from typing import Any

from headwater import Agent, Timeouts
from tests.system.error_messages.cases import Here, case, openai
from tests.system.error_messages.server import said


def at(base_url: str, **arguments: Any) -> Agent[Any, Any]:
    return Agent(**{"model": "llama3.2", "base_url": base_url, "retries": 0, **arguments})


def nobody() -> str:
    """An address where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


@case("No network, or no such host")
def no_such_host(here: Here) -> None:
    at("https://nobody.invalid/v1").run("Hello")


@case("Nobody listens there")
def refused(here: Here) -> None:
    at("http://127.0.0.1:9/v1").run("Hello")


@case("Ollama is not running")
def ollama(here: Here) -> None:
    here.setenv("OLLAMA_HOST", "127.0.0.2")  # where it does not listen, should it be running
    Agent(model="ollama/llama3.2", retries=0).run("Hello")


@case("The proxy is not there")
def no_proxy(here: Here) -> None:
    here.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    at("https://api.example.com/v1").run("Hello")


@case("The proxy wants a password")
def proxy_refuses(here: Here) -> None:
    here.server.answers(407, b"")
    here.setenv("HTTPS_PROXY", f"http://{here.server.address}")
    at("https://api.example.com/v1").run("Hello")


@case("The proxy does not let you through")
def proxy_forbids(here: Here) -> None:
    here.server.answers(403, b"")
    here.setenv("HTTPS_PROXY", f"http://{here.server.address}")
    at("https://api.example.com/v1").run("Hello")


@case("A SOCKS proxy")
def socks(here: Here) -> None:
    here.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    at("https://api.example.com/v1").run("Hello")


@case("A proxy that is no address")
def proxy_of_nonsense(here: Here) -> None:
    here.setenv("HTTPS_PROXY", "http://[proxy")
    at("https://api.example.com/v1").run("Hello")


@case("A certificate that is not trusted")
def certificate(here: Here) -> None:
    at(here.secure_server.url).run("Hello")


@case("https where http is spoken")
def no_tls(here: Here) -> None:
    here.server.answers(200)
    at(here.server.url.replace("http:", "https:")).run("Hello")


@case("No connection in time")
def connect(here: Here) -> None:
    # It takes the connection and never says a word of TLS.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        at(f"https://127.0.0.1:{silent.getsockname()[1]}/v1", timeouts=Timeouts(connect=0.1)).run("Hello")


@case("Nothing is said in time")
def first_token(here: Here) -> None:
    here.server.streams([], hold=True)
    openai(here, timeouts=Timeouts(first_token=0.1)).run("Hello")


@case("The answer stands still")
def idle(here: Here) -> None:
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(idle=0.1)).run("Hello")


@case("One request takes too long")
def step(here: Here) -> None:
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(step=0.1)).run("Hello")


@case("The run takes too long")
def run(here: Here) -> None:
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(run=0.1)).run("Hello")


@case("The answer breaks off")
def incomplete(here: Here) -> None:
    here.server.streams([said("High water")])
    openai(here).run("Hello")


@case("The answer never begins")
def empty(here: Here) -> None:
    here.server.streams([])
    openai(here).run("Hello")


@case("A web page instead of an answer")
def web_page(here: Here) -> None:
    here.server.answers(200, b"<!doctype html><title>Welcome</title>", content_type="text/html")
    openai(here).run("Hello")


@case("Something else instead of an answer")
def malformed(here: Here) -> None:
    here.server.answers(200, b'data: {"choices": [{"ind\n\n', content_type="text/event-stream")
    openai(here).run("Hello")
