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
    """Look for a mistyped letter in the base URL; behind a company's proxy set `HTTPS_PROXY`."""
    at("https://nobody.invalid/v1").run("Hello")


@case("Nobody listens there")
def refused(here: Here) -> None:
    """The server is not running, or at another port."""
    at("http://127.0.0.1:9/v1").run("Hello")


@case("Ollama is not running")
def ollama(here: Here) -> None:
    """Start it, or set `OLLAMA_HOST` to its address."""
    here.setenv("OLLAMA_HOST", "127.0.0.2")  # where it does not listen, should it be running
    Agent(model="ollama/llama3.2", retries=0).run("Hello")


@case("The proxy is not there")
def no_proxy(here: Here) -> None:
    """The environment names a proxy that does not answer. For a server of your own: `NO_PROXY=localhost,127.0.0.1`."""
    here.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    at("https://api.example.com/v1").run("Hello")


@case("The proxy wants a password")
def proxy_refuses(here: Here) -> None:
    """Put both into the variable; they show in no message."""
    here.server.answers(407, b"")
    here.setenv("HTTPS_PROXY", f"http://{here.server.address}")
    at("https://api.example.com/v1").run("Hello")


@case("The proxy does not let you through")
def proxy_forbids(here: Here) -> None:
    """Ask whoever runs the proxy to let the provider's host through."""
    here.server.answers(403, b"")
    here.setenv("HTTPS_PROXY", f"http://{here.server.address}")
    at("https://api.example.com/v1").run("Hello")


@case("A SOCKS proxy")
def socks(here: Here) -> None:
    """Use the HTTP port that most such programs have too."""
    here.setenv("HTTPS_PROXY", "socks5://127.0.0.1:9")
    at("https://api.example.com/v1").run("Hello")


@case("A proxy that is no address")
def proxy_of_nonsense(here: Here) -> None:
    """Correct the variable, or unset it."""
    here.setenv("HTTPS_PROXY", "http://[proxy")
    at("https://api.example.com/v1").run("Hello")


@case("A certificate that is not trusted")
def certificate(here: Here) -> None:
    """Never switch the check off: the key would go to whoever stands in between."""
    at(here.secure_server.url).run("Hello")


@case("https where http is spoken")
def no_tls(here: Here) -> None:
    """Servers on one's own machine mostly speak http."""
    here.server.answers(200)
    at(here.server.url.replace("http:", "https:")).run("Hello")


@case("No connection in time")
def connect(here: Here) -> None:
    """A firewall that swallows packets looks like this, too."""
    # It takes the connection and never says a word of TLS.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        at(f"https://127.0.0.1:{silent.getsockname()[1]}/v1", timeouts=Timeouts(connect=0.1)).run("Hello")


@case("Nothing is said in time")
def first_token(here: Here) -> None:
    """A model that thinks for long may need more than the default of ten minutes."""
    here.server.streams([], hold=True)
    openai(here, timeouts=Timeouts(first_token=0.1)).run("Hello")


@case("The answer stands still")
def idle(here: Here) -> None:
    """What had come is in `error.response`."""
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(idle=0.1)).run("Hello")


@case("One request takes too long")
def step(here: Here) -> None:
    """What had come is in `error.response`."""
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(step=0.1)).run("Hello")


@case("The run takes too long")
def run(here: Here) -> None:
    """This clock was set by you, on the agent or the run; what had come is in `error.response`."""
    here.server.streams([said("High water")], hold=True)
    openai(here, timeouts=Timeouts(run=0.1)).run("Hello")


@case("The answer breaks off")
def incomplete(here: Here) -> None:
    """Half an answer is never passed off as a whole one. Run again, or set `on_interrupted="restart"`."""
    here.server.streams([said("High water")])
    openai(here).run("Hello")


@case("The answer never begins")
def empty(here: Here) -> None:
    """A server that knows no streaming, or a proxy that keeps it back, looks like this."""
    here.server.streams([])
    openai(here).run("Hello")


@case("A web page instead of an answer")
def web_page(here: Here) -> None:
    """The address is that of a site, or of a login page on the way."""
    here.server.answers(200, b"<!doctype html><title>Welcome</title>", content_type="text/html")
    openai(here).run("Hello")


@case("Something else instead of an answer")
def malformed(here: Here) -> None:
    """What came is not what this API sends; the base URL may be that of another one."""
    here.server.answers(200, b'data: {"choices": [{"ind\n\n', content_type="text/event-stream")
    openai(here).run("Hello")
