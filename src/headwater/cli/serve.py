"""`headwater serve`: serves agents and workflows over HTTP, by default only to this machine.

Owns the server process: its members, address and access control. `web` owns the routes. It must never serve other
machines without a token, unless an option explicitly says so.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.listening import (
    add_address,
    add_who_may_ask,
    address_of,
    begin_logging,
    listen,
    made_here,
    public_name,
    token_of,
)
from headwater.cli.named_journal import VARIABLE, add_engine, add_journal, journal_of
from headwater.errors import UsageError

if TYPE_CHECKING:
    import socket

    import uvicorn
    from starlette.routing import Router

    from headwater.agents.runnable import Runnable

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute", "make_app")

SUMMARY = "agents behind HTTP, with a page to talk to them"
USAGE = "serve [OPTIONS] [MODULE:NAME ...]"
DESCRIPTION = """\
Serve agents and workflows over HTTP, with a web page to talk to them and watch
them work. Without a name it serves the demo's workflow, which needs no key.
Runs continue while nobody reads, and are kept in this process's memory.

With --journal they are stored there, and survive this process. If it is in
PostgreSQL, `headwater worker` drives them, any number of servers can serve
them, and only the workers need the providers' keys."""
EXAMPLES = """\
examples:
  headwater serve                              the demo, on localhost:8000
  headwater serve harbour:pilot tides:team     your own agents
  headwater serve harbour:pilot --reload       restart when a file changes
  headwater serve harbour:pilot --host 0.0.0.0 --token
  headwater serve harbour:pilot --journal postgresql://headwater@db/runs

If other machines can reach the server, every client must send a token. Set it
in HEADWATER_TOKEN, with at least 32 characters, because options are visible in
the process list. --token alone generates one and prints the URL with it."""

PORT: Final = 8000

SETTINGS_VARIABLE: Final = "HEADWATER_SERVE"
"""The environment variable that tells the processes of --reload what to serve."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("members", nargs="*", metavar="MODULE:NAME", help="an agent or workflow, or a function of one")
    add_address(parser, PORT)
    parser.add_argument("--reload", action="store_true", help="restart when a file changes")
    parser.add_argument("--no-page", action="store_true", help="serve only the routes, without the page")
    parser.add_argument(
        "--on-disconnect",
        metavar="WHAT",
        type=_on_disconnect,
        help="for runs without readers: continue, cancel, or seconds to wait",
    )
    add_journal(parser)
    add_engine(parser)
    add_who_may_ask(parser)


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
    settings = _settings(asked, token_of(asked), _journal(asked))
    members = _members(settings["members"])
    app = make_app(settings, members)  # also with --reload, so that an error is reported here, once
    begin_logging()
    server = uvicorn.Server(_config(app, asked))
    with listen(asked.host, asked.port) as listener:
        for line in _told(asked, settings, listener, [member.name for member in members]):
            tell(line)
        if asked.reload:
            _reload(server, listener, settings)
        else:
            server.run(sockets=[listener])
    return 0


def _journal(asked: argparse.Namespace) -> str | None:
    """Returns the journal, if one is named. Raises UsageError if an option does not fit it."""
    stays = asked.on_disconnect in (None, "continue")
    if not asked.journal and not (os.environ.get(VARIABLE) and asked.members):
        if asked.engine:
            raise UsageError("An engine delivers the runs of a journal.", hint=f"Add --journal URL, or set {VARIABLE}.")
        return None
    if not stays:
        raise UsageError("Runs of a journal continue without readers.", hint="Leave out --on-disconnect.")
    if not asked.members:
        raise UsageError("The demo has no journal.", hint="Name your own agents, or leave out --journal.")
    return journal_of(asked)


def _config(app: Any, asked: argparse.Namespace) -> uvicorn.Config:
    from headwater.web.server import config

    more: dict[str, Any] = {"log_level": "warning"}
    if asked.reload:
        more |= {"factory": True, "reload": True}
        app = "headwater.cli.serve:app_of_the_environment"
    return config(app, host=asked.host, port=asked.port, **more)


def _reload(server: uvicorn.Server, listener: socket.socket, settings: dict[str, Any]) -> None:
    """Serves in a separate process, which restarts when a file in the working folder changes."""
    import json

    from uvicorn.supervisors import ChangeReload

    os.environ[SETTINGS_VARIABLE] = json.dumps(settings)
    listener.set_inheritable(True)
    ChangeReload(server.config, target=server.run, sockets=[listener]).run()


def app_of_the_environment() -> Router:
    """Returns the application for a process that --reload started."""
    import json

    begin_logging()
    settings = json.loads(os.environ[SETTINGS_VARIABLE])
    return make_app(settings, _members(settings["members"]))


def _settings(asked: argparse.Namespace, token: str | None, journal: str | None) -> dict[str, Any]:
    """Encodes the members and the access settings as JSON."""
    return {
        "members": asked.members,
        "on_disconnect": asked.on_disconnect,
        "page": not asked.no_page,
        "token": token,
        "origins": asked.origin,
        "hosts": [asked.host, *asked.allow_host],
        "reload": asked.reload,
        "journal": journal,
        "engine": asked.engine,
    }


def make_app(settings: dict[str, Any], members: Sequence[Runnable]) -> Router:
    """Returns the router of these members, as configured by the options. Raises ConfigurationError."""
    from headwater.web.http.guard import Guard
    from headwater.web.http.site import Site
    from headwater.web.limits import GRACE_SECONDS, Limits
    from headwater.web.routing import router_of

    guard = Guard(hosts=settings["hosts"], origins=settings["origins"], token=settings["token"])
    limits = Limits(grace_seconds=0.0 if settings["reload"] else GRACE_SECONDS)
    site = Site(
        members,
        on_disconnect=settings["on_disconnect"],
        limits=limits,
        guard=guard,
        journal=settings["journal"],
        engine=settings["engine"],
    )
    return router_of(site, page=settings["page"])


def _members(places: Sequence[str]) -> list[Runnable]:
    from headwater.cli.demo import make_workflow
    from headwater.cli.named import load_agent

    return [load_agent(place, "serve") for place in places] or [_Anew(make_workflow)]


class _Anew:
    """The demo's scripted workflow; each run gets its own instance."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        workflow = make()
        self.name: str = workflow.name
        self.kind: str = workflow.kind
        self.agents = workflow.agents
        self.description = "Agents that play a script: no key, no network."

    def run_stream(self, task: Any, /, *, context: Any = None) -> Any:
        """See `Runnable`."""
        return self._make().run_stream(task, context=context)


def _told(
    asked: argparse.Namespace, settings: dict[str, Any], listener: socket.socket, names: Sequence[str]
) -> list[str]:
    """Returns the lines of the start message."""
    fragment = f"#token={settings['token']}" if settings["token"] and made_here(asked) else ""
    address = address_of(asked.host, listener)
    lines = [f"serving {', '.join(names)} on {address}/{fragment} (Ctrl-C stops it)"]
    if settings["token"] is None and public_name(asked) is not None:
        lines.append("anyone who can reach this machine can use it: there is no token.")
    if settings["token"] is not None and settings["page"] and not fragment:
        lines.append(f"a browser needs the token: open {address}/#token=TOKEN, with the one that is set.")
    if settings["journal"] is not None:
        from headwater.journal.addresses import shown

        lines.append(f"runs are stored in {shown(settings['journal'])}.")
    if os.environ.get("WEB_CONCURRENCY", "1") not in ("", "1"):
        lines.append("one process serves, because runs are kept in its memory: WEB_CONCURRENCY is not used.")
    return lines
