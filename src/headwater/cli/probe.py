"""`headwater probe`: measures whether something on the way to a server delays its streams, and says what to do.

Owns the printing of a measurement. `probe_findings` owns its interpretation.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from headwater.backends.measured import Measured
    from headwater.cli.probe_findings import Finding

__all__ = ("DESCRIPTION", "EXAMPLES", "SUMMARY", "USAGE", "add_arguments", "execute")

SUMMARY = "find out what delays a stream on its way"
USAGE = "probe [OPTIONS] URL"
DESCRIPTION = """\
Read a stream and measure how it arrives: time to the first byte, gaps, lumps,
heartbeats, the end marker, and what proxies have put into the headers. Then
say whether something delays it, and what to do.

URL is a headwater server (a run is started there), a run on one, or with
--model the base URL of any API like OpenAI's. Models may cost money."""
EXAMPLES = """\
examples:
  headwater probe https://example.com/agents
  headwater probe https://example.com/agents/runs/run_2f6c
  headwater probe https://api.openai.com/v1 --model gpt-5.4 \\
      --key-env OPENAI_API_KEY
  headwater probe http://localhost:11434/v1 --model llama3.2 --json

exit codes:
  0    nothing delays the stream, as far as the probe can tell
  1    something delays it, or cuts it, or no stream came"""

TASK: Final = "Count from 1 to 60 in words."
"""The default task: a long answer, the same from every model."""

BAR: Final = 40
"""Characters of the longest bar."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """See `Command`."""
    from headwater.cli.attach import add_access_arguments

    parser.add_argument("url", metavar="URL", help="a server, a run, or the base URL of an API")
    parser.add_argument("--agent", metavar="NAME", help="the agent of the server (default: the first)")
    parser.add_argument("--model", metavar="NAME", help="the API's model: probe chat completions")
    parser.add_argument("--key-env", metavar="NAME", help="the variable that holds the API's key")
    parser.add_argument("--task", default=TASK, metavar="TEXT", help="what to ask (default: count to 60)")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="how long to read (default: 60)")
    parser.add_argument("--json", action="store_true", help="print the measurement and the findings as JSON")
    add_access_arguments(parser)


def execute(asked: argparse.Namespace) -> int:
    """See `Command`."""
    from headwater.cli.probe_findings import findings, verdict
    from headwater.readers.kept_loop import kept_loop

    measured = kept_loop().run(_measured(asked))
    found = findings(measured)
    said = verdict(found)
    if asked.json:
        told = {"verdict": said, "findings": [_plain(one) for one in found], **measured.to_dict()}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        for line in _lines(measured, found, said):
            _print(line)
    return 0 if said in ("flows", "unsure") else 1


async def _measured(asked: argparse.Namespace) -> Measured:
    from headwater.backends.probing import probe_chat, probe_run
    from headwater.backends.remote.address import address_of
    from headwater.backends.remote.server import RemoteServer
    from headwater.cli.attach import headers_of, token_of
    from headwater.errors import UsageError

    if not asked.seconds > 0:
        raise UsageError("--seconds must be more than 0.")
    if asked.model is None:
        if asked.key_env is not None:
            raise UsageError("--key-env is for an API.", hint="Add --model NAME; a headwater server takes --token.")
        server = RemoteServer(address_of(asked.url), token=token_of(asked), headers=headers_of(asked))
        return await probe_run(server, agent=asked.agent, task=asked.task, seconds=asked.seconds)
    if asked.agent is not None or asked.header or asked.token:
        raise UsageError("--agent, --token and --header are for a headwater server.", hint="Leave out --model.")
    address_of(asked.url)
    key = None
    if asked.key_env is not None and not (key := os.environ.get(asked.key_env)):
        raise UsageError(f"The variable {asked.key_env} is not set.", hint=f"Set it: export {asked.key_env}=…")
    return await probe_chat(asked.url, model=asked.model, key=key, task=asked.task, seconds=asked.seconds)


def _plain(finding: Finding) -> dict[str, str]:
    return {"level": finding.level, "what": finding.what, "do": finding.do}


def _print(line: str) -> None:
    from headwater.events.controls import harmless

    sys.stdout.write(harmless(line).replace("\n", " ").rstrip() + "\n")


def _lines(measured: Measured, found: Sequence[Finding], said: str) -> Iterator[str]:
    yield f"{measured.method} {measured.url}"
    if measured.status:
        kind = measured.headers.get("content-type", "no type")
        server = measured.headers.get("server")
        yield f"HTTP {measured.status}, {kind}" + (f", server {server}" if server else "")
    if measured.reads:
        yield ""
        yield from _figures(measured)
        yield ""
        yield from _histogram(measured)
    yield ""
    yield f"{_VERDICTS[said]}"
    for one in found:
        yield f"  {_MARKS[one.level]} {one.what}"
        if one.do:
            yield f"    {one.do}"


_VERDICTS: Final = {
    "flows": "Nothing delays the stream.",
    "held": "Something delays the stream.",
    "broken": "The stream does not arrive complete.",
    "unsure": "There was too little data to tell.",
}
_MARKS: Final = {"held": "!", "broken": "!", "unsure": "?", "note": "-"}


def _figures(measured: Measured) -> Iterator[str]:
    yield f"  head             {_seconds(measured.head_at)}"
    yield f"  first byte       {_seconds(measured.first_byte)}"
    yield f"  first event      {_seconds(measured.first_event)}"
    yield f"  longest silence  {_seconds(measured.longest_silence)}"
    end = measured.end or "no end marker"
    yield f"  end              {_seconds(measured.ended_at) if measured.ended_at is not None else 'not reached'}, {end}"
    yield (
        f"  received         {len(measured.events):,} events in {len(measured.lumps):,} reads,"
        f" {measured.bytes:,} bytes, {measured.comments} comments"
    )
    if delays := measured.delays:
        yield f"  delay on the way {median(delays):.3f} s in the middle, {max(delays):.3f} s at most"


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f} s"


def _histogram(measured: Measured) -> Iterator[str]:
    from headwater.backends.measured import BUCKETS

    counts = measured.histogram
    most = max(counts) or 1
    names = [f"< {_bound(bound)}" for bound in BUCKETS] + [f"≥ {_bound(BUCKETS[-1])}"]
    yield "  gaps between reads"
    for name, count in zip(names, counts, strict=True):
        if count:
            yield f"    {name:<9} {count:>6}  {'#' * max(1, round(BAR * count / most))}"


def _bound(seconds: float) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"
