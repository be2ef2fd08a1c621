"""What tracing costs a token: one stream read without and with telemetry, in alternation, in one process.

python -m benchmarks.telemetry [--quick]
"""

from __future__ import annotations

from operator import sub

from benchmarks.lab import Lab, Table, median

__all__ = ("measure",)

TOKENS = 20_000
ROUNDS = 15
WAYS = (("", "without"), ("traces", "with traces"), ("all", "with traces and metrics"))


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """CPU time per token, and what is added to it."""
    tokens, rounds = (200, 1) if quick else (TOKENS, ROUNDS)
    url = lab.url("blast", "openai-chat", tokens)
    costs: dict[str, list[float]] = {way: [] for way, _ in WAYS}
    for turn in range(-1, rounds):  # an additional first round warms up and does not count
        for way, _ in WAYS:
            answer = lab.order("headwater", "traced", api="openai-chat", url=url, way=way)
            if answer["tokens"] != tokens:
                raise RuntimeError(f"{answer['tokens']} tokens of {tokens} were read.")
            if turn >= 0:
                costs[way].append(answer["cpu"] / tokens * 1e6)
    rows = [
        (said, f"{median(costs[way]):.2f}", f"{median(map(sub, costs[way], costs[''])):.2f}" if way else "")
        for way, said in WAYS
    ]
    return [Table("telemetry", "Telemetry", ("headwater", "µs a token", "added, µs"), rows)]


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("telemetry")
