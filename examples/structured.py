"""An answer of a type of one's own: asked of the provider, and validated before it is handed out."""

from pydantic import BaseModel, Field

from headwater import Agent


class Tide(BaseModel):
    """When the water stands highest."""

    port: str
    hour: int = Field(ge=0, le=23)
    spring: bool


agent = Agent(model="offline", output_type=Tide)
response = agent.run("When is high water at Brest?")
print(response.output)
assert isinstance(response.output, Tide)
