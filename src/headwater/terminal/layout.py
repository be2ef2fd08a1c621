"""How a board looks: its state to the rows of a panel that fits a given screen.

Pure: a screen's size and the time come in, rows come out, each no wider than the screen. It remembers rows that need
not be made anew, how far each text is wrapped, and who was on the screen, so that what stands there stays where it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, TypeAlias

from headwater.events import RunFailed
from headwater.terminal.board import AgentView, Board, Note, State, ToolLine, Words
from headwater.terminal.render import ASCII, UNICODE, Marks, one_line, seconds
from headwater.terminal.wrap import Wrapped, cells, cut, settled

__all__ = ("PLAIN_SIGNS", "SIGNS", "Layout", "Signs", "tally")


class Signs(NamedTuple):
    """What a panel is drawn with, in one repertoire of characters. Corners and edges clockwise from the top left."""

    marks: Marks
    active: str
    waiting: str
    done: str
    failed: str
    cancelled: str
    corners: str
    horizontal: str
    vertical: str

    def of(self, state: State) -> str:
        """The sign before an agent's name."""
        if state in ("waiting", "done", "failed", "cancelled"):
            return str(getattr(self, state))
        return self.active


SIGNS: Final = Signs(UNICODE, "🔄", "⏳", "✅", "❌", "🚫", "╭╮╯╰", "─", "│")
PLAIN_SIGNS: Final = Signs(ASCII, ">", ".", "+", "x", "-", "++++", "-", "|")

Style: TypeAlias = Literal["", "bold", "dim", "red", "green", "yellow", "cyan"]
Segment: TypeAlias = tuple[Style, str]

_CODES: Final[dict[Style, str]] = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "cyan": "36",
}
_STATE_STYLES: Final[dict[str, Style]] = {
    "waiting": "dim",
    "retrying": "yellow",
    "parked": "yellow",
    "done": "green",
    "failed": "red",
    "cancelled": "yellow",
}
_VOICE_STYLES: Final[dict[str, Style]] = {"answer": "", "refusal": "yellow", "reasoning": "dim"}
_NOTE_STYLES: Final[dict[str, Style]] = {
    "note": "dim",
    "warning": "yellow",
    "healed": "green",
    "error": "red",
    "cancelled": "yellow",
}

ROWS_A_NOTE: Final = 3
"""Rows that one note may take: an error's message in full, mostly."""

SECTIONS_WITHOUT_RULES: Final = 6
"""Up to so many sections can be told apart without rules between them; more are clearer as a line each."""

DENSE_ROWS: Final = 6
"""Where an agent's words have no more rows than this, empty ones among them are left out."""

LINES_BELOW: Final = 2
"""What the last state leaves free under it, so that its title is not pushed off by the prompt that comes next."""

PANEL_COLUMNS: Final = 24
PANEL_LINES: Final = 7
"""The smallest screen that a frame is drawn around: on a smaller one it would take what the words need."""


class _Columns(NamedTuple):
    """Which figures stand behind a name, and how wide; 0 where there is no room for one."""

    name: int
    state: int
    time: int
    tokens: int
    rate: int
    unit: Literal["tokens", "tok", ""]
    """Whether units are written out."""
    tail: int = 0

    @property
    def figures(self) -> int:
        """Cells that state, time, tokens and rate take, with the space before each."""
        return sum(size + 2 for size in (self.state, self.time, self.tokens, self.rate) if size)


_SHORT_RATE: Final = 7
"""Cells of a rate without its unit, "1,234/s": a wider column has the unit too."""

_FIGURES: Final[tuple[tuple[int, int, int, int, Literal["tokens", "tok"]], ...]] = (
    (16, 6, 14, 12, "tokens"),  # "~12,345 tokens", "123 tokens/s"
    (16, 6, 14, 6, "tokens"),
    (12, 6, 11, 6, "tok"),
    (12, 6, 11, 0, "tok"),
    (12, 6, 0, 0, "tok"),
    (10, 5, 0, 0, "tok"),
    (9, 0, 0, 0, "tok"),
)
"""State, time, tokens, rate and their unit in a section's head: from the most to the least, until it fits."""

_CAPTION: Final = ("agent", "state", "time", "tokens", "tok/s")

