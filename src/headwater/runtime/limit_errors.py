"""The errors of a run whose loop reached a limit.

Owns their wording. `agent_loop` decides when they occur.
"""

from __future__ import annotations

from headwater.errors import HeadwaterError, MaxStepsReached, OutputInvalid, ToolCallInvalid
from headwater.runtime.job import Job

__all__ = ("bad_calls", "bad_output", "too_many_steps")


def too_many_steps(job: Job, problem: str) -> HeadwaterError:
    """Returns the error for too many requests; `problem` is what is wrong with the last answer, if anything."""
    limit = job.limits.max_steps
    if problem and job.output is not None:
        said = f"The answer is not a valid {job.output.spec.name}, and no requests are left. {_in_a_line(problem)}."
    else:
        said = f"The model asked for tools in each of {limit} steps."
    return MaxStepsReached(
        said, hint="Raise max_steps, or make its task or its tools simpler.", limit="max_steps", size=limit
    )


def bad_output(job: Job, problem: str, *, repaired: bool) -> HeadwaterError:
    """Returns the error for an invalid answer, maybe after it was sent back to be `repaired`."""
    assert job.output is not None
    again = ", even after it was sent back" if repaired else ""
    return OutputInvalid(
        f"The answer is not a valid {job.output.spec.name}{again}. {_in_a_line(problem)}.",
        hint="Use a simpler type or a stronger model.",
    )


def bad_calls(job: Job) -> HeadwaterError:
    """Returns the error for too many invalid calls in a row."""
    return ToolCallInvalid(
        f"The model called tools with invalid arguments in {job.limits.max_bad_call_steps} steps in a row.",
        hint="Describe the tools' parameters better, or use another model.",
    )


def _in_a_line(problem: str) -> str:
    return problem.replace(":\n- ", ": ").replace("\n- ", "; ").rstrip(".")
