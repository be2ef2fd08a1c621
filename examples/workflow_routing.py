"""One agent decides which other answers: a route is a function of its answer."""

from typing import Literal

from pydantic import BaseModel

from headwater import Agent, GraphWorkflow, Response


class Desk(BaseModel):
    """Which agent answers."""

    name: Literal["billing", "technical"]


def route(said: Response[Desk]) -> str:
    return said.output.name


workflow = GraphWorkflow(
    [
        Agent(name="triage", model="offline", output_type=Desk, instructions="Which desk is this for?"),
        Agent(name="billing", model="offline"),
        Agent(name="technical", model="offline"),
    ],
    routes={"triage": route},
)
for chunk in workflow.run_stream("I was charged twice.").select(final_only=True):
    print(chunk.content, end="", flush=True)
print()
