"""Agents as nodes: two research side by side, a writer joins what they found, a critic sends it back until it is good.

The critic's answer is typed, so that the condition of an edge reads a field and not a sentence.
"""

from pydantic import BaseModel

from headwater import Agent, GraphWorkflow


class Verdict(BaseModel):
    """What the critic says of a page."""

    good_enough: bool
    why: str


workflow = GraphWorkflow(
    [
        Agent(name="history", model="offline"),
        Agent(name="physics", model="offline"),
        Agent(name="writer", model="offline", instructions="Write one page of what you are told."),
        Agent(name="critic", model="offline", output_type=Verdict),
    ],
    edges=[
        ("history", "writer"),
        ("physics", "writer"),
        ("writer", "critic"),
        ("critic", "writer", lambda verdict: not verdict.output.good_enough),
    ],
    start=["history", "physics"],
    max_visits=5,  # past that the cycle ends with LimitExceeded
)
result = workflow.run("The tides of the Channel")
print(result.members["writer"])
print("verdict:", result.output)
