"""Other libraries, asked the probes: the same script of the same server, read by each one's own program.

Each runs in the virtual environment in which it is measured too (`benchmarks.environments`). What was seen becomes the
words of a cell in docs/reliability.md; nothing here says how it should be.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from benchmarks.environments import ready, requirements

from headwater.testing import Call, Cut, Fail, Faulty, ProviderSimulator, Say, Stall, Wait

__all__ = ("LIBRARIES", "ask_library", "python_of", "title")

LIBRARIES: Final = {
    "pydantic-ai": "pydantic-ai-slim",
    "openai-agents": "openai-agents",
    "langchain": "langchain",
    "agno": "agno",
    "litellm": "litellm",
    "swarms": "swarms",
}
"""The package whose version counts, by the name of the environment."""

TOKENS: Final = tuple(f"P{number} " for number in range(200))
RATE: Final = 50.0
SECONDS: Final = 240
"""How long a program may take: most of it are imports."""


class Seen(msgspec.Struct, frozen=True):
    """What a program saw, at which `time.monotonic`, and what the server sent it."""

    shown: str
    starts: dict[str, float]
    results: list[tuple[str, float]]
    ended: str
    over: float
    asked: float = 0.0
    """When its first request was there."""
    pieces: int = 0
    """Writes of the first answer's body: one names the role."""

    @property
    def failed(self) -> str:
        """The name of the exception that it ended with, if any."""
        return "" if self.ended in ("complete", "waiting") else self.ended.partition(":")[0]


class Question(NamedTuple):
    """What the server does, and the words for what was seen."""

    script: Callable[[], list[Any]]
    words: Callable[[Seen], str]
    tools: bool = False
    fallback: bool = False
    rate: float | None = None


def clean_end(seen: Seen) -> str:
    """A stream that just ends."""
    return f"**detected**: `{seen.failed}`" if seen.failed else "silently complete"


def leaving(seen: Seen) -> str:
    """What the server sent on."""
    sent = seen.pieces - 1
    return "**all 200**" if sent >= len(TOKENS) else str(sent)


def fast_tool(seen: Seen) -> str:
    """The fast tool's result."""
    at = dict(seen.results).get("fast")
    if at is None:
        return "not in the stream" if seen.starts else f"no call: {seen.ended}"
    return f"{at - min(seen.starts.values()):.2f} s"


def fallback_after_tokens(seen: Seen) -> str:
    """What is shown after an error in the middle."""
    if seen.failed:
        again = "" if seen.shown == "P0 P1 " else f", and the user has seen **{seen.shown!r}**"
        return f"raises `{seen.failed}`{again}"
    return f"user sees {seen.shown!r}" if seen.shown == "F0 F1 " else f"user sees **{seen.shown!r}**"


def eager_tool(seen: Seen) -> str:
    """When the tool starts, after the request, which is answered with the call at once."""
    return f"{seen.starts['note'] - seen.asked:.2f} s" if "note" in seen.starts else f"no call: {seen.ended}"


def stall(seen: Seen) -> str:
    """A server that says nothing more."""
    return f"`{seen.failed}` after {seen.over - seen.asked:.0f} s" if seen.failed else "nothing in 20 s"


QUESTIONS: Final = {
    "clean_end": Question(lambda: [[Say(TOKENS[:2]), Cut()]] * 9, clean_end),
    "leaving": Question(lambda: [Say(TOKENS)], leaving, rate=RATE),
    "fast_tool": Question(lambda: [[Call("slow"), Call("fast")], "Done."], fast_tool, tools=True),
    "fallback_after_tokens": Question(
        lambda: [[Say(TOKENS[:2]), Fail(500)], *[["F0 ", "F1 "]] * 9], fallback_after_tokens, fallback=True
    ),
    "eager_tool": Question(
        lambda: [[Call("note"), Say("And "), Wait(1.5), Say("so on.")], "Done."], eager_tool, tools=True
    ),
    "stall": Question(lambda: [Faulty(Say(TOKENS[:9]), Stall(900))], stall),
}
"""By the name of the probe's function in `probes`."""


def python_of(library: str) -> str | None:
    """The Python of its environment, if that exists or can be made."""
    return ready(library)


def title(library: str) -> str:
    """Its name and version, as its environment pins it."""
    package = f"{LIBRARIES[library]}=="
    lines = requirements(library).read_text("utf-8").splitlines()
    return f"{library} {next(line.removeprefix(package) for line in lines if line.startswith(package))}"


def ask_library(library: str, probe: str, python: str) -> str:
    """The words for what was seen; "-" where it has no such thing, or was not asked."""
    question = QUESTIONS.get(probe)
    if question is None or (question.tools and library == "litellm"):
        return "-"
    if question.fallback and library == "openai-agents":
        return "(no model fallback)"
    with ProviderSimulator(question.script(), rate=question.rate) as provider:
        program = str(Path(__file__).with_name("peer_programs.py"))
        done = subprocess.run(
            [python, "-P", program, library, probe, provider.url()],
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            raise RuntimeError(f"The program of {library} failed in {probe}:\n{done.stderr[-3000:]}")
        seen = msgspec.convert(json.loads(lines[-1]), Seen)
        if not provider.requests:
            raise RuntimeError(f"{library} asked for nothing in {probe}: {seen.ended}")
        first = provider.requests[0]
        return question.words(msgspec.structs.replace(seen, asked=first.begun, pieces=first.pieces))
