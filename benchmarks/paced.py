"""A realistic load: 50 streams at a model's pace, 50 tokens per second each, one event per read.

CPU time of the client's process per token, and the lag from the server's write to the program.

    python -m benchmarks.paced [--quick]
"""

from __future__ import annotations

from benchmarks.clients import beside
from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

STREAMS = 50
TOKENS = 150
"""Tokens per stream, so that a round takes three seconds."""
ROUNDS = 5


def measure(lab: Lab, *, quick: bool = False, api: str = "openai-chat") -> list[Table]:
    """By client."""
    clients = beside(quick=quick)
    streams, tokens, rounds = (3, 5, 1) if quick else (STREAMS, TOKENS, ROUNDS)
    url = lab.url("paced", api, tokens)
    costs: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
    for client in clients:  # connections, code and caches are warm from here on
        lab.order(client, "paced", api=api, url=lab.url("paced", api, 3), streams=streams)
    for _ in range(rounds):
        for client in clients:
            answer = lab.order(client, "paced", api=api, url=url, streams=streams)
            if answer["tokens"] != streams * tokens:
                raise RuntimeError(f"{client} read {answer['tokens']} tokens of {streams * tokens}.")
            costs[client].append(answer)
    rows = []
    bars = []
    for client in clients:
        cost = median(one["cpu"] / one["tokens"] * 1e6 for one in costs[client])
        ratio = median(
            one["cpu"] / transport["cpu"] for one, transport in zip(costs[client], costs["aiohttp"], strict=True)
        )
        bars.append((client, cost))
        rows.append(
            (
                client,
                f"{cost:.0f}",
                f"**{ratio:.2f}**" if client == "headwater" else f"{ratio:.2f}",
                f"{median(one['lag_median'] for one in costs[client]) * 1e3:.2f}",
                f"{median(one['lag_p99'] for one in costs[client]) * 1e3:.2f}",
            )
        )
    title = f"Paced: {streams} streams at 50 tokens a second"
    columns = ("client", "µs a token", "÷ aiohttp", "lag, median ms", "lag, p99 ms")
    return [Table("paced", title, columns, rows, bars=bars, unit="µs of CPU a token")]


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("paced")
