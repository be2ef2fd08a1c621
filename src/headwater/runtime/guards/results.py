"""The results of tools, which no event, log or model has before they have passed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headwater.errors import GuardBlocked
from headwater.events import Event, GuardTripped
from headwater.events.messages import File, Image, Text, ToolCall
from headwater.runtime.guards.guard import Guard, GuardContext, Replace, Retry
from headwater.runtime.guards.parts import judged_parts
from headwater.runtime.guards.verdicts import WITHHELD, blocked
from headwater.tools.outcome import ToolOutcome

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = ("guarded_outcome",)


async def guarded_outcome(
    run: Run,
    guards: Iterable[Guard],
    outcome: ToolOutcome,
    *,
    call: ToolCall,
    context: Any,
    step: int | None = None,
    key: str | None = None,
) -> tuple[ToolOutcome, list[Event], GuardBlocked | None]:
    """Returns a tool's outcome as it passed, what the log is told, and the error if a guard blocked it.

    `step` and `key` are those of a call in this run.
    """
    told: list[Event] = []
    about = GuardContext(
        on="result", agent=run.name, run=run.id, step=step, tool=call.name, arguments=call.arguments, context=context
    )
    for guard in guards:
        result = outcome.result
        parts = (Text(text=result),) if isinstance(result, str) else result
        given, verdict, chars = await judged_parts(run, guard, parts, about)
        if verdict is None:
            continue
        note = "" if isinstance(verdict, Replace) else verdict.note
        action: Any = type(verdict).__name__.lower() if isinstance(verdict, (Replace, Retry)) else "block"
        tripped = GuardTripped(
            guard=guard.name, on="result", action=action, step=step, call=key, note=note, chars=chars
        )
        told.append(tripped)
        if isinstance(verdict, Replace):
            outcome = _replaced(outcome, given)
        elif isinstance(verdict, Retry):
            outcome = ToolOutcome.failed(note, invalid=outcome.invalid)
        else:
            return ToolOutcome.failed(WITHHELD.format(guard.name)), told, blocked(guard, "result", note)
    return outcome, told, None


def _replaced(outcome: ToolOutcome, parts: tuple[Text | Image | File, ...]) -> ToolOutcome:
    words = "".join(part.text for part in parts if isinstance(part, Text))
    if outcome.error is not None and isinstance(outcome.result, str):
        return ToolOutcome.failed(words, invalid=outcome.invalid)
    result = words if isinstance(outcome.result, str) else parts
    error = None if outcome.error is None else words
    return ToolOutcome(result=result, value=result, error=error, truncated_from=outcome.truncated_from)
