"""Events of a tree of runs to the state of each agent in it: what a dashboard has to show.

Pure, and bounded however long the runs are: of each agent the end of its text, its last tools and its last notes are
kept. An event costs the same whatever came before it. It decides what there is to show and never how it looks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias

from headwater.events import (
    ApprovalAnswered,
    ApprovalAsked,
    AttemptFailed,
    AttemptStarted,
    CallDelta,
    CallReady,
    CallRejected,
    CallStarted,
    ChildFinished,
    ChildStarted,
    Event,
    FileMade,
    Handoff,
    ReasoningDelta,
    ReasoningStarted,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextDelta,
    TextStarted,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    UsageReported,
    Warned,
)
from headwater.events.messages import Usage
from headwater.terminal.view import Voice, brief, call_phrase

__all__ = ("AgentView", "Block", "Board", "Note", "State", "ToolLine", "Words")

State: TypeAlias = Literal[
    "waiting", "thinking", "streaming", "calling", "tool", "retrying", "parked", "done", "failed", "cancelled"
]
"""waiting: has not begun. parked: waits for leave or input. calling: writes a call. tool: runs one."""

Level: TypeAlias = Literal["note", "warning", "healed", "error", "cancelled"]

TEXT_KEPT: Final = 16_384
"""Characters of an agent's words that are kept at least: what fills the largest screens."""

BLOCKS_KEPT: Final = 64
"""Stretches of words, tools and notes that are kept of an agent: more than the rows of most screens."""

BYTES_A_TOKEN: Final = 4
"""What a token comes to on average in the vendors' tokenizers, for the estimate while nothing was reported."""

_ENDED: Final = ("done", "failed", "cancelled")
_CUT_SHORT: Final = {
    "length": "Cut: the token limit was reached.",
    "content_filter": "Cut by the provider's content filter.",
    "refusal": "The model refused.",
}
_WHY_CANCELLED: Final = {
    "deadline": "Out of time.",
    "shutdown": "Cancelled: shutting down.",
}
_THEN: Final = {
    "fallback": "asking another model",
    "guard": "asking again",
    "restart": "starting this answer again",
    "resume": "starting this answer again",
    "retry": "trying again",
}


class Words:
    """The end of what was said in one voice: at least the last `TEXT_KEPT` characters, at most twice as many."""

    __slots__ = ("_pieces", "_size", "start", "voice")

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.start = 0
        """Characters that came before those that are kept."""
        self._pieces: list[str] = []
        self._size = 0

    def add(self, text: str) -> None:
        """Say more."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size > 2 * TEXT_KEPT:
            kept = "".join(self._pieces)[-TEXT_KEPT:]
            self.start += self._size - TEXT_KEPT
            self._pieces = [kept]
            self._size = TEXT_KEPT

    @property
    def end(self) -> int:
        """Characters said so far."""
        return self.start + self._size

    def since(self, position: int) -> str:
        """What was said after the first `position` characters, as far as it is kept."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0][max(position - self.start, 0) :] if self._pieces else ""


class ToolLine:
    """A tool at work, or what became of it; an agent called as a tool is one too."""

    __slots__ = ("duration", "error", "phrase", "progress", "started", "stopped")

    def __init__(self, phrase: str, started: float) -> None:
        self.phrase = phrase
        self.started = started
        self.progress = ""
        self.duration: float | None = None
        self.error: str | None = None
        self.stopped = False
        """Whether the run ended before the tool did."""

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self.duration is None and not self.stopped


class Note:
    """A line about the run rather than of it."""

    __slots__ = ("level", "text")

    def __init__(self, text: str, level: Level) -> None:
        self.text = text
        self.level: Level = level


Block: TypeAlias = Words | ToolLine | Note


