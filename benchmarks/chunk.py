"""The cost of a token: one stream of 20,000 tokens, read at full speed; CPU time of the client's process per token.

python -m benchmarks.chunk [--quick]
"""

from __future__ import annotations

from operator import truediv

from benchmarks.bodies import APIS
from benchmarks.clients import FACES, beside
from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

TOKENS = 20_000
ROUNDS = 9
SLOW_ROUNDS = 3
"""Rounds for the package that takes seconds per round."""


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By API, then by the way of reading headwater."""
    tokens, rounds, slow = (200, 1, 1) if quick else (TOKENS, ROUNDS, SLOW_ROUNDS)
    rows, bars, faces = [], [], []
    for api in APIS:
        chat = api == "openai-chat"
        wanted = [("bare", ""), ("aiohttp", ""), *(("headwater", face) for face in (FACES if chat else FACES[:1]))]
        if chat:
            wanted.append(("headwater", "for"))
        if api in ("openai-chat", "openai-responses") and "openai" in beside():
            wanted.append(("openai", ""))
        costs = _rounds(lab, api, wanted, tokens, rounds, slow)
        ratios = {key: median(map(truediv, cost, costs["bare", ""])) for key, cost in costs.items()}
        ours, theirs = ratios["headwater", FACES[0]], ratios.get(("openai", ""))
        rows.append(
            (
                api,
                f"{median(costs['bare', '']):.2f}",
                f"{ratios['aiohttp', '']:.2f}",
                f"**{ours:.2f}**",
                f"{theirs:.0f}" if theirs else "",
                f"{theirs / ours:.0f}" if theirs else "",
            )
        )
        bars += [(f"headwater, {api}", ours), *([(f"openai SDK, {api}", theirs)] if theirs else [])]
        if chat:
            ways = [key for key in wanted if key[0] == "headwater"]
            faces = [(key[1], f"{median(costs[key]):.2f}", f"{ratios[key]:.2f}") for key in ways]
    columns = ("API", "floor, µs", "aiohttp ÷ floor", "headwater ÷ floor", "openai ÷ floor", "openai ÷ headwater")
    return [
        Table("chunk-apis", "By API", columns, rows, bars=bars, unit="times the floor"),
        Table("chunk-faces", "By the way it is read", ("read as", "µs a token", "÷ floor"), faces),
    ]


def _rounds(
    lab: Lab, api: str, wanted: list[tuple[str, str]], tokens: int, rounds: int, slow: int
) -> dict[tuple[str, str], list[float]]:
    """Microseconds per token, in alternation: in each round every client reads the same stream once."""
    url = lab.url("blast", api, tokens)
    costs: dict[tuple[str, str], list[float]] = {}
    for turn in range(-1, rounds):  # an additional first round warms up and does not count
        for client, face in wanted:
            if client == "openai" and turn >= slow:
                continue
            answer = lab.order(client, "blast", face=face, api=api, url=url)
            if answer["tokens"] != tokens:
                raise RuntimeError(f"{client} {face} read {answer['tokens']} tokens of {tokens}.")
            if turn >= 0:
                costs.setdefault((client, face), []).append(answer["cpu"] / tokens * 1e6)
    return costs


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("chunk")
