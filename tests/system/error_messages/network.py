"""The network between a program and its provider."""

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
    """Check the base URL for a typo. Behind a company proxy, set `HTTPS_PROXY`."""
    at("https://nobody.invalid/v1").run("Hello")


@case("Connection refused")
def refused(here: Here) -> None:
    """The server is not running, or uses another port."""
    at("http://127.0.0.1:9/v1").run("Hello")


@case("Ollama is not running")
def ollama(here: Here) -> None:
    """Start it, or set `OLLAMA_HOST` to its address."""
    here.setenv("OLLAMA_HOST", "127.0.0.2")  # where it does not listen, should it be running
    Agent(model="ollama/llama3.2", retries=0).run("Hello")


@case("The proxy does not respond")
def no_proxy(here: Here) -> None:
    """The environment sets a proxy that does not respond. For a local server set `NO_PROXY=localhost,127.0.0.1`."""
    here.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    at("https://api.example.com/v1").run("Hello")


@case("The proxy requires a password")
def proxy_refuses(here: Here) -> None:
    """Put both into the variable. They never appear in a message."""
    here.server.answers(407, b"")
    here.setenv("HTTPS_PROXY", f"http://{here.server.address}")
    at("https://api.example.com/v1").run("Hello")


@case("The proxy denies access")
def proxy_forbids(here: Here) -> None:
    """Ask the administrator of the proxy to allow the provider's host."""
    here.server.answers(403, b"")
    here.setenv("HTTPS_PROXY", f"http://{here.server.address}")
    at("https://api.example.com/v1").run("Hello")


@case("A SOCKS proxy")
def socks(here: Here) -> None:
    """Use the proxy's HTTP port; most SOCKS proxies have one."""
    here.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    at("https://api.example.com/v1").run("Hello")


@case("An invalid proxy URL")
def proxy_of_nonsense(here: Here) -> None:
    """Correct the variable, or unset it."""
    here.setenv("HTTPS_PROXY", "http://[proxy")
    at("https://api.example.com/v1").run("Hello")


@case("A certificate that is not trusted")
def certificate(here: Here) -> None:
    """Never disable the check: the key could be read by anyone in between."""
    at(here.secure_server.url).run("Hello")


@case("https for an http server")
def no_tls(here: Here) -> None:
    """Local servers mostly use http."""
    here.server.answers(200)
    at(here.server.url.replace("http:", "https:")).run("Hello")


@case("No connection in time")
def connect(here: Here) -> None:
    """A firewall that drops packets has the same effect."""
    # It takes the connection and never says a word of TLS.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        at(f"https://127.0.0.1:{silent.getsockname()[1]}/v1", timeouts=Timeouts(connect=0.1)).run("Hello")


@case("No first token in time")
def first_token(here: Here) -> None:
    """A model that thinks for a long time may need more than the default of ten minutes."""
    here.server.streams([], hold=True)
    openai(here, timeouts=Timeouts(first_token=0.1)).run("Hello")


@case("The answer stalls")
def idle(here: Here) -> None:
    """The partial answer is in `error.response`."""
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(idle=0.1)).run("Hello")


@case("One request takes too long")
def step(here: Here) -> None:
    """The partial answer is in `error.response`."""
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(step=0.1)).run("Hello")


@case("The run takes too long")
def run(here: Here) -> None:
    """You set this timeout, on the agent or the run. The partial answer is in `error.response`."""
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(run=0.1)).run("Hello")


@case("The answer breaks off")
def incomplete(here: Here) -> None:
    """A partial answer is never returned as a complete one. Run again, or set `on_interrupted="restart"`."""
    here.server.streams([said("High water")])
    openai(here).run("Hello")


@case("The answer never begins")
def empty(here: Here) -> None:
    """The server may not support streaming, or a proxy may be buffering."""
    here.server.streams([])
    openai(here).run("Hello")


@case("A web page instead of an answer")
def web_page(here: Here) -> None:
    """The URL is that of a website, or a login page intercepts the request."""
    here.server.answers(200, b"<!doctype html><title>Welcome</title>", content_type="text/html")
    openai(here).run("Hello")


@case("A malformed answer")
def malformed(here: Here) -> None:
    """The response does not match this API; the base URL may belong to another one."""
    here.server.answers(200, b'data: {"choices": [{"ind\n\n', content_type="text/event-stream")
    openai(here).run("Hello")
