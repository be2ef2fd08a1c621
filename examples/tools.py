"""A tool is a function. This one reports its progress, and the terminal shows it while it runs."""

import time
from collections.abc import Generator
from typing import Literal

from headwater import Agent, tool


@tool
def high_water(port: str, tide: Literal["spring", "neap"] = "spring") -> Generator[str, None, str]:
    """When the tide is highest.

    Args:
        port: The harbour's name.
        tide: Which of the two tides of a month.
    """
    for table in ("harmonics", "weather"):
        yield f"reading {table}"  # progress
        time.sleep(0.1)
    return f"High water at {port} is at 06:12, a {tide} tide."  # the result


agent = Agent(name="Harbour-Pilot", model="offline", tools=[high_water], streaming_on=True)
response = agent.run("When can we sail from Brest?")

print("---")
print(f"{len(response.tool_calls)} call, {response.usage.total_tokens} tokens, finish reason {response.finish_reason}")
