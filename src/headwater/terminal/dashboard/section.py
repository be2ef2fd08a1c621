"""One agent on a panel: its head, figures, and the last rows of its text, tools and notes.

Pure: sizes and the time in, rows out. Results are cached while nothing changes, and each block of a text is drawn once.
"""

from __future__ import annotations

from typing import Final

from headwater.events.controls import one_line
from headwater.terminal.dashboard.agent_state import AgentView
from headwater.terminal.dashboard.blocks import Note, ToolLine, Words
from headwater.terminal.dashboard.columns import LOOSE, Columns, clock, in_columns, spent
from headwater.terminal.dashboard.drawing import STATE_STYLES, Pen, Style, hue_style
from headwater.terminal.dashboard.prose import Prose, end_of
from headwater.terminal.dashboard.pulse import bars
from headwater.terminal.render import seconds
from headwater.terminal.spans import BLANK, Row, Span
from headwater.terminal.summary import dollars
from headwater.terminal.wrap import breaks, cells, settled

__all__ = ("DENSE_ROWS", "Sheet")

_VOICE_STYLES: Final[dict[str, Style]] = {"answer": "", "refusal": "yellow", "reasoning": "dim"}
_NOTE_STYLES: Final[dict[str, Style]] = {
    "note": "dim",
    "question": "bold yellow",
    "warning": "yellow",
    "healed": "cyan",
    "error": "red",
    "cancelled": "yellow",
}

ROWS_A_NOTE: Final = 3
"""Maximum rows of a note: usually enough for the full message of an error."""

TAIL_MARKS: Final = 48
"""Characters that a tail is looked for in beside those that fill its row: marks take some, and so does a link."""

DENSE_ROWS: Final = 6
"""Up to this many rows, empty rows in an agent's text are left out."""


