"""The sweep: every recorded stream of a real provider, hurt in every way, and a table of how that came out.

    python -m tests.system.faults.sweep            # a minute or two
    python -m tests.system.faults.sweep --full   # every byte of small recordings, millions of changed bodies: 30 min

What must hold: an answer is complete and equal, or there is an error of ours and a true prefix; never another
exception, never a hang, never a silent loss. The suite runs the same in small.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from headwater.errors import ProviderError
from headwater.providers.failures import http_error
from headwater.providers.registry import load_api
from headwater.testing import Body, HangUp, ProviderSimulator, Reset, Split, Stall, Truncate
from headwater.testing.faults import Fault, Faulty
from headwater.testing.provider_check import Checked, ProviderBreach, check_provider
from headwater.testing.served_answer import Answer
from tests.support.recordings import Recording, failures, recordings
from tests.support.virtual import run_virtual
from tests.system.faults.fuzz import fuzz
from tests.system.faults.runs import Ran, judge, played, ran

__all__ = ("APIS", "Row", "decoding", "errors", "fuzzing", "over_a_socket", "stalling", "table")

APIS: Final = {
    "openai-chat": "openai-chat",
    "openai-responses": "openai-responses",
    "anthropic-messages": "anthropic",
    "gemini": "gemini",
    "ollama-chat": "ollama",
}
"""The recordings' folders, and the APIs that they are of."""

LONGEST_SECONDS: Final = 40.0
"""Of virtual time, for a run whose clocks are 20 and 10 s: past it, something hung."""


class Row(msgspec.Struct):
    """How often one way of hurting was tried, and how it came out."""

    hurt: str
    tried: int = 0
    complete: int = 0
    incomplete: int = 0
    failed: int = 0
    altered: int = 0
    breaches: list[str] = []

    def count(self, hurt: Ran, problem: str, where: str) -> None:
        """One run more."""
        self.tried += 1
        if problem:
            self.breaches.append(f"{where}: {problem}")
        elif hurt.error is None:
            self.complete += 1
        elif isinstance(hurt.error, ProviderError):
            self.failed += 1
        else:
            self.incomplete += 1

    def add(self, other: Row) -> None:
        """Count the other's too."""
        self.tried += other.tried
        self.complete += other.complete
        self.incomplete += other.incomplete
        self.failed += other.failed
        self.altered += other.altered
        self.breaches = self.breaches + other.breaches


def decoding(api: str, recording: Recording, *, cuts: int | None, flips: int) -> list[Row]:
    """Split, cut and flip, as a decoder sees it."""
    checked, problem = Checked(), ""
    try:
        checked = check_provider(
            api, recording.body, cuts=cuts, flips=flips, seed=_seed(recording), answers=recording.answers
        )
    except ProviderBreach as breach:
        problem = f"{recording.name}: {breach}"
    split = Row(
        "split: byte by byte, and at random", checked.splits, checked.splits, breaches=[problem] * bool(problem)
    )
    return [
        split,
        Row("cut", checked.cuts, checked.cuts_complete, checked.cuts_incomplete, checked.cuts_failed),
        Row(
            "one byte flipped",
            checked.flips,
            checked.flips_complete,
            checked.flips_incomplete,
            checked.flips_failed,
            checked.flips_altered,
        ),
    ]


def stalling(api: str, recording: Recording, *, points: int) -> list[Row]:
    """Silence at random places, under a virtual clock: forever, or shorter than the clocks allow."""
    for_ever, for_a_while = Row("stalled forever"), Row("stalled for a while")
    dice = random.Random(_seed(recording))

    def answer() -> Answer:
        pieces = iter(Split(seed=_seed(recording)).cut(recording.body))
        return Answer(steps=pieces, status=recording.status, headers=recording.headers)

    whole, _ = run_virtual(ran(played(api, answer)))
    for _ in range(points):
        at = dice.randrange(len(recording.body) + 1)
        for row, seconds in ((for_ever, None), (for_a_while, 9.0)):
            where = f"{recording.name} stalled at {at} for {seconds}"
            try:
                hurt, took = run_virtual(ran(played(api, answer, Stall(at, seconds))))
            except RuntimeError as hang:
                row.tried += 1
                row.breaches.append(f"{where}: {hang}")
                continue
            problem = judge(hurt, whole, answers=recording.answers)
            if not problem and took > LONGEST_SECONDS:
                problem = f"it took {took} s"
            if not problem and seconds is not None and whole.error is None and hurt.error is not None:
                problem = f"it ended with {hurt.error!r} for a pause that its clocks allow"
            row.count(hurt, problem, where)
    return [for_ever, for_a_while]


