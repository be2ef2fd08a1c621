"""The two shapes of a stream's text: the StreamChunk, and the details for a callback.

Both are projections: functions of one event and of the log before it. They decide nothing, keep no log and ask no run.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from headwater.events import (
    ApprovalAsked,
    AttemptStarted,
    CallReady,
    Event,
    InputAsked,
    ReasoningDelta,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    TextDelta,
    TextStarted,
    ToolFinished,
)
from headwater.events.fold import Fold
from headwater.events.questions import Question
from headwater.events.tree import Tree

__all__ = ("Chunks", "StreamChunk")


@dataclass(slots=True)
class StreamChunk:
    """A piece of text, or the end of the stream."""

    content: str = ""
    """The text; empty if the chunk only has a finish reason."""
    delta: str = ""
    """The same as `content`."""
    is_final: bool = False
    """True only on the last chunk."""
    finish_reason: str | None = None
    """Why it stopped: stop, length, tool_calls, content_filter, refusal, cancelled; `retracted` retracts text,
    `waiting` is a question to a person, which is in `event`, and after `reset` all text comes again: the run's journal
    has another log of it by now.

    A workflow's member that failed ends with error.
    """
    metadata: dict[str, Any] | None = None
    """On the last chunk: model, provider, tokens (the usage, or None if unknown), time_to_first_token, duration."""
    agent: str = ""
    """The agent's name."""
    event: Event | None = None
    """The event behind the chunk."""

    @property
    def text(self) -> str:
        """The same as `content`."""
        return self.content


