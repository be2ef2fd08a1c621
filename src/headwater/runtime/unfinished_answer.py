"""What a reader of an answer that is still being generated needs of the run: its type, and where each read ends.

The reader may also say that the answer cannot be valid; the run decides what follows. Only a live run has the type of
its answer, and only its answer can still be cut off: a run from a log is not changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater.events import Event
from headwater.runtime.agent_run import AgentRun
from headwater.runtime.hearing import Cut
from headwater.runtime.run import Run

if TYPE_CHECKING:
    from headwater.runtime.job import Job
    from headwater.schema.output import OutputType

__all__ = ("ends_read", "only_job_of", "output_type_of", "refuse_answer")


def ends_read(run: Run, event: Event) -> bool:
    """Whether the event, which is being read, is the last one that the last `pull` returned."""
    return not run._last_batch or run._last_batch[-1] is event


def output_type_of(run: Run, id: str) -> OutputType[Any] | None:
    """The type of the answer of `run`, or of the run of that id inside it; None for text and for a run from a log."""
    found = _find(run, id)
    return None if found is None or found.job.output is None else found.job.output.type


def only_job_of(run: Run, agent: str | None) -> Job | None:
    """The job of the run if nobody but its own agent can give its answer, and it is the `agent` that is asked for."""
    if not isinstance(run, AgentRun) or agent not in (None, run.name):
        return None
    return None if any(hasattr(tool, "take_over") for tool in run.job.tools.values()) else run.job


def refuse_answer(run: Run, id: str, step: int, attempt: int, problem: str) -> None:
    """The answer that this attempt is giving cannot be valid: it is cut off and sent back, if it is still going on."""
    found = _find(run, id)
    if found is None or found.stopping or not found.speaks:
        return
    if (found.fold.in_step, found.fold.in_attempt) == (step, attempt):
        found._cut_for, found._next = problem, _listen_no_more
        found._interruptible.interrupt(Cut("invalid"))


async def _listen_no_more(run: AgentRun) -> list[Event]:
    asking, run._next = run._asking, AgentRun._listen
    assert asking is not None
    if asking.decoder is None or asking.decoder.complete:
        return []  # there is nothing left to cut off: the complete answer is sent back
    return run._cut_answer(asking)


def _find(run: Run, id: str) -> AgentRun | None:
    found = run if run.id == id else (run._log.runs or {}).get(id)
    return found if isinstance(found, AgentRun) else None
