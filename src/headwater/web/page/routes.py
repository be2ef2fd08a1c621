"""The routes of the page: its document, script and style, the cookie for a token, and a run as one file.

Owns their browser security headers. The files are the same for everyone, so they need no token; the page gets all data
through the other routes.
"""

from __future__ import annotations

import gzip
import hashlib
from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from headwater.web.http.guard import COOKIE
from headwater.web.http.site import Endpoint, Site
from headwater.web.page import bundle
from headwater.web.page.saved import saved_page

__all__ = ("PAGE_PATHS", "PageRoutes")

PAGE_PATHS: Final = {"/": "GET", "/page/{name}": "GET", "/session": "POST", "/runs/{id}/page.html": "GET"}
"""The paths of the page, with their methods."""

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Lets the page run only its own script, and connect only to its own server. https://www.w3.org/TR/CSP3/"""

_HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
    "vary": "accept-encoding",
}

COOKIE_SECONDS: Final = 30 * 24 * 3600
"""How long a browser keeps the cookie for a token."""


class PageRoutes:
    """The handlers of the page's routes; each gets the request and the caller's name."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def endpoints(self) -> dict[str, Endpoint]:
        """Returns the handlers of the page by path."""
        return {
            "/": self.site.endpoint(self.index, public=True),
            "/page/{name}": self.site.endpoint(self.file, public=True),
            "/session": self.site.endpoint(self.session),
            "/runs/{id}/page.html": self.site.endpoint(self.saved),
        }

    async def index(self, request: Request, caller: str | None) -> Response:
        """Sends the document."""
        return _answer(request, "index.html")

    async def file(self, request: Request, caller: str | None) -> Response:
        """Sends the script, the style sheet or the icon."""
        return _answer(request, request.path_params["name"])

    async def session(self, request: Request, caller: str | None) -> Response:
        """Exchanges the token for a cookie that no script can read."""
        await self.site.body(request)
        answer = Response(status_code=204, headers={"cache-control": "no-store"})
        if self.site.guard.cookie:
            answer.set_cookie(
                COOKIE,
                self.site.guard.cookie,
                max_age=COOKIE_SECONDS,
                path=request.url.path.removesuffix("session") or "/",
                secure=request.url.scheme == "https",
                httponly=True,
                samesite="strict",
            )
        return answer

    async def saved(self, request: Request, caller: str | None) -> Response:
        """Sends the run so far as one page that plays without a network."""
        live = await self.site.manager.find(request.path_params["id"], caller)
        page = saved_page(live.log[at] for at in range(live.visible))
        headers = {
            "content-disposition": f'attachment; filename="{live.id}.html"',
            "content-security-policy": "sandbox",  # never open it in this server's origin
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
        }
        return Response(page, headers=headers, media_type="text/html")


@cache
def _files() -> dict[str, tuple[bytes, bytes, str, str]]:
    """Returns each file by name: raw, compressed, media type and ETag."""
    files = {
        "index.html": (bundle.index(), "text/html; charset=utf-8"),
        "page.js": (bundle.script(), "text/javascript; charset=utf-8"),
        "page.css": (bundle.style(), "text/css; charset=utf-8"),
        "icon.svg": (bundle.text("icon.svg"), "image/svg+xml"),
    }
    made = {}
    for name, (text, kind) in files.items():
        plain = text.encode()
        tag = hashlib.sha256(plain).hexdigest()[:20]
        made[name] = (plain, gzip.compress(plain, 9, mtime=0), kind, tag)
    return made


def _answer(request: Request, name: str) -> Response:
    found = _files().get(name)
    if found is None:
        return Response("There is no such file.", 404, _HEADERS, "text/plain")
    plain, packed, kind, tag = found
    headers = {**_HEADERS, "etag": f'W/"{tag}"'}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers={**headers, "content-encoding": "gzip"}, media_type=kind)
    return Response(plain, headers=headers, media_type=kind)
