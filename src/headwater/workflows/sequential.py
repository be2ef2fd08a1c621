"""One agent after the other: each gets the task and the previous answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from typing_extensions import Unpack

from headwater.agents import validation
from headwater.events.response import Response
from headwater.workflows.base import Workflow, WorkflowOptions
from headwater.workflows.run import Member, WorkflowRun, passed_on, whole

__all__ = ("SequentialWorkflow",)


class SequentialWorkflow(Workflow[Response[Any]]):
    """Runs one agent after the other; `run` returns the last one's Response, with all Responses in `.members`.

    Each agent gets the task and the previous answer. With `max_loops` the sequence starts again with the last answer.
    See
    `Workflow` for the other arguments.
    """

    kind = "sequential"
    one_at_a_time = True

    def __init__(
        self,
        agents: Iterable[Member],
        *,
        max_loops: int = 1,
        name: str = "sequential-workflow",
        **options: Unpack[WorkflowOptions],
    ) -> None:
        super().__init__(agents, name=name, **options)
        self.max_loops: int = validation.whole("max_loops", max_loops)

    def _plan_of(self) -> Sequence[Any]:
        return (self.max_loops,)

    async def _plan(self, run: WorkflowRun) -> None:
        said: dict[str, Response[Any]] = {}
        last = self.agents[-1]
        for left in range(self.max_loops, 0, -1):
            for member in self.agents:
                response = await run.ask(
                    member, passed_on(run.input, said), final=left == 1 and member is last, after=said.values()
                )
                if response and whole(response):  # a partial answer is not passed on
                    said = {member.name: response}