def over_a_socket(api: str, recordings: Sequence[Recording], *, times: int) -> list[Row]:
    """Cut, hung up and reset over a real socket, in random pieces."""
    kinds: dict[str, Callable[[int], Fault]] = {"cut": Truncate, "hung up": HangUp, "reset": Reset}
    rows = [Row(f"{kind} over a socket") for kind in kinds]
    turns: list[Any] = []
    with ProviderSimulator(lambda received: turns.pop()) as provider, asyncio.Runner() as runner:

        def run(turn: Any) -> Ran:
            turns.append(turn)
            return runner.run(ran(provider.model(api, retries=0)))

        for recording in recordings:
            dice = random.Random(_seed(recording))
            body = Body(recording.body, status=recording.status, headers=dict(recording.headers))
            whole = run(body)
            for row, fault in zip(rows, kinds.values(), strict=True):
                for _ in range(times):
                    at = dice.randrange(len(recording.body) + 1)
                    hurt = run(Faulty(body, Split(seed=at), fault(at)))
                    problem = judge(hurt, whole, answers=recording.answers)
                    row.count(hurt, problem, f"{recording.name} {row.hurt} at {at}")
    return rows


def errors(recording: Recording, *, cuts: int) -> Row:
    """An HTTP error's body, cut: an error of the same status, that says something."""
    row = Row("HTTP error's body cut")
    dice = random.Random(_seed(recording))
    for _ in range(cuts):
        body = recording.body[: dice.randrange(len(recording.body) + 1)]
        error = http_error(recording.provider, recording.status, recording.headers, body)
        row.tried += 1
        row.failed += 1
        if error.status != recording.status or not error.message:
            row.breaches.append(f"{recording.name} cut at {len(body)}: {error!r}")
    return row


def fuzzing(api: str, bodies: Sequence[bytes], *, seed: int, going_on: Callable[[int], bool]) -> Row:
    """Bodies changed at random."""
    tried, found = fuzz(load_api(api).Decoder, bodies, seed=seed, going_on=going_on)
    return Row("changed at random", tried, breaches=[f"{one.breach} in {one.body!r:.2000}" for one in found])


def _seed(recording: Recording) -> int:
    return sum(recording.name.encode())


# --- the command


def sweep(full: bool, progress: Callable[[str], None]) -> Iterator[tuple[str, Row]]:
    """Everything, API by API."""
    for folder, api in APIS.items():
        progress(api)
        streams = recordings(folder)
        rows: dict[str, Row] = {}
        for recording in streams:
            small = len(recording.body) <= (4000 if full else 1500)
            parts = decoding(api, recording, cuts=None if small else 200, flips=500 if full else 100)
            parts += stalling(api, recording, points=10 if full else 2)
            for row in parts:
                rows.setdefault(row.hurt, Row(row.hurt)).add(row)
        for row in over_a_socket(api, streams, times=10 if full else 1):
            rows.setdefault(row.hurt, Row(row.hurt)).add(row)
        for recording in failures(folder):
            row = errors(recording, cuts=200 if full else 20)
            rows.setdefault(row.hurt, Row(row.hurt)).add(row)
        bodies = [recording.body for recording in streams if len(recording.body) < 20_000]
        end = time.monotonic() + (150 if full else 8)
        row = fuzzing(api, bodies, seed=time.time_ns(), going_on=lambda tried, end=end: time.monotonic() < end)  # type: ignore[misc]
        rows.setdefault(row.hurt, Row(row.hurt)).add(row)
        for row in rows.values():
            yield api, row


def table(found: Sequence[tuple[str, Row]]) -> str:
    """What came out, as a table: a line a way of hurting."""
    rows: dict[str, Row] = {}
    for _, row in found:
        rows.setdefault(row.hurt, Row(row.hurt)).add(row)
    lines = [
        "| fault | tried | complete and equal | incomplete, reported | an error | complete, but altered | breaches |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows.values():
        ways = (row.complete, row.incomplete, row.failed, row.altered)
        shown = " | ".join(f"{count:,}" if any(ways) else "" for count in ways)
        lines.append(f"| {row.hurt} | {row.tried:,} | {shown} | {len(row.breaches)} |")
    return "\n".join(lines)


def main() -> int:
    """Run the sweep and print the table; 1 where anything broke."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="take half an hour")
    asked = parser.parse_args()
    begun = time.monotonic()
    found = list(sweep(asked.full, lambda api: print(f"{time.monotonic() - begun:6.0f} s  {api}", file=sys.stderr)))
    print(table(found))
    breaches = [f"{api}: {breach}" for api, row in found for breach in row.breaches]
    for breach in breaches[:50]:
        print(breach, file=sys.stderr)
    print(f"{time.monotonic() - begun:.0f} s, {len(breaches)} breaches", file=sys.stderr)
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
