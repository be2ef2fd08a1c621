"""The display state of one agent: its state, text, tools and usage.

Pure, and bounded for any length of a run: the end of its text, its last tools and its last notes are kept. The cost of
an event does not depend on earlier ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from decimal import Decimal
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
    Event,
    FileMade,
    GuardTripped,
    Handoff,
    InputAnswered,
    InputAsked,
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
from headwater.terminal import notes
from headwater.terminal.dashboard.blocks import Block, Level, Note, ToolLine, Words
from headwater.terminal.dashboard.token_count import TokenCount
from headwater.terminal.notes import brief, call_phrase
from headwater.terminal.run_view import Voice

__all__ = ("BLOCKS_KEPT", "HANDLERS", "AgentView", "Standing", "State")

State: TypeAlias = Literal[
    "waiting",
    "thinking",
    "streaming",
    "calling",
    "tool",
    "retrying",
    "asking",
    "resting",
    "done",
    "failed",
    "cancelled",
]
"""waiting: has not started. calling: writes a call. tool: runs one. asking: waits for a person. resting: waits
for a time or for other runs."""

Standing: TypeAlias = State | Literal["healed"]
"""The displayed state: an agent that finished after a recovered failure is healed."""

BLOCKS_KEPT: Final = 64
"""Maximum number of blocks (text, tools, notes) kept per agent: more than the rows of most screens."""

_ENDED: Final = ("done", "failed", "cancelled")


class AgentView:
    """The display state of one agent after the last event.

    `path` is its path below the outermost run; `hue` is its number, which selects its color.
    """

    __slots__ = (
        "_approvals",
        "_attempt",
        "_before",
        "_calls",
        "_count",
        "_healing",
        "_phrases",
        "_questions",
        "_refusals",
        "_replaced",
        "_run",
        "_words",
        "blocks",
        "ended",
        "handed_to",
        "healed",
        "hue",
        "last_note",
        "path",
        "retry_at",
        "rounds",
        "started",
        "state",
        "tools",
        "version",
    )

    def __init__(self, path: tuple[str, ...], hue: int = 0) -> None:
        self.path: tuple[str, ...] = path
        self.hue: int = hue
        self.handed_to: list[str] = []
        self.state: State = "waiting"
        self.version: int = 0
        """Incremented with every change."""
        self.started: float | None = None
        self.ended: float | None = None
        self.rounds: int = 0
        """How often it has started: more than once in a workflow with cycles."""
        self.blocks: deque[Block] = deque(maxlen=BLOCKS_KEPT)
        self.tools: dict[str, ToolLine] = {}
        """Running tools, by call."""
        self.retry_at: float | None = None
        self.healed: int = 0
        """Failed attempts from which a later one recovered."""
        self.last_note: Note | None = None
        self._run = ""
        self._before = 0.0  # seconds of earlier rounds
        self._words: Words | None = None
        self._attempt: list[Words] = []
        self._refusals: set[int] = set()
        self._calls: dict[str, str] = {}  # the calls that the model is writing, by their keys
        self._phrases: dict[str, str] = {}
        self._questions: dict[str, Literal["approval", "input"]] = {}  # the open ones, by their ids
        self._approvals: dict[str, ApprovalAsked] = {}
        self._healing: Note | None = None
        self._replaced = 0
        self._count = TokenCount()

    # --- summary

    @property
    def name(self) -> str:
        """The displayed name: its path, and the agents that it handed over to."""
        return " -> ".join(("/".join(self.path), *self.handed_to))

    @property
    def short_name(self) -> str:
        """The name without its parents."""
        return " -> ".join((self.path[-1], *self.handed_to))

    @property
    def active(self) -> bool:
        """Whether it has started and not ended."""
        return self.state != "waiting" and self.state not in _ENDED

    @property
    def standing(self) -> Standing:
        """The state; "healed" if it finished after a recovered failure."""
        return "healed" if self.state == "done" and self.healed else self.state

    @property
    def doing(self) -> str:
        """The state in one or two words, with the name of the tool."""
        if self.state == "tool":
            count = len(self.tools)
            return (
                f"tool {next(iter(self.tools.values())).phrase.partition('(')[0]}" if count == 1 else f"{count} tools"
            )
        if self.state == "calling" and self._calls:
            return f"calling {[*self._calls.values()][-1]}"
        if self.state == "asking":
            return "needs approval" if "approval" in self._questions.values() else "asks you"
        return self.state

    def elapsed(self, now: float) -> float:
        """Active seconds until `now` (Unix seconds), or until it ended."""
        if self.started is None:
            return 0.0
        until = self.ended if self.ended is not None else now
        return self._before + max(0.0, until - self.started)

    @property
    def tokens(self) -> tuple[int, bool]:
        """Tokens written, and whether that is an estimate."""
        return self._count.tokens

    @property
    def input_tokens(self) -> int:
        """Input tokens, as far as reported."""
        return self._count.input_tokens

    @property
    def cost(self) -> Decimal | None:
        """Dollars so far; None if no cost is known."""
        return self._count.cost

    @property
    def rate(self) -> float | None:
        """Tokens per second while it streamed; None if that was too short to measure."""
        return self._count.rate

    def pulse(self, now: float) -> list[int]:
        """Bytes written in each of the last full seconds until `now` (Unix seconds), or until it ended."""
        if self.ended is not None:
            return self._count.pulse.last(self.ended)
        return self._count.pulse.last(now)[:-1]  # the current second would look like a stall

    def phrase(self, call: str) -> str:
        """A short description of a call of this step; empty if it is unknown."""
        return self._phrases.get(call, "")

    def spend(self, usage: Usage) -> None:
        """Adds the usage of an agent that was called as a tool."""
        self._count.spend(usage)

    # --- the run

    def begin(self, event: RunStarted) -> None:
        """Starts a round."""
        self.state = "thinking"
        if self.started is not None:
            self._before = self.elapsed(self.ended or event.time)
        self._run = event.run
        self.started = event.time
        self.ended = None
        self.handed_to.clear()
        self.rounds += 1
        self._words = None

    def take_up(self, time: float, before: float) -> None:
        """Handles a resumed log: it stopped at `before` and continues at `time`, and earlier work has ended."""
        if self.started is not None:
            self._before += max(0.0, before - self.started)
            self.started = time
        self._count.settle()
        self._stop_work()
        if not self._questions:
            self.state = "thinking"
        self.version += 1

    def _taken_over(self, event: RunStarted) -> None:
        self.state = "thinking"

    def _finished(self, event: RunFinished) -> None:
        if not self._end(event, "done"):
            return
        if cut := notes.CUT_SHORT_IN_PANEL.get(event.finish_reason or ""):
            self._note(cut, "warning")
        if self._replaced:
            self._note(notes.replaced(self._replaced), "note")
            self._replaced = 0

    def _failed(self, event: RunFailed) -> None:
        if self._end(event, "failed"):
            self._note(notes.failed(event), "error")

    def _cancelled(self, event: RunCancelled) -> None:
        if self._end(event, "cancelled") and event.by in notes.CANCELLED_IN_PANEL:
            self._note(notes.CANCELLED_IN_PANEL[event.by], "cancelled")

    def _end(self, event: Event, state: State) -> bool:
        if event.run != self._run:
            return False
        self._count.settle()
        self.state = state
        self.ended = event.time
        self._stop_work()
        self._questions.clear()
        self._approvals.clear()
        return True

    def _stop_work(self) -> None:
        self.retry_at = None
        for tool in self.tools.values():
            tool.stopped = True
        self.tools.clear()
        self._calls.clear()
        self._healing = None
        self._words = None

    def _waiting(self, event: RunWaiting) -> None:
        if event.on in ("approval", "input"):
            self.state = "asking"  # the question has been shown
        else:
            self.state = "resting"
            self._note(notes.waiting(event), "note")

    # --- steps and attempts

    def _step_started(self, event: StepStarted) -> None:
        self.state = "thinking"
        self._words = None
        self._calls.clear()
        self._phrases.clear()
        self._refusals.clear()

    def _step_finished(self, event: StepFinished) -> None:
        self._count.settle()

    def _attempt_started(self, event: AttemptStarted) -> None:
        self._count.settle()
        self.state = "thinking"
        self.retry_at = None
        self._words = None
        self._attempt.clear()

    def _attempt_failed(self, event: AttemptFailed) -> None:
        self._count.settle()
        self._calls.clear()
        if event.then == "raise":
            return  # the end of the run reports it
        self.state = "retrying"
        self.retry_at = event.time + event.wait
        self._healing = self._note(notes.attempt_failed(event), "warning")

    def _retracted(self, event: Retracted) -> None:
        taken_back = self._attempt
        if taken_back:
            kept = [block for block in self.blocks if not any(block is words for words in taken_back)]
            self.blocks.clear()
            self.blocks.extend(kept)
            self._attempt = []
        self._words = None
        if event.chars:
            self._note(f"{event.chars:,} characters are retracted", "warning")

    def _usage(self, event: UsageReported) -> None:
        if event.usage:
            self._count.report(event.usage)

    # --- text

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
        self._count.wrote(text, event.time)

    def _reasoning_delta(self, event: ReasoningDelta) -> None:
        words = self._words
        if words is None or words.voice != "reasoning":
            words = self._speak("reasoning")
        words.add(event.text)
        self._count.wrote(event.text, event.time)

    def _speak(self, voice: Voice) -> Words:
        self.state = "thinking" if voice == "reasoning" else "streaming"
        words = self._words = Words(voice)
        self.blocks.append(words)
        self._attempt.append(words)
        return words

    def _heal(self) -> None:
        """Handles new text: the earlier failure is recovered."""
        if self._healing is not None:
            self._healing.text = f"Healed: {self._healing.text.rpartition(' (')[0]}"
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
        self._count.wrote(event.json, event.time)

    def _call_ready(self, event: CallReady) -> None:
        self._calls.pop(event.call, None)
        phrase = self._phrases[event.call] = call_phrase(event.name, event.arguments)
        if event.by != "agent":
            self.state = "thinking"  # its result is part of the provider's own answer, or the client's business
            self._note(notes.run_by(phrase, event.by), "note")

    def _call_rejected(self, event: CallRejected) -> None:
        self._calls.pop(event.call, None)
        if not event.cut:
            self._note(notes.call_rejected(event), "warning")

    def _tool_started(self, event: ToolStarted) -> None:
        if not self._questions:
            self.state = "tool"
        phrase = notes.tried(self._phrases.get(event.call, event.name), event.try_)
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
        self._note(notes.warned(event), "warning")

    def _guard_tripped(self, event: GuardTripped) -> None:
        self._replaced += event.action == "replace"

    def _file(self, event: FileMade) -> None:
        self._note(notes.file_made(event), "note")

    # --- people

    def _approval_asked(self, event: ApprovalAsked) -> None:
        self._approvals[event.approval] = event
        self._ask(event.approval, "approval", notes.approval_asked(event))

    def _approval_answered(self, event: ApprovalAnswered) -> None:
        asked = self._approvals.pop(event.approval, None)
        name = asked.name if asked is not None else ""
        if asked is not None and event.arguments is not None:
            self._phrases[asked.call] = call_phrase(name, event.arguments)
        self._answered(event.approval, notes.approval_answered(event, name))

    def _input_asked(self, event: InputAsked) -> None:
        self._ask(event.input, "input", notes.input_asked(event))

    def _input_answered(self, event: InputAnswered) -> None:
        self._answered(event.input, notes.input_answered(event))

    def _ask(self, id: str, kind: Literal["approval", "input"], text: str) -> None:
        self.state = "asking"
        self._questions[id] = kind
        self._note(text, "question")

    def _answered(self, id: str, text: str) -> None:
        self._questions.pop(id, None)
        if not self._questions:
            self.state = "tool" if self.tools else "thinking"
        self._note(text, "note")

    # --- the rest

    def _handoff(self, event: Handoff) -> None:
        self.handed_to.append(event.to)
        self._note(notes.handed_over(event), "note")


HANDLERS: Final[dict[type[Event], Callable[[AgentView, Any], None]]] = {
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
    GuardTripped: AgentView._guard_tripped,
    Warned: AgentView._warned,
    FileMade: AgentView._file,
    ApprovalAsked: AgentView._approval_asked,
    ApprovalAnswered: AgentView._approval_answered,
    InputAsked: AgentView._input_asked,
    InputAnswered: AgentView._input_answered,
    Handoff: AgentView._handoff,
}
"""The handler of each event of its run; other events do not change a view."""
