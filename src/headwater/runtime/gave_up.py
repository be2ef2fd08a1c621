"""The errors by which an agent's run ends where its loop allows no more: what the model did, and what may help.

Owns their wording. When it comes to that is `agent_loop`'s to say.
"""

from __future__ import annotations

from headwater.errors import HeadwaterError, MaxStepsReached, OutputInvalid, ToolCallInvalid
from headwater.runtime.job import Job

__all__ = ("bad_calls", "bad_output", "too_many_steps")


def too_many_steps(job: Job, problem: str) -> HeadwaterError:
    """All the requests that one answer may take are made; `problem` is what is wrong with the last answer, if any."""
    limit = job.limits.max_steps
    if problem and job.output is not None:
        said = (
            f"The answer is no {job.output.spec.name}, and no request is left to have it mended. {_in_a_line(problem)}."
        )
    else:
        said = f"The model asked for tools in each of {limit} steps."
    return MaxStepsReached(
        said, hint="Raise max_steps, or make its task or its tools simpler.", limit="max_steps", size=limit
    )


def bad_output(job: Job, problem: str, *, repaired: bool) -> HeadwaterError:
    """The answer is not what was asked for, also where it was sent back to be `repaired`."""
    assert job.output is not None
    again = ", also after it was sent back" if repaired else ""
    return OutputInvalid(
        f"The answer is no {job.output.spec.name}{again}. {_in_a_line(problem)}.",
        hint="Use a simpler type or a stronger model.",
    )


def bad_calls(job: Job) -> HeadwaterError:
    """The model erred in its calls too often in a row."""
    return ToolCallInvalid(
        f"The model called tools wrongly in {job.limits.max_bad_call_steps} steps in a row.",
        hint="Describe the tools' parameters better, or use another model.",
    )


def _in_a_line(problem: str) -> str:
    return problem.replace(":\n- ", ": ").replace("\n- ", "; ").rstrip(".")
