"""Every way of showing a run, attached to one and the same; and what each must show, by the log alone.

    shown = watch_all(stream)
    …read the stream…
    shown.check()

What was shown, less what was taken back, is each run's transcript: here worked out from nothing but deltas, leads and
retractions, and compared with what each projection has come to.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from headwater import AgentStream
from headwater.events import AttemptStarted, Event, Retracted, RunStarted, StepStarted, TextDelta, TextStarted
from headwater.events.tree import Tree
from headwater.readers.callbacks import event_watcher, token_watcher
from headwater.readers.chunks import StreamChunk
from headwater.runtime.run import Run
from headwater.terminal.dashboard.blocks import Words
from headwater.terminal.dashboard.state import Board
from headwater.terminal.line_printer import LinePrinter
from headwater.terminal.section_printer import SectionPrinter

__all__ = ("Screen", "Shown", "attempts_of", "less_retracted", "transcripts", "watch_all")


class Screen(io.StringIO):
    """A file that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def transcripts(log: Iterable[Event]) -> dict[str, str]:
    """What each run has shown, less what it took back: by deltas, leads and retractions alone."""
    shown: dict[str, str] = {}
    leads: dict[str, str] = {}
    refusals: set[tuple[str, int, int]] = set()
    for event in log:
        if isinstance(event, RunStarted):
            shown[event.run] = ""
        elif isinstance(event, (StepStarted, AttemptStarted)):
            leads.pop(event.run, None)
        elif isinstance(event, TextStarted):
            if event.kind == "refusal":
                refusals.add((event.run, event.step, event.part))
            leads[event.run] = event.lead or leads.get(event.run, "")
        elif isinstance(event, TextDelta) and (event.run, event.step, event.part) not in refusals:
            shown[event.run] += leads.pop(event.run, "") + event.text
        elif isinstance(event, Retracted):
            text = shown[event.run]
            shown[event.run] = text[: len(text) - event.chars]
    return shown


def attempts_of(log: Iterable[Event]) -> dict[tuple[str, int, int], str]:
    """The words of each attempt, by run, step and number: none may be joined with another's."""
    words: dict[tuple[str, int, int], str] = {}
    now: dict[str, tuple[str, int, int]] = {}
    for event in log:
        if isinstance(event, AttemptStarted):
            now[event.run] = (event.run, event.step, event.attempt)
            words[now[event.run]] = ""
        elif isinstance(event, TextDelta):
            words[now[event.run]] += event.text
    return words


def less_retracted(chunks: Iterable[StreamChunk]) -> dict[str, str]:
    """What chunks come to for each run, taking back where one says so."""
    shown: dict[str, str] = defaultdict(str)
    for chunk in chunks:
        event = chunk.event
        assert event is not None
        if isinstance(event, Retracted):
            assert chunk.finish_reason == "retracted"
            assert event.chars <= len(shown[event.run])
            shown[event.run] = shown[event.run][: len(shown[event.run]) - event.chars]
        else:
            shown[event.run] += chunk.content
    return shown


class Shown:
    """What every projection of a run has shown so far."""

    def __init__(self, run: Run, members: tuple[str, ...]) -> None:
        self.run = run
        self.log: list[Event] = []
        self.held: list[str] = []
        """Tokens told to a callback that cannot take any back."""
        self.tokens: list[str] = []
        """Tokens, less what was taken back one number at a time: the outermost run's own order."""
        self.named: dict[str, str] = defaultdict(str)
        """The same for a callback that is told who speaks."""
        self.by_run: dict[str, str] = defaultdict(str)
        """What details come to, by run."""
        self.pipe = io.StringIO()
        self.screen = Screen()
        self.sections = io.StringIO()
        self.board = Board("all", members)
        self._watch()

    def _watch(self) -> None:
        run, errors = self.run, self.run.callback_errors
        printers = LinePrinter(run.name, file=self.pipe), LinePrinter("x", file=self.screen)
        sections = SectionPrinter(live=True, file=self.sections)
        run.watch(event_watcher(self.log.append, run, errors))
        run.watch(token_watcher(self.held.append, run, errors, details=False))
        run.watch(token_watcher(self.tokens.append, run, errors, details=False, on_retract=self._take_back))
        run.watch(token_watcher(self._say, run, errors, details=False, on_retract=self._take_back_named))
        run.watch(token_watcher(self._detail, run, errors, details=True))
        for watcher in (*printers, sections, self._to_board):
            run.watch(watcher)

    def _to_board(self, event: Event) -> None:
        self.board.feed(event)

    def _take_back(self, chars: int) -> None:
        assert chars > 0
        whole = "".join(self.tokens)
        assert chars <= len(whole)
        self.tokens[:] = [whole[: len(whole) - chars]]

    def _say(self, agent: str, token: str) -> None:
        self.named[agent] += token

    def _take_back_named(self, agent: str, chars: int) -> None:
        assert 0 < chars <= len(self.named[agent])
        self.named[agent] = self.named[agent][:-chars]

    def _detail(self, told: dict[str, Any]) -> None:
        run = told["run_id"]
        self.by_run[run] += told.get("content", "")
        if told.get("finish_reason") == "retracted" and told["chars"]:
            assert told["chars"] <= len(self.by_run[run])
            self.by_run[run] = self.by_run[run][: -told["chars"]]

    @property
    def voices(self) -> dict[str, str]:
        """The transcript of each run whose text is the outermost one's."""
        tree = Tree()
        for event in self.log:
            tree.add(event)
        return {run: text for run, text in transcripts(self.log).items() if run in tree.speakers}

    def check(self, *, alone: bool = True) -> None:
        """At any moment: no projection says anything else than the log.

        `alone`: no two speak at the same time, so that the order of all that was said is that of the runs.
        """
        assert self.run.callback_errors.count == 0
        voices = self.voices
        names = {event.run: event.agent for event in self.log if isinstance(event, RunStarted)}
        by_name: dict[str, str] = defaultdict(str)
        for run, text in voices.items():
            assert self.by_run[run] == text
            by_name[names[run]] += text
        assert {name: text for name, text in self.named.items() if text} == {k: v for k, v in by_name.items() if v}
        if alone:
            assert "".join(self.tokens) == "".join(voices.values())

    def check_end(self, *, alone: bool = True) -> None:
        """Once it is over: what was held has come too, and nothing that was taken back."""
        self.check(alone=alone)
        whole = "".join(self.voices.values())
        if alone:
            assert "".join(self.held) == whole
        else:
            assert sorted("".join(self.held)) == sorted(whole)

    def on_board(self, agent: str) -> str:
        """The words of an agent's answers on the dashboard's board."""
        view = next(view for view in self.board.agents if view.path[-1] == agent)
        return "".join(block.since(0) for block in view.blocks if isinstance(block, Words) and block.voice == "answer")


def watch_all(stream: AgentStream[Any], *members: str) -> Shown:
    """Attach every projection to a stream that nobody has read yet. `members` are those of a workflow."""
    return Shown(stream._begun(), members)
