"""The options for showing a run on a terminal, for agents and the command line."""

from __future__ import annotations

import msgspec

__all__ = ("Look",)


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is shown on a terminal; a pipe, a file and a dumb terminal always get the answer's text."""

    markdown: bool = True
    """Whether Markdown is rendered; else the text is shown unchanged, wrapped between words."""
    reasoning: bool = False
    """Whether the model's reasoning is shown; else only its duration."""
    header: bool = True
    """Whether the agent's name is shown above its first answer."""
    footer: bool = True
    """Whether a line under the answer says how it ended and what it took."""
    verbose: bool = False
    """Whether more than the first line of a tool's result is shown."""
    errors: bool = True
    """Whether the error of a failed run is shown; if not, the caller reports it."""
