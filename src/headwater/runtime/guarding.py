"""Calls guards, and applies them to the results of tools.

Owns how a guard is called and what its failure means: a guard that raises, takes too long or returns something else
blocks. `guarded_asking` applies guards to a model's output, `guarded_input` to what it is asked. It must never put a
text into an error or a log.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, Final

from headwater.errors import GuardBlocked
from headwater.events import Event, GuardTripped
from headwater.events.messages import Text, ToolCall
from headwater.runtime.context import current_run
from headwater.runtime.guard import Block, Guard, GuardContext, On, Replace, Retry, Verdict
from headwater.tools.outcome import ToolOutcome

if TYPE_CHECKING:
    from headwater.runtime.run import Run

__all__ = ("WITHHELD", "ask", "blocked", "guarded_outcome", "judge")

WITHHELD: Final = "[Withheld by the guard {}.]"
"""What stands in the place of a text that a guard has blocked."""

_WHAT: Final[dict[On, str]] = {
    "output": "the answer",
    "input": "the input",
    "arguments": "the arguments of a call",
    "result": "the result of a tool",
    "reasoning": "the model's reasoning",
}


class Failed(Block, frozen=True):
    """The verdict of a guard that did not give one."""


def ask(run: Run, guard: Guard, text: str, about: GuardContext) -> Verdict | Awaitable[Verdict]:
    """Calls the guard; returns its verdict, or an awaitable of it if the guard is async."""
    token = current_run.set(run)
    try:
        said = guard(text, about)
    except Exception as error:
        return Failed(f"The guard raised {type(error).__name__}.")
    finally:
        current_run.reset(token)
    return _awaited(run, guard, said) if inspect.isawaitable(said) else _verdict(said)


async def judge(run: Run, guard: Guard, text: str, about: GuardContext) -> Verdict:
    """Calls the guard and waits for its verdict."""
    said = ask(run, guard, text, about)
    return await said if isinstance(said, Awaitable) else said


async def _awaited(run: Run, guard: Guard, said: Awaitable[Any]) -> Verdict:
    token = current_run.set(run)
    try:
        async with asyncio.timeout(guard.timeout):
            return _verdict(await said)
    except TimeoutError:
        return Failed(f"The guard gave no verdict within {guard.timeout:g} s." if guard.timeout else "It timed out.")
    except Exception as error:
        return Failed(f"The guard raised {type(error).__name__}.")
    finally:
        current_run.reset(token)


def _verdict(said: Any) -> Verdict:
    if said is None or isinstance(said, (Block, Replace, Retry)):
        return said
    return Failed(f"The guard returned {type(said).__name__}, not None, Block, Replace or Retry.")


def blocked(guard: Guard, on: On, note: str) -> GuardBlocked:
    """Returns the error for a text that did not pass."""
    why = f": {note}{'' if note.endswith(('.', '!', '?', ')')) else '.'}" if note else "."
    return GuardBlocked(
        f"The guard {guard.name!r} blocked {_WHAT[on]}{why}",
        hint="What had passed before is in the error's `response`." if on in ("output", "reasoning") else "",
        guard=guard.name,
        on=on,
        note=note,
    )


# --- results


async def guarded_outcome(
    run: Run, guards: Iterable[Guard], outcome: ToolOutcome, *, step: int, key: str, call: ToolCall, context: Any
) -> tuple[ToolOutcome, list[Event], GuardBlocked | None]:
    """Returns a tool's outcome as it passed, what the log is told, and the error if a guard blocked it."""
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
