"""Any source of text beside agents, in one workflow."""

from collections.abc import AsyncIterator

from headwater import Agent, SequentialWorkflow
from headwater.adapters import Strings


async def almanac(task: str) -> AsyncIterator[str]:
    """An async generator, such as a client of your own model."""
    for word in ("High ", "water ", "at ", "06:12."):
        yield word


team = SequentialWorkflow([Strings(almanac), Agent(name="writer", model="offline")])

for chunk in team.run_stream("When can we sail from Brest?"):
    print(chunk.content, end="", flush=True)
print()
