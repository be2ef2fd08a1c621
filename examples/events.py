"""The typed events behind the text: one complete, ordered log."""

import asyncio

from headwater import Agent
from headwater.events import StepFinished, TextDelta, ToolFinished


def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    return f"06:12 at {port}"


async def main() -> None:
    agent = Agent(model="offline", tools=[high_water])
    async for event in agent.run_stream("When can we sail from Brest?").events():
        match event:
            case TextDelta(text=text):
                print(text, end="", flush=True)
            case ToolFinished(name=name, result=result):
                print(f"[{name}: {result}]")
            case StepFinished(step=step, finish_reason=reason):
                print(f"\n[step {step} ended: {reason}, event {event.seq} of the log]")
            case _:
                pass  # the rest of the log: starts, ends, usage, attempts


asyncio.run(main())
