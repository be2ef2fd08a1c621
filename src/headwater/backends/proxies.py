"""Finds the proxy that the environment sets for a URL, and creates the errors for its refusals.

It must not open a connection; `transport` does.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from headwater.errors import ConfigurationError, ConnectionFailed, HeadwaterError

if TYPE_CHECKING:
    pass

__all__ = (
    "not_retryable",
    "host_of",
    "proxy_for",
    "proxy_refused",
    "proxy_secrets",
)


def proxy_for(url: str) -> str | None:
    """Returns the proxy that the environment (or the system) sets for this URL, or None. Raises
    ConfigurationError."""
    scheme = url.partition(":")[0]
    variables = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    if sys.platform not in ("darwin", "win32") and not any(map(os.environ.get, variables)):
        return None  # only macOS and Windows have system settings, and reading them is slow
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host_of(url)):
        return None
    if proxy.partition("://")[0] not in ("http", "https") and "://" in proxy:
        raise ConfigurationError(
            f"The proxy for {scheme} URLs uses {proxy.partition(':')[0]}, which is not supported.",
            hint="Set an http:// proxy in the environment, or exclude the host with NO_PROXY.",
        )
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not _is_url(proxy):
        raise ConfigurationError(
            f"The proxy in the environment for {scheme} URLs is not a valid URL.",
            hint=f"Write {scheme.upper()}_PROXY=http://HOST:PORT, or unset it.",
        )
    return proxy


def proxy_secrets(url: str) -> tuple[str, ...]:
    """Returns the password of the proxy for `url`, plain and as sent in the header."""
    try:
        proxy = proxy_for(url)
    except HeadwaterError:
        return ()
    if proxy is None:
        return ()
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(proxy)
    if not parts.password:
        return ()
    user, password = unquote(parts.username or ""), unquote(parts.password)
    return password, b64encode(f"{user}:{password}".encode()).decode()


def _is_url(url: str) -> bool:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port, unbalanced brackets
        return False


def host_of(url: str) -> str:
    """Returns the host and port of a URL, without user and password."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2]


def proxy_refused(host: str, status: int) -> ConnectionFailed:
    """Returns the error for a proxy that refused the connection to `host`."""
    hint = "Check HTTPS_PROXY and HTTP_PROXY, or exclude the host with NO_PROXY."
    if status == 407:
        hint = "It requires a user name and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."
    return not_retryable(ConnectionFailed(f"The proxy refused to connect to {host} (HTTP {status}).", hint=hint))


def not_retryable(error: ConnectionFailed) -> ConnectionFailed:
    """Returns the same error, marked as not retryable."""
    error.retryable = False
    return error
