"""The start of a program: the time from a cold process to the request on the wire, and that of `import headwater`.

python -m benchmarks.start [--quick]
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time

from benchmarks.bodies import APIS
from benchmarks.clients import beside
from benchmarks.lab import ROOT, Lab, Table, median

__all__ = ("measure",)

ROUNDS = 15

HEADWATER = """
import asyncio
from headwater import Agent

async def main():
    async for chunk in Agent(model={model!r}, base_url={url!r}, api_key="k").run_stream("hi"):
        print(chunk.content, flush=True)
        break

asyncio.run(main())
"""

PLAIN = """
from headwater import Agent

for chunk in Agent(model={model!r}, base_url={url!r}, api_key="k").run_stream("hi"):
    print(chunk.content, flush=True)
    break
"""

AIOHTTP = """
import asyncio, re
import aiohttp

async def main():
    async with aiohttp.ClientSession() as session:
        async with session.post({url!r} + {path!r}, json={{"model": "m", "stream": True}}) as response:
            data = b""
            while not (found := re.search(rb'"content":"([0-9.]+)"', data)):
                data += await response.content.readany()
            print(found[1].decode(), flush=True)

asyncio.run(main())
"""

OPENAI = """
import asyncio
from openai import AsyncOpenAI

async def main():
    client = AsyncOpenAI(base_url={url!r}, api_key="k")
    messages = [{{"role": "user", "content": "hi"}}]
    async for chunk in await client.chat.completions.create(model="m", messages=messages, stream=True):
        if chunk.choices and chunk.choices[0].delta.content:
            print(chunk.choices[0].delta.content, flush=True)
            break

asyncio.run(main())
"""

PROGRAMS = {"aiohttp": AIOHTTP, "headwater": HEADWATER, "headwater, plain for": PLAIN}

IMPORT = """
import asyncio, msgspec, sys, time
begun = time.perf_counter()
{statement}
took = time.perf_counter() - begun
print(took, *sorted({{"aiohttp", "pydantic", "rich", "starlette"}} & set(sys.modules)))
"""

IMPORTS = ["import headwater", "from headwater import Agent", "import aiohttp"]


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """Programs, then imports."""
    rounds = 1 if quick else ROUNDS
    sdk = "openai" in beside(quick=quick)
    programs = {**PROGRAMS, **({"openai": OPENAI} if sdk else {})}
    imports = [*IMPORTS, *(["import openai"] if sdk else [])]
    with tempfile.TemporaryDirectory() as cache:
        # Compiled once and reused, like an installed package; and nothing stays in the checkout.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        return [_programs(lab, rounds, env, programs), _imports(lab, rounds, env, imports)]


def _programs(lab: Lab, rounds: int, env: dict[str, str], programs: dict[str, str]) -> Table:
    api = APIS["openai-chat"]
    filling = {"model": api.model, "url": lab.url("asked", api.name), "path": api.path}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(-1, rounds):
        for name, program in programs.items():
            begun = time.monotonic()
            asked = float(_run(lab, program.format(**filling), env))
            if turn >= 0:
                took[name].append(asked - begun)
    rows = []
    for name, times in took.items():
        ratio = median(ours / bare for ours, bare in zip(times, took["aiohttp"], strict=True))
        shown = f"**{ratio:.2f}**" if name.startswith("headwater") else f"{ratio:.2f}"
        rows.append((name, f"{median(times) * 1e3:.0f}", shown))
    title = "From a cold process to the request on the wire"
    bars = [(name, median(times) * 1e3) for name, times in took.items()]
    return Table("start", title, ("program", "ms", "÷ aiohttp"), rows, bars=bars, unit="ms to the request")


def _imports(lab: Lab, rounds: int, env: dict[str, str], imports: list[str]) -> Table:
    took: dict[str, list[float]] = {statement: [] for statement in imports}
    brought: dict[str, str] = {}
    for turn in range(-1, rounds):
        for statement in imports:
            first, _, rest = _run(lab, IMPORT.format(statement=statement), env).partition(" ")
            brought[statement] = rest
            if turn >= 0:
                took[statement].append(float(first))
    rows = [
        (f"`{statement}`", f"{median(times) * 1e3:.1f}", brought[statement].replace(" ", ", ") or "none")
        for statement, times in took.items()
    ]
    columns = ("statement", "ms over `import asyncio, msgspec`", "of aiohttp, pydantic, rich, starlette")
    return Table("imports", "Imports", columns, rows)


def _run(lab: Lab, program: str, env: dict[str, str]) -> str:
    command = [*lab.pinned(), sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout:
        raise RuntimeError(f"A program failed:\n{program}\n{done.stderr}")
    return done.stdout.strip()


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("start")
