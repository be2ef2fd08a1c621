"""Handing the conversation over to another agent, as a tool that a model can call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headwater.agents.runnable import tool_name
from headwater.events.messages import Message
from headwater.providers.request import ToolSpec
from headwater.runtime.run import Run
from headwater.tools.work import Plain, Work

if TYPE_CHECKING:
    from headwater.tools.outcome import ToolOutcome

__all__ = ("Handoff",)


class Handoff(Plain):
    """Another agent that can take over the conversation; see `runtime`'s HandoffTool.

    `begin` makes a run of that agent, as `Agent._begin` does.
    """

    def __init__(self, to: str, description: str, begin: Callable[..., Run]) -> None:
        self.to = to
        self.name: str = f"transfer_to_{tool_name(to)}"[:64]
        self.spec: ToolSpec = ToolSpec(
            name=self.name,
            description=f"Give the conversation to {to}, who answers from here on."
            + (f" {description}" if description else ""),
            parameters={
                "type": "object",
                "properties": {"note": {"type": "string", "description": "What they should know, in a sentence."}},
                "required": [],
                "additionalProperties": False,
            },
        )
        self._begin = begin

    async def call(self, work: Work) -> ToolOutcome:
        """See `tools.work.Offered`."""
        note = work.arguments.get("note") if isinstance(work.arguments, dict) else None
        return work.hand_over(self, note if isinstance(note, str) else "")

    def take_over(self, messages: tuple[Message, ...], context: Any) -> Run:
        """See `runtime`'s HandoffTool."""
        return self._begin((), shown=False, history=messages, context=context)
