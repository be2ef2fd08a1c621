"""The proxy on the way to an address, as the environment names it, and what it is to say when it refuses.

Owns no connection: `transport` opens those.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from headwater.errors import ConfigurationError, ConnectionFailed, HeadwaterError

if TYPE_CHECKING:
    pass

__all__ = (
    "hopeless",
    "host_of",
    "proxy_for",
    "proxy_refused",
    "proxy_secrets",
)


def proxy_for(url: str) -> str | None:
    """The proxy that the environment (or the system) names for this address, if any."""
    scheme = url.partition(":")[0]
    variables = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    if sys.platform not in ("darwin", "win32") and not any(map(os.environ.get, variables)):
        return None  # only macOS and Windows know of others; to look for them takes longer than all else of a request
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host_of(url)):
        return None
    if proxy.partition("://")[0] not in ("http", "https") and "://" in proxy:
        raise ConfigurationError(
            f"The proxy for {scheme} addresses is a {proxy.partition(':')[0]} one, which is not spoken here.",
            hint="Name an http:// proxy in the environment, or except the host with NO_PROXY.",
        )
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_address(proxy):
        raise ConfigurationError(
            f"The proxy that the environment names for {scheme} addresses is no address.",
            hint=f"Write {scheme.upper()}_PROXY=http://HOST:PORT, or unset it.",
        )
    return proxy


def proxy_secrets(url: str) -> tuple[str, ...]:
    """The password of the proxy on the way to `url`, and the same as it is sent to it."""
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    try:
        parts = urlsplit(proxy_for(url) or "")
    except HeadwaterError:
        return ()
    if not parts.password:
        return ()
    user, password = unquote(parts.username or ""), unquote(parts.password)
    return password, b64encode(f"{user}:{password}".encode()).decode()


def _is_address(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not match
        return False


def host_of(url: str) -> str:
    """The host and port of an address, without the user and password in it."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def proxy_refused(host: str, status: int) -> ConnectionFailed:
    """The proxy on the way to `host` answered in its stead."""
    hint = "Check HTTPS_PROXY and HTTP_PROXY, or except the host with NO_PROXY."
    if status == 407:
        hint = "It wants a user name and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."
    return hopeless(ConnectionFailed(f"The proxy refused the way to {host} (HTTP {status}).", hint=hint))


def hopeless(error: ConnectionFailed) -> ConnectionFailed:
    """The same error, not to be tried again: it would be the same."""
    error.retryable = False
    return error
