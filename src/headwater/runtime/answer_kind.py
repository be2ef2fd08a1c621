"""What the answer of a step is: calls to run here, calls for the client, or an answer; and whether that has its type.

It reads the fold and the run's job, and must never change either. What follows is decided by `agent_loop`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET

from headwater.errors import OutputInvalid
from headwater.events.fold import Fold
from headwater.events.messages import ToolCall
from headwater.runtime.agent_loop import Signal
from headwater.runtime.job import Job, Output

__all__ = ("has_calls_of_client", "judged", "kind_of_answer", "new_calls")


def kind_of_answer(job: Job, fold: Fold, ours: Sequence[tuple[str, ToolCall]], *, of_client: bool) -> Signal:
    """Returns what the answer is; `ours` are its calls to run here, and `of_client` says whether others are not."""
    rejected = fold.said.rejected()
    if job.run_tools and _whole(fold) and (ours or rejected):
        called = {call.name for call in (*rejected, *(call for _, call in ours))}
        return Signal.GIVES if job.answer_tool in called else Signal.CALLED
    return Signal.OFFERED if of_client else Signal.ANSWERED


def has_calls_of_client(fold: Fold) -> bool:
    """Whether the answer calls tools that the client runs."""
    said = fold.messages[-1] if fold.messages else None
    return _whole(fold) and said is not None and any(call.by == "client" for call in said.tool_calls)


def new_calls(job: Job, fold: Fold) -> int:
    """Returns how many calls may start a tool that has not started before; one that gives the answer has no tool."""
    return sum(call.started is None and call.call.name != job.answer_tool for call in fold.open_calls())


def judged(output: Output | None, fold: Fold, cut_for: str) -> tuple[Any, str]:
    """Returns the value of the answer (UNSET for text), and what is wrong with it; `cut_for` is why it was cut off.

    It calls the user's validators, so nothing may be locked. Raises OutputInvalid if it is known to be unfinished.
    """
    if output is None:
        return UNSET, ""
    if cut_for:
        return UNSET, cut_for
    if fold.finish_reason in ("length", "content_filter", "refusal"):
        raise OutputInvalid(
            f"The answer is not a valid {output.spec.name}: it ended with {fold.finish_reason!r}.",
            hint="Raise max_tokens." if fold.finish_reason == "length" else "",
        )
    try:
        return output.parse(fold.text), ""
    except ValueError as problem:
        return UNSET, str(problem) or "It is not valid."


def _whole(fold: Fold) -> bool:
    return fold.finish_reason in ("tool_calls", "stop", None)
