"""Voting: several agents answer a multiple-choice question, and the majority wins."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel

from headwater import Agent, ConcurrentWorkflow


class Vote(BaseModel):
    """One voter's choice."""

    choice: Literal["sail", "wait"]
    reason: str


voters = [Agent(name=f"voter {number}", model="offline", output_type=Vote) for number in range(1, 6)]
results = ConcurrentWorkflow(voters, on_error="collect").run("Gale warning from noon. Do we sail or wait?")

votes = Counter(response.output.choice for response in results if response.error is None)
winner, count = votes.most_common(1)[0]
print(f"{winner}, with {count} of {votes.total()} votes")
