"""What of a run a terminal is to show: the switches that an agent and the command line have."""

from __future__ import annotations

import msgspec

__all__ = ("Look",)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is shown on a terminal; a pipe, a file and a dumb terminal get the answer's text, whatever it says."""

    markdown: bool = True
    """Whether the answer's Markdown is drawn; else its text is shown as it came, between words wrapped."""
    reasoning: bool = False
    """Whether what the model thinks is shown; else a line says for how long."""
    header: bool = True
    """Whether the agent's name stands over its first answer."""
    footer: bool = True
    """Whether a line under the answer says how it ended and what it took."""
    verbose: bool = False
    """Whether more than the first line of a tool's result is shown."""
    errors: bool = True
    """Whether it is said what ended a run that failed; where not, someone else says it."""
