"""A run as one page that plays: no network, no server, no second file.

Owns what stands in the file: the log as data, the page's own script and style, and a policy that allows just that
script, by its hash. Whatever a model said stands there as JSON, which no browser runs or parses as HTML.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from headwater.events.codec import encode
from headwater.events.types import Event, RunStarted
from headwater.web.page import bundle

__all__ = ("saved_page",)


def saved_page(log: Iterable[Event]) -> str:
    """The HTML of a page that shows the run: its words, times and events, to be played or gone through.

    `log` are the events of one tree of runs in their order, as `RunFile.events` has them.
    """
    events = list(log)
    first = events[0] if events else None
    title = first.agent_name if isinstance(first, RunStarted) and first.agent_name else "A run"
    script, style = bundle.script(), bundle.style()
    data = ",".join(encode(event, stamps=True).decode() for event in events)
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_hash(script)}'",
            f"style-src '{_hash(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
    # A log's "<" is escaped: in JSON it is the same character, in HTML it can end nothing and begin nothing.
    inert = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)} · headwater</title>\n<style>{style}</style>\n</head>\n<body>\n"
        '<div id="app"><noscript>This page needs JavaScript.</noscript></div>\n'
        f'<script type="application/json" id="log">[{inert}]</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def _hash(inline: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