_LINE_FIGURES: Final = (
    (14, 6, 8, 6, 20),
    (12, 6, 7, 5, 14),
    (12, 6, 7, 0, 12),
    (12, 6, 7, 0, 0),
    (10, 5, 6, 0, 0),
    (10, 5, 0, 0, 0),
    (9, 0, 0, 0, -1000),
)
"""State, time, tokens, rate, and how many cells must be left for words."""


_LOOSE: Final = _Columns(0, 0, 1, 1, 1, "tokens")
"""Figures one after the other."""


class _Sheet:
    """What was made of one agent, to be used again where nothing changed."""

    __slots__ = ("body", "body_key", "head", "head_key", "name", "name_cells", "name_key", "wrapped")

    def __init__(self) -> None:
        self.wrapped: dict[Words, tuple[Wrapped, int]] = {}
        self.body: list[Segment] = []
        self.body_key: tuple[object, ...] = ()
        self.head = ""
        self.head_key: tuple[object, ...] = ()
        self.name = ""
        self.name_cells = 0
        self.name_key: tuple[object, ...] = ()


class Layout:
    """Draws a board: `rows` for a screen of so many columns and lines, at a time in Unix seconds.

    Rows leave the last column and the last line free. With few agents each has a section, sharing the height; with
    more than fit that way, each has a line, the active ones first where not even those fit.
    """

    def __init__(self, board: Board, *, signs: Signs = SIGNS, color: bool = True) -> None:
        self._board = board
        self._signs = signs
        self._color = color
        self._sheets: dict[AgentView, _Sheet] = {}
        self._slots: list[AgentView] = []
        self._now = 0.0

    def rows(self, columns: int, lines: int, now: float) -> list[str]:
        """The rows of the panel, from top to bottom."""
        self._now = now
        if self._board.end is not None and lines > PANEL_LINES + LINES_BELOW:
            lines -= LINES_BELOW
        width, height = max(columns - 1, 1), max(lines - 1, 1)
        if columns < PANEL_COLUMNS or lines < PANEL_LINES:
            return self._without_frame(width, height)
        inner, room = width - 4, height - 2
        content = self._sections(inner, room) or self._lines(inner, room)
        return [self._top(width), *(self._framed(row, inner) for row in content), self._bottom(width)]

    # --- the frame

    def _top(self, width: int) -> str:
        corners, line = self._signs.corners, self._signs.horizontal
        title = self._fit(settled(one_line(self._board.title)), width - 8)
        left, right = divmod(width - 4 - cells(title), 2)
        edge = self._styled("dim", corners[0] + line * left)
        return f"{edge} {self._styled('bold', title)} {self._styled('dim', line * (left + right) + corners[1])}"

    def _bottom(self, width: int) -> str:
        corners = self._signs.corners
        return self._styled("dim", corners[3] + self._signs.horizontal * (width - 2) + corners[2])

    def _framed(self, row: str, inner: int) -> str:
        edge = self._styled("dim", self._signs.vertical)
        if row.isascii():
            return f"{edge} {row} {edge}"
        # Terminals differ in how wide they think some characters are: the edge is put where it belongs.
        return f"{edge} {row}\x1b[{inner + 3}G {edge}"

    def _without_frame(self, width: int, height: int) -> list[str]:
        totals = self._totals(width)
        if height == 1:
            return totals or self._lines(width, 1)
        return self._lines(width, height)

    # --- a section an agent

    def _sections(self, inner: int, room: int) -> list[str]:
        """Every agent's head, rule and words; nothing where they do not fit."""
        agents = self._board.agents
        count = len(agents)
        totals = self._totals(inner)
        room -= len(totals)
        for gap, rule, least in ((1, 1, 2), (1, 1, 1), (0, 1, 1), (0, 0, 1)):
            if not rule and count > SECTIONS_WITHOUT_RULES:
                return []
            gaps = gap * (count if totals else count - 1)
            spare = room - gaps - count * (1 + rule)
            if spare >= count * least:
                break
        else:
            return []
        columns = self._columns(agents, inner, tail=False)
        if totals:
            totals = self._totals(inner, columns)
        own_line = rule and columns.state < _FIGURES[1][0] and inner >= _FIGURES_LINE
        bodies = [self._body(view, inner, spare + DENSE_ROWS) for view in agents]
        needs = [min(len(body), spare) for body in bodies]
        rows: list[str] = []
        for view, body, share in zip(agents, bodies, shares(needs, spare), strict=True):
            if rows and gap:
                rows.append(" " * inner)
            if own_line:
                rows.append(self._row([*self._title(view), ("", self._name(view))], inner))
                rows.append(self._own_line(view, inner))
            else:
                rows.append(self._head(view, columns, inner))
                if rule:
                    rows.append(self._styled("dim", self._signs.marks.rule * inner))
            rows += [self._row([segment], inner) for segment in self._cut(view, body, inner, share)]
        if totals and gap:
            rows.append(" " * inner)
        return rows + totals

    def _cut(self, view: AgentView, body: list[Segment], inner: int, share: int) -> list[Segment]:
        """What of the last rows is shown where there is room for `share`."""
        if share >= len(body):
            return body
        last = view.blocks[-1]
        if isinstance(last, Note) and len(note := self._note(last, inner, share)) == share:
            return note  # its beginning says more than its end
        if share <= DENSE_ROWS:
            body = [segment for segment in body if segment[1]]
        return body[max(len(body) - share, 0) :]

    def _title(self, view: AgentView) -> list[Segment]:
        return [(_STATE_STYLES.get(view.state, "cyan"), self._signs.of(view.state)), ("", " ")]

    def _own_line(self, view: AgentView, inner: int) -> str:
        """The figures on a line of their own, in place of the rule, where the name leaves them no room."""
        style = _STATE_STYLES.get(view.state, "cyan")
        figures = self._figures(view, _LOOSE if inner >= 44 else _LOOSE._replace(unit="tok"))
        return self._row([(style, self._state(view, inner)), ("dim", figures)], inner)

    # --- a line an agent

    def _lines(self, inner: int, room: int) -> list[str]:
        agents = self._board.agents
        totals = self._totals(inner) if room > 1 else []
        room -= len(totals)
        captioned = room > min(len(agents), 4)
        room -= captioned
        shown = self._choose(room)
        rest = [view for view in agents if not any(view is one for one in shown)] if len(shown) < len(agents) else []
        columns = self._columns(shown, inner, tail=True)
        rows = [self._caption(columns, inner)] if captioned else []
        rows += [self._line(view, columns, inner) for view in shown]
        if rest:
            rows.append(self._row([("dim", f"{self._signs.marks.cut} and {len(rest)} more: {tally(rest)}")], inner))
        return rows + totals

    def _choose(self, room: int) -> list[AgentView]:
        """Who has a row, in the order of the rows: nobody moves who need not."""
        agents = self._board.agents
        if len(agents) <= room:
            self._slots = []
            return agents
        room = max(room - 1, 0)  # one row tells of the others
        if self._board.end is not None:
            order = {"failed": 0, "cancelled": 1, "done": 2}
            return sorted(agents, key=lambda view: order.get(view.state, 3))[:room]
        known = {id(view) for view in agents}
        slots = [view for view in self._slots if id(view) in known]
        slots = sorted(slots, key=lambda view: not view.active)[:room] if len(slots) > room else slots
        taken = {id(view) for view in slots}
        hidden = [view for view in agents if id(view) not in taken]
        hidden.sort(key=lambda view: _URGENCY.get(view.state, 0))
        while hidden and len(slots) < room:
            slots.append(hidden.pop(0))
        idle = sorted(
            (at for at, view in enumerate(slots) if not view.active), key=lambda at: -_URGENCY[slots[at].state]
        )
        for at in idle:
            if not hidden or not hidden[0].active:
                break
            slots[at] = hidden.pop(0)
        self._slots = slots
        return slots

    def _caption(self, columns: _Columns, inner: int) -> str:
        mark = cells(self._signs.active) + 1
        agent, state, *figures = _CAPTION
        told = f"{'':{mark}}{agent:{columns.name}}  {state:{columns.state}}"
        for title, size in zip(figures, (columns.time, columns.tokens, columns.rate), strict=True):
            told += f"  {title:>{size}}" if size else ""
        return self._row([("dim", told)], inner)

    def _line(self, view: AgentView, columns: _Columns, inner: int) -> str:
        sheet = self._sheet(view)
        whole = int(view.elapsed(self._now))
        key = (view.version, whole, columns, inner, self._board.end is None)
        if sheet.head_key != key:
            head: list[Segment] = [*self._title(view), ("", self._padded(self._name(view), columns.name))]
            head.append(
                (
                    _STATE_STYLES.get(view.state, "cyan"),
                    "  " + self._padded(self._state(view, columns.state), columns.state),
                )
            )
            head.append(("", self._figures(view, columns)))
            if columns.tail and (tail := self._tail(view, columns.tail)):
                head += [("", "  "), tail]
            sheet.head = self._row(head, inner)
            sheet.head_key = key
        return sheet.head

    # --- heads and figures

    def _head(self, view: AgentView, columns: _Columns, inner: int) -> str:
        sheet = self._sheet(view)
        key = (view.version, int(view.elapsed(self._now)), columns, inner, view.ended)
        if sheet.head_key != key:
            name = self._fit(self._name(view), columns.name)
            state = self._state(view, columns.state)
            figures = self._figures(view, columns)
            used = cells(self._signs.of(view.state)) + 1 + cells(name) + cells(state) + len(figures)
            sheet.head = self._row(
                [
                    *self._title(view),
                    ("bold", name),
                    ("", " " * max(inner - used, 1)),
                    (_STATE_STYLES.get(view.state, "cyan"), state),
                    ("", figures),
                ],
                inner,
            )
            sheet.head_key = key
        return sheet.head

    def _columns(self, views: Sequence[AgentView], inner: int, *, tail: bool) -> _Columns:
        """The figures that fit behind the longest of the names."""
        longest = max((self._named(view) for view in views), default=0)
        mark = cells(self._signs.active) + 1
        if not tail:
            for state, time, tokens, rate, unit in _FIGURES:
                columns = _Columns(inner - mark, state, time, tokens, rate, unit)
                whole = min(longest, 40 if state > 10 else 12)
                if mark + whole + columns.figures <= inner or not time:
                    break
            return columns._replace(name=max(inner - mark - columns.figures, 1))
        name = max(min(longest, max(inner // 4, 12)), len(_CAPTION[0]))
        for state, time, tokens, rate, least in _LINE_FIGURES:
            columns = _Columns(name, state, time, tokens, rate, "")
            left = inner - mark - name - columns.figures - 2
            if left >= least:
                break
        return columns._replace(tail=left if left >= 8 else 0)

    def _figures(self, view: AgentView, columns: _Columns) -> str:
        """Time, tokens and tokens a second, each in its column."""
        time = clock(view.elapsed(self._now), view.ended is not None) if view.started is not None else ""
        return _in_columns(time, _spent(*view.tokens, view.rate), columns)

    def _state(self, view: AgentView, room: int) -> str:
        """The state in a word or two."""
        if view.state == "retrying" and view.retry_at is not None and view.retry_at - self._now >= 1:
            return f"retrying in {view.retry_at - self._now:.0f} s"
        if view.state == "done" and view.healed:
            return "done, healed" if room >= 12 else "healed"
        return self._fit(settled(one_line(view.doing)), room)

    def _totals(self, inner: int, columns: _Columns | None = None) -> list[str]:
        """How many are in which state, and what all have cost; nothing for one agent, whose own head says it.

        The figures stand in `columns`, where those are given.
        """
        board = self._board
        rows = []
        failed = board.end if isinstance(board.end, RunFailed) else None
        if failed is not None and not any(view.state == "failed" for view in board.agents):
            error = settled(one_line(f"{self._signs.marks.failed} {failed.error.type}: {failed.error.message}"))
            rows.append(self._row([("red", error)], inner))
        if len(board.agents) == 1:
            return rows
        count, estimated = board.tokens
        elapsed = board.elapsed(self._now)
        time = clock(elapsed, board.end is not None)
        spent = _spent(count, estimated, count / elapsed if elapsed >= 0.5 else None)
        whole, short = (f"{len(board.agents)} agents: {tally(board.agents, short=short)}" for short in (False, True))
        aligned = columns if columns is not None and columns.unit == "tokens" else _LOOSE
        for told, wanted in (
            (whole, aligned),
            (whole, _LOOSE),
            (short, aligned),
            (short, _LOOSE),
            (short, _LOOSE._replace(rate=0)),
            (short, _LOOSE._replace(tokens=0, rate=0)),
        ):
            figures = _in_columns(time, spent, wanted)
            if cells(told) + len(figures) <= inner:
                break
        told = self._fit(told, max(inner - len(figures), 0))
        gap = inner - cells(told) - len(figures)
        rows.append(self._row([("bold", told), ("", " " * gap + figures)], inner))
        return rows

    # --- words, tools, notes

    def _body(self, view: AgentView, width: int, count: int) -> list[Segment]:
        """The last rows of what an agent said and did, at most `count`."""
        sheet = self._sheet(view)
        key = (view.version, width, count, int(self._now) if view.tools else 0)
        if sheet.body_key == key:
            return sheet.body
        rows: list[Segment] = []
        after: Words | None = None
        wrapped: dict[Words, tuple[Wrapped, int]] = {}
        for block in reversed(view.blocks):
            left = count - len(rows)
            if left <= 0:
                break
            if isinstance(block, Words):
                text = self._wrap(sheet, block, width)
                wrapped[block] = (text, block.end)
                style = _VOICE_STYLES[block.voice]
                made: list[Segment] = [(style, row) for row in text.last(left)]
                if after is not None and after.voice == block.voice and len(rows) < count:
                    rows.insert(0, ("", ""))  # what was said in another step, or another round
                    made = made[1:] if len(made) == left else made
            elif isinstance(block, ToolLine):
                made = [self._tool(block, width)]
            else:
                made = self._note(block, width, left)
            rows[:0] = made
            after = block if isinstance(block, Words) else None
        sheet.wrapped = wrapped
        sheet.body, sheet.body_key = rows, key
        return rows

    def _tail(self, view: AgentView, width: int) -> Segment | None:
        """The last thing an agent said or did, on one line: of words the end, from the beginning of a word."""
        if not view.blocks:
            return None
        block = view.blocks[-1]
        if view.tools:
            block = next(reversed(view.tools.values()))
        if isinstance(block, ToolLine):
            return self._tool(block, width)
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

    def _wrap(self, sheet: _Sheet, words: Words, width: int) -> Wrapped:
        wrapped, position = sheet.wrapped.get(words, (None, 0))
        if wrapped is None or wrapped.width != width or position < words.start:
            wrapped, position = Wrapped(width), 0
        if position < words.end:
            wrapped.add(words.since(position))
        return wrapped

    def _tool(self, tool: ToolLine, width: int) -> Segment:
        marks = self._signs.marks
        phrase = one_line(tool.phrase)
        if tool.running:
            told = f"{marks.running} {phrase}"
            time = f"  {clock(max(0.0, self._now - tool.started), False)}"
            if tool.progress:
                time += f"  {one_line(tool.progress)}"
            return "cyan", self._fit(settled(told + time), width)
        if tool.duration is None:
            return "yellow", self._fit(settled(f"{marks.failed} {phrase}  stopped"), width)
        error = f"  {one_line(tool.error)}" if tool.error else ""
        mark = marks.failed if tool.error is not None else marks.done
        told = settled(f"{mark} {phrase}  {seconds(tool.duration)}{error}")
        return "red" if tool.error is not None else "green", self._fit(told, width)

    def _note(self, note: Note, width: int, left: int) -> list[Segment]:
        marks = self._signs.marks
        mark = {"error": marks.failed, "healed": marks.done}.get(note.level, marks.note)
        told = f"{mark} {one_line(note.text)}"
        style = _NOTE_STYLES[note.level]
        room = min(ROWS_A_NOTE, left)
        text = Wrapped(width)
        text.add(told)
        rows = text.last(1000)
        if len(rows) > room:
            rows = [*rows[: room - 1], self._fit(" ".join(rows[room - 1 :]), width)]
        return [(style, row) for row in rows]

    # --- strings

    def _sheet(self, view: AgentView) -> _Sheet:
        sheet = self._sheets.get(view)
        if sheet is None:
            sheet = self._sheets[view] = _Sheet()
        return sheet

    def _name(self, view: AgentView) -> str:
        self._named(view)
        return self._sheet(view).name

    def _named(self, view: AgentView) -> int:
        """Cells of the agent's name, which is made anew only where it changed."""
        sheet = self._sheet(view)
        key = (len(view.handed_to), view.rounds)
        if sheet.name_key != key:
            again = f", round {view.rounds}" if view.rounds > 1 else ""
            sheet.name = settled(one_line(view.name + again))
            sheet.name_cells = cells(sheet.name)
            sheet.name_key = key
        return sheet.name_cells

    def _fit(self, text: str, room: int) -> str:
        """`text` in at most `room` cells, with a sign where something is missing."""
        if cells(text) <= room:
            return text
        sign = self._signs.marks.cut
        return text[: cut(text, max(room - len(sign), 0))] + sign if room > len(sign) else text[: cut(text, room)]

    def _padded(self, text: str, room: int) -> str:
        text = self._fit(text, room)
        return text + " " * (room - cells(text))

    def _row(self, segments: Sequence[Segment], inner: int) -> str:
        """Segments side by side, cut and filled to `inner` cells."""
        row, left = "", inner
        for style, text in segments:
            size = cells(text)
            if size > left:
                text = self._fit(text, left)
                size = cells(text)
            row += self._styled(style, text) if text else ""
            left -= size
        return row + " " * left

    def _styled(self, style: Style, text: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if style and self._color else text


_FIGURES_LINE: Final = 30
"""Cells in which the figures have a line of their own; with fewer they are cut instead."""

_URGENCY: Final[dict[str, int]] = {"failed": 1, "cancelled": 2, "waiting": 3, "done": 4}
"""Who gives up a row last, after those at work."""

_TOLD: Final[dict[State, str]] = {
    "streaming": "streaming",
    "tool": "in tools",
    "calling": "in tools",
    "thinking": "thinking",
    "retrying": "retrying",
    "parked": "waiting for you",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "waiting": "waiting",
}
_AT_WORK: Final = ("streaming", "tool", "calling", "thinking", "retrying")


def _spent(count: int, estimated: bool, rate: float | None) -> tuple[str, str]:
    """Tokens and tokens a second as figures; empty where there is nothing to tell."""
    if not count:
        return "", ""
    return f"{'~' if estimated else ''}{count:,}", f"{rate:,.0f}" if rate is not None else ""


def _in_columns(time: str, spent: tuple[str, str], columns: _Columns) -> str:
    tokens, rate = spent
    unit = columns.unit
    if unit:
        tokens += f" {unit}" if tokens else ""
        wide = columns.rate > _SHORT_RATE or columns.rate == 1
        rate += (f" {unit}/s" if wide else "/s") if rate else ""
    told = ""
    for figure, size in ((time, columns.time), (tokens, columns.tokens), (rate, columns.rate)):
        if size and (figure or size > 1):
            told += f"  {figure:>{size}}"
    return told


def tally(views: Sequence[AgentView], *, short: bool = False) -> str:
    """How many agents are in which state: `2 streaming, 1 in tools, 1 done`; in short `3 at work, 1 done`."""
    states = Counter(view.state for view in views)
    told: dict[str, int] = {}
    for state, name in _TOLD.items():
        if count := states[state]:
            name = "at work" if short and state in _AT_WORK else name
            told[name] = told.get(name, 0) + count
    return ", ".join(f"{count} {name}" for name, count in told.items())


def shares(needs: Sequence[int], room: int) -> list[int]:
    """`room` rows divided evenly, but to nobody more than needed: what one leaves goes to the others."""
    given = [0] * len(needs)
    open_ = [at for at, need in enumerate(needs) if need]
    while room >= len(open_) > 0:
        each = room // len(open_)
        for at in open_:
            share = min(needs[at] - given[at], each)
            given[at] += share
            room -= share
        open_ = [at for at in open_ if given[at] < needs[at]]
    for at in open_[:room]:
        given[at] += 1
    return given


def clock(duration: float, exact: bool) -> str:
    """A duration as it runs, `12 s` or `2:05`; `exact` once it has ended: `12.3 s`."""
    if duration < 60:
        return f"{duration:.1f} s" if exact else f"{int(duration)} s"
    minutes, rest = divmod(int(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
