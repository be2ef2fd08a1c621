"""An answer as plain text for a pipe, a file or a dumb terminal; and symbols and durations for all views.

Pure. The text of a model must never control the terminal.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from headwater.events.controls import harmless, one_line
from headwater.terminal.run_view import Ended, Item, Said, Voice, Withdrawn

__all__ = ("ASCII", "UNICODE", "Marks", "Plain", "fit", "seconds")


class Marks(NamedTuple):
    """The symbols, in one character set."""

    header: str
    rule: str
    running: str
    done: str
    failed: str
    note: str
    withdrawn: str
    cut: str


UNICODE: Final = Marks("🤖 ", "━", "◌", "✓", "✗", "·", "↩", "…")
ASCII: Final = Marks("", "-", "*", "+", "x", "-", "<", "...")


class Plain:
    """The answer's text and nothing else, for a pipe, a file or a dumb terminal; one for each file.

    `screen` says that a person's terminal is behind it, which control characters must not reach.
    """

    def __init__(self, *, screen: bool = False) -> None:
        self._screen = screen
        self._line_open = False
        self._begun = False
        self._voice: Voice = "answer"

    def render(self, item: Item) -> str:
        """What to write for `item`: words, a retraction on a line of its own, and one newline at the end."""
        if isinstance(item, Said):
            return self._said(item)
        if isinstance(item, Withdrawn):
            # Written text cannot be erased, and without a note two attempts would look like one answer.
            return f"{self.end_line()}[{_retraction(item)}]\n"
        if isinstance(item, Ended) and item.outcome not in ("waiting", "handed over"):
            self._voice = "answer"
            return self.end_line()
        return ""

    def _said(self, item: Said) -> str:
        if item.voice == "reasoning":
            return ""
        text = harmless(item.text) if self._screen else item.text
        before = item.lead if self._begun else ""  # without text above there is nothing to separate from
        self._begun = True
        if item.voice != self._voice:
            self._voice = item.voice
            before = before or self.end_line()
        if text or before:
            self._line_open = not (text or before).endswith("\n")
        return before + text

    def end_line(self) -> str:
        """Returns the end of the open line."""
        open_, self._line_open = self._line_open, False
        return "\n" if open_ else ""


def fit(line: str, cells: int, cut: str = "…") -> str:
    """`line` in at most `cells` cells, with `cut` at its end where something is missing."""
    if line.isascii():
        room = cells - len(cut)
        shown = line if len(line) <= cells else line[: max(room, 0)] + cut
    else:
        # rich handles emoji and combining characters; only lines with these import it.
        from rich.cells import cell_len, set_cell_size

        room = cells - cell_len(cut)
        shown = line if cell_len(line) <= cells else set_cell_size(line, max(room, 0)) + cut
    return shown if room > 0 else shown[: max(cells, 0)]


def seconds(duration: float, *, tenths: bool = False) -> str:
    """A duration for people: `12 ms`, `0.4 s`, `1 min 5 s`; with `tenths` nothing finer than those."""
    if duration < 0.0995 and not tenths:
        return f"{duration * 1000:.0f} ms"
    if duration < 59.95:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s"


def _retraction(item: Withdrawn) -> str:
    what = (
        f"The last {item.chars:,} characters above are retracted" if item.chars else "What was just said is retracted"
    )
    return f"{what}: {one_line(item.cause)}" if item.cause else what
