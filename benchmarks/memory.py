"""Memory of a stream: its peak by the stream's length, and a thousand idle streams.

python -m benchmarks.memory [--quick]
"""

from __future__ import annotations

from benchmarks.bodies import APIS, word
from benchmarks.clients import beside
from benchmarks.lab import Lab, Table

__all__ = ("measure",)

LENGTHS = (1_000, 10_000, 100_000)
STREAMS = 1_000
ROUNDS = 3


def measure(lab: Lab, *, quick: bool = False) -> list[Table]:
    """By length, then idle."""
    return [
        _lengths(lab, (50, 200) if quick else LENGTHS),
        _held(lab, 10 if quick else STREAMS, 1 if quick else ROUNDS),
    ]


def _lengths(lab: Lab, lengths: tuple[int, ...]) -> Table:
    rows = []
    for api in APIS:
        peaks = []
        for length in lengths:
            answer = lab.order("headwater", "peak", face="chunks", api=api, url=lab.url("blast", api, length))
            peaks.append(answer["peak"])
        texts = [sum(len(word(number)) for number in range(length)) for length in lengths]
        a_token = (peaks[-1] - peaks[0]) / (lengths[-1] - lengths[0])
        rows.append(
            (
                api,
                *(f"{peak / 1e6:.2f}" for peak in peaks),
                f"{a_token:.1f}",
                f"{(texts[-1] - texts[0]) / (lengths[-1] - lengths[0]):.1f}",
            )
        )
    columns = ("API", *(f"{length:,} tokens, MB" for length in lengths), "bytes a token", "of text")
    return Table("memory", "The most memory in use while a stream is read", columns, rows)


def _held(lab: Lab, streams: int, rounds: int) -> Table:
    rows = []
    for client in beside(quick=streams < STREAMS):
        url = lab.url("held", "openai-chat")
        # Allocators grow in the first round; the maximum counts.
        grown = [lab.order(client, "held", api="openai-chat", url=url, streams=streams)["grown"] for _ in range(rounds)]
        most = max(grown)
        rows.append(
            (
                client,
                f"**{most / 1e6:.1f}**" if client == "headwater" else f"{most / 1e6:.1f}",
                f"{most / streams / 1e3:.1f}",
            )
        )
    title = f"{streams:,} idle streams after their first token"
    return Table("held", title, ("client", "MB more than before", "kB a stream"), rows)


if __name__ == "__main__":
    from benchmarks.__main__ import main

    main("memory")