class Chunks:
    """Creates chunks, or a callback's details, from the events of the run `run` and of its speakers.

    Call it with every event of the log. `speakers` are the runs whose text is included; None: those whose text counts
    as the run's, derived from the events (`tree`): an agent itself, or a workflow's members. The end of a member is a
    chunk with its finish reason; only the run's own end is final. `fold` has read the run's own events before they come
    here. `leads` says whether steps' texts are separated. `past` holds the earlier events of a resumed log. `anew` says
    that the log comes again from its beginning.
    """

    __slots__ = ("_anew", "_fold", "_leads", "_old", "_refusals", "_run", "_with_leads", "plain", "speakers", "tree")

    def __init__(
        self,
        run: str,
        speakers: Container[str] | None,
        fold: Fold,
        *,
        leads: bool = True,
        past: Iterable[Event] = (),
        anew: bool = False,
    ) -> None:
        self._anew = anew
        self.tree: Tree = Tree()
        self.speakers: Container[str] = self.tree.speakers if speakers is None else speakers
        """The ids of the runs whose text is included."""
        self._run = run
        self._fold = fold
        self._with_leads = leads
        self._leads: dict[str, str] = {}
        self._refusals: set[tuple[str, int, int]] = set()
        self.plain: bool = True
        """Whether a text delta of the run itself is its chunk unchanged: no lead is due and no refusal is open."""
        self._old: set[tuple[str, int, int]] = set()
        """Earlier attempts: their text was never passed on here, so its retraction is ignored."""
        for event in past:
            self.of(event)
            if isinstance(event, AttemptStarted):
                self._old.add((event.run, event.step, event.attempt))

    def text_of(self, event: TextDelta) -> str:
        """Returns a text delta's addition to the transcript: its text, after a lead if one is due; "" for a refusal."""
        if self._refusals and (event.run, event.step, event.part) in self._refusals:
            return ""
        if self._leads and (lead := self._leads.pop(event.run, "")):
            self.plain = not self._leads and not self._refusals
            return lead + event.text
        return event.text

    def is_old(self, event: Retracted) -> bool:
        """Whether it retracts text that was passed on before the log was resumed, if at all."""
        return (event.run, event.step, event.attempt) in self._old

    def _hears(self, event: Event) -> bool:
        """Whether the event is of a run whose text is included, or of the run itself."""
        return event.run in self.speakers or event.run == self._run

    def of(self, event: Event) -> StreamChunk | None:
        """Returns the event's chunk, if it has one."""
        if isinstance(event, TextDelta):
            text = self.text_of(event) if event.run in self.speakers else ""
            return StreamChunk(text, text, False, None, None, event.agent, event) if text else None
        self.tree.add(event)
        if isinstance(event, (ApprovalAsked, InputAsked)):
            return StreamChunk(finish_reason="waiting", agent=event.agent, event=event)
        if not self._hears(event):
            return None
        if isinstance(event, TextStarted):
            self._note(event)
        elif isinstance(event, StepFinished) and event.finish_reason == "tool_calls":
            return StreamChunk(finish_reason="tool_calls", agent=event.agent, event=event)
        elif isinstance(event, Retracted) and not self.is_old(event):
            return StreamChunk(finish_reason="retracted", agent=event.agent, event=event)
        elif self._anew and isinstance(event, RunStarted) and event.run == self._run:
            return StreamChunk(finish_reason="reset", agent=event.agent, event=event)
        elif isinstance(event, RunFailed):
            # The run's own failure is raised. A member's may be collected, and would not be visible otherwise.
            return (
                None if event.run == self._run else StreamChunk(finish_reason="error", agent=event.agent, event=event)
            )
        elif isinstance(event, (RunFinished, RunCancelled)):
            reason = "cancelled" if isinstance(event, RunCancelled) else event.finish_reason
            if event.run != self._run:
                return StreamChunk(finish_reason=reason, agent=event.agent, event=event)
            return StreamChunk(
                is_final=True, finish_reason=reason, metadata=self.metadata(), agent=event.agent, event=event
            )
        return None

    def details(self, event: Event) -> dict[str, Any] | None:
        """Returns the event as a callback's details: JSON data with only the applicable keys."""
        if event.__class__ is not TextDelta:
            self.tree.add(event)
        asks = isinstance(event, (ApprovalAsked, InputAsked))
        if not asks and not self._hears(event):
            return None
        said = self._said(event)
        if said is None:
            return None
        return {**said, "agent": event.agent, "run_id": event.run, "seq": event.seq}

    def _said(self, event: Event) -> dict[str, Any] | None:
        match event:
            case TextDelta():
                text = self.text_of(event)
                return {"content": text, "token": text} if text else None
            case TextStarted():
                self._note(event)
            case ReasoningDelta():
                return {"reasoning": event.text}
            case ApprovalAsked() | InputAsked():
                return {"finish_reason": "waiting", "question": msgspec.to_builtins(Question.of(event))}
            case CallReady():
                return {"tool_call": {"id": event.call, "name": event.name, "arguments": event.arguments}}
            case ToolFinished():
                result = (
                    event.result
                    if isinstance(event.result, str)
                    else "".join(getattr(part, "text", "") for part in event.result)
                )
                told = {"id": event.call, "name": event.name, "result": result, "error": event.error}
                return {"tool_result": told}
            case StepFinished() if event.finish_reason == "tool_calls":
                return {"finish_reason": "tool_calls"}
            case Retracted() if not self.is_old(event):
                return {"finish_reason": "retracted", "chars": event.chars}
            case RunFinished() | RunCancelled() if event.run == self._run:
                reason = "cancelled" if isinstance(event, RunCancelled) else event.finish_reason
                end: dict[str, Any] = {"finish_reason": reason} if reason else {}
                if self._fold.model:
                    end["model"] = self._fold.model
                if event.usage:
                    end["usage"] = event.usage.to_dict()
                return end
            case _:
                pass
        return None

    def metadata(self) -> dict[str, Any]:
        """Returns the metadata of the last chunk."""
        return self._fold.response().metadata

    def _note(self, event: TextStarted) -> None:
        if event.kind == "refusal":
            self._refusals.add((event.run, event.step, event.part))
        if event.lead and self._with_leads:
            self._leads[event.run] = event.lead
        self.plain = not self._leads and not self._refusals
