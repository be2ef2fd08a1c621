"""Draws a board: from its state to the rows of a panel for a given screen.

Pure: a screen's size and the time in, rows out, none wider than the screen. It remembers which agents were on the
screen, so that they keep their places; `section` caches the drawing of an agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headwater.events import RunFailed
from headwater.events.controls import one_line
from headwater.terminal.dashboard.agent_state import AgentView
from headwater.terminal.dashboard.columns import (
    LOOSE,
    Columns,
    beside_a_name,
    caption,
    clock,
    in_a_line,
    in_columns,
    spent,
    tally,
    wants_own_line,
)
from headwater.terminal.dashboard.drawing import SIGNS, Pen, Signs
from headwater.terminal.dashboard.section import DENSE_ROWS, Sheet
from headwater.terminal.dashboard.state import Board, Entry, Group
from headwater.terminal.dashboard.title import titled
from headwater.terminal.spans import Span
from headwater.terminal.summary import dollars
from headwater.terminal.wrap import cells, settled

__all__ = ("Layout",)

SECTIONS_WITHOUT_RULES: Final = 6
"""Maximum number of sections without rules between them; more are clearer as one line each."""

LINES_BELOW: Final = 2
"""Free lines below the last state: an empty one, and one for the next prompt."""

LINES_WITH_AIR: Final = 16
"""Minimum number of lines for an empty line below the title."""

PANEL_COLUMNS: Final = 24
PANEL_LINES: Final = 7
"""Minimum number of lines for a frame: on a smaller screen the text needs the space."""

_URGENCY: Final[dict[str, int]] = {"asking": -1, "failed": 1, "cancelled": 2, "waiting": 3, "done": 4}
"""The priority of rows: agents that wait for a person first, then active ones, then the others."""


class Layout:
    """Draws a board: `rows` for a screen of so many columns and lines, at a time in Unix seconds.

    Rows leave the last column and the last line free. With few agents each has a section, sharing the height; with
    more than fit that way, each has a line, the active ones first where not even those fit.
    """

    def __init__(self, board: Board, *, signs: Signs = SIGNS, color: bool = True, many: bool = True) -> None:
        self._board = board
        self._pen = Pen(signs, color=color, many=many)
        self._sheets: dict[AgentView, Sheet] = {}
        self._slots: list[AgentView] = []
        self._now = 0.0

    def rows(self, columns: int, lines: int, now: float, *, last: bool = False) -> list[str]:
        """The rows of the panel, from top to bottom; the `last` that are shown have an empty one under them."""
        if last:
            below = LINES_BELOW if lines > PANEL_LINES + LINES_BELOW else 1
            return (
                [*self.rows(columns, max(lines - below, 1), now), ""] if lines > 2 else self.rows(columns, lines, now)
            )
        self._now = now
        width, height = max(columns - 1, 1), max(lines - 1, 1)
        if columns < PANEL_COLUMNS or lines < PANEL_LINES:
            return self._without_frame(width, height)
        inner, room = width - 4, height - 2
        air = [" " * inner] if lines >= LINES_WITH_AIR else []
        room -= len(air)
        content = [*air, *(self._sections(inner, room) or self._lines(inner, room))]
        return [self._top(width), *(self._framed(row, inner) for row in content), self._bottom(width)]

    def _sheet(self, view: AgentView) -> Sheet:
        sheet = self._sheets.get(view)
        if sheet is None:
            sheet = self._sheets[view] = Sheet(view, self._pen)
        return sheet

    def _longest(self, views: Sequence[AgentView]) -> int:
        """Width of the longest agent name."""
        return max((self._sheet(view).name_cells for view in views), default=0)

    @property
    def _mark(self) -> int:
        """Cells of the sign before a name, and the space after it."""
        return self._pen.signs.width + 1

    # --- the frame

    def _top(self, width: int) -> str:
        corners, line = self._pen.signs.corners, self._pen.signs.horizontal
        title = self._pen.fit(settled(one_line(titled(self._board.title))), width - 8)
        left, right = divmod(width - 4 - cells(title), 2)
        edge = self._pen.styled("dim", corners[0] + line * left)
        return f"{edge} {self._pen.styled('bold', title)} {self._pen.styled('dim', line * (left + right) + corners[1])}"

    def _bottom(self, width: int) -> str:
        corners = self._pen.signs.corners
        return self._pen.styled("dim", corners[3] + self._pen.signs.horizontal * (width - 2) + corners[2])

    def _framed(self, row: str, inner: int) -> str:
        edge = self._pen.styled("dim", self._pen.signs.vertical)
        if row.isascii():
            return f"{edge} {row} {edge}"
        # Terminals differ in the width of some characters: the edge is placed by column.
        return f"{edge} {row}\x1b[{inner + 3}G {edge}"

    def _without_frame(self, width: int, height: int) -> list[str]:
        totals = self._totals(width)
        if height == 1:
            return totals or self._lines(width, 1)
        return self._lines(width, height)

    # --- the tree

    def _placed(self) -> list[Group]:
        """Places each agent's sheet in the tree. Returns the groups, which have one row each."""
        groups = []
        for entry in self._board.tree:
            if isinstance(entry.of, Group):
                groups.append(entry.of)
                continue
            sheet = self._sheet(entry.of)
            sheet.lead, sheet.below = self._guides(entry)
            sheet.short = len(entry.of.path) > 1
            self._say_waits(sheet, entry.of)
        return groups

    def _unplaced(self, views: Sequence[AgentView]) -> None:
        """Removes the tree if there are more agents than rows."""
        for view in views:
            sheet = self._sheet(view)
            sheet.lead = sheet.below = ""
            sheet.short = False
            self._say_waits(sheet, view)

    def _say_waits(self, sheet: Sheet, view: AgentView) -> None:
        waits = self._board.waits_for(view) if self._board.end is None else []
        sheet.waits = settled(one_line(f"waits for {', '.join(waits)}")) if waits else ""

    def _guides(self, entry: Entry) -> tuple[str, str]:
        """Returns the prefix of an entry's first row, and of its other rows."""
        if not entry.depth:
            return "", ""
        one, last, under, nothing = self._pen.signs.guides
        above = "".join(under if on else nothing for on in entry.on)
        return above + (last if entry.last else one), above + (nothing if entry.last else under)

    def _between(self, entry: Entry | None, inner: int) -> str:
        """The rule above an entry, beside the guides that lead to it; None: above the totals."""
        *_, under, nothing = self._pen.signs.guides
        guides = "".join(under if on else nothing for on in entry.on) + under if entry and entry.depth else ""
        return self._pen.styled("dim", guides + self._pen.signs.horizontal * (inner - cells(guides)))

    def _group(self, entry: Entry, inner: int) -> str:
        """The row of a workflow in the workflow: its name, its kind, how many of its agents are in which state."""
        group = entry.of
        inside = [view for view in self._board.agents if view.path[: len(group.path)] == group.path]
        lead, _ = self._guides(entry)
        name = settled(one_line(group.path[-1]))
        kind = group.kind if isinstance(group, Group) else ""
        told = ", ".join(filter(None, (settled(one_line(kind)), tally(inside))))
        return self._pen.row([Span(lead, "dim"), Span(name, "bold"), Span(f"  {told}", "dim")], inner)

    # --- one section per agent

    def _sections(self, inner: int, room: int) -> list[str]:
        """Returns every agent's head, rule and text; nothing if they do not fit."""
        agents = self._board.agents
        count = len(agents)
        if count * 2 > room:  # a head and a row per agent
            return []
        groups = self._placed()
        totals = self._totals(inner)
        room -= len(totals) + len(groups)
        for gap, rule, least in ((1, 1, 2), (1, 1, 1), (0, 1, 1), (0, 0, 1)):
            if not rule and count > SECTIONS_WITHOUT_RULES:
                return []
            gaps = gap * (count if totals else count - 1)
            spare = room - gaps - count * (1 + rule)
            if spare >= count * least:
                break
        else:
            return []
        columns = beside_a_name(self._longest(agents), inner, self._mark, bars=self._pen.signs.bars, cost=self._costs)
        if totals:
            totals = self._totals(inner, columns)
        tall = rule and wants_own_line(columns, inner)
        sheets = [self._sheet(entry.of) for entry in self._board.tree if isinstance(entry.of, AgentView)]
        bodies = [sheet.body(inner, spare + DENSE_ROWS, self._now) for sheet in sheets]
        needs = [min(len(body), spare) for body in bodies]
        pen = self._pen
        rows: list[str] = []
        parts = iter(zip(sheets, bodies, shares(needs, spare), strict=True))
        headed = False  # whether a group's row is directly above
        for entry in self._board.tree:
            if rows and gap and not headed:
                rows.append(self._between(entry, inner))
            headed = isinstance(entry.of, Group)
            if headed:
                rows.append(self._group(entry, inner))
                continue
            sheet, body, share = next(parts)
            if tall:
                rows += sheet.tall_head(inner, self._now)
            else:
                rows.append(sheet.section_head(columns, inner, self._now))
                if rule:
                    rows.append(sheet.bar(inner))
            below = Span(sheet.below, "dim")
            rows += [pen.row([below, *row], inner) for row in sheet.cut_to(body, inner, share)]
        if totals and gap:
            rows.append(self._between(None, inner))
        return rows + totals

    # --- one line per agent

    def _lines(self, inner: int, room: int) -> list[str]:
        agents, pen = self._board.agents, self._pen
        totals = self._totals(inner) if room > 1 else []
        room -= len(totals)
        captioned = room > min(len(agents), 4)
        room -= captioned
        tree: list[Entry] = []
        if len(agents) <= room and len(agents) + len(self._placed()) <= room:
            tree = self._board.tree
            shown = [entry.of for entry in tree if isinstance(entry.of, AgentView)]
        else:
            shown = self._choose(room)
            self._unplaced(shown)
        rest = [view for view in agents if not any(view is one for one in shown)] if len(shown) < len(agents) else []
        columns = in_a_line(self._longest(shown), inner, self._mark, bars=self._pen.signs.bars, cost=self._costs)
        rows = [pen.row([Span(caption(columns, self._mark), "dim")], inner)] if captioned else []
        over = self._board.end is not None
        for entry in tree or map(Entry, shown):
            if isinstance(entry.of, Group):
                rows.append(self._group(entry, inner))
            else:
                rows.append(self._sheet(entry.of).line(columns, inner, self._now, over=over))
        if rest:
            rows.append(pen.row([Span(f"{pen.signs.marks.cut} and {len(rest)} more: {tally(rest)}", "dim")], inner))
        return rows + totals

    def _choose(self, room: int) -> list[AgentView]:
        """Chooses which agents have a row, in the order of the rows, with as few moves as possible."""
        agents = self._board.agents
        if len(agents) <= room:
            self._slots = []
            return agents
        room = max(room - 1, 0)  # one row summarizes the others
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
        busy = [at for at, view in enumerate(slots) if view.state != "asking"]
        while busy and hidden and hidden[0].state == "asking":
            slots[busy.pop()] = hidden.pop(0)
        self._slots = slots
        return slots

    @property
    def _costs(self) -> bool:
        """Whether any cost is known."""
        return self._board.cost is not None

    # --- totals

    def _totals(self, inner: int, columns: Columns | None = None) -> list[str]:
        """How many are in which state, and what all have cost; nothing for one agent, whose own head says it.

        The figures stand in `columns`, where those are given.
        """
        board = self._board
        rows = []
        failed = board.end if isinstance(board.end, RunFailed) else None
        if failed is not None and not any(view.state == "failed" for view in board.agents):
            error = settled(one_line(f"{self._pen.signs.marks.failed} {failed.error.type}: {failed.error.message}"))
            rows.append(self._pen.row([Span(error, "red")], inner))
        if len(board.agents) == 1:
            return rows
        count, estimated = board.tokens
        elapsed = board.elapsed(self._now)
        time = clock(elapsed, board.end is not None)
        cost = dollars(board.cost) if board.cost is not None else ""
        used = spent(count, estimated, count / elapsed if elapsed >= 0.5 else None)
        whole, short = (f"{len(board.agents)} agents: {tally(board.agents, short=short)}" for short in (False, True))
        aligned = columns if columns is not None and columns.unit == "tokens" else LOOSE
        beside = aligned.bars + 2 if aligned.bars else 0
        for told, wanted in (
            (whole, aligned),
            (whole, LOOSE),
            (short, aligned),
            (short, LOOSE),
            (short, LOOSE._replace(rate=0)),
            (short, LOOSE._replace(tokens=0, rate=0)),
            (short, LOOSE._replace(tokens=0, rate=0, cost=0)),
        ):
            figures = in_columns(time, used, wanted, cost) + " " * (beside if wanted is aligned else 0)
            if cells(told) + len(figures) <= inner:
                break
        told = self._pen.fit(told, max(inner - len(figures), 0))
        gap = inner - cells(told) - len(figures)
        rows.append(self._pen.row([Span(told, "bold"), Span(" " * gap + figures)], inner))
        return rows


def shares(needs: Sequence[int], room: int) -> list[int]:
    """Divides `room` rows evenly, but none gets more than it needs: the rest goes to the others."""
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
