"""An agent of pydantic-ai beside an agent of headwater. Its TestModel needs no key."""

from pydantic_ai import Agent as PydanticAgent
from pydantic_ai.models.test import TestModel

from headwater import Agent, ConcurrentWorkflow
from headwater.adapters import PydanticAI


def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return f"06:12 at {port}"


pilot = PydanticAI(PydanticAgent(TestModel(), name="pilot", tools=[high_water]))
team = ConcurrentWorkflow([pilot, Agent(name="writer", model="offline")])

print(team.run("When can we sail from Brest?"))