class Sheet:
    """Draws one agent with a pen."""

    __slots__ = (
        "_body",
        "_body_key",
        "_firsts",
        "_head_key",
        "_name",
        "_name_key",
        "_pen",
        "_view",
        "below",
        "drawn",
        "head",
        "lead",
        "short",
        "waits",
    )

    def __init__(self, view: AgentView, pen: Pen) -> None:
        self._view = view
        self._pen = pen
        self.drawn: dict[Words, tuple[Prose, int]] = {}
        """How far each of its texts is drawn, in characters."""
        self.head: str = ""
        """The last head or line that was drawn."""
        self._head_key: tuple[object, ...] = ()
        self._body: list[Row] = []
        self._firsts: list[bool] = []
        self._body_key: tuple[object, ...] = ()
        self.lead: str = ""
        self.below: str = ""
        """The prefixes of its first row and of the others: its place in the tree."""
        self.short: bool = False
        """Whether only its own name is shown, because its parent is shown above it."""
        self.waits: str = ""
        """The text about the agents that it waits for."""
        self._name = ("", 0)
        self._name_key: tuple[object, ...] = ()

    # --- its name

    @property
    def hue(self) -> Style:
        """The style that its name and its bar share."""
        return hue_style(self._view.hue)

    def bar(self, inner: int) -> str:
        """The row under its head."""
        bar = self._pen.signs.bar * (inner - cells(self.below))
        return self._pen.row([Span(self.below, "dim"), Span(bar, self.hue)], inner)

    @property
    def name(self) -> str:
        """Its name without control characters."""
        return self._named()[0]

    @property
    def name_cells(self) -> int:
        """The width of the name, including its prefix."""
        return cells(self.lead) + self._named()[1]

    def _named(self) -> tuple[str, int]:
        view = self._view
        key = (len(view.handed_to), view.rounds, self.short)
        if self._name_key != key:
            again = f", round {view.rounds}" if view.rounds > 1 else ""
            name = settled(one_line((view.short_name if self.short else view.name) + again))
            self._name = (name, cells(name))
            self._name_key = key
        return self._name

    # --- heads and figures

    def section_head(self, columns: Columns, inner: int, now: float) -> str:
        """The first row of a section: name, state, figures."""
        view, pen = self._view, self._pen
        key = (view.version, int(view.elapsed(now)), columns, inner, view.ended, self.lead, self.short)
        if self._head_key != key:
            room = columns.name - cells(self.lead)
            name = pen.fit(self.name, room)
            state = self._state(columns.state, now, beside=max(room - cells(name), 0))
            figures = self._figures(columns, now)
            pulse = self._bars(columns, now)
            used = (
                cells(self.lead)
                + pen.signs.width
                + 1
                + cells(name)
                + cells(state)
                + len(figures)
                + sum(len(span.text) for span in pulse)
            )
            self.head = pen.row(
                [
                    *self._sign(),
                    Span(name, f"bold {self.hue}"),
                    Span(" " * max(inner - used, 1)),
                    Span(state, self._style),
                    Span(figures),
                    *pulse,
                ],
                inner,
            )
            self._head_key = key
        return self.head

    def tall_head(self, inner: int, now: float) -> list[str]:
        """Returns two rows in place of a head and a rule, if the figures do not fit next to the name."""
        figures = self._figures(LOOSE if inner >= 44 else LOOSE._replace(unit="tok", cost=0), now)
        pen = self._pen
        return [
            pen.row([*self._sign(), Span(self.name, f"bold {self.hue}")], inner),
            pen.row([Span(self.below, "dim"), Span(self._state(inner, now), self._style), Span(figures, "dim")], inner),
        ]

    def line(self, columns: Columns, inner: int, now: float, *, over: bool) -> str:
        """Returns the agent on one row. `over`: its parent run has ended."""
        view, pen = self._view, self._pen
        key = (view.version, int(view.elapsed(now)), columns, inner, over, self.lead, self.short, self.waits)
        if self._head_key != key:
            head = [*self._sign(), Span(pen.padded(self.name, columns.name - cells(self.lead)), self.hue)]
            head.append(Span("  " + pen.padded(self._state(columns.state, now), columns.state), self._style))
            head.append(Span(self._figures(columns, now)))
            head += self._bars(columns, now)
            if columns.tail and (tail := self._tail(columns.tail, now)):
                head += [Span("  "), *tail]
            self.head = pen.row(head, inner)
            self._head_key = key
        return self.head

    @property
    def _style(self) -> Style:
        return STATE_STYLES[self._view.standing]

    def _sign(self) -> list[Span]:
        sign = Span(self._pen.signs.states[self._view.standing], self._style)
        return [Span(self.lead, "dim"), sign, Span(" ")]

    def _figures(self, columns: Columns, now: float) -> str:
        view = self._view
        time = clock(view.elapsed(now), view.ended is not None) if view.started is not None else ""
        return in_columns(
            time, spent(*view.tokens, view.rate), columns, dollars(view.cost) if view.cost is not None else ""
        )

    def _bars(self, columns: Columns, now: float) -> list[Span]:
        """Returns the bars: the rate of the last seconds."""
        if not columns.bars:
            return []
        told = bars(self._view.pulse(now))
        return [Span("  "), Span(told, self.hue), Span(" " * (columns.bars - len(told)))]

    def _state(self, room: int, now: float, *, beside: int = 0) -> str:
        """Returns the state in one or two words; `beside` is the room that the name of a tool can have besides."""
        view = self._view
        if view.state == "retrying" and view.retry_at is not None and view.retry_at - now >= 1:
            return f"retrying in {view.retry_at - now:.0f} s"
        if view.standing == "healed":
            return "done, healed" if room >= 12 else "healed"
        if view.state == "asking" and room < 14:
            return "needs you"
        return self._pen.fit(settled(one_line(view.doing)), room + beside)

    # --- text, tools, notes

    def body(self, inner: int, count: int, now: float) -> list[Row]:
        """The last rows of what it said and did, at most `count`, in what its place in the tree leaves of `inner`."""
        width = inner - cells(self.below)
        view = self._view
        key = (view.version, width, count, int(now) if view.tools else 0, self.waits)
        if self._body_key == key:
            return self._body
        rows: list[Row] = []
        firsts: list[bool] = []  # whether a row may be the first that is shown: the rest of a note may not
        if not view.blocks and self.waits:
            rows = [(Span(self._pen.fit(self.waits, width), "dim"),)]
        after: Words | None = None
        drawn: dict[Words, tuple[Prose, int]] = {}
        for block in reversed(view.blocks):
            left = count - len(rows)
            if left <= 0:
                break
            if isinstance(block, Words):
                text = self._drawn(block, width)
                drawn[block] = (text, block.end)
                made = text.last(left)
                if after is not None and after.voice == block.voice and len(rows) < count:
                    rows.insert(0, BLANK)  # what was said in another step, or another round
                    firsts.insert(0, True)
                    made = made[1:] if len(made) == left else made
            elif isinstance(block, ToolLine):
                made = [(self._tool(block, width, now),)]
            else:
                made = self._note(block, width, left)
            rows[:0] = made
            firsts[:0] = [not isinstance(block, Note) or at == 0 for at in range(len(made))]
            after = block if isinstance(block, Words) else None
        self.drawn = drawn
        self._body, self._firsts, self._body_key = rows, firsts, key
        return rows

    def cut_to(self, body: list[Row], inner: int, share: int) -> list[Row]:
        """Returns the last rows that fit into `share`."""
        if share >= len(body) or not self._view.blocks:
            return body[:share]
        last = self._view.blocks[-1]
        if isinstance(last, Note) and len(note := self._note(last, inner - cells(self.below), share)) == share:
            return note  # its start is more informative than its end
        told = [(row, first) for row, first in zip(body, self._firsts, strict=True) if row or share > DENSE_ROWS]
        told = told[max(len(told) - share, 0) :]
        while told and not told[0][1]:
            del told[0]
        return [row for row, _ in told]

    def _tail(self, width: int, now: float) -> Row:
        """The last thing it said or did, on one line: of words the end, from the beginning of a word."""
        view = self._view
        if not view.blocks:
            return (Span(self._pen.fit(self.waits, width), "dim"),) if self.waits else BLANK
        block = view.blocks[-1]
        if view.tools:
            block = next(reversed(view.tools.values()))
        if isinstance(block, ToolLine):
            return (self._tool(block, width, now),)
        if isinstance(block, Note):
            return self._note(block, width, 1)[0]
        return end_of(block.since(block.end - width - TAIL_MARKS), width, _VOICE_STYLES[block.voice])

    def _drawn(self, words: Words, width: int) -> Prose:
        prose, position = self.drawn.get(words, (None, 0))
        if prose is None or prose.width != width or position < words.start:
            ascii_signs = self._pen.signs.horizontal.isascii()
            prose, position = Prose(width, _VOICE_STYLES[words.voice], ascii_signs=ascii_signs), 0
        if position < words.end:
            prose.add(words.since(position))
        return prose

    def _tool(self, tool: ToolLine, width: int, now: float) -> Span:
        marks, fit = self._pen.signs.marks, self._pen.fit
        phrase = one_line(tool.phrase)
        if tool.running:
            told = f"{marks.running} {phrase}"
            time = f"  {clock(max(0.0, now - tool.started), False)}"
            if tool.progress:
                time += f"  {one_line(tool.progress)}"
            return Span(fit(settled(told + time), width), STATE_STYLES["tool"])
        if tool.duration is None:
            return Span(fit(settled(f"{marks.failed} {phrase}  stopped"), width), "yellow")
        error = f"  {one_line(tool.error)}" if tool.error else ""
        mark = marks.failed if tool.error is not None else marks.done
        told = settled(f"{mark} {phrase}  {seconds(tool.duration)}{error}")
        return Span(fit(told, width), "red" if tool.error is not None else "green")

    def _note(self, note: Note, width: int, left: int) -> list[Row]:
        signs = self._pen.signs
        mark = {"error": signs.marks.failed, "healed": signs.healed, "question": signs.asks}.get(
            note.level, signs.marks.note
        )
        text = settled(f"{mark} {one_line(note.text)}")
        rows = [text[first:last] for first, last in breaks(text, width)]
        room = min(ROWS_A_NOTE, left)
        if len(rows) > room:
            rows = [*rows[: room - 1], self._pen.fit(" ".join(rows[room - 1 :]), width)]
        return [(Span(row, _NOTE_STYLES[note.level]),) for row in rows]
