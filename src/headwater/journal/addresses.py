"""The address of a store or a webhook as it may be shown: in an error, a log line, a repr.

An address carries secrets in more than its password: a webhook's path often is one, and PostgreSQL takes passwords as
parameters too. So only parts that are known to be harmless are shown.

Owns that choice for every address that durable runs use. Messages of a driver that may contain an address go through
`without_address`. Pure.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from headwater.providers.redaction import HIDDEN, scrubbed

__all__ = ("TEMPORAL", "is_postgres_url", "shown", "without_address")

_HOST: Final = r"(?:[\w.%-]*|\[[\da-fA-F:.%]+\])(?::\d*)?"
_POSTGRES: Final = re.compile(
    r"(?P<scheme>postgres(?:ql)?)://"
    r"(?:(?P<user>[^:@/?\#\s]*)(?P<password>:[^@/]*)?@)?"
    rf"(?P<hosts>{_HOST}(?:,{_HOST})*)"
    r"(?P<database>/[^@/?\#\s]*)?"
    r"(?:\?(?P<parameters>[^\#]*))?"
)
"""A URL as libpq reads it: a slash or an at sign in a password has to be written as %2F or %40."""

TEMPORAL: Final = re.compile(
    r"temporal://(?P<host>[\w.-]+|\[[\da-fA-F:.]+\])(?::(?P<port>\d+))?(?:/(?P<name>[\w.-]+)?)?"
)
"""A URL of a Temporal server, which has no place for secrets."""

_HARMLESS: Final = re.compile(
    r"(application_name|connect_timeout|dbname|host|hostaddr|port|sslmode|target_session_attrs|user)=[^@\s]*"
)
"""Parameters of PostgreSQL that are shown with their values."""

_NAME: Final = re.compile(r"[a-z_]+(?==)")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z\d+.-]+:")


def is_postgres_url(url: str) -> bool:
    """Whether it is a URL that PostgreSQL's client library parses as intended."""
    return _POSTGRES.fullmatch(url) is not None


def shown(address: str) -> str:
    """The address without anything that may be secret.

    A file is shown completely, and so is a Temporal server with its namespace. A PostgreSQL URL is shown with its user,
    hosts, database and harmless parameters, any other URL with its scheme and host.
    """
    if (found := _POSTGRES.fullmatch(address)) is not None:
        user = "" if found["user"] is None else f"{found['user']}{':***' if found['password'] else ''}@"
        parameters = found["parameters"]
        rest = "" if parameters is None else f"?{'&'.join(map(_parameter, parameters.split('&')))}"
        return f"{found['scheme']}://{user}{found['hosts']}{found['database'] or ''}{rest}"
    scheme = _SCHEME.match(address)
    if scheme is None:  # the name of a file, or parameters of a database
        return HIDDEN if "=" in address or "@" in address else address
    if address.startswith("sqlite:///") or TEMPORAL.fullmatch(address) is not None:
        return address
    if scheme[0] in ("sqlite:", "memory:"):
        return f"{scheme[0]}{HIDDEN}" if "=" in address or "@" in address else address
    if scheme[0] in ("http:", "https:"):
        try:
            parts = urlsplit(address)
            host, port = parts.hostname, parts.port
        except ValueError:
            host = port = None
        if host:
            return f"{parts.scheme}://{host}{f':{port}' if port else ''}{f'/{HIDDEN}' if parts.path[1:] else ''}"
    return f"{scheme[0]}{'//' if address[scheme.end() :].startswith('//') else ''}{HIDDEN}"


def _parameter(written: str) -> str:
    if _HARMLESS.fullmatch(written):
        return written
    name = _NAME.match(written)
    return f"{name[0]}=***" if name else "***"


def without_address(said: str, address: str) -> str:
    """A message about an address, with the address as it may be shown and without its secrets."""
    said = said.replace(address, shown(address))
    secrets = {one for part in _hidden(address) for one in (part, unquote(part))} - {""}
    for secret in secrets:  # drivers quote what they cannot parse, however short it is
        said = said.replace(f'"{secret}"', f'"{HIDDEN}"').replace(f"'{secret}'", f"'{HIDDEN}'")
    return scrubbed(said, secrets)


def _hidden(address: str) -> list[str]:
    """The parts of an address that `shown` leaves out."""
    if shown(address) == address:
        return []
    if (found := _POSTGRES.fullmatch(address)) is not None:
        parameters = (found["parameters"] or "").split("&")
        values = [one.partition("=")[2] or one for one in parameters if not _HARMLESS.fullmatch(one)]
        return [(found["password"] or "")[1:], *values]
    rest = address.partition("://")[2] or address
    userinfo, _, rest = rest.rpartition("@")
    path = rest.partition("/")[2]
    return [userinfo, *userinfo.split(":"), path, *re.split(r"[/?&#=]", path)]
