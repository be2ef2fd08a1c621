"""The results of tools, which no event, log or model has before they have passed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from headwater.errors import GuardBlocked
from headwater.events import Event, GuardTripped
from headwater.events.messages import Text, ToolCall
from headwater.runtime.guards.guard import Guard, GuardContext, Replace, Retry
from headwater.runtime.guards.verdicts import WITHHELD, blocked, judge
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
    for guard in guards:
        if not (text := _text_of(outcome)):
            break
        about = GuardContext(
            on="result",
            agent=run.name,
            run=run.id,
            step=step,
            tool=call.name,
            arguments=call.arguments,
            context=context,
        )
        verdict = await judge(run, guard, text, about)
        if verdict is None:
            continue
        note = "" if isinstance(verdict, Replace) else verdict.note
        action: Any = type(verdict).__name__.lower() if isinstance(verdict, (Replace, Retry)) else "block"
        tripped = GuardTripped(
            guard=guard.name, on="result", action=action, step=step, call=key, note=note, chars=len(text)
        )
        told.append(tripped)
        if isinstance(verdict, Replace):
            outcome = _replaced(outcome, verdict.text)
        elif isinstance(verdict, Retry):
            outcome = ToolOutcome.failed(note, invalid=outcome.invalid)
        else:
            return ToolOutcome.failed(WITHHELD.format(guard.name)), told, blocked(guard, "result", note)
    return outcome, told, None


def _text_of(outcome: ToolOutcome) -> str:
    if isinstance(outcome.result, str):
        return outcome.result
    return "\n".join(part.text for part in outcome.result if isinstance(part, Text))


def _replaced(outcome: ToolOutcome, text: str) -> ToolOutcome:
    if outcome.error is not None:
        return ToolOutcome.failed(text, invalid=outcome.invalid)
    if isinstance(outcome.result, str):
        return ToolOutcome(result=text, value=text)
    rest = tuple(part for part in outcome.result if not isinstance(part, Text))
    return ToolOutcome(result=(Text(text=text), *rest), value=text)
