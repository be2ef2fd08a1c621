"""headwater beside other libraries, each in a virtual environment of its own with the versions in this folder.

One stream of 20,000 tokens at full speed, the first token on a warm connection, the first token of a process, and what
an idle stream holds. In every round each library reads the same stream once; ratios are computed per round.

    python -m benchmarks peers [--quick]
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from operator import truediv
from typing import NamedTuple

from benchmarks.environments import ready, requirements
from benchmarks.lab import ROOT, Lab, Table, median

__all__ = ("measure",)

API = "openai-chat"
OURS = "headwater"


class Peer(NamedTuple):
    """A library: its environment, the package whose version counts, and how often it reads the whole stream."""

    environment: str
    package: str
    rounds: int = 5


PEERS: Mapping[str, Peer] = {
    "openai": Peer("openai", "openai"),
    "litellm": Peer("litellm", "litellm", rounds=3),
    "pydantic-ai": Peer("pydantic-ai", "pydantic-ai-slim"),
    "openai-agents": Peer("openai-agents", "openai-agents"),
    "langchain-openai": Peer("langchain", "langchain-openai"),
    "langchain agent": Peer("langchain", "langchain"),
    "agno": Peer("agno", "agno"),
    "swarms": Peer("swarms", "swarms", rounds=2),
}
"""By client; those that need half a minute for a stream read it less often."""

TOKENS = 20_000
WARM_TOKENS = 200
ROUNDS = max(peer.rounds for peer in PEERS.values())
FIRSTS = 30
"""Requests per round, one after the other, for the first token."""
COLD_ROUNDS = 5
IDLE = 100
"""Idle streams at once."""

Costs = dict[str, list[float]]
"""Of each client, one figure a round."""


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By library."""
    found = {name: ready(peer.environment, quick=quick) for name, peer in PEERS.items()}
    missing = sorted(name for name, python in found.items() if python is None)
    lab.pythons.update({name: python for name, python in found.items() if python is not None})
    clients = ["bare", "aiohttp", OURS, *lab.pythons]
    tokens = _full_speed(lab, clients, 200 if quick else TOKENS, 1 if quick else ROUNDS)
    firsts = _first_tokens(lab, clients, 3 if quick else FIRSTS, 1 if quick else ROUNDS)
    idle = {client: _idle(lab, client, 5 if quick else IDLE) for client in clients}
    lab.dismiss()
    colds = _cold(lab, [client for client in clients if client != "bare"], 1 if quick else COLD_ROUNDS)
    rows, bars = [], []
    for client in clients:
        ratio = _ratio(tokens, client)
        bars.append((client, ratio))
        cold = colds.get(client)
        rows.append(
            (
                f"**{client}**" if client == OURS else client,
                _version(client),
                _figure(median(tokens[client])),
                _shown(ratio),
                f"{median(firsts[client]) * 1e3:.2f}",
                _shown(_ratio(firsts, client)),
                f"{median(cold):.2f}" if cold else "",
                _shown(_ratio(colds, client)) if cold else "",
                f"{idle[client] / 1e3:.0f}" if idle[client] >= 500 else "",
            )
        )
    columns = (
        *("library", "version", "µs of CPU a token", "÷ headwater", "first token, ms", "its ÷ headwater"),
        *("first token of a process, s", "its ÷ headwater ", "kB an idle stream"),
    )
    note = f"Not measured, because it could not be installed: {', '.join(missing)}." if missing else ""
    unit = "times headwater's CPU a token"
    return [Table("peers", "Other libraries", columns, rows, note, bars, unit, README)]


def _full_speed(lab: Lab, clients: list[str], tokens: int, rounds: int) -> Costs:
    """Microseconds of CPU a token."""
    costs: Costs = {client: [] for client in clients}
    for client in clients:  # connections, code and caches are warm from here on
        lab.order(client, "blast", face="chunks", api=API, url=lab.url("blast", API, WARM_TOKENS))
    for turn in range(rounds):
        for client in clients:
            if turn >= (PEERS[client].rounds if client in PEERS else rounds):
                continue
            answer = lab.order(client, "blast", face="chunks", api=API, url=lab.url("blast", API, tokens))
            if answer["tokens"] != tokens:
                raise RuntimeError(f"{client} read {answer['tokens']} tokens of {tokens}.")
            costs[client].append(answer["cpu"] / tokens * 1e6)
    return costs


def _first_tokens(lab: Lab, clients: list[str], times: int, rounds: int) -> Costs:
    """Seconds from the request to the first token, without the server's own."""
    took: Costs = {client: [] for client in clients}
    for client in clients:
        lab.order(client, "first_token", api=API, url=lab.url("asked", API), times=min(5, times))
    lab.server_seconds()
    for _ in range(rounds):
        for client in clients:
            took[client].append(
                lab.order(client, "first_token", api=API, url=lab.url("asked", API), times=times)["total"]
            )
    own = lab.server_seconds()
    return {client: [one - own for one in all_of_it] for client, all_of_it in took.items()}


def _idle(lab: Lab, client: str, streams: int) -> float:
    """Bytes that each of many streams holds after its first token."""
    grown: float = lab.order(client, "held", api=API, url=lab.url("held", API), streams=streams)["grown"]
    return grown / streams


def _cold(lab: Lab, clients: list[str], rounds: int) -> Costs:
    """Seconds from the start of a process to its first token."""
    took: Costs = {client: [] for client in clients}
    with tempfile.TemporaryDirectory() as cache:
        # Compiled once and reused, like an installed package; and nothing stays in the checkout.
        env = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        for turn in range(-1 if rounds > 1 else 0, rounds):  # the first one compiles
            for client in clients:
                python = lab.pythons.get(client, sys.executable)
                command = [*lab.pinned(), python, "-m", "benchmarks.peers.cold", client, lab.url("asked", API)]
                begun = time.monotonic()
                done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
                if done.returncode or not done.stdout:
                    raise RuntimeError(f"The first request of {client} failed:\n{done.stderr}")
                if turn >= 0:
                    took[client].append(float(done.stdout.splitlines()[-1]) - begun)
    return took


def _figure(number: float) -> str:
    """Three digits, without an exponent."""
    return f"{float(f'{number:.3g}'):,.0f}" if number >= 100 else f"{number:.3g}"


README = ("library", "µs of CPU a token", "÷ headwater", "first token, ms", "first token of a process, s")
"""The columns that README.md shows too."""


def _ratio(costs: Costs, client: str) -> float:
    return median(map(truediv, costs[client], costs[OURS]))


def _shown(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def _version(client: str) -> str:
    """As it is installed: from its environment's file, or here."""
    if client in PEERS:
        listed = requirements(PEERS[client].environment).read_text("utf-8")
        found = re.search(rf"^{re.escape(PEERS[client].package)}==(\S+)$", listed, re.MULTILINE)
        return found[1] if found else ""
    return "" if client == "bare" else importlib.metadata.version(client)
