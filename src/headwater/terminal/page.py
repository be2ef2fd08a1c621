"""A run as lines on a terminal: finished lines, which scroll away, and open ones, which are redrawn.

Owns the look of each item and the space between items. Pure: time and width are parameters; no output. Text of a
model or a tool must never control the terminal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from headwater.events.controls import one_line
from headwater.terminal.look import Look
from headwater.terminal.notes import CUT_SHORT
from headwater.terminal.render import seconds
from headwater.terminal.run_view import (
    Act,
    Began,
    Ended,
    HandedOver,
    Item,
    LoopBegan,
    Noted,
    Said,
    ToolEnded,
    Withdrawn,
    Working,
)
from headwater.terminal.said import Drawn, Markdown, Plain, Words
from headwater.terminal.spans import BLANK, Row, Span, cut_row, folded, painted, wrapped
from headwater.terminal.summary import footer, short
from headwater.terminal.wrap import cells, settled

__all__ = ("ASCII_SIGNS", "SIGNS", "Page", "Signs")

MOST_COLUMNS: Final = 100
"""Maximum width of text: longer lines are hard to read."""

MOST_LIVE_LINES: Final = 5
"""Maximum number of running tools with their own line; the others are counted."""

SECONDS_OF_SILENCE: Final = 0.25
"""Seconds without text before a line says what the run waits for."""

LINES_OF_A_RESULT: Final = 10
"""Maximum lines of a tool's result if more than its first line is shown."""

ROOM_SHARE: Final = 8
"""The part of the screen that open text may fill before it scrolls away; open text is parsed again with each change."""

WORDS_QUOTED: Final = 6
"""Number of quoted words of retracted text that cannot be erased: enough to find it."""

_MARKS: Final = re.compile(r"[#*_`>|~]")
"""Marks of Markdown that are not visible in the rendered text."""

_VOICES: Final = {"refusal": ("warning", "Refused: "), "reasoning": ("dim", "")}


class Signs(NamedTuple):
    """The symbols, in one character set."""

    header: str
    line: str
    """Below the header, across the whole width."""
    rule: str
    spinner: str
    tool: str
    result: str
    dot: str
    note: str
    failed: str
    withdrawn: str
    arrow: str
    cut: str


SIGNS: Final = Signs("🤖 ", "━", "─", "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏", "●", "└", " · ", "·", "✗", "↩", "→", "…")
ASCII_SIGNS: Final = Signs("", "-", "-", "|/-\\", "*", "\\_", ", ", "-", "x", "<", "->", "...")


