"""Time to the first token on a warm connection: from the request until the program has the text.

The server answers at once with the arrival time of the request in the token; so both directions can be distinguished,
and the server's own time can be subtracted.

    python -m benchmarks.first_token [--quick]
"""

from __future__ import annotations

from benchmarks.clients import beside
from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

TIMES = 200
"""Requests per round, one after the other."""
ROUNDS = 7


def measure(lab: Lab, *, quick: bool = False, api: str = "openai-chat") -> list[Table]:
    """By client."""
    clients = beside(quick=quick)
    times, rounds = (3, 1) if quick else (TIMES, ROUNDS)
    url = lab.url("asked", api)
    took: dict[str, list[dict[str, float]]] = {client: [] for client in clients}
    for client in clients:
        lab.order(client, "first_token", api=api, url=url, times=3 if quick else 50)
    lab.server_seconds()
    for _ in range(rounds):
        for client in clients:
            took[client].append(lab.order(client, "first_token", api=api, url=url, times=times))
    own = lab.server_seconds()
    rows = []
    bars = []
    for client in clients:
        asked, answered, total, cpu = (
            median(one[name] for one in took[client]) * 1e6 for name in ("asked", "answered", "total", "cpu")
        )
        ratio = median(
            (one["total"] - own) / (transport["total"] - own)
            for one, transport in zip(took[client], took["aiohttp"], strict=True)
        )
        bars.append((client, total - own * 1e6))
        rows.append(
            (
                client,
                f"{asked:.0f}",
                f"{answered:.0f}",
                f"{total:.0f}",
                f"**{ratio:.2f}**" if client == "headwater" else f"{ratio:.2f}",
                f"{cpu:.0f}",
            )
        )
    columns = ("client", "request, µs", "answer, µs", "total, µs", "÷ aiohttp", "CPU a request, µs")
    note = f"The server's own part, {own * 1e6:.0f} µs of each, is subtracted before dividing."
    return [
        Table("first-token", "First token, warm", columns, rows, note, bars, unit="µs to the first token"),
    ]


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("first_token")
