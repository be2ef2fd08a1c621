"""`headwater doctor`: checks the environment of a run, and says what to do about problems.

Each check is a function that yields findings. It must never change anything, nor show a key or a password. Without
`--network` nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from headwater.cli.output import Outlet
    from headwater.cli.servers import Server
    from headwater.providers.request import Endpoint

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "Finding", "add_arguments", "execute")

SUMMARY = "check keys, TLS, proxy, local servers and the terminal"
USAGE = "doctor [--network] [--json]"
DESCRIPTION = """\
Check what a run needs: Python and packages, keys, certificates, proxy, local
servers, the terminal. Each line says ok, warn or fail, and what to do. Nothing
leaves this machine without --network, and keys are never shown."""
EXAMPLES = """\
examples:
  headwater doctor
  headwater doctor --network      connect to providers too; no key is sent
  headwater doctor --json | jq '.[] | select(.level != "ok")'"""

Level: TypeAlias = Literal["ok", "warn", "fail"]
Environment: TypeAlias = Mapping[str, str]


class Finding(NamedTuple):
    """The result of a check; `advice` says what to do about it."""

    level: Level
    subject: str
    text: str
    advice: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    parser.add_argument("--network", action="store_true", help="connect to each provider whose key is set")
    parser.add_argument("--json", action="store_true", help="write a JSON list instead")


def execute(asked: argparse.Namespace) -> int:
    """See `Command`: 1 if a check fails."""
    from headwater.cli.output import Outlet

    out = Outlet()
    findings: list[Finding] = []
    show = _shower(out) if not asked.json else (lambda finding: None)
    for finding in _findings(os.environ, network=asked.network):
        findings.append(finding)
        show(finding)
    if asked.json:
        import json

        out.write(json.dumps([finding._asdict() for finding in findings], indent=2) + "\n")
    out.flush()
    out.check()
    return int(any(finding.level == "fail" for finding in findings))


def _findings(env: Environment, *, network: bool) -> Iterator[Finding]:
    yield from _python()
    yield from _packages()
    yield from _default_model(env)
    endpoints: list[Endpoint] = []
    yield from _keys(env, endpoints)
    yield from _tls(env)
    yield from _proxy(env)
    yield from _local_servers(env)
    if network:
        yield from _network(endpoints)
    yield from _terminal(env)


_INDENT: Final = " " * 19
_COLORS: Final[dict[Level, str]] = {"ok": "32", "warn": "33", "fail": "31"}


def _shower(out: Outlet) -> Callable[[Finding], None]:
    """Writes each finding at once, with its advice below it; wraps lines on a terminal, not on a pipe."""
    import textwrap

    from headwater.cli.output import takes_color
    from headwater.events.controls import one_line

    color = takes_color()

    room = max(_columns() - len(_INDENT), 40) if out.isatty() else None

    def folded(text: str, begin: str) -> str:
        lines = [text] if room is None else textwrap.wrap(text, room, break_on_hyphens=False) or [""]
        return begin + f"\n{_INDENT}".join(lines) + "\n"

    def show(finding: Finding) -> None:
        level = f"{finding.level:<4}"
        level = f"\x1b[{_COLORS[finding.level]}m{level}\x1b[0m" if color else level
        out.write(folded(one_line(finding.text), f"{level}  {finding.subject:<12} "))
        if finding.advice:
            out.write(folded(f"-> {one_line(finding.advice)}", _INDENT))
        out.flush()

    return show


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns


# --- installed packages


def _python() -> Iterator[Finding]:
    import platform

    from headwater.version import __version__

    version = platform.python_version()
    level: Level = "ok" if sys.version_info >= (3, 11) else "fail"
    advice = "" if level == "ok" else "Install Python 3.11 or newer."
    yield Finding(level, "python", f"{version} on {platform.system() or sys.platform}, headwater {__version__}", advice)


def _packages() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, requires, version

    try:
        needed = [match for line in requires("headwater") or () if (match := _REQUIREMENT.match(line))]
    except PackageNotFoundError:
        yield Finding("warn", "packages", "headwater is run from its source, not installed", "Run pip install .")
        return
    present = []
    for match in needed:
        name, least = match["name"], match["least"]
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Finding("fail", "packages", f"{name} is missing", f"Run pip install '{name}>={least}'.")
            continue
        if _numbers(found) < _numbers(least):
            advice = f"Run pip install --upgrade '{name}>={least}'."
            yield Finding("fail", "packages", f"{name} {found} is older than {least}", advice)
        present.append(f"{name} {found}")
    yield Finding("ok", "packages", ", ".join(present))


_REQUIREMENT: Final = re.compile(r"(?P<name>[\w.-]+)\s*>=\s*(?P<least>[\d.]+)\s*$")
"""A requirement of headwater itself; the requirement of an extra has more text after the version."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


