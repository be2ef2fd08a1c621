"""Sending a message to a run while it works: the model receives it with its next request."""

from headwater import Agent, tool
from headwater.events import TextDelta, ToolStarted
from headwater.testing import Call, ScriptedModel


@tool
def search(words: str) -> str:
    """Search for pages."""
    return f"ten pages about {words}"


model = ScriptedModel(
    [
        [Call("search", {"words": "tides"})],
        lambda request: f"You said: {request.messages[-1].text!r}. The moon pulls.",
    ]
)
stream = Agent(model=model, tools=[search]).run_stream("Explain tides")

for event in stream.events():
    if isinstance(event, ToolStarted):
        stream.steer("In one sentence, please.")
    elif isinstance(event, TextDelta):
        print(event.text, end="", flush=True)
print()
