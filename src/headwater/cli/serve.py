"""`headwater serve`: agents and workflows behind HTTP, on this machine unless it is told otherwise.

Owns the process that serves: which members, on which address, who may ask. What is served is `web`'s. It must never
serve to other machines without a token, unless it was told in so many words.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    import socket

    import uvicorn
    from starlette.routing import Router

    from headwater.agents.runnable import Runnable

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute", "make_app")

SUMMARY = "agents behind HTTP, with a page to talk to them"
USAGE = "serve [OPTIONS] [MODULE:NAME ...]"
DESCRIPTION = """\
Serve agents and workflows over HTTP, and a page to talk to them and watch them
work. Without a name the demo's workflow is served, which needs no key. Runs go
on while nobody reads, and are kept in the memory of this one process."""
EXAMPLES = """\
examples:
  headwater serve                              the demo, on localhost:8000
  headwater serve harbour:pilot tides:team     agents of your own
  headwater serve harbour:pilot --reload       again whenever a file changes
  headwater serve harbour:pilot --host 0.0.0.0 --token

Where other machines can reach the server, everyone must send a token. Give it
in HEADWATER_TOKEN, at least 32 characters: an option stands in every list of
processes. --token alone makes one, and prints the address with it."""

PORT: Final = 8000

TOKEN_VARIABLE: Final = "HEADWATER_TOKEN"

SETTINGS_VARIABLE: Final = "HEADWATER_SERVE"
"""How the processes that --reload begins are told what to serve."""

BACKLOG: Final = 2048
"""Connections that may wait to be taken."""

_MADE: Final = object()
"""What stands for a token that is to be made."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("members", nargs="*", metavar="MODULE:NAME", help="an agent or workflow, or a function of one")
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=_port, default=PORT, help=f"0 for any free one (default: {PORT})")
    parser.add_argument("--reload", action="store_true", help="begin again whenever a file changes")
    parser.add_argument("--no-page", action="store_true", help="serve no page, only the routes")
    parser.add_argument(
        "--on-disconnect",
        metavar="WHAT",
        type=_on_disconnect,
        help="of runs that were left: continue, cancel, or seconds of grace",
    )
    who = parser.add_argument_group("who may ask")
    who.add_argument(
        "--token", metavar="TOKEN", nargs="?", const=_MADE, help=f"what everyone must send; else {TOKEN_VARIABLE}"
    )
    who.add_argument(
        "--origin", metavar="ORIGIN", action="append", default=[], help="a site whose pages may ask; again for more"
    )
    who.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a name of this server; again for more"
    )
    who.add_argument("--insecure", action="store_true", help="serve to other machines without a token")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port")


def _on_disconnect(text: str) -> str | float:
    from math import isfinite

    if text in ("continue", "cancel"):
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not isfinite(seconds) or seconds < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not continue, cancel or seconds")
    return seconds


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import tell

    try:
        import uvicorn
    except ImportError as error:
        raise UsageError("headwater serve needs uvicorn.", hint='pip install "headwater[web]".') from error
    settings = _settings(asked, _token(asked))
    members = _members(settings["members"])
    app = make_app(settings, members)  # also where other processes serve: a mistake is told here, once
    _begin_logging()
    server = uvicorn.Server(_config(app, asked))
    with _listen(asked.host, asked.port) as listener:
        for line in _told(asked, settings, listener, [member.name for member in members]):
            tell(line)
        if asked.reload:
            _reload(server, listener, settings)
        else:
            server.run(sockets=[listener])
    return 0


def _config(app: Any, asked: argparse.Namespace) -> uvicorn.Config:
    from headwater.web.server import config

    more: dict[str, Any] = {"log_level": "warning"}
    if asked.reload:
        more |= {"factory": True, "reload": True}
        app = "headwater.cli.serve:app_of_the_environment"
    return config(app, host=asked.host, port=asked.port, **more)


def _reload(server: uvicorn.Server, listener: socket.socket, settings: dict[str, Any]) -> None:
    """Serve in a process of its own, which is begun again whenever a file of the working folder changes."""
    import json

    from uvicorn.supervisors import ChangeReload

    os.environ[SETTINGS_VARIABLE] = json.dumps(settings)
    listener.set_inheritable(True)
    ChangeReload(server.config, target=server.run, sockets=[listener]).run()


