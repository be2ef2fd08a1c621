"""A typed answer: the provider is given the schema, and the answer is validated before you get it."""

from pydantic import BaseModel, Field

from headwater import Agent


class Tide(BaseModel):
    """When the tide is highest."""

    port: str
    hour: int = Field(ge=0, le=23)
    spring: bool


agent = Agent(model="offline", output_type=Tide)
response = agent.run("When is high water at Brest?")
print(response.output)
assert isinstance(response.output, Tide)
