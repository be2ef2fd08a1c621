"""The address of a headwater server, or of a run on one, as users write it.

Pure: from a text to its parts. It must never show a token in an address.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import msgspec

from headwater.errors import ConfigurationError

__all__ = ("Address", "address_of")

_RUN: Final = re.compile(r"^(?P<base>.*)/runs/(?P<run>[^/]+)(?:/(?:events|page\.html))?$")
_TOKEN: Final = re.compile(r"^[\x21-\x7e]+$")


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """The address of a server, and optionally a run.

    `base` is the server's URL with its prefix, without a trailing slash. `run` is the run's id, or empty. `token` is
    the token in the fragment: `headwater serve` prints such an address.
    """

    base: str
    run: str = ""
    token: str = ""

    @property
    def run_url(self) -> str:
        """The URL of the run."""
        return f"{self.base}/runs/{quote(self.run, safe='')}"

    def __repr__(self) -> str:
        return f"Address({self.run_url if self.run else self.base!r})"


def address_of(url: str) -> Address:
    """Parses the address of a server, of a run, of a run's events or page, or of the page that shows a run.

    Raises ConfigurationError if it is not an http URL.
    """
    if not isinstance(url, str) or not url.strip():
        raise ConfigurationError(f"The URL is {url!r}.", hint=_HINT)
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port  # an invalid port raises ValueError
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigurationError(f"{_shown(url)!r} is not an http URL.", hint=_HINT)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError("The URL contains a user name or a password.", hint="Pass a token: token=….")
    path = parts.path.rstrip("/")
    found = _RUN.match(path)
    named = {name: values[-1] for name, values in parse_qs(parts.fragment).items()}
    run = unquote(found["run"]) if found else named.get("run", "")
    token = named.get("token", "")
    return Address(
        base=f"{parts.scheme}://{parts.netloc}{found['base'] if found else path}",
        run=run,
        token=token if _TOKEN.match(token) else "",
    )


_HINT: Final = "Write http://HOST/runs/ID for a run, http://HOST for a server."


def _shown(url: str) -> str:
    """Returns an address for messages, without the parts that may contain a token or a password."""
    return url.partition("#")[0].partition("?")[0].rpartition("@")[2][:200]
