"""What people were asked in a run, and what they have decided, as its events tell it.

Owns which questions stand open, which answers hold for the rest of the run, and what each call's tool has asked. What a
decision means for a call is `growing`'s; who waits for an answer is `runtime.people`'s.
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
        """Those that nobody has answered, by id, in the order in which they were asked."""
        self.standing: dict[str, ApprovalAnswered] = {}
        """The answers that hold for every further call in this run, by the name of the tool."""
        self._inputs: dict[str, list[_Input]] = {}

    def ask(self, event: ApprovalAsked | InputAsked) -> None:
        """Someone is asked."""
        if isinstance(event, ApprovalAsked):
            self.open[event.approval] = event
            return
        self.open[event.input] = event
        self._inputs.setdefault(event.call, []).append((event, None))

    def give(self, event: InputAnswered) -> None:
        """Someone answers a tool."""
        asked = self.open.pop(event.input, None)
        if isinstance(asked, InputAsked):
            before = self._inputs[asked.call]
            before[before.index((asked, None))] = (asked, event)

    def decide(self, event: ApprovalAnswered) -> ApprovalAsked | InputAsked | None:
        """Someone allows or refuses a call; the question, where one stood open."""
        asked = self.open.pop(event.approval, None)
        if asked is not None and event.for_run:
            self.standing[asked.name] = event
        return asked

    def end_call(self, call: str) -> None:
        """The call's tool has ended: nobody waits for what it had asked."""
        if self.open:
            self.open = {name: asked for name, asked in self.open.items() if asked.call != call}

    def by(self, call: str) -> Sequence[_Input]:
        """What the tool of that call has asked, in order, each with its answer."""
        return self._inputs.get(call, ())
