"""`headwater attach`: shows a run on another server, or of a journal, like a local one, from its start to its end.

Disconnecting, also with Ctrl-C, leaves the run on its server; --cancel stops it. `terminal` owns the output.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Final

from headwater.cli.named_journal import add_journal
from headwater.cli.saving import add_save_options, place_to_save

if TYPE_CHECKING:
    from headwater.agents.terminal_asking import TerminalAsker
    from headwater.cli.output import Watching
    from headwater.readers.stream import AgentStream

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute", "headers_of", "token_of")

SUMMARY = "watch a run on another server or of a journal"
USAGE = "attach [OPTIONS] URL"
DESCRIPTION = """\
Show a run of a headwater server as `headwater run` shows a local one, from
its first event on. It reconnects without a gap if the connection breaks. If
the run asks for an approval or an answer, you are asked here; the first
answer counts, wherever it is given. Ctrl-C detaches, and the server decides
what happens to the run (on_disconnect). With --cancel, Ctrl-C stops it.

The id of a run shows it from a journal (--journal, or HEADWATER_JOURNAL), as
`headwater runs follow` does; it goes on without readers, and your answers
reach it in its inbox."""
EXAMPLES = """\
examples:
  headwater attach http://localhost:8000/runs/run_2f6c
  headwater attach https://example.com/agents/#run=run_2f6c
  headwater attach http://localhost:8000/runs/run_2f6c --json | jq -r .type
  headwater attach http://localhost:8000/runs/run_2f6c --save tides.jsonl.gz
  headwater attach run_2f6c --journal postgresql://headwater@db/runs"""

TOKEN_VARIABLE: Final = "HEADWATER_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("url", metavar="URL", help="http://HOST/runs/ID, the page that shows it, or an id")
    add_journal(parser)
    add_access_arguments(parser)
    parser.add_argument("--cancel", action="store_true", help="let Ctrl-C stop the run")
    add_save_options(parser)
    parser.add_argument("--json", action="store_true", help="write the run's events, one JSON object per line")
    parser.add_argument("--dashboard", action="store_true", help="show a workflow as a dashboard")
    parser.add_argument("--raw", action="store_true", help="show the plain text, without rendering Markdown")
    parser.add_argument("--show-reasoning", action="store_true", help="show the model's reasoning")


def add_access_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options for access to a server."""
    parser.add_argument("--token", metavar="TOKEN", help=f"the server's token (default: {TOKEN_VARIABLE})")
    parser.add_argument(
        "--header", action="append", default=[], metavar="NAME:VALUE", help="a header to send; may be repeated"
    )


def token_of(asked: argparse.Namespace) -> str | None:
    """Returns the token to send."""
    return asked.token or os.environ.get(TOKEN_VARIABLE) or None


def headers_of(asked: argparse.Namespace) -> dict[str, str]:
    """Returns the headers to send. Raises UsageError."""
    from headwater.errors import UsageError

    headers: dict[str, str] = {}
    for given in asked.header:
        name, colon, value = given.partition(":")
        if not (colon and name.strip()):
            raise UsageError("--header takes a name and a value.", hint="Write --header 'X-Team: tides'.")
        headers[name.strip()] = value.strip()
    return headers


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.agents.remote import attach
    from headwater.agents.terminal_asking import TerminalAsker, can_ask
    from headwater.backends.remote.address import address_of
    from headwater.cli.following import Following
    from headwater.cli.options import look_of
    from headwater.cli.output import JSONLines, Outlet, tell

    if is_id(asked.url):
        return _of_journal(asked)
    address_of(asked.url)
    out = Outlet()
    watching: Watching = JSONLines(out) if asked.json else Following(out, dashboard=asked.dashboard, **look_of(asked))
    asker = TerminalAsker() if can_ask() and not asked.dashboard else None
    given: dict[str, Any] = {} if asker is None else {"approver": asker}
    access: dict[str, Any] = {"token": token_of(asked), "headers": headers_of(asked)}
    stream = attach(asked.url, **access, save=place_to_save(asked), **given)
    try:
        _show(stream, out, watching, asker)
    except KeyboardInterrupt:
        if asked.cancel:
            _stop(asked, stream)
        else:
            tell("detached; the server decides what happens to the run (--cancel stops it).")
        raise
    return 0


def is_id(place: str) -> bool:
    """Whether it is the id of a run of a journal, and not an address: such as `run_2f6c`."""
    return place.startswith("run_") and not set(place) & set("/:.?#")


def _of_journal(asked: argparse.Namespace) -> int:
    from headwater.cli.stored_runs import follow
    from headwater.errors import UsageError

    for option in ("token", "header", "save", "dashboard"):
        if getattr(asked, option):
            raise UsageError(f"--{option} is for runs on a server.", hint="A run of a journal has no use for it.")
    return follow(asked, asked.url)


def _show(stream: AgentStream[Any, Any], out: Any, watching: Watching, asker: TerminalAsker | None) -> None:
    from headwater.cli.people import tell_what_is_asked
    from headwater.cli.run import conduct

    run = stream.claim()
    if asker is None:
        run.watch(tell_what_is_asked)
    conduct(stream, out, watching, asker, run=run, leave=run.abort)


def _stop(asked: argparse.Namespace, stream: AgentStream[Any, Any]) -> None:
    """Stops the run on its server after Ctrl-C."""
    from headwater.agents.remote import attach
    from headwater.cli.output import tell
    from headwater.errors import HeadwaterError

    again = attach(asked.url, token=token_of(asked), headers=headers_of(asked))
    try:
        again.cancel()
        tell("the run is being stopped.")
    except HeadwaterError as error:
        tell(f"the run was not stopped: {error}")
