"""What to show, as strings for a terminal or as plain text: the one place that knows an escape code, a mark, a width.

Pure but for the width, which it asks for when it draws a line. It must never let a model's own words steer the
terminal, and never move the cursor off the line it stands on: what a program prints meanwhile stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from headwater.events.controls import harmless, one_line
from headwater.terminal.run_view import Began, Ended, Item, Noted, Running, Said, ToolEnded, Voice, Withdrawn

__all__ = ("ASCII", "UNICODE", "Marks", "Plain", "Renderer", "Terminal", "fit", "seconds")

Block: TypeAlias = Voice | Literal["header", "line"]


class Marks(NamedTuple):
    """The signs used, in one repertoire of characters."""

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

_ERASE_LINE: Final = "\r\x1b[K"
_STYLES: Final = {
    "header": "1",
    "rule": "2",
    "reasoning": "2",
    "refusal": "33",
    "running": "2",
    "done": "32",
    "failed": "31",
    "note": "2",
    "warning": "33",
    "error": "31",
    "cancelled": "33",
}
_LABELS: Final[dict[Voice, str]] = {"answer": "", "refusal": "Refused: ", "reasoning": "Thinking: "}


class Renderer(Protocol):
    """Items to the characters to write next."""

    def render(self, item: Item) -> str:
        """What to write for `item`, after all that was rendered before."""


class Plain:
    """The answer's text and nothing else, for a pipe, a file or a dumb terminal.

    `screen` says that a person's terminal is behind it, which control characters must not reach.
    """

    def __init__(self, *, screen: bool = False) -> None:
        self._screen = screen
        self._line_open = False
        self._voice: Voice = "answer"

    def render(self, item: Item) -> str:
        """What to write for `item`: words, a withdrawal on a line of its own, and one newline at the end."""
        if isinstance(item, Said):
            return self._said(item)
        if isinstance(item, Withdrawn):
            # Words that are out cannot be called back, and silence would join two attempts into one answer.
            return f"{self._end_line()}[{_withdrawal(item)}]\n"
        if isinstance(item, Ended):
            self._voice = "answer"
            return self._end_line()
        return ""

    def _said(self, item: Said) -> str:
        if item.voice == "reasoning":
            return ""
        text = harmless(item.text) if self._screen else item.text
        before = item.lead
        if item.voice != self._voice:
            self._voice = item.voice
            before = before or self._end_line()
        if text or before:
            self._line_open = not (text or before).endswith("\n")
        return before + text

    def _end_line(self) -> str:
        open_, self._line_open = self._line_open, False
        return "\n" if open_ else ""


class Terminal:
    """A terminal that understands escape codes: header, words, tools, notes.

    What is under way stands on the last line, which is rewritten in place; what is done becomes a line of its own
    above it. `columns` is asked for the width whenever a line is drawn, so that resizing needs no signal.
    """

    def __init__(
        self, columns: Callable[[], int], *, color: bool = True, marks: Marks = UNICODE, reasoning: bool = True
    ) -> None:
        self._columns = columns
        self._color = color
        self._marks = marks
        self._reasoning = reasoning
        self._block: Block | None = None
        self._newlines = 2
        """Line ends at the very bottom: 0 within a line, 1 on a fresh one, 2 under an empty one."""
        self._running = ""
        """The last line, where it is one to be rewritten."""

    def render(self, item: Item) -> str:
        """What to write for `item`, after all that was rendered before."""
        return self._said(item) if isinstance(item, Said) else self._other(item)

    def _other(self, item: Item) -> str:
        match item:
            case Began(name, loops):
                return self._header(name, loops)
            case Running(phrases):
                return self._now_running(phrases)
            case ToolEnded(phrase, duration, error):
                return self._tool(phrase, duration, error)
            case Withdrawn():
                return self._line("warning", f"{self._marks.withdrawn} {_withdrawal(item)}")
            case Noted(text, level):
                mark = self._marks.failed if level == "error" else self._marks.note
                return self._line(level, f"{mark} {one_line(text)}")
            case Ended():
                end = self._erase() + ("" if self._newlines else "\n")
                self._block, self._newlines = None, 2
                return end
        return ""

    def _header(self, name: str, loops: int) -> str:
        title = self._styled("header", f"{self._marks.header}Agent: {one_line(name)} | Loops: {loops}")
        rule = self._styled("rule", self._marks.rule * self._columns())
        self._block, self._newlines = "header", 2
        return f"{title}\n{rule}\n\n"

    def _said(self, item: Said) -> str:
        voice = item.voice
        if voice == "reasoning" and not self._reasoning:
            return ""
        text = harmless(item.text)
        if not text:
            return ""
        before = ""
        if self._running or voice != self._block:
            before = self._open(voice)
            label = _LABELS[voice]
        else:
            before, label = item.lead, ""
        if text[-1] != "\n":
            self._newlines = 0
        else:
            self._newlines = 2 if text.endswith("\n\n") or (text == "\n" and self._newlines) else 1
        return before + (text if voice == "answer" else self._styled(voice, label + text))

    def _now_running(self, phrases: tuple[str, ...]) -> str:
        if not phrases:
            return self._erase()
        told = " · ".join(map(one_line, phrases)) if self._marks is UNICODE else ", ".join(map(one_line, phrases))
        count = f"{len(phrases)} running: " if len(phrases) > 1 else ""
        # One cell stays free: a full line would wrap, and a wrapped one cannot be rewritten in place. The space parts
        # it from what a tool may print meanwhile.
        line = fit(f"{self._marks.running} {count}{told} {self._marks.cut}", self._columns() - 2, self._marks.cut) + " "
        if line == self._running:
            return ""
        before = _ERASE_LINE if self._running else self._open("line")
        self._running = line
        return before + self._styled("running", line)

    def _tool(self, phrase: str, duration: float, error: str | None) -> str:
        style, mark = ("failed", self._marks.failed) if error is not None else ("done", self._marks.done)
        told = f"{one_line(phrase)}  {seconds(duration)}" + (f"  {one_line(error)}" if error else "")
        line = fit(f"{mark} {told}", self._columns() - 1, self._marks.cut)
        before = self._open("line")
        self._newlines = 1
        return f"{before}{self._styled(style, line[: len(mark)])}{line[len(mark) :]}\n"

    def _line(self, style: str, text: str) -> str:
        before = self._open("line")
        self._newlines = 1
        return f"{before}{self._styled(style, text)}\n"

    def _open(self, block: Block) -> str:
        """Make room for a block: nothing unfinished on the last line, and an empty line between two kinds of block."""
        erase = self._erase()
        space = ""
        if self._block is not None and self._block != block:
            space = "\n" * (2 - self._newlines)
            self._newlines = 2
        self._block = block
        return erase + space

    def _erase(self) -> str:
        running, self._running = self._running, ""
        return _ERASE_LINE if running else ""

    def _styled(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._color else text


def fit(line: str, cells: int, cut: str = "…") -> str:
    """`line` in at most `cells` cells, with `cut` at its end where something is missing."""
    if line.isascii():
        room = cells - len(cut)
        shown = line if len(line) <= cells else line[: max(room, 0)] + cut
    else:
        # rich is there for the dashboard anyway and knows emoji and combining characters; only such lines load it.
        from rich.cells import cell_len, set_cell_size

        room = cells - cell_len(cut)
        shown = line if cell_len(line) <= cells else set_cell_size(line, max(room, 0)) + cut
    return shown if room > 0 else shown[: max(cells, 0)]


def seconds(duration: float) -> str:
    """A duration for people: `12 ms`, `0.4 s`, `1 min 5 s`."""
    if duration < 0.0995:
        return f"{duration * 1000:.0f} ms"
    if duration < 59.95:
        return f"{duration:.1f} s"
    minutes, rest = divmod(round(duration), 60)
    return f"{minutes} min {rest} s"


def _withdrawal(item: Withdrawn) -> str:
    what = (
        f"The last {item.chars:,} characters above are withdrawn" if item.chars else "What was just said is withdrawn"
    )
    return f"{what}: {one_line(item.cause)}" if item.cause else what
