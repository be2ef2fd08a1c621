"""A typed answer while it is generated: each element as soon as it is complete, and the data so far."""

from pydantic import BaseModel

from headwater import Agent


class Port(BaseModel):
    """A harbour."""

    name: str
    depth: int


class Coast(BaseModel):
    """A region and its harbours."""

    region: str
    ports: list[Port]


agent = Agent(model="offline", output_type=Coast)

stream = agent.run_stream("Which ports are in Brittany?")
for port in stream.items("ports"):  # a Port, before the answer is complete
    print(port.name, port.depth)

stream = agent.run_stream("Which ports are in Brittany?")
value = None
for partial in stream.partials():  # plain data, which grows
    if partial.restarted:
        print("The answer starts again.")
    for path in partial.done:
        print("complete:", path)
    value = partial.value
print(stream.response.output)
assert value == stream.response.output.model_dump()