def app_of_the_environment() -> Router:
    """What a process serves that --reload has begun."""
    import json

    _begin_logging()
    settings = json.loads(os.environ[SETTINGS_VARIABLE])
    return make_app(settings, _members(settings["members"]))


def _settings(asked: argparse.Namespace, token: str | None) -> dict[str, Any]:
    """What is served and to whom, as JSON."""
    return {
        "members": asked.members,
        "on_disconnect": asked.on_disconnect,
        "page": not asked.no_page,
        "token": token,
        "origins": asked.origin,
        "hosts": [asked.host, *asked.allow_host],
        "reload": asked.reload,
    }


def make_app(settings: dict[str, Any], members: Sequence[Runnable]) -> Router:
    """The router of these members, as it was asked for. Raises ConfigurationError."""
    from headwater.web.http.guard import Guard
    from headwater.web.http.site import Site
    from headwater.web.limits import GRACE_SECONDS, Limits
    from headwater.web.routing import router_of

    guard = Guard(hosts=settings["hosts"], origins=settings["origins"], token=settings["token"])
    limits = Limits(grace_seconds=0.0 if settings["reload"] else GRACE_SECONDS)
    site = Site(members, on_disconnect=settings["on_disconnect"], limits=limits, guard=guard)
    return router_of(site, page=settings["page"])


def _members(places: Sequence[str]) -> list[Runnable]:
    from headwater.cli.demo import make_workflow
    from headwater.cli.named import load_agent

    return [load_agent(place, "serve") for place in places] or [_Anew(make_workflow)]


class _Anew:
    """The demo's workflow, whose words are a script: each run has one of its own."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        workflow = make()
        self.name: str = workflow.name
        self.kind: str = workflow.kind
        self.agents = workflow.agents
        self.description = "Agents at work, from a script: no key, no network."

    def run_stream(self, task: Any, /, *, context: Any = None) -> Any:
        """See `Runnable`."""
        return self._make().run_stream(task, context=context)


# --- who may ask, and where


def _token(asked: argparse.Namespace) -> str | None:
    """The token that everyone must send. Raises UsageError where others could ask without one."""
    import secrets

    token = secrets.token_urlsafe(32) if asked.token is _MADE else asked.token
    token = token or os.environ.get(TOKEN_VARIABLE) or None
    if token is None and not asked.insecure and not _is_loopback(asked.host):
        raise UsageError(
            f"{asked.host} is reached from other machines, and no token is set.",
            hint=f"Add --token, or set {TOKEN_VARIABLE}; --insecure serves without one.",
        )
    return token


def _is_loopback(host: str) -> bool:
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    """The socket that is listened on. Raises ConfigurationError where that cannot be."""
    import socket

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # who comes before the server is ready waits
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror or error}.", hint="Take another: --port 0 is any."
        ) from error
    return listener


def _told(
    asked: argparse.Namespace, settings: dict[str, Any], listener: socket.socket, names: Sequence[str]
) -> list[str]:
    """What whoever has begun the server is told."""
    host, port = asked.host, listener.getsockname()[1]
    wildcard = host in ("0.0.0.0", "::", "")
    shown = "localhost" if wildcard else f"[{host}]" if ":" in host else host
    fragment = f"#token={settings['token']}" if settings["token"] and asked.token is _MADE else ""
    lines = [f"serving {', '.join(names)} on http://{shown}:{port}/{fragment} (Ctrl-C ends it)"]
    if settings["token"] is None and not _is_loopback(host):
        lines.append("anyone who reaches this machine can use it: there is no token.")
    if os.environ.get("WEB_CONCURRENCY", "1") not in ("", "1"):
        lines.append("one process serves, because runs are kept in its memory: WEB_CONCURRENCY is not used.")
    return lines


def _begin_logging() -> None:
    """What the server says of requests and faults goes to standard error, a line each."""
    import logging
    import sys

    logger = logging.getLogger("headwater.web")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
