"""`headwater models`: lists the providers, whose keys are set, and the servers that run on this machine.

It names variables and must never show their values.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from headwater.cli.servers import Server
    from headwater.providers.catalog import Provider

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute", "served")

SUMMARY = "list providers, whose keys are set, and the servers that run here"
USAGE = "models [--json]"
DESCRIPTION = """\
List the providers and the variables that their keys are read from, and which
of them are set; then the servers that may run on this machine, and what they
serve. Keys themselves are never shown."""
EXAMPLES = """\
examples:
  headwater models
  headwater models --json | jq '.providers[] | select(.key) | .name'"""

NAMES_SHOWN: Final = 4
"""Number of models to list per server; --json lists all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("--json", action="store_true", help="write one JSON object instead")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.output import Outlet
    from headwater.cli.servers import local_servers

    out = Outlet()
    servers = local_servers(os.environ)
    if asked.json:
        import json

        out.write(json.dumps(_as_json(servers, os.environ), indent=2) + "\n")
    else:
        from headwater.events.controls import harmless

        for line in _as_text(servers, os.environ):
            out.write(f"{harmless(line)}\n")
    out.flush()
    out.check()
    return 0


def served(models: tuple[str, ...]) -> str:
    """Returns a short description of a server's models."""
    if not models:
        return "running, without a model"
    more = f" and {len(models) - NAMES_SHOWN} more" if len(models) > NAMES_SHOWN else ""
    return f"running: {', '.join(models[:NAMES_SHOWN])}{more}"


def _found(provider: Provider, env: Mapping[str, str]) -> str | None:
    """Returns the set variable that has the provider's key; "" without one."""
    variables = (*provider.key_variables, *provider.token_variables)
    return next((variable for variable in variables if env.get(variable, "").strip()), None)


def _as_text(servers: list[Server], env: Mapping[str, str]) -> Iterator[str]:
    from headwater.events.controls import one_line
    from headwater.providers.catalog import PROVIDERS
    from headwater.providers.registry import MODEL_VARIABLE

    remote = [provider for provider in PROVIDERS.values() if not provider.local]
    with_key = [(provider, key) for provider in remote if (key := _found(provider, env))]
    without = [provider for provider in remote if not _found(provider, env)]
    default = env.get(MODEL_VARIABLE, "").strip()
    yield f"Model by default: {one_line(default)}" if default else f"No model by default: {MODEL_VARIABLE} is not set."
    if with_key:
        yield "\nKey set"
        yield from (_row(one.name, key, f"{one.name}/{one.example}") for one, key in with_key)
    if without:
        yield "\nNo key set"
        yield from (_row(one.name, _wanted(one), f"{one.name}/{one.example}") for one in without)
    yield "\nOn this machine"
    for server in servers:
        state = served(server.models) if server.reachable and not server.problem else server.problem
        yield _row(server.name, server.base_url, one_line(state))
    yield "\nWithout any of them"
    yield _row("offline", "no key, no network", "a built-in fake model")


def _row(name: str, middle: str, last: str) -> str:
    return f"  {name:<12} {middle:<25} {last}"


def _wanted(provider: Provider) -> str:
    return " or ".join(provider.key_variables[:1]) or "Google Cloud credentials"


def _as_json(servers: list[Server], env: Mapping[str, str]) -> dict[str, Any]:
    import msgspec

    from headwater.providers.catalog import PROVIDERS
    from headwater.providers.registry import MODEL_VARIABLE

    return {
        "default": env.get(MODEL_VARIABLE, "").strip() or None,
        "providers": [
            {
                "name": provider.name,
                "key": _found(provider, env),
                "key_variables": [*provider.key_variables, *provider.token_variables],
                "apis": list(provider.apis),
                "example": f"{provider.name}/{provider.example}",
            }
            for provider in PROVIDERS.values()
            if not provider.local
        ],
        "servers": [msgspec.to_builtins(server) for server in servers],
    }
