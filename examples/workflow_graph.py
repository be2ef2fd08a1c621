"""Agents as nodes: two research in parallel, a writer combines the results, a critic sends the draft back.

The critic's answer is typed, so the condition of an edge reads a field instead of parsing a sentence.
"""

from pydantic import BaseModel

from headwater import Agent, GraphWorkflow


class Verdict(BaseModel):
    """The critic's verdict on a page."""

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
    max_visits=5,  # after that the cycle ends with LimitExceeded
)
result = workflow.run("The tides of the Channel")
print(result.members["writer"])
print("verdict:", result.output)