# --- models and keys


def _default_model(env: Environment) -> Iterator[Finding]:
    from headwater.cli.wording import for_the_command_line
    from headwater.errors import HeadwaterError
    from headwater.providers.registry import MODEL_VARIABLE, is_offline, resolve

    name = env.get(MODEL_VARIABLE, "").strip()
    if not name:
        yield Finding("ok", "model", f"none by default: {MODEL_VARIABLE} is not set, --model names one")
        return
    try:
        if not is_offline(name):
            resolve(name, env=env)
    except HeadwaterError as error:
        text = f"{MODEL_VARIABLE} is {name!r}: {error.message}"
        yield Finding("fail", "model", text, for_the_command_line(error.hint))
    else:
        yield Finding("ok", "model", f"{MODEL_VARIABLE} is {name}")


def _keys(env: Environment, endpoints: list[Endpoint]) -> Iterator[Finding]:
    """Yields a finding for each provider with a set variable; adds reachable endpoints to `endpoints`."""
    from headwater.cli.wording import for_the_command_line
    from headwater.errors import HeadwaterError
    from headwater.providers.catalog import PROVIDERS
    from headwater.providers.registry import resolve

    found = False
    for provider in PROVIDERS.values():
        variables = (*provider.key_variables, *provider.token_variables)
        blank = [variable for variable in variables if variable in env and not env[variable].strip()]
        for variable in blank:
            yield Finding("warn", provider.name, f"{variable} is set and empty", "Give it a value, or unset it.")
        key = next((variable for variable in variables if env.get(variable, "").strip()), None)
        if key is None:
            continue
        found = True
        try:
            endpoint = resolve(f"{provider.name}/{provider.example}", env=env).endpoint
        except HeadwaterError as error:
            yield Finding("fail", provider.name, error.message, for_the_command_line(error.hint))
            continue
        if not provider.local:
            endpoints.append(endpoint)
        yield _place(provider.name, key, endpoint, provider.base_url)
    if not found:
        advice = "Set OPENAI_API_KEY or another that `headwater models` lists."
        yield Finding("warn", "keys", "none is set: without a named model, the offline model answers", advice)


def _place(name: str, key: str, endpoint: Endpoint, usual: str) -> Finding:
    from urllib.parse import urlsplit

    text = f"{key} is set"
    if usual and endpoint.base_url.rstrip("/") != usual:
        text += f", asked at {endpoint.base_url}"
    parts = urlsplit(endpoint.base_url)
    if parts.scheme == "http" and not _is_here(parts.hostname or ""):
        return Finding("warn", name, text, "The key goes there unencrypted: use https.")
    return Finding("ok", name, text)


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


# --- TLS, proxy and network


def _tls(env: Environment) -> Iterator[Finding]:
    import ssl

    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        path = env.get(variable, "")
        if path and not os.path.exists(path):
            advice = f"Correct {variable}, or unset it."
            yield Finding("fail", "tls", f"{variable} names {path!r}, which does not exist", advice)
            return
    try:
        import truststore  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        paths = ssl.get_default_verify_paths()
        context = ssl.create_default_context()
        places = [place for place in (paths.cafile, paths.capath) if place and _holds_something(place)]
        if not places and not context.cert_store_stats()["x509_ca"]:
            advice = "Install ca-certificates, run pip install truststore, or name a file in SSL_CERT_FILE."
            yield Finding("fail", "tls", f"{ssl.OPENSSL_VERSION}, and no trusted certificates", advice)
            return
        where = ", ".join(places) or "the system's store"
    else:
        where = f"the system's store, through truststore {truststore.__version__}"
    yield Finding("ok", "tls", f"{ssl.OPENSSL_VERSION}; certificates from {where}")