class AgentView:
    """What there is to show of one agent, as of the last event. `path` is where it stands, below the outermost run."""

    __slots__ = (
        "_approximate",
        "_attempt",
        "_before",
        "_bytes",
        "_calls",
        "_first",
        "_healing",
        "_last",
        "_phrases",
        "_refusals",
        "_reported",
        "_run",
        "_settled",
        "_spoke",
        "_words",
        "blocks",
        "ended",
        "handed_to",
        "healed",
        "input_tokens",
        "last_note",
        "path",
        "retry_at",
        "rounds",
        "started",
        "state",
        "tools",
        "version",
    )

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        self.handed_to: list[str] = []
        self.state: State = "waiting"
        self.version = 0
        """Grows whenever anything here changes."""
        self.started: float | None = None
        self.ended: float | None = None
        self.rounds = 0
        """How often it has begun: more than once where a workflow goes round."""
        self.blocks: deque[Block] = deque(maxlen=BLOCKS_KEPT)
        self.tools: dict[str, ToolLine] = {}
        """Those at work, by call."""
        self.retry_at: float | None = None
        self.healed = 0
        """Broken attempts that a later one has made good."""
        self.input_tokens = 0
        self.last_note: Note | None = None
        self._run = ""
        self._before = 0.0  # seconds of earlier rounds
        self._words: Words | None = None
        self._attempt: list[Words] = []
        self._refusals: set[int] = set()
        self._calls: dict[str, str] = {}  # the calls that the model is writing, by their keys
        self._phrases: dict[str, str] = {}
        self._healing: Note | None = None
        self._settled = 0  # tokens of attempts that are over
        self._approximate = False
        self._bytes = 0  # said in this attempt
        self._reported: Usage | None = None  # of this attempt
        self._first: float | None = None  # when this attempt began to speak, and when it last did
        self._last = 0.0
        self._spoke = 0.0  # seconds in which earlier attempts spoke

    # --- what it comes to

    @property
    def name(self) -> str:
        """What it goes by: its path, and to whom it gave the conversation."""
        return " -> ".join(("/".join(self.path), *self.handed_to))

    @property
    def active(self) -> bool:
        """Whether it has begun and not ended."""
        return self.state != "waiting" and self.state not in _ENDED

    @property
    def doing(self) -> str:
        """The state in a word or two, the tool with its name."""
        if self.state == "tool":
            count = len(self.tools)
            return (
                f"tool {next(iter(self.tools.values())).phrase.partition('(')[0]}" if count == 1 else f"{count} tools"
            )
        if self.state == "calling" and self._calls:
            return f"calling {[*self._calls.values()][-1]}"
        return "waiting for you" if self.state == "parked" else self.state

    def elapsed(self, now: float) -> float:
        """Seconds at work until `now` (Unix seconds), or until it ended."""
        if self.started is None:
            return 0.0
        until = self.ended if self.ended is not None else now
        return self._before + max(0.0, until - self.started)

    @property
    def tokens(self) -> tuple[int, bool]:
        """Tokens written, and whether that is an estimate."""
        if not self._bytes and self._reported is None:
            return self._settled, self._approximate
        count, estimated = self._of_attempt()
        return self._settled + count, True if self._bytes else estimated or self._approximate

    @property
    def rate(self) -> float | None:
        """Tokens a second while it spoke; None where that was too short to tell."""
        spoke = self._spoke + (self._last - self._first if self._first is not None else 0.0)
        return self.tokens[0] / spoke if spoke >= 0.2 else None

    def phrase(self, call: str) -> str:
        """A call of this step in a few words; empty where it is not known."""
        return self._phrases.get(call, "")

    def _of_attempt(self) -> tuple[int, bool]:
        estimate = -(-self._bytes // BYTES_A_TOKEN)
        reported = self._reported.output_tokens if self._reported is not None else None
        # A report amid the stream is as old as its last chunk.
        return (estimate, estimate > 0) if reported is None else (max(reported, estimate), estimate > reported)

    def _settle(self) -> None:
        """This attempt is over: what was reported of it counts."""
        reported = self._reported
        if reported is not None and reported.output_tokens is not None:
            self._settled += reported.output_tokens
        else:
            count, estimated = self._of_attempt()
            self._settled += count
            self._approximate = self._approximate or estimated
        if reported is not None:
            self.input_tokens += reported.input_tokens or 0
        self._bytes = 0
        self._reported = None
        if self._first is not None:
            self._spoke += self._last - self._first
            self._first = None

    def spend(self, usage: Usage) -> None:
        """Count what an agent that was called as a tool has cost."""
        self._settled += usage.output_tokens or 0
        self._approximate = self._approximate or usage.output_tokens is None
        self.input_tokens += usage.input_tokens or 0

    # --- the run

    def begin(self, event: RunStarted) -> None:
        """It begins, perhaps not for the first time."""
        self.state = "thinking"
        if self.started is not None:
            self._before = self.elapsed(self.ended or event.time)
        self._run = event.run
        self.started = event.time
        self.ended = None
        self.handed_to.clear()
        self.rounds += 1
        self._words = None

    def _taken_over(self, event: RunStarted) -> None:
        self.state = "thinking"

    def _finished(self, event: RunFinished) -> None:
        if self._end(event, "done") and (cut := _CUT_SHORT.get(event.finish_reason or "")):
            self._note(cut, "warning")

    def _failed(self, event: RunFailed) -> None:
        if self._end(event, "failed"):
            hint = f" {event.error.hint}" if event.error.hint else ""
            self._note(f"{event.error.type}: {event.error.message}{hint}", "error")

    def _cancelled(self, event: RunCancelled) -> None:
        if self._end(event, "cancelled") and event.by in _WHY_CANCELLED:
            self._note(_WHY_CANCELLED[event.by], "cancelled")

    def _end(self, event: Event, state: State) -> bool:
        if event.run != self._run:
            return False
        self._settle()
        self.state = state
        self.ended = event.time
        self.retry_at = None
        for tool in self.tools.values():
            tool.stopped = True
        self.tools.clear()
        self._calls.clear()
        self._healing = None
        return True

    def _waiting(self, event: RunWaiting) -> None:
        self.state = "parked"
        self._note(f"Waiting for {event.on}", "note")

    # --- steps and attempts

    def _step_started(self, event: StepStarted) -> None:
        self.state = "thinking"
        self._words = None
        self._calls.clear()
        self._phrases.clear()
        self._refusals.clear()

    def _step_finished(self, event: StepFinished) -> None:
        self._settle()

    def _attempt_started(self, event: AttemptStarted) -> None:
        self._settle()
        self.state = "thinking"
        self.retry_at = None
        self._words = None
        self._attempt.clear()

    def _attempt_failed(self, event: AttemptFailed) -> None:
        self._settle()
        self._calls.clear()
        if event.then == "raise":
            return  # the run's own end says it
        self.state = "retrying"
        self.retry_at = event.time + event.wait
        when = f" in {event.wait:.1f} s" if event.wait >= 0.05 else ""
        self._healing = self._note(f"{event.error.type}: {event.error.message} ({_THEN[event.then]}{when})", "warning")

    def _retracted(self, event: Retracted) -> None:
        taken_back = self._attempt
        if taken_back:
            kept = [block for block in self.blocks if not any(block is words for words in taken_back)]
            self.blocks.clear()
            self.blocks.extend(kept)
            self._attempt = []
        self._words = None
        if event.chars:
            self._note(f"{event.chars:,} characters are withdrawn", "warning")

    def _usage(self, event: UsageReported) -> None:
        if event.usage:
            self._reported = event.usage

    # --- what it says

    def _reasoning_started(self, event: ReasoningStarted) -> None:
        self._heal()

    def _text_started(self, event: TextStarted) -> None:
        self._heal()
        if event.kind == "refusal":
            self._refusals.add(event.part)
        if event.lead:
            self._words = None

    def _text_delta(self, event: TextDelta) -> None:
        words = self._words
        voice: Voice = "refusal" if self._refusals and event.part in self._refusals else "answer"
        if words is None or words.voice is not voice:
            words = self._speak(voice)
        text = event.text
        words.add(text)
        self._wrote(text, event.time)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        words = self._words
        if words is None or words.voice != "reasoning":
            words = self._speak("reasoning")
        words.add(event.text)
        self._wrote(event.text, event.time)

    def _speak(self, voice: Voice) -> Words:
        self.state = "thinking" if voice == "reasoning" else "streaming"
        words = self._words = Words(voice)
        self.blocks.append(words)
        self._attempt.append(words)
        return words

    def _wrote(self, text: str, time: float) -> None:
        self._bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._first is None:
            self._first = time
        self._last = time

    def _heal(self) -> None:
        """It speaks again: what broke before is made good."""
        if self._healing is not None:
            self._healing.text = f"{self._healing.text.rpartition(' (')[0]} (healed)"
            self._healing.level = "healed"
            self._healing = None
            self.healed += 1

    # --- tools

    def _call_started(self, event: CallStarted) -> None:
        self.state = "calling"
        self._words = None
        self._calls[event.call] = event.name
        self._heal()

    def _call_delta(self, event: CallDelta) -> None:
        self._wrote(event.json, event.time)

    def _call_ready(self, event: CallReady) -> None:
        self._calls.pop(event.call, None)
        phrase = self._phrases[event.call] = call_phrase(event.name, event.arguments)
        if event.by != "agent":
            self.state = "thinking"  # its result is part of the provider's own answer, or the client's business
            self._note(f"{phrase}, run by the {event.by}", "note")

    def _call_rejected(self, event: CallRejected) -> None:
        self._calls.pop(event.call, None)
        if not event.cut:
            self._note(f"{event.name} was not run: {event.error}", "warning")

    def _tool_started(self, event: ToolStarted) -> None:
        self.state = "tool"
        phrase = self._phrases.get(event.call, event.name)
        if event.try_ > 1:
            phrase = f"{phrase} (try {event.try_})"
        tool = self.tools.get(event.call)
        if tool is None:
            tool = self.tools[event.call] = ToolLine(phrase, event.time)
            self.blocks.append(tool)
            self._words = None
        tool.phrase = phrase

    def _tool_progress(self, event: ToolProgress) -> None:
        if tool := self.tools.get(event.call):
            tool.progress = brief(event.data, bare=True)

    def _tool_finished(self, event: ToolFinished) -> None:
        if tool := self.tools.pop(event.call, None):
            tool.duration = event.duration
            tool.error = event.error
        if not self.tools and self.state == "tool":
            self.state = "thinking"

    # --- notes

    def _note(self, text: str, level: Level) -> Note:
        note = self.last_note = Note(text, level)
        self.blocks.append(note)
        self._words = None
        return note

    def _warned(self, event: Warned) -> None:
        self._note(f"{event.message} {event.hint}" if event.hint else event.message, "warning")

    def _file(self, event: FileMade) -> None:
        named = event.name or event.url or event.ref or ""
        self._note(f"A file was made: {f'{named} ' if named else ''}({event.media_type or 'unknown type'})", "note")

    def _approval_asked(self, event: ApprovalAsked) -> None:
        self.state = "parked"
        self._note(f"Waiting for leave to run {call_phrase(event.name, event.arguments)}", "note")

    def _approval_answered(self, event: ApprovalAnswered) -> None:
        self.state = "tool" if self.tools else "thinking"
        self._note("Allowed" if event.allowed else "Not allowed" + (f": {event.note}" if event.note else ""), "note")

    def _handoff(self, event: Handoff) -> None:
        self.handed_to.append(event.to)
        self._note(f"Handed to {event.to}" + (f": {event.note}" if event.note else ""), "note")


class Board:
    """All agents of a workflow's run, in the order of its `members`, who wait until they begin.

    Members that are workflows themselves give way to their own members as those begin. An agent that another one
    called as a tool shows in that one's tools.
    """

    def __init__(self, title: str, members: Sequence[str] = ()) -> None:
        self.title = title
        self.agents = [AgentView((name,)) for name in members]
        self.time = 0.0
        """Of the last event, in Unix seconds."""
        self.started: float | None = None
        self.end: RunFinished | RunFailed | RunCancelled | None = None
        """How the outermost run ended."""
        self._run: str | None = None
        self._views: dict[str, AgentView] = {}  # by run
        self._at: dict[tuple[str, ...], AgentView] = {view.path: view for view in self.agents}
        self._groups: set[tuple[str, ...]] = set()  # the paths of workflows in the workflow
        self._called: set[str] = set()  # the runs that answer a call, and those below them

    def feed(self, event: Event) -> AgentView | None:
        """Take in an event; gives whose it is, where it is an agent's that is shown."""
        if event.time > self.time:
            self.time = event.time
        view = self._views.get(event.run)
        if view is None:
            return self._beside(event)
        if handler := _HANDLERS.get(event.__class__):
            handler(view, event)
            view.version += 1
        elif isinstance(event, ChildStarted):
            self._child(view, event)
        elif isinstance(event, ChildFinished) and event.child in self._called:
            view.spend(event.usage)
            view.version += 1
        if event.__class__ in _ENDS:
            self._over(event)
        return view

    def elapsed(self, now: float) -> float:
        """Seconds from the outermost run's start until `now` (Unix seconds), or until its end."""
        return max(0.0, (self.end.time if self.end else now) - self.started) if self.started is not None else 0.0

    @property
    def tokens(self) -> tuple[int, bool]:
        """Tokens that all have written, and whether that is an estimate."""
        spent = [view.tokens for view in self.agents]
        return sum(count for count, _ in spent), any(estimated for _, estimated in spent)

    def _beside(self, event: Event) -> AgentView | None:
        """An event of a run that has no view, or none yet."""
        if isinstance(event, RunStarted):
            return self._begin(event)
        if isinstance(event, ChildStarted):
            if event.run in self._called or event.call is not None:
                self._called.add(event.child)
        elif event.__class__ in _ENDS:
            self._over(event)
        return None

    def _over(self, event: Event) -> None:
        self._views.pop(event.run, None)
        self._called.discard(event.run)
        if event.run == self._run and isinstance(event, RunFinished | RunFailed | RunCancelled):
            self.end = event

    def _begin(self, event: RunStarted) -> AgentView | None:
        path = event.path[1:]
        if self._run is None:
            self._run = event.run
            self.started = event.time
            if not event.model:
                return None
            path = event.path[:1]  # an agent alone, which is its own only member
        elif event.run in self._called or path in self._groups:
            return None
        view = self._at.get(path) or self._add(path)
        self._views[event.run] = view
        view.begin(event)
        view.version += 1
        return view

    def _add(self, path: tuple[str, ...]) -> AgentView:
        """A view for an agent that nobody had announced, after those who stand nearest to it."""
        view = self._at[path] = AgentView(path)
        beside = [at for at, other in enumerate(self.agents) if other.path[: len(path) - 1] == path[:-1]]
        self.agents.insert(beside[-1] + 1 if beside else len(self.agents), view)
        return view

    def _child(self, view: AgentView, event: ChildStarted) -> None:
        """A run begins below one that has a view."""
        if event.call is not None:
            self._called.add(event.child)
        elif view.handed_to:
            self._views[event.child] = view  # who was handed the conversation goes on in its place
        else:
            # It is a workflow: its members are shown, the first of them where it stood.
            path = (*view.path, event.name)
            self._groups.add(view.path)
            del self._views[event.run]
            place = next(at for at, other in enumerate(self.agents) if other is view)
            del self._at[view.path]
            self.agents[place] = self._at[path] = AgentView(path)


_ENDS: Final[frozenset[type[Event]]] = frozenset((RunFinished, RunFailed, RunCancelled))
_HANDLERS: Final[dict[type[Event], Callable[[AgentView, Any], None]]] = {
    TextDelta: AgentView._text_delta,
    ReasoningDelta: AgentView._reasoning_delta,
    CallDelta: AgentView._call_delta,
    TextStarted: AgentView._text_started,
    ReasoningStarted: AgentView._reasoning_started,
    RunStarted: AgentView._taken_over,
    RunFinished: AgentView._finished,
    RunFailed: AgentView._failed,
    RunCancelled: AgentView._cancelled,
    RunWaiting: AgentView._waiting,
    StepStarted: AgentView._step_started,
    StepFinished: AgentView._step_finished,
    AttemptStarted: AgentView._attempt_started,
    AttemptFailed: AgentView._attempt_failed,
    Retracted: AgentView._retracted,
    UsageReported: AgentView._usage,
    CallStarted: AgentView._call_started,
    CallReady: AgentView._call_ready,
    CallRejected: AgentView._call_rejected,
    ToolStarted: AgentView._tool_started,
    ToolProgress: AgentView._tool_progress,
    ToolFinished: AgentView._tool_finished,
    Warned: AgentView._warned,
    FileMade: AgentView._file,
    ApprovalAsked: AgentView._approval_asked,
    ApprovalAnswered: AgentView._approval_answered,
    Handoff: AgentView._handoff,
}