class Page:
    """Collects items and returns the rows of the terminal: `take` items, then `draw`."""

    def __init__(self, look: Look, *, signs: Signs = SIGNS, color: bool = True, parted: bool = False) -> None:
        self._look = look
        self._signs = signs
        self._color = color
        self._width = MOST_COLUMNS
        self._columns = MOST_COLUMNS
        self._record: list[Row] = []
        """Finished rows that were not drawn yet."""
        self._last = "another" if parted else ""
        """The kind of the last finished row; "" without one."""
        self._words: Words | None = None
        self._voice = ""
        self._asides: list[Noted] = []
        """Notes that wait for the end of the open rows, which they must not split."""
        self._acts: tuple[Act, ...] = ()
        self._since: dict[str, float] = {}
        """The start time of each activity."""
        self._thinks = False
        self._spoke = 0.0
        """The time of the last text."""
        self._model = ""
        self.running: bool = False
        """Whether a run is active, so that waiting is shown."""
        self._open: tuple[int, list[Drawn]] | None = None
        """The open rows and their width; None after a change."""

    def get_ready(self) -> None:
        """Imports the modules that draw an answer, which takes a moment."""
        if self._look.markdown:
            Markdown(lambda: self._width).add("")

    # --- items

    def take(self, items: Sequence[Item], now: float) -> None:
        """Adds an item; `now` is in seconds, of any clock."""
        for item in items:
            if item.__class__ is Said:
                self._said(item, now)
            else:
                self._other(item, now)

    def _said(self, item: Said, now: float) -> None:
        self._spoke = now
        if item.voice == "reasoning" and not self._look.reasoning:
            return
        if self._words is None or item.voice != self._voice or item.lead:
            self._finish()
            self._words, self._voice = self._words_of(item.voice), item.voice
        self._words.add(item.text)
        self._open = None

    def _words_of(self, voice: str) -> Words:
        if voice == "answer" and self._look.markdown:
            return Markdown(lambda: self._width, ascii_signs=self._signs is ASCII_SIGNS)
        style, label = _VOICES.get(voice, ("", ""))
        return Plain(lambda: self._width, style=style, label=label)

    def _other(self, item: Item, now: float) -> None:
        match item:
            case Working(acts):
                self._working(acts, now)
            case Began(name, loops):
                self.running = True
                if self._look.header:
                    self._header(name, loops)
            case ToolEnded():
                self._tool(item)
            case Withdrawn():
                self._withdrawn(item)
            case Noted(text, level):
                if item.aside and self._words is not None:
                    self._asides.append(item)
                elif level != "error" or self._look.errors:
                    self._note(text, level)
            case LoopBegan(number, of):
                bar = self._signs.rule * 2
                self._add("loop", [(Span(f"{bar} loop {number} of {of} {bar}", "dim"),)])
            case HandedOver(to, note):
                told = f"{self._signs.arrow} {one_line(to)}" + (f": {one_line(note)}" if note else "")
                self._add("handoff", wrapped([Span(told, "accent")], self._width))
            case Ended():
                self._ended(item)

    def _working(self, acts: tuple[Act, ...], now: float) -> None:
        self.running = self.running or bool(acts)
        thought = next((act for act in self._acts if act.kind == "think"), None)
        if thought is not None and all(act.key != thought.key for act in acts):
            took = now - self._since.get(thought.key, now)
            if took >= 1.0 and not self._look.reasoning:
                self._add("note", [(Span(f"{self._signs.note} thought for {short(round(took))}", "dim"),)])
        self._since = {act.key: self._since.get(act.key, now) for act in acts}
        self._acts = acts
        self._model = next((act.phrase for act in acts if act.kind == "wait"), self._model)
        self._spoke = now

    def _header(self, name: str, loops: int) -> None:
        self._add("header", [(Span(f"{self._signs.header}Agent: {one_line(name)} | Loops: {loops}", "strong"),)])
        self._record.append((Span("", "rule"),))  # it gets the width of the text when it is drawn

    def _tool(self, item: ToolEnded) -> None:
        mark = (Span(f"{self._signs.tool} ", "bad" if item.error is not None else "good"),)
        phrase = cut_row((*mark, Span(settled(one_line(item.phrase)))), self._columns - 1, self._signs.cut)
        hang, took = f"  {self._signs.result} ", f"{self._signs.dot}{seconds(item.duration)}"
        indent = " " * cells(hang)
        if item.error is not None:
            rows = wrapped([Span(settled(one_line(item.error)) + took, "bad")], self._width - len(indent))
        else:
            rows = self._result(item.result, took, self._width - len(indent))
        told = [(Span(hang if at == 0 else indent, "dim"), *row) for at, row in enumerate(rows)]
        self._add("tool", [phrase, *told])

    def _result(self, result: str, took: str, width: int) -> list[Row]:
        lines = [line for line in result.split("\n") if line.strip()]
        shown = lines[: LINES_OF_A_RESULT if self._look.verbose else 1]
        rows: list[Row] = [(Span(settled(one_line(line)), "dim"),) for line in shown]
        rows = [cut_row(row, width, self._signs.cut) for row in rows]
        more = f"{self._signs.cut} {len(lines) - len(shown)} more lines" if self._look.verbose else ""
        if more and len(lines) > len(shown):
            rows.append((Span(more, "dim"),))
        if not rows:
            return [(Span(took.removeprefix(self._signs.dot), "dim"),)]
        rows[0] = (*cut_row(rows[0], width - len(took), self._signs.cut), Span(took, "dim"))
        return rows

    def _note(self, text: str, level: str, mark: str = "") -> None:
        mark = mark or (self._signs.failed if level == "error" else self._signs.note)
        style = {"error": "bad", "warning": "warning", "cancelled": "warning"}.get(level, "dim")
        rows = wrapped([Span(settled(one_line(text)), style)], self._width - len(mark) - 1)
        hang = " " * (len(mark) + 1)
        self._add("note", [(Span(f"{mark} " if at == 0 else hang, style), *row) for at, row in enumerate(rows)])

    def _withdrawn(self, item: Withdrawn) -> None:
        """Erases open text, and adds a line about text that cannot be erased."""
        self._open = None
        if self._words is not None and self._words.retract(item.text):
            return
        self._finish()
        words = [word for word in _MARKS.sub("", item.text).split() if word.strip("-=+")]
        quoted = " ".join(words[:WORDS_QUOTED]) + (self._signs.cut if len(words) > WORDS_QUOTED else "")
        above = f'what stands above from "{settled(one_line(quoted))}" on' if words else "what was just said"
        self._note(f"Retracted: {above}", "warning", self._signs.withdrawn)

    def _ended(self, item: Ended) -> None:
        self._acts = ()
        self._finish()
        self.running = False
        told = footer(item, self._signs.dot)
        if self._look.footer and told:
            self._add("footer", _kept_together(told, self._signs.dot, self._width))
        elif (cut := CUT_SHORT.get(item.reason)) is not None and not self._look.footer:
            self._note(cut, "warning")
        self._last = "another" if item.outcome == "waiting" else ""  # there was a question in between

    # --- finished rows

    def _add(self, kind: str, rows: Sequence[Row]) -> None:
        """Adds finished rows, after an empty one if the kind changes."""
        self._finish()
        self._put(kind, rows, apart=kind != self._last)

    def _put(self, kind: str, rows: Sequence[Row], *, apart: bool) -> None:
        if not rows:
            return
        if self._last and apart:
            self._record.append(BLANK)
        self._record += rows
        self._last = kind

    def _finish(self) -> None:
        """Finishes the open rows."""
        if self._words is not None:
            self._keep(self._words.finish())
            self._words = None
            self._open = None
            asides, self._asides = self._asides, []
            for aside in asides:
                self._note(aside.text, aside.level)

    def _keep(self, finished: Sequence[Drawn]) -> None:
        for drawn in finished:
            self._put(self._voice, drawn.rows, apart=drawn.apart or self._last != self._voice)

    # --- drawing

    def fit(self, columns: int) -> None:
        """Sets the terminal's width, for what is added from now on."""
        if columns != self._columns:
            self._columns, self._width, self._open = columns, min(columns, MOST_COLUMNS), None

    def draw(self, columns: int, lines: int, now: float) -> tuple[str, list[str]]:
        """Returns the finished rows to write as complete lines, and the open rows below them."""
        self.fit(columns)
        if self._words is not None:
            self._keep(self._words.take())
        live = self._live_lines(now)
        rows = self._open_rows()
        parted = [BLANK] if live and (rows or self._last) else []
        room = max(lines - 1 - len(live) - len(parted), 0)
        if self._words is not None and len(rows) - room >= max(room // ROOM_SHARE, 1):
            self._keep(self._words.settle(len(rows) - room))
            self._open = None
            rows = self._open_rows()
        above = "".join(f"{self._painted(row)}\n" for row in self._record)
        self._record.clear()
        rows = [*(rows[-room:] if room else []), *parted, *live]
        return above, [self._painted(row) for row in rows[-max(lines - 1, 1) :]]

    def _painted(self, row: Row) -> str:
        if row and row[0].style == "rule":
            row = (Span(self._signs.line * self._width, "dim"),)
        return painted(row, color=self._color)

    def _open_rows(self) -> list[Row]:
        if self._words is None:
            return []
        if self._open is None:
            self._open = (self._columns, self._words.open())
        rows: list[Row] = []
        before = self._last
        for drawn in self._open[1]:
            if not drawn.rows:
                continue
            if before and (drawn.apart or before != self._voice):
                rows.append(BLANK)
            before = self._voice
            rows += [piece for row in drawn.rows for piece in folded(row, self._columns)]
        return rows

    # --- the live lines

    def waits(self, now: float) -> bool:
        """Whether an animated line is shown."""
        return self.running and (bool(self._acts) or self.silent(now))

    def silent(self, now: float) -> bool:
        """Whether no text was received for so long that a line says what the run waits for."""
        return now - self._spoke >= SECONDS_OF_SILENCE - 0.001

    def _live_lines(self, now: float) -> list[Row]:
        if not self.waits(now):
            return []
        frames = self._signs.spinner
        frame = frames[int(now * 10) % len(frames)]
        if not self._acts:
            told = [self._waiting(self._model, now - self._spoke)]
        else:
            told = [self._act(act, now - self._since.get(act.key, now)) for act in self._acts[:MOST_LIVE_LINES]]
            if len(self._acts) > MOST_LIVE_LINES:
                told.append(f"{len(self._acts) - MOST_LIVE_LINES} more running")
        return [
            cut_row((Span(f"{frame} ", "accent"), Span(settled(line), "dim")), self._columns - 1, self._signs.cut)
            for line in told
        ]

    def _act(self, act: Act, elapsed: float) -> str:
        phrase = one_line(act.phrase)
        if act.kind == "wait":
            return self._waiting(phrase, elapsed)
        if act.kind == "think":
            return f"thinking{self._after(elapsed)}"
        if act.kind == "retry":
            left = act.wait - elapsed
            return f"reconnecting ({phrase}{f', {short(left + 0.999)}' if left > 0 else ''})"
        told = f"{self._signs.dot}{one_line(act.told)}" if act.told else ""
        return f"{phrase}{self._signs.dot}{seconds(elapsed, tenths=True)}{told}"

    def _waiting(self, model: str, elapsed: float) -> str:
        return f"waiting for {one_line(model) or 'the model'}{self._after(elapsed)}"

    def _after(self, elapsed: float) -> str:
        return f"{self._signs.dot}{short(elapsed)}" if elapsed >= 1.0 else ""


def _kept_together(spans: Sequence[Span], dot: str, width: int) -> list[Row]:
    """Breaks rows only at the dots, if each of the pieces between them fits; no row ends with a dot."""
    rows: list[Row] = []
    for text, style in spans:
        open_ = ""
        for piece in text.split(dot):
            longer = f"{open_}{dot}{piece}" if open_ else piece
            if open_ and cells(longer) > width:
                rows += wrapped([Span(open_, style)], width)
                longer = piece
            open_ = longer
        rows += wrapped([Span(open_, style)], width)
    return rows
