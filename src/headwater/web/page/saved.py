"""Saves a run as one page that plays it: no network, no server, no second file.

Owns the content of the file: the log as data, the page's own script and style, and a policy that allows only that
script, by its hash. A model's output is embedded as JSON, and must never be run or parsed as HTML by a browser.
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
    """Returns the HTML of a page that shows the run: its text, times and events, to play or to step through.

    `log` has the events of one tree of runs in order, as in `RunFile.events`.
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
    # Each "<" in the log is escaped: JSON decodes it to the same character, and HTML sees no tag.
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
