"""One agent on a panel: its head, its figures, the last rows of what it said and did.

Pure: sizes and the time come in, rows come out. What was made is kept, to be used again where nothing changed, and each
character is wrapped once however long the text.
"""

from __future__ import annotations

from typing import Final

from headwater.events.controls import one_line
from headwater.terminal.dashboard.agent_state import AgentView
from headwater.terminal.dashboard.blocks import Note, ToolLine, Words
from headwater.terminal.dashboard.columns import LOOSE, Columns, clock, in_columns, spent
from headwater.terminal.dashboard.drawing import STATE_STYLES, Pen, Segment, Style, hue_style
from headwater.terminal.render import seconds
from headwater.terminal.wrap import Wrapped, cells, cut, settled

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
"""Rows that one note may take: an error's message in full, mostly."""

DENSE_ROWS: Final = 6
"""Where an agent's words have no more rows than this, empty ones among them are left out."""


class Sheet:
    """Draws one agent with a pen."""

    __slots__ = ("_body", "_body_key", "_head_key", "_name", "_name_key", "_pen", "_view", "head", "wrapped")

    def __init__(self, view: AgentView, pen: Pen) -> None:
        self._view = view
        self._pen = pen
        self.wrapped: dict[Words, tuple[Wrapped, int]] = {}
        """How far each of its texts is wrapped, in characters said."""
        self.head = ""
        """The last head, or line, that was made."""
        self._head_key: tuple[object, ...] = ()
        self._body: list[Segment] = []
        self._body_key: tuple[object, ...] = ()
        self._name = ("", 0)
        self._name_key: tuple[object, ...] = ()

    # --- its name

    @property
    def hue(self) -> Style:
        """The style that its name and its bar share."""
        return hue_style(self._view.hue)

    def bar(self, inner: int) -> str:
        """The row under its head."""
        return self._pen.styled(self.hue, self._pen.signs.bar * inner)

    @property
    def name(self) -> str:
        """What it goes by, made harmless."""
        return self._named()[0]

    @property
    def name_cells(self) -> int:
        """How wide that is."""
        return self._named()[1]

    def _named(self) -> tuple[str, int]:
        view = self._view
        key = (len(view.handed_to), view.rounds)
        if self._name_key != key:
            again = f", round {view.rounds}" if view.rounds > 1 else ""
            name = settled(one_line(view.name + again))
            self._name = (name, cells(name))
            self._name_key = key
        return self._name

    # --- heads and figures

    def section_head(self, columns: Columns, inner: int, now: float) -> str:
        """The first row of a section: name, state, figures."""
        view, pen = self._view, self._pen
        key = (view.version, int(view.elapsed(now)), columns, inner, view.ended)
        if self._head_key != key:
            name = pen.fit(self.name, columns.name)
            state = self._state(columns.state, now)
            figures = self._figures(columns, now)
            used = pen.signs.width + 1 + cells(name) + cells(state) + len(figures)
            self.head = pen.row(
                [
                    *self._sign(),
                    (f"bold {self.hue}", name),
                    ("", " " * max(inner - used, 1)),
                    (self._style, state),
                    ("", figures),
                ],
                inner,
            )
            self._head_key = key
        return self.head

    def tall_head(self, inner: int, now: float) -> list[str]:
        """Two rows in place of a head and a rule, where the name leaves the figures no room."""
        figures = self._figures(LOOSE if inner >= 44 else LOOSE._replace(unit="tok"), now)
        pen = self._pen
        return [
            pen.row([*self._sign(), (f"bold {self.hue}", self.name)], inner),
            pen.row([(self._style, self._state(inner, now)), ("dim", figures)], inner),
        ]

    def line(self, columns: Columns, inner: int, now: float, *, over: bool) -> str:
        """All of it on one row. `over`: the run that it is part of has ended."""
        view, pen = self._view, self._pen
        key = (view.version, int(view.elapsed(now)), columns, inner, over)
        if self._head_key != key:
            head: list[Segment] = [*self._sign(), (self.hue, pen.padded(self.name, columns.name))]
            head.append((self._style, "  " + pen.padded(self._state(columns.state, now), columns.state)))
            head.append(("", self._figures(columns, now)))
            if columns.tail and (tail := self._tail(columns.tail, now)):
                head += [("", "  "), tail]
            self.head = pen.row(head, inner)
            self._head_key = key
        return self.head

    @property
    def _style(self) -> Style:
        return STATE_STYLES[self._view.standing]

    def _sign(self) -> list[Segment]:
        return [(self._style, self._pen.signs.states[self._view.standing]), ("", " ")]

    def _figures(self, columns: Columns, now: float) -> str:
        view = self._view
        time = clock(view.elapsed(now), view.ended is not None) if view.started is not None else ""
        return in_columns(time, spent(*view.tokens, view.rate), columns)

    def _state(self, room: int, now: float) -> str:
        """The state in a word or two."""
        view = self._view
        if view.state == "retrying" and view.retry_at is not None and view.retry_at - now >= 1:
            return f"retrying in {view.retry_at - now:.0f} s"
        if view.standing == "healed":
            return "done, healed" if room >= 12 else "healed"
        if view.state == "asking" and room < 14:
            return "needs you"
        return self._pen.fit(settled(one_line(view.doing)), room)

    # --- words, tools, notes

    def body(self, width: int, count: int, now: float) -> list[Segment]:
        """The last rows of what it said and did, at most `count`."""
        view = self._view
        key = (view.version, width, count, int(now) if view.tools else 0)
        if self._body_key == key:
            return self._body
        rows: list[Segment] = []
        after: Words | None = None
        wrapped: dict[Words, tuple[Wrapped, int]] = {}
        for block in reversed(view.blocks):
            left = count - len(rows)
            if left <= 0:
                break
            if isinstance(block, Words):
                text = self._wrap(block, width)
                wrapped[block] = (text, block.end)
                style = _VOICE_STYLES[block.voice]
                made: list[Segment] = [(style, row) for row in text.last(left)]
                if after is not None and after.voice == block.voice and len(rows) < count:
                    rows.insert(0, ("", ""))  # what was said in another step, or another round
                    made = made[1:] if len(made) == left else made
            elif isinstance(block, ToolLine):
                made = [self._tool(block, width, now)]
            else:
                made = self._note(block, width, left)
            rows[:0] = made
            after = block if isinstance(block, Words) else None
        self.wrapped = wrapped
        self._body, self._body_key = rows, key
        return rows

    def cut_to(self, body: list[Segment], inner: int, share: int) -> list[Segment]:
        """What of the last rows is shown where there is room for `share`."""
        if share >= len(body):
            return body
        last = self._view.blocks[-1]
        if isinstance(last, Note) and len(note := self._note(last, inner, share)) == share:
            return note  # its beginning says more than its end
        if share <= DENSE_ROWS:
            body = [segment for segment in body if segment[1]]
        return body[max(len(body) - share, 0) :]

    def _tail(self, width: int, now: float) -> Segment | None:
        """The last thing it said or did, on one line: of words the end, from the beginning of a word."""
        view = self._view
        if not view.blocks:
            return None
        block = view.blocks[-1]
        if view.tools:
            block = next(reversed(view.tools.values()))
        if isinstance(block, ToolLine):
            return self._tool(block, width, now)
        if isinstance(block, Note):
            return self._note(block, width, 1)[0]
        text = one_line(settled(block.since(block.end - 2 * width - 20)))
        if (over := cells(text) - width) > 0:
            text = text[cut(text, over) :]
            while cells(text) > width:
                text = text[1:]
            begin, space, rest = text.partition(" ")
            text = rest if space and cells(begin) * 2 < width else text
        return _VOICE_STYLES[block.voice], text

    def _wrap(self, words: Words, width: int) -> Wrapped:
        wrapped, position = self.wrapped.get(words, (None, 0))
        if wrapped is None or wrapped.width != width or position < words.start:
            wrapped, position = Wrapped(width), 0
        if position < words.end:
            wrapped.add(words.since(position))
        return wrapped

    def _tool(self, tool: ToolLine, width: int, now: float) -> Segment:
        marks, fit = self._pen.signs.marks, self._pen.fit
        phrase = one_line(tool.phrase)
        if tool.running:
            told = f"{marks.running} {phrase}"
            time = f"  {clock(max(0.0, now - tool.started), False)}"
            if tool.progress:
                time += f"  {one_line(tool.progress)}"
            return "cyan", fit(settled(told + time), width)
        if tool.duration is None:
            return "yellow", fit(settled(f"{marks.failed} {phrase}  stopped"), width)
        error = f"  {one_line(tool.error)}" if tool.error else ""
        mark = marks.failed if tool.error is not None else marks.done
        told = settled(f"{mark} {phrase}  {seconds(tool.duration)}{error}")
        return "red" if tool.error is not None else "green", fit(told, width)

    def _note(self, note: Note, width: int, left: int) -> list[Segment]:
        signs = self._pen.signs
        mark = {"error": signs.marks.failed, "healed": signs.healed, "question": signs.asks}.get(
            note.level, signs.marks.note
        )
        style = _NOTE_STYLES[note.level]
        room = min(ROWS_A_NOTE, left)
        text = Wrapped(width)
        text.add(f"{mark} {one_line(note.text)}")
        rows = text.last(1000)
        if len(rows) > room:
            rows = [*rows[: room - 1], self._pen.fit(" ".join(rows[room - 1 :]), width)]
        return [(style, row) for row in rows]
