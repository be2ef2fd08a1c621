"""`headwater gateway`: serves models through OpenAI's APIs, under the names in a file, to programs in any language.

Owns the server process, as `serve` does for agents: its file, address and access control. `web.gateway` owns the
routes.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Final

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
from headwater.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    from starlette.routing import Router

    from headwater.web.gateway.model import ServedModel

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "models behind OpenAI's APIs, by names of your own"
USAGE = "gateway [OPTIONS] FILE"
DESCRIPTION = """\
Serve models of any provider over OpenAI's Chat Completions and Responses, so
that programs in any language get the same timeouts, retries, fallbacks and
errors. The file maps names to models."""
EXAMPLES = """\
examples:
  headwater gateway models.toml                on localhost:8000/v1
  headwater gateway models.toml --host 0.0.0.0 --token

a file:
  smart = "anthropic/claude-sonnet-5"
  fast = ["groq/openai/gpt-oss-120b", "openai/gpt-5.4-mini"]

Models in a list are tried in order until one of them starts to answer. The
providers' keys are read from their usual variables (OPENAI_API_KEY, ...) and
never leave this process. Clients send the gateway's own token, if it has one.
It needs one if other machines can reach it: set HEADWATER_TOKEN to at least 32
characters, or use --token without a value to generate and print one."""

PORT: Final = 8000

MISUSED: Final = 2
"""The exit code of an invalid command."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("file", nargs="?", metavar="FILE", help="names and their models, in TOML")
    add_address(parser, PORT)
    add_who_may_ask(parser)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import tell

    try:
        import uvicorn

        from headwater.web.gateway.file import EXAMPLE, read_file
        from headwater.web.server import config
    except ImportError as error:
        raise UsageError("headwater gateway needs uvicorn.", hint='pip install "headwater[web]".') from error
    if asked.file is None:
        tell("headwater gateway needs a file with names and their models:")
        sys.stderr.write(f"\n{EXAMPLE}\n")
        return MISUSED
    token = token_of(asked)
    try:
        models = read_file(asked.file)
    except ConfigurationError as error:
        if asked.debug:
            raise
        tell(str(error))  # the message refers to the file, not to options
        return MISUSED
    app = make_app(models, asked, token)
    begin_logging()
    server = uvicorn.Server(config(app, host=asked.host, port=asked.port, log_level="warning"))
    with listen(asked.host, asked.port) as listener:
        tell(f"serving {len(models)} names on {address_of(asked.host, listener)}/v1 (Ctrl-C stops it)")
        for model in models:
            tell(f"  {model.name}: {model.description}")
        if token is not None and made_here(asked):
            tell(f"  clients send this token as their API key: {token}")
        if token is None and public_name(asked) is not None:
            tell("anyone who can reach this machine can use it: there is no token.")
        if os.environ.get("WEB_CONCURRENCY", "1") not in ("", "1"):
            tell("one process serves: WEB_CONCURRENCY is not used.")
        server.run(sockets=[listener])
    return 0


def make_app(models: list[ServedModel], asked: argparse.Namespace, token: str | None) -> Router:
    """Returns the router of these models, as configured by the options. Raises ConfigurationError."""
    from headwater.web.gateway.routing import LIMITS, gateway_router_of
    from headwater.web.http.guard import Guard
    from headwater.web.http.site import Site

    guard = Guard(hosts=[asked.host, *asked.allow_host], origins=asked.origin, token=token)
    return gateway_router_of(Site(models, guard=guard, limits=LIMITS))
