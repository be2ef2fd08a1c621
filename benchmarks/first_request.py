"""The first request of a process: time to its first token, compared with OpenAI's package in its own environment.

Measured from three moments, depending on the program: the start of the process (a script), the creation of the agent or
client (a program that has imported everything), and the request (a server that created its agents at startup). The
programs run in alternation; ratios are computed per round.

    python -m benchmarks.first_request [--quick]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.bodies import APIS
from benchmarks.environments import ready
from benchmarks.lab import ROOT, Lab, Table, median

__all__ = ("measure",)

ROUNDS = 15

HEADWATER = """
import asyncio, time
from headwater import Agent

making = time.monotonic()
agent = Agent(model={model!r}, base_url={url!r}, api_key="k")

async def main():
    asking = time.monotonic()
    async for chunk in agent.run_stream("hi"):
        print(making, asking, time.monotonic())
        break

asyncio.run(main())
"""

PLAIN = """
import time
from headwater import Agent

making = time.monotonic()
agent = Agent(model={model!r}, base_url={url!r}, api_key="k")
asking = time.monotonic()
for chunk in agent.run_stream("hi"):
    print(making, asking, time.monotonic())
    break
"""

OPENAI = """
import asyncio, time
from openai import AsyncOpenAI

making = time.monotonic()
client = AsyncOpenAI(base_url={url!r}, api_key="k")

async def main():
    asking = time.monotonic()
    messages = [{{"role": "user", "content": "hi"}}]
    async for chunk in await client.chat.completions.create(model="m", messages=messages, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            print(making, asking, time.monotonic())
            break

asyncio.run(main())
"""

PROGRAMS = {"headwater": HEADWATER, "headwater, plain for": PLAIN, "openai": OPENAI}

MOMENTS = ("the start of the process", "creating the agent", "the request")

Waits = tuple[float, float, float]
"""Seconds to the first token from each moment."""


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By the starting moment."""
    sdk = ready("openai", quick=quick)
    pythons = {name: sys.executable if name.startswith("headwater") else sdk for name in PROGRAMS}
    api = APIS["openai-chat"]
    filling = {"model": api.model, "url": lab.url("asked", api.name)}
    waits: dict[str, list[Waits]] = {name: [] for name, python in pythons.items() if python}
    with tempfile.TemporaryDirectory() as cache:
        # Compiled once and reused, like an installed package; and nothing stays in the checkout.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for turn in range(-1, 1 if quick else ROUNDS):
            for name, known in waits.items():
                told = _waits([*lab.pinned(), str(pythons[name]), "-c", PROGRAMS[name].format(**filling)], env)
                if turn >= 0:
                    known.append(told)
    if "openai" not in waits:
        note = "OpenAI's package could not be installed: there is nothing to compare headwater with."
        return [
            Table("first-request", "The first request of a process", ("from",), [(name,) for name in MOMENTS], note)
        ]
    rows = [
        (moment, *(f"**{_ratio(ours, waits['openai'], at):.2f}**" for name, ours in waits.items() if name != "openai"))
        for at, moment in enumerate(MOMENTS)
    ]
    columns = ("to the first token, from", *(f"{name} ÷ openai" for name in waits if name != "openai"))
    return [Table("first-request", "The first request of a process", columns, rows)]


def _ratio(ours: list[Waits], theirs: list[Waits], at: int) -> float:
    return median(one[at] / other[at] for one, other in zip(ours, theirs, strict=True))


def _waits(command: list[str], env: dict[str, str]) -> Waits:
    begun = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"A program failed:\n{command[-1]}\n{done.stderr}")
    making, asking, token = map(float, done.stdout.split())
    return token - begun, token - making, token - asking


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("first_request")
