"""Merges a run's text into one answer, for wires that have a single answer without names and without retractions.

An agent's text is streamed, and that of the agents it hands over to. For a workflow, only members that are known to
give its answer are streamed: the last one of a sequence. Without such a member (members in parallel), the answer is
sent at the end. Text that may be retracted is held back until it is final. Pure: the same events always give the same
text.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

from headwater.events import (
    ChildFinished,
    ChildStarted,
    Event,
    Handoff,
    MessageAdded,
    ReasoningDelta,
    ReasoningStarted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    StepFinished,
    TextDelta,
    TextStarted,
    WorkflowShape,
)
from headwater.events.answers import composed
from headwater.events.fold import Fold
from headwater.events.tree import Tree
from headwater.readers.hold import Hold

__all__ = ("Said", "Voice", "sent_back")

Kind = Literal["text", "refusal", "reasoning"]

_APART: Final = "\n\n"


class Said(NamedTuple):
    """A piece of the answer."""

    kind: Kind
    text: str


class Voice:
    """Call it with every event of a log; it returns the pieces that can be sent now.

    `sent_back` are steps whose text is left out, see the function of that name: only a whole log tells them.
    """

    __slots__ = (
        "_folds",
        "_heard",
        "_hold",
        "_leads",
        "_reasoned",
        "_reasoning",
        "_refusals",
        "_sent_back",
        "spoke",
        "tree",
    )

    def __init__(self, sent_back: Collection[tuple[str, int]] = ()) -> None:
        self._sent_back = sent_back
        self.tree: Tree = Tree()
        self.spoke: bool = False
        """Whether any part of the answer was sent."""
        self._hold: Hold[Said] = Hold()
        self._heard: dict[str, bool] = {}
        self._leads: dict[str, str] = {}
        self._refusals: set[tuple[str, int, int]] = set()
        self._reasoned: set[str] = set()
        self._reasoning: dict[str, str] = {}
        """The separator between this reasoning and the previous one."""
        self._folds = False
        """Whether all text is kept, because it may have to be sent at the end."""

    def __call__(self, event: Event) -> Sequence[Said]:
        """The pieces that can be sent now, in order."""
        if event.__class__ is TextDelta:
            if self._folds:
                self._fold(event)
            if not self._hears(event.run) or (self._sent_back and (event.run, event.step) in self._sent_back):
                return ()
            said: Sequence[Said] = self._held(event, (self._text(event),))
            return said
        self.tree.add(event)
        if handler := _HANDLERS.get(event.__class__):
            handler(self, event)
        if self._folds:
            self._fold(event)
        items: Sequence[Said] = ()
        if isinstance(event, ReasoningDelta) and self._hears(event.run):
            items = (Said("reasoning", self._reasoning.pop(event.run, "") + event.text),)
        said = self._held(event, items)
        root = self.tree.root
        if root is not None and event.run == root.id and isinstance(event, (RunFinished, RunFailed, RunCancelled)):
            return [*said, *self._rest()]
        return said

    @property
    def flows(self) -> bool:
        """Whether nothing is held back: the next delta of a part that has started can be sent directly."""
        return not (self._folds or self._hold.held)

    def _held(self, event: Event, items: Sequence[Said]) -> Sequence[Said]:
        said = self._hold(event, items)
        if said:
            self.spoke = self.spoke or any(one.kind != "reasoning" for one in said)
        return said

    def _text(self, event: TextDelta) -> Said:
        if self._refusals and (event.run, event.step, event.part) in self._refusals:
            return Said("refusal", event.text)
        lead = self._leads.pop(event.run, "") if self._leads else ""
        return Said("text", lead + event.text if self.spoke else event.text)

    def _hears(self, run: str) -> bool:
        """Whether the run's text is part of the answer."""
        heard = self._heard.get(run)
        if heard is None:
            tree = self.tree
            heard = self._heard[run] = run in tree.speakers and all(
                node.final is True and not node.answer_tool and _one_at_a_time(node.shape) for node in tree.between(run)
            )
        return heard

    def _rest(self) -> Sequence[Said]:
        """Returns the run's result, if it was not streamed."""
        root = self.tree.root
        if self.spoke or not self._folds or root is None:
            return ()
        text = str(composed(root, now=0.0))
        return (Said("text", text),) if text else ()

    def _fold(self, event: Event) -> None:
        node = self.tree.node(event)
        if node.fold is None:
            node.fold = Fold()
        node.fold.add(event)

    def _run_started(self, event: RunStarted) -> None:
        self._heard.clear()
        root = self.tree.root
        if root is not None and event.run == root.id:
            self._folds = event.workflow is not None or bool(event.answer_tool)

    def _changed(self, event: Event) -> None:
        self._heard.clear()

    def _text_started(self, event: TextStarted) -> None:
        if event.kind == "refusal":
            self._refusals.add((event.run, event.step, event.part))
        if event.lead:
            self._leads[event.run] = event.lead

    def _reasoning_started(self, event: ReasoningStarted) -> None:
        self._reasoning[event.run] = _APART if event.run in self._reasoned else ""
        self._reasoned.add(event.run)


def sent_back(log: Iterable[Event]) -> set[tuple[str, int]]:
    """The steps, each with its run, whose answer did not fit its type: the model was asked for another one."""
    found: set[tuple[str, int]] = set()
    last: dict[str, int] = {}
    for event in log:
        if isinstance(event, StepFinished):
            last[event.run] = event.step
        elif isinstance(event, MessageAdded) and event.cause == "repair" and event.run in last:
            found.add((event.run, last[event.run]))
    return found


def _one_at_a_time(shape: WorkflowShape | None) -> bool:
    """Whether at most one member of a workflow gives its answer; True for anything else."""
    return shape is None or shape.kind == "sequential" or len(shape.members) == 1


_HANDLERS: Final[dict[type[Event], Callable[[Voice, Any], None]]] = {
    RunStarted: Voice._run_started,
    ChildStarted: Voice._changed,
    ChildFinished: Voice._changed,
    Handoff: Voice._changed,
    TextStarted: Voice._text_started,
    ReasoningStarted: Voice._reasoning_started,
}
