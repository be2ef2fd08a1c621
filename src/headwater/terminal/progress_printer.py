"""A workflow's progress as plain lines, for a pipe, a file or a dumb terminal: each line has its agent's name.

Pure: events in, complete lines out. Text comes line by line, long lines in pieces, so that parallel agents stay
readable; nothing is repeated.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from headwater.events import (
    CallStarted,
    Event,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolStarted,
)
from headwater.events.controls import harmless, one_line
from headwater.terminal.dashboard.agent_state import AgentView
from headwater.terminal.dashboard.blocks import Note
from headwater.terminal.dashboard.state import Board
from headwater.terminal.render import Marks, seconds

__all__ = ("Progress",)

CHARACTERS_A_LINE: Final = 100
"""Maximum length of a line of text: usually fits a terminal next to a name."""


class Progress:
    """Describes a board in lines: `feed` returns the lines to write for an event, possibly none."""

    def __init__(self, board: Board, marks: Marks) -> None:
        self._board = board
        self._marks = marks
        self._words: dict[AgentView, str] = {}
        """The unfinished line of each agent."""
        self._notes: dict[AgentView, Note] = {}
        """The last printed note of each."""
        self._rounds: dict[AgentView, int] = {}
        self._healed: dict[AgentView, int] = {}

    def feed(self, event: Event) -> str:
        """Returns the lines for `event`."""
        view = self._board.feed(event)
        if isinstance(event, TextDelta):
            return self._said(view, event.text) if view is not None else ""
        if view is None:
            return self._whole(event)
        return self._other(view, event) + (self._whole(event) if len(event.path) == 1 else "")

    def _said(self, view: AgentView, text: str) -> str:
        words = self._words.get(view, "") + text
        told = ""
        if "\n" in words:
            *whole, words = words.split("\n")
            told = "".join(map(partial(self._lines, view), whole))
        *lines, words = _broken(words)
        told += "".join(self._line(view, line.rstrip(), "|") for line in lines)
        self._words[view] = words
        return told

    def _rest(self, view: AgentView) -> str:
        return self._lines(view, self._words.pop(view, ""))

    def _lines(self, view: AgentView, words: str) -> str:
        return "".join(self._line(view, line.rstrip(), "|") for line in _broken(words) if line.strip())

    def _other(self, view: AgentView, event: Event) -> str:
        marks = self._marks
        told = ""
        if isinstance(event, RunStarted) and self._rounds.get(view) != view.rounds:
            self._rounds[view] = view.rounds
            told = self._line(view, "started" if view.rounds == 1 else f"started, round {view.rounds}")
        elif isinstance(event, Retracted):
            self._words.pop(view, None)
        elif isinstance(event, StepFinished | TextStarted | ReasoningStarted | CallStarted):
            told = self._rest(view)
            if self._healed.get(view, 0) != view.healed:
                self._healed[view] = view.healed
                told += self._line(view, f"{marks.done} healed, goes on")
        elif isinstance(event, ToolStarted) and (tool := view.tools.get(event.call)):
            told = self._line(view, f"{marks.running} {tool.phrase}")
        elif isinstance(event, ToolFinished):
            told = self._tool_finished(view, event)
        told += self._note(view)
        if isinstance(event, RunFinished | RunFailed | RunCancelled) and view.ended is not None:
            told += self._rest(view) + self._line(view, _account(view.state, view.elapsed(0.0), view.tokens))
        return told

    def _tool_finished(self, view: AgentView, event: ToolFinished) -> str:
        mark = self._marks.done if event.error is None else self._marks.failed
        error = f"  {event.error}" if event.error else ""
        return self._line(view, f"{mark} {view.phrase(event.call) or event.name}  {seconds(event.duration)}{error}")

    def _note(self, view: AgentView) -> str:
        """Returns the note of an event, once."""
        note = view.last_note
        if note is None or self._notes.get(view) is note:
            return ""
        self._notes[view] = note
        mark = self._marks.failed if note.level == "error" else self._marks.note
        return self._rest(view) + self._line(view, f"{mark} {note.text}")

    def _whole(self, event: Event) -> str:
        """Returns the lines of the workflow itself: its start and its end."""
        board = self._board
        title = one_line(board.title)
        count = len(board.agents)
        if isinstance(event, RunStarted) and len(event.path) == 1 and count > 1:
            return f"{title}: {count} agents\n"
        if board.end is not event or count < 2:
            return ""
        state = {RunFinished: "done", RunFailed: "failed"}.get(type(event), "cancelled")
        told = f"{title}: {_account(state, board.elapsed(0.0), board.tokens)}\n"
        if isinstance(event, RunFailed) and not any(view.state == "failed" for view in board.agents):
            error = one_line(f"{event.error.type}: {event.error.message}")
            told = f"{title}: {self._marks.failed} {error}\n{told}"
        return told

    def _line(self, view: AgentView, text: str, mark: str = ":") -> str:
        told = harmless(text).replace("\n", " ") if mark == "|" else one_line(text)
        return f"{one_line(view.name)}{' |' if mark == '|' else ':'} {told}\n"


def _account(state: str, elapsed: float, tokens: tuple[int, bool]) -> str:
    count, estimated = tokens
    return f"{state}, {seconds(elapsed)}" + (f", {'~' if estimated else ''}{count:,} tokens" if count else "")


def _broken(words: str) -> list[str]:
    """Splits text into lines of at most CHARACTERS_A_LINE, at spaces if possible; the last may still grow."""
    lines, at = [], 0
    while len(words) - at > CHARACTERS_A_LINE:
        end = words.rfind(" ", at, at + CHARACTERS_A_LINE) + 1 or at + CHARACTERS_A_LINE
        lines.append(words[at:end])
        at = end
    return [*lines, words[at:]]
