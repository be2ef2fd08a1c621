"""Testing a program that uses an agent: a scripted model with tool calls and failures."""

from headwater import Agent
from headwater.testing import Call, Fail, ScriptedModel, Think


def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return "06:12"


model = ScriptedModel(
    [
        [Think("The port first."), "Let me look.", Call("high_water", {"port": "Brest"})],
        Fail(529),  # the provider has no capacity: the request is retried
        ["High water is at ", "06:12."],
    ]
)
response = Agent(model=model, tools=[high_water]).run("When can we sail from Brest?")

print(response.transcript)
assert response == "High water is at 06:12."
assert [call.arguments for call in response.tool_calls] == [{"port": "Brest"}]
