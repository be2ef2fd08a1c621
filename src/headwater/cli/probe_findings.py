"""The interpretation of a measured stream: whether something delays it, the evidence, and what to do.

Pure: maps a measurement to findings. The bounds are named constants with their reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, Literal

import msgspec

from headwater.backends.measured import Measured

__all__ = ("Finding", "Verdict", "findings", "verdict")

Verdict = Literal["flows", "held", "broken", "unsure"]

PERCEPTIBLE: Final = 0.25
"""Delay in seconds from which people notice that text arrives in bursts."""

HELD_SHARE: Final = 0.2
"""Share of late events from which a stream counts as buffered: a busy machine can cause a single pause."""

LEAST_EVENTS: Final = 10
"""Minimum number of events for a verdict."""

LEAST_SPAN: Final = 1.0
"""Minimum duration in seconds of a stream for a verdict."""

LUMP: Final = 4
"""Median number of events per read from which a stream counts as arriving in bursts."""

HEARTBEAT: Final = 20.0
"""Seconds of silence that a headwater server never reaches: it sends a comment after 15."""

TIMEOUTS: Final = (30, 60, 75, 90, 100, 120, 180, 300, 600, 900, 3600)
"""Default timeouts in seconds after which proxies close an idle connection, or any connection."""


class Finding(msgspec.Struct, frozen=True):
    """One finding. `level` is its effect on the verdict, "note" has none; `do` may be empty."""

    level: Literal["held", "broken", "unsure", "note"]
    what: str
    do: str = ""


_NGINX: Final = (
    "Switch off response buffering in the proxy. nginx: proxy_buffering off; in the location, and no"
    " proxy_ignore_headers X-Accel-Buffering. Apache: flushpackets=on at ProxyPass. Caddy: flush_interval -1."
)
_GZIP: Final = (
    "Do not compress text/event-stream. nginx: leave it out of gzip_types, or gzip off; in the location. Elsewhere"
    " exclude the route from compression."
)


def verdict(found: Sequence[Finding]) -> Verdict:
    """Returns the worst level of the findings."""
    levels = {one.level for one in found}
    for level in ("broken", "held", "unsure"):
        if level in levels:
            return level
    return "flows"


def findings(measured: Measured) -> Sequence[Finding]:
    """Returns the findings of a measurement."""
    if not measured.status:
        return [Finding("broken", measured.problem or "No answer came in time.", "Check the address and the server.")]
    if measured.status // 100 != 2:
        return [Finding("broken", f"HTTP {measured.status}: {measured.problem}", _of_status(measured))]
    kind = measured.headers.get("content-type", "")
    if not kind.startswith("text/event-stream"):
        what = f"The response is not an event stream: {kind.partition(';')[0] or 'no content type'}."
        return [Finding("broken", what, "Check the address: a login page or a proxy may answer there.")]
    flow = [*_flow(measured), *_silence(measured)]
    return [*_compression(measured, verdict(flow)), *flow, *_end(measured), *_headers(measured)]


def _of_status(measured: Measured) -> str:
    return {
        401: "Send the server's token: --token, or the API's key: --key-env.",
        403: "The server, or a proxy in front of it, rejects the request.",
        404: "Check the address: a headwater server's with its prefix, or an API's base URL, which ends in /v1.",
        429: "Too many requests: try again later.",
    }.get(measured.status, "")


def _compression(measured: Measured, flow: Verdict) -> Iterator[Finding]:
    """Checks for compression: compressors buffer their output unless they are flushed after every event."""
    coding = measured.headers.get("content-encoding", "identity")
    if coding == "identity":
        return
    if flow == "flows":
        yield Finding("note", f"The stream is compressed ({coding}), and flushed in time.")
    else:
        yield Finding(flow, f"The stream is compressed ({coding}): a compressor buffers before it sends.", _GZIP)


def _headers(measured: Measured) -> Iterator[Finding]:
    headers = measured.headers
    if "content-length" in headers:
        yield Finding("held", "The stream has a Content-Length: something buffered all of it before sending.", _NGINX)
    if "no-transform" not in headers.get("cache-control", "") and measured.kind == "headwater":
        what = "The header Cache-Control: no-transform is gone, or changed."
        yield Finding("note", what, "Let the proxy forward the server's headers.")
    if measured.kind == "headwater" and "x-accel-buffering" not in headers:
        yield Finding("note", "X-Accel-Buffering did not arrive: nginx, which removes it, is on the way.")
    for name, meaning in _SIGNS.items():
        if name in headers:
            yield Finding("note", f"{name}: {headers[name][:80]} ({meaning}).")


_SIGNS: Final = {
    "via": "a proxy passed it on",
    "x-cache": "a cache is on the way",
    "age": "it comes from a cache",
    "cf-ray": "Cloudflare is on the way",
    "x-amz-cf-id": "CloudFront is on the way",
    "x-vercel-id": "Vercel is on the way",
}


def _flow(measured: Measured) -> Iterator[Finding]:
    events, lumps = len(measured.events), measured.lumps
    delays = measured.delays
    if len(delays) >= LEAST_EVENTS and measured.span >= LEAST_SPAN:
        late = [one for one in delays if one >= PERCEPTIBLE]
        if len(late) >= HELD_SHARE * len(delays):
            what = (
                f"Events are delayed: {len(late)} of {len(delays)} came {PERCEPTIBLE:g} s or more after others,"
                f" {max(delays):.1f} s at most, in {len(lumps)} lumps."
            )
            yield Finding("held", what, _NGINX)
        return
    if delays:
        what = f"The run has too little output to tell: {len(delays)} live events within {measured.span:.1f} s."
        yield Finding("unsure", what, "Ask for more: --task 'Count from 1 to 100 in words.'")
        return
    if events < LEAST_EVENTS:
        yield Finding("unsure", f"Only {events} events came: too few to tell.", "Ask for more, with --task.")
        return
    total = measured.reads[-1].at
    if len(lumps) <= 2 and total >= LEAST_SPAN:
        what = f"All {events} events came at once, {total:.1f} s after the request."
        yield Finding("held", what, _NGINX)
        return
    pause = median(later.at - earlier.at for earlier, later in pairwise(lumps)) if lumps[1:] else 0
    if median(read.events for read in lumps) >= LUMP and pause >= PERCEPTIBLE:
        what = f"Events come in lumps: {events} events in {len(lumps)} reads, {pause:.2f} s apart."
        do = f"Ask the API directly, without a proxy: if it sends lumps by itself, no proxy delays them. Else {_NGINX}"
        yield Finding("held", what, do)
    elif len(lumps) <= 2:
        yield Finding("unsure", "The stream ended too soon to tell.", "Ask for more, with --task.")


def _silence(measured: Measured) -> Iterator[Finding]:
    longest = measured.longest_silence
    if measured.kind == "headwater" and longest >= HEARTBEAT:
        what = f"Nothing came for {longest:.0f} s: the comments that the server sends every 15 s are delayed."
        yield Finding("held", what, _NGINX)


def _end(measured: Measured) -> Iterator[Finding]:
    if measured.problem and not measured.end:
        yield Finding("broken", measured.problem, "")
    if measured.ended_at is None and not measured.problem:
        yield Finding("note", "The stream had not ended when the time was up (--seconds).")
    elif not measured.end:
        at = measured.ended_at if measured.ended_at is not None else measured.reads[-1].at if measured.reads else 0.0
        near = next((limit for limit in TIMEOUTS if abs(at - limit) <= 1.5), None)
        do = "Look at the server's log: it, or a proxy, closed the connection."
        if near is not None:
            do = f"{near} s is a common timeout of proxies. nginx: proxy_read_timeout 1h; AWS ALB: the idle timeout."
        yield Finding("broken", f"The stream was cut after {at:.1f} s, without its end marker.", do)
