"""All at once on the same task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import Unpack

from headwater.agents import validation
from headwater.events.response import Response
from headwater.events.results import Results
from headwater.workflows.base import Workflow, WorkflowOptions
from headwater.workflows.run import Member, WorkflowRun, gather_or_cancel, passed_on, whole

__all__ = ("ConcurrentWorkflow",)


class ConcurrentWorkflow(Workflow[Results]):
    """Runs all agents at once on the same task; `run` returns Results in the order of the agents, whichever finishes
    first.

    With `max_loops` each further round gets the task and all answers of the round before. See `Workflow` for the other
    arguments.
    """

    kind = "concurrent"

    def __init__(
        self,
        agents: Iterable[Member],
        *,
        max_loops: int = 1,
        name: str = "concurrent-workflow",
        **options: Unpack[WorkflowOptions],
    ) -> None:
        super().__init__(agents, name=name, **options)
        self.max_loops: int = validation.whole("max_loops", max_loops)

    def _plan_of(self) -> Sequence[Any]:
        return (self.max_loops,)

    async def _plan(self, run: WorkflowRun) -> None:
        said: dict[str, Response[Any]] = {}
        for left in range(self.max_loops, 0, -1):
            task, final = passed_on(run.input, said), left == 1
            led = tuple(said.values())
            responses = await gather_or_cancel(run.ask(member, task, final=final, after=led) for member in self.agents)
            answered = zip(self.agents, responses, strict=True)
            said = {member.name: response for member, response in answered if response and whole(response)}
