"""Agents and whole workflows as tools of an agent."""

from headwater import Agent, ConcurrentWorkflow
from headwater.events import ChildFinished, ChildStarted

team = ConcurrentWorkflow(
    [Agent(name="north", model="offline"), Agent(name="south", model="offline")],
    name="coast_watch",
    description="Ask what the weather does on the whole coast.",
)
skipper = Agent(name="skipper", model="offline", instructions="Decide.", tools=[team])

stream = skipper.run_stream("Do we sail?")
for event in stream.events():
    if isinstance(event, ChildStarted | ChildFinished):
        print("  " * len(event.path) + event.type, event.name)

print(stream.response)
print(f"{stream.response.usage.output_tokens} tokens, the team's included")
