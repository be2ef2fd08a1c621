"""`headwater journal`: sets up, upgrades and tidies a journal.

It must never show a journal's password.
"""

from __future__ import annotations

import argparse
import os

from headwater.cli.named_journal import VARIABLE, ask_journal
from headwater.errors import ConfigurationError

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "set up, upgrade and tidy the store of durable runs"
USAGE = "journal {upgrade,tidy} [URL]"
DESCRIPTION = """\
upgrade sets up the store of durable runs, or brings it to this version's
schema. It is safe to run twice, and on several machines at once.

tidy packs the logs of runs that ended an hour ago, and deletes the runs whose
retention time is over. It is safe to run while runs are driven.

URL is sqlite:///runs.db or postgresql://user:password@host/database. Without
it, HEADWATER_JOURNAL names the journal."""
EXAMPLES = """\
examples:
  headwater journal upgrade postgresql://headwater@db/runs
  HEADWATER_JOURNAL=sqlite:///runs.db headwater journal tidy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("what", choices=("upgrade", "tidy"), metavar="upgrade|tidy", help="what to do")
    parser.add_argument("url", nargs="?", metavar="URL", help=f"the journal; {VARIABLE} names it by default")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    import asyncio

    from headwater.cli.output import Outlet

    url = asked.url or os.environ.get(VARIABLE, "")
    if not url:
        raise ConfigurationError(
            "No journal was named.", hint=f"Pass a URL such as sqlite:///runs.db, or set {VARIABLE}."
        )
    done = asyncio.run(_upgrade(url)) if asked.what == "upgrade" else _tidy(url)
    out = Outlet()
    out.write(f"{done}\n")
    out.flush()
    out.check()
    return 0


async def _upgrade(url: str) -> str:
    from headwater.journal.addresses import shown
    from headwater.journal.opening import schema_version, upgrade

    before, now = await upgrade(url), schema_version(url)
    if before == 0:
        return f"Set up {shown(url)} with schema version {now}."
    if before == now:
        return f"{shown(url)} has schema version {now} already."
    return f"Upgraded {shown(url)} from schema version {before} to {now}."


def _tidy(url: str) -> str:
    from headwater.durable.tidying import tidy

    packed, gone = ask_journal(url, tidy)
    return f"Packed {packed} {_runs(packed)}, deleted {gone} {_runs(gone)}."


def _runs(many: int) -> str:
    return "run" if many == 1 else "runs"
