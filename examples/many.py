"""Many runs of one agent at once. An agent has no per-run state, so one instance serves them all."""

import asyncio

from headwater import Agent

PORTS = ("Brest", "Cork", "Dover", "Porto")


async def main() -> None:
    agent = Agent(model="offline", instructions="Be brief.")
    answers = await asyncio.gather(*(agent.run(f"Tides at {port}") for port in PORTS))
    for port, answer in zip(PORTS, answers, strict=True):
        print(f"{port}: {len(answer.split())} words in {answer.duration:.2f} s")


asyncio.run(main())
