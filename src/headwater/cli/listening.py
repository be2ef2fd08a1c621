"""Shared by the commands that start a server: the address, access control, and the log on standard error.

Owns these options and their checks. It must never allow other machines without a token unless an option explicitly says
so, and must never write a token anywhere except in the printed URL.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from headwater.errors import ConfigurationError, UsageError

if TYPE_CHECKING:
    import socket

__all__ = (
    "add_address",
    "add_who_may_ask",
    "address_of",
    "begin_logging",
    "is_loopback",
    "listen",
    "made_here",
    "public_name",
    "token_of",
)

TOKEN_VARIABLE: Final = "HEADWATER_TOKEN"

BACKLOG: Final = 2048
"""Maximum number of connections that wait to be accepted."""

_MADE: Final = object()
"""The option value that asks for a generated token."""


def add_address(parser: argparse.ArgumentParser, port: int) -> None:
    """Adds the address options; `port` is the default."""
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", metavar="N", type=_port, default=port, help=f"0 for any free one (default: {port})")


def add_who_may_ask(parser: argparse.ArgumentParser) -> None:
    """Adds the access control options."""
    who = parser.add_argument_group("access")
    who.add_argument(
        "--token",
        metavar="TOKEN",
        nargs="?",
        const=_MADE,
        help=f"the token that clients must send; else {TOKEN_VARIABLE}",
    )
    who.add_argument(
        "--origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="a site whose pages may call the server; may be repeated",
    )
    who.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a host name of this server; may be repeated"
    )
    who.add_argument(
        "--insecure", action="store_true", help="serve to other machines without a token, also behind a proxy"
    )


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a port")


def token_of(asked: argparse.Namespace) -> str | None:
    """Returns the required token. Raises UsageError if others would have access without one, or a given one is empty.

    A host name that is allowed says that a proxy passes on what others ask: the address alone would not tell.
    """
    import secrets

    if asked.token == "":
        hint = "Leave --token out to serve without one, or give it no value: then one is made."
        raise UsageError("--token is empty: a variable may not be set.", hint=hint)
    for name in asked.allow_host:
        if not name or name.count(":") == 1 or any(one in name for one in "/*@ "):
            raise UsageError(f"--allow-host {name!r} is not a host name.", hint="Write it alone: agents.example.")
    token = secrets.token_urlsafe(32) if asked.token is _MADE else asked.token
    token = token or os.environ.get(TOKEN_VARIABLE) or None
    if token is None and not asked.insecure and (name := public_name(asked)) is not None:
        raise UsageError(
            f"{name} is reachable from other machines, and no token is set.",
            hint=f"Add --token, or set {TOKEN_VARIABLE}; --insecure serves without one.",
        )
    return token


def public_name(asked: argparse.Namespace) -> str | None:
    """Returns the address or name by which other machines reach the server; None if they are not meant to."""
    return next((name for name in (asked.host, *asked.allow_host) if not is_loopback(name)), None)


def is_loopback(host: str) -> bool:
    """Whether the address is reachable only from this machine."""
    import ipaddress

    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """Returns the listening socket. Raises ConfigurationError if it cannot be opened."""
    import socket

    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)  # early connections wait until the server is ready
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be used: {error.strerror or error}.",
            hint="Use another port: --port 0 picks a free one.",
        ) from error
    return listener


def made_here(asked: argparse.Namespace) -> bool:
    """Whether the token was generated, and has to be printed."""
    return asked.token is _MADE


def address_of(host: str, listener: socket.socket) -> str:
    """Returns the URL of the listener for browsers and clients: `http://localhost:8000`."""
    wildcard = host in ("0.0.0.0", "::", "")
    shown = "localhost" if wildcard else f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def begin_logging(name: str = "headwater.web") -> None:
    """Sends that log to standard error, one line each: the server's requests and errors, or a worker's."""
    import logging
    import sys

    logger = logging.getLogger(name)
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