def _holds_something(place: str) -> bool:
    return bool(os.listdir(place)) if os.path.isdir(place) else os.path.getsize(place) > 0


def _proxy(env: Environment) -> Iterator[Finding]:
    from urllib.request import getproxies, proxy_bypass

    proxies = {scheme: proxy for scheme, proxy in getproxies().items() if scheme in ("http", "https", "all") and proxy}
    if not proxies:
        yield Finding("ok", "proxy", "none")
        return
    for scheme, proxy in proxies.items():
        kind = proxy.partition("://")[0] if "://" in proxy else "http"
        text = f"{scheme} addresses through {_without_password(proxy)}"
        if kind not in ("http", "https"):
            advice = "Use an http:// proxy, or exclude the provider's host with NO_PROXY."
            yield Finding("fail", "proxy", f"{text}, a {kind} proxy, which is not supported", advice)
        else:
            yield Finding("ok", "proxy", text)
    if ("http" in proxies or "all" in proxies) and not proxy_bypass("127.0.0.1"):
        advice = "Add localhost,127.0.0.1 to NO_PROXY."
        yield Finding("warn", "proxy", "requests to servers on this machine go through the proxy too", advice)


def _without_password(proxy: str) -> str:
    return re.sub(r"(?<=//)[^/@]*@|^[^/@]*@", "", proxy)


def _local_servers(env: Environment) -> Iterator[Finding]:
    from headwater.cli.models import served
    from headwater.cli.servers import local_servers
    from headwater.providers.catalog import PROVIDERS

    silent: list[Server] = []
    for server in local_servers(env):
        named = [variable for variable in PROVIDERS[server.name].base_url_variables if env.get(variable, "").strip()]
        where = f"{server.base_url}: "
        if server.reachable:
            level: Level = "warn" if server.problem or not server.models else "ok"
            yield Finding(level, server.name, where + (server.problem or served(server.models)))
        elif named:
            advice = f"Start it, or correct {named[0]}."
            yield Finding("fail", server.name, where + server.problem, advice)
        else:
            silent.append(server)
    if silent:
        yield Finding("ok", "local", f"not running: {', '.join(server.name for server in silent)}")


def _network(endpoints: Iterable[Endpoint]) -> Iterator[Finding]:
    from headwater.cli.servers import reach

    asked = list(endpoints)
    if not asked:
        yield Finding("warn", "network", "no provider to connect to", "Set a provider's key first.")
    for endpoint, problem in zip(asked, reach(asked), strict=True):
        text = problem or f"{endpoint.base_url} answers"
        yield Finding("fail" if problem else "ok", "network", f"{endpoint.provider}: {text}")


# --- the terminal


def _terminal(env: Environment) -> Iterator[Finding]:
    from headwater.cli.output import is_terminal, takes_color

    encoding = (sys.stdout.encoding or "ascii").lower()
    if encoding.replace("-", "") != "utf8":
        advice = "Set PYTHONUTF8=1, or a UTF-8 locale in LANG."
        yield Finding("warn", "terminal", f"output is {encoding}: characters that it lacks become ?", advice)
    if not is_terminal(sys.stdout):
        yield Finding("ok", "terminal", "output is not a terminal: answers are plain text")
        return
    term = env.get("TERM", "")
    if term in ("", "dumb", "unknown") and os.name != "nt":
        advice = "Set TERM to the terminal's type, such as xterm-256color."
        yield Finding("warn", "terminal", f"TERM is {term or 'not set'}: answers are plain text", advice)
        return
    columns = _columns()
    colors = "with colors" if takes_color() else "without colors (NO_COLOR)"
    yield Finding("ok", "terminal", f"{term or 'a console'}, {columns} columns, {encoding}, {colors}")
