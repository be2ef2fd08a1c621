"""Access control: the checks that every request must pass before it is handled.

Pages of other sites cannot send requests through a browser (Origin, Sec-Fetch-Site, JSON only) or reach this server
under their own host name (Host). If a token is set, requests without it learn nothing. Pure: headers become an error
or None. It must never write a token anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

import msgspec

from headwater.errors import ConfigurationError
from headwater.web.problems import Problem

__all__ = ("COOKIE", "MIN_TOKEN", "PROTOCOL", "Asked", "Guard", "checked_origin")

COOKIE: Final = "headwater"
PROTOCOL: Final = "headwater"
"""The WebSocket subprotocol; a client may also offer a token as `headwater.token.<base64url>`."""

MIN_TOKEN: Final = 32
"""Minimum length of a token, so that it cannot be guessed."""

_TOKEN_PROTOCOL: Final = f"{PROTOCOL}.token."
_JSON: Final = "application/json"
_PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_SECURE: Final = {"https": True, "wss": True}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The input of the checks. `headers` have lower-case names; `doubled` has the names that occurred twice."""

    method: str
    scheme: str
    headers: Mapping[str, str]
    doubled: frozenset[str] = frozenset()
    address: str = ""
    """The local address that received the request."""
    subprotocols: tuple[str, ...] = ()
    public: bool = False
    """Whether the resource is public: the page's own files, the health check."""

    @property
    def is_socket(self) -> bool:
        """Whether the request opens a WebSocket."""
        return self.scheme in ("ws", "wss")


class Guard:
    """The access rules of a server.

    `hosts` are the allowed host names, besides those of the loopback; None allows any, for a router in a program with
    its own checks. `origins` are the sites whose pages are allowed, besides the server's own. Every request must have
    `token`, if it is set. Raises ConfigurationError.
    """

    def __init__(
        self, *, hosts: Iterable[str] | None = None, origins: Iterable[str] = (), token: str | None = None
    ) -> None:
        if token is not None and len(token) < MIN_TOKEN:
            raise ConfigurationError(
                f"The token has {len(token)} characters; at least {MIN_TOKEN} are required.",
                hint='Make one: python -c "import secrets; print(secrets.token_urlsafe(32))".',
            )
        self._hosts = None if hosts is None else frozenset(host.lower().rstrip(".") for host in hosts)
        self.origins: frozenset[str] = frozenset(map(checked_origin, origins))
        self._token = None if token is None else token.encode()
        self.cookie: str = (
            "" if token is None else _text(hmac.digest(token.encode(), b"headwater cookie", hashlib.sha256))
        )
        """The cookie that a browser gets instead of the token; the token cannot be derived from it."""

    def check(self, asked: Asked) -> None:
        """Raises Problem if the request is refused: bad_host, bad_origin, unauthorized, not_json."""
        self._check_host(asked)
        allowed = self._check_origin(asked)
        if not (allowed or asked.public) and asked.headers.get("sec-fetch-site") == "cross-site":
            raise _foreign("a page of another site")
        if not (asked.public or self._token is None or self._knows(asked)):
            raise Problem(
                "unauthorized",
                "A token is required.",
                hint="Send it: Authorization: Bearer TOKEN. In a browser open the page as …/#token=TOKEN.",
            )
        if asked.method == "POST" and not _is_empty(asked.headers):
            kind = asked.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != _JSON:
                raise Problem("not_json", f"The body of a POST must be {_JSON}.", hint=f"Send Content-Type: {_JSON}.")

    def _check_host(self, asked: Asked) -> None:
        if self._hosts is None:
            return
        name = _host_name(asked.headers.get("host", ""))
        known = name is not None and (name in self._hosts or name == asked.address.lower() or _is_loopback(name))
        if not known or "host" in asked.doubled:
            raise Problem(
                "bad_host", "This server does not accept this host name.", hint="Allow it with --allow-host NAME."
            )

    def _check_origin(self, asked: Asked) -> bool:
        """Whether an allowed site sent the request. Raises Problem if another site did."""
        origin = asked.headers.get("origin")
        if origin is None:
            return False
        if "origin" not in asked.doubled and (origin in self.origins or _is_own(origin, asked)):
            return True
        raise _foreign("that origin")

    def _knows(self, asked: Asked) -> bool:
        """Whether the request has the token, in any of the accepted forms."""
        assert self._token is not None
        kind, _, given = asked.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token):
            return True
        try:
            cookies = SimpleCookie(asked.headers.get("cookie", ""))
        except CookieError:
            cookies = SimpleCookie()
        if COOKIE in cookies and hmac.compare_digest(cookies[COOKIE].value.encode(), self.cookie.encode()):
            return True
        offered = [
            name.removeprefix(_TOKEN_PROTOCOL) for name in asked.subprotocols if name.startswith(_TOKEN_PROTOCOL)
        ]
        return any(hmac.compare_digest(one.rstrip("=").encode(), _text(self._token).encode()) for one in offered)

    def protocol(self, offered: Iterable[str]) -> str | None:
        """Returns the subprotocol to use; None if the client did not offer it."""
        known = [name for name in offered if name == PROTOCOL or name.startswith(_TOKEN_PROTOCOL)]
        return min(known, key=len, default=None)


def _is_empty(headers: Mapping[str, str]) -> bool:
    """Whether the request has no body and announces none: browsers announce forms, and send Origin with the rest."""
    length = headers.get("content-length", "0").strip()
    return "content-type" not in headers and "transfer-encoding" not in headers and length == "0"


def _foreign(who: str) -> Problem:
    return Problem(
        "bad_origin",
        f"This server does not accept requests from {who}.",
        hint="Allow it with --origin, or origins=[…].",
    )


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _host_name(host: str) -> str | None:
    """Returns the name in a Host header, without the port; None if it is invalid."""
    if not host or any(c in host for c in "/@?#\\ \t,"):
        return None
    try:
        name, _ = urlsplit(f"//{host}").hostname, urlsplit(f"//{host}").port
    except ValueError:
        return None
    return name.lower().rstrip(".") if name else None


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def checked_origin(origin: str) -> str:
    """Normalizes an origin to the form that browsers send. Raises ConfigurationError."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ConfigurationError(f"{origin!r} is not an origin.", hint="Write https://app.example, without a path.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")


def _is_own(origin: str, asked: Asked) -> bool:
    """Whether the origin is this server. A proxy may have terminated TLS, so an http request may have been https."""
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{asked.headers.get('host', '')}")
        secure = _SECURE.get(asked.scheme, False)
        if theirs.scheme not in ("https",) if secure else theirs.scheme not in ("http", "https"):
            return False
        default = _PORTS[theirs.scheme]
        return bool(theirs.hostname) and (theirs.hostname, theirs.port or default) == (
            ours.hostname,
            ours.port or default,
        )
    except ValueError:
        return False
