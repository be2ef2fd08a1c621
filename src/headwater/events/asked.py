"""The questions to people in a run and their answers, from its events.

Owns which questions are open, which answers apply to the rest of the run, and what each call's tool has asked. What an
answer means for a call is up to `growing`; waiting for answers is up to `runtime.people`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from headwater.events.types import ApprovalAnswered, ApprovalAsked, InputAnswered, InputAsked

__all__ = ("Asked",)

_Input: TypeAlias = tuple[InputAsked, InputAnswered | None]


class Asked:
    """The questions of one run."""

    __slots__ = ("_inputs", "open", "standing")

    def __init__(self) -> None:
        self.open: dict[str, ApprovalAsked | InputAsked] = {}
        """The open questions by id, in the order in which they were asked."""
        self.standing: dict[str, ApprovalAnswered] = {}
        """The answers that apply to every further call in this run, by the name of the tool."""
        self._inputs: dict[str, list[_Input]] = {}

    def ask(self, event: ApprovalAsked | InputAsked) -> None:
        """Records a question."""
        if isinstance(event, ApprovalAsked):
            self.open[event.approval] = event
            return
        self.open[event.input] = event
        self._inputs.setdefault(event.call, []).append((event, None))

    def give(self, event: InputAnswered) -> None:
        """Records an answer to a tool."""
        asked = self.open.pop(event.input, None)
        if isinstance(asked, InputAsked):
            before = self._inputs[asked.call]
            before[before.index((asked, None))] = (asked, event)

    def decide(self, event: ApprovalAnswered) -> ApprovalAsked | InputAsked | None:
        """Records that a call was approved or denied; returns the question if one was open."""
        asked = self.open.pop(event.approval, None)
        if asked is not None and event.for_run:
            self.standing[asked.name] = event
        return asked

    def end_call(self, call: str) -> None:
        """Drops the questions of the call's tool, which has ended."""
        if self.open:
            self.open = {name: asked for name, asked in self.open.items() if asked.call != call}

    def by(self, call: str) -> Sequence[_Input]:
        """The questions of that call's tool, in order, each with its answer."""
        return self._inputs.get(call, ())
