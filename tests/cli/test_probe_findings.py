from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from headwater.backends.measured import Arrived, Measured, Read
from headwater.cli.probe_findings import Finding, findings, verdict

OURS = {"content-type": "text/event-stream", "cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


def stream(lumps: Sequence[tuple[float, int]], *, kind: str = "headwater", pace: float = 0.1, **more: Any) -> Measured:
    """Events that were made one every `pace` seconds, and came in these lumps: when, and how many."""
    events: list[Arrived] = []
    for at, count in lumps:
        for _ in range(count):
            events.append(Arrived(at, 1000 + pace * len(events) if kind == "headwater" else None))
    reads = [Read(at, 100 * count, count) for at, count in lumps]
    told: dict[str, Any] = {
        "status": 200,
        "headers": OURS,
        "head_at": 0.01,
        "end": "run.finished",
        "ended_at": lumps[-1][0] if lumps else 1.0,
    }
    return Measured(url="http://h/runs", method="POST", kind=kind, reads=reads, events=events, **{**told, **more})


SMOOTH = [(0.1 * n, 1) for n in range(30)]


def of(measured: Measured, level: str) -> str:
    return " ".join(f"{one.what} {one.do}" for one in findings(measured) if one.level == level)


@pytest.mark.parametrize("kind", ["headwater", "chat"])
def test_steady_events_are_reported_as_flowing(kind: str) -> None:
    assert findings(stream(SMOOTH, kind=kind)) == []
    assert verdict([]) == "flows"


@pytest.mark.parametrize("kind", ["headwater", "chat"])
@pytest.mark.parametrize("lumps", [[(3.0, 30)], [(1.0, 10), (2.0, 10), (3.0, 10)]], ids=["at the end", "in lumps"])
def test_bursts_are_reported_as_buffered(kind: str, lumps: list[tuple[float, int]]) -> None:
    found = findings(stream(lumps, kind=kind))
    assert verdict(found) == "held"
    assert "proxy_buffering off" in found[0].do


def test_one_pause_does_not_mean_a_proxy() -> None:
    pause = [*SMOOTH[:10], (2.0, 11), *SMOOTH[21:]]
    assert verdict(findings(stream(pause))) == "held"  # a quarter of all
    short = [*SMOOTH[:10], (1.3, 4), *SMOOTH[14:]]
    assert verdict(findings(stream(short))) == "flows"


def test_a_fast_model_does_not_mean_a_proxy() -> None:
    assert verdict(findings(stream([(0.05 * n, 10) for n in range(30)], kind="chat"))) == "flows"


@pytest.mark.parametrize("lumps", [[(0.1, 3)], [(0.1, 20)]], ids=["few", "at once"])
@pytest.mark.parametrize("kind", ["headwater", "chat"])
def test_too_few_events_to_decide(kind: str, lumps: list[tuple[float, int]]) -> None:
    one = stream(lumps, kind=kind, pace=0.001)
    assert verdict(findings(one)) == "unsure"
    assert "--task" in of(one, "unsure")


def test_compression_is_to_blame_only_where_something_is_late() -> None:
    zipped = {**OURS, "content-encoding": "gzip"}
    assert "gzip_types" in of(stream([(3.0, 30)], headers=zipped), "held")
    assert "flushed in time" in of(stream(SMOOTH, headers=zipped), "note")
    assert verdict(findings(stream(SMOOTH, headers=zipped))) == "flows"


def test_a_content_length_means_that_all_of_it_was_buffered() -> None:
    assert "Content-Length" in of(stream(SMOOTH, headers={**OURS, "content-length": "900"}), "held")


def test_what_headers_say_of_the_way() -> None:
    headers = {"content-type": "text/event-stream", "via": "1.1 varnish", "cf-ray": "1-FRA", "age": "3"}
    said = of(stream(SMOOTH, headers=headers), "note")
    for word in ("nginx, which removes it", "no-transform", "via: 1.1 varnish", "Cloudflare", "from a cache"):
        assert word in said
    assert "nginx" not in of(stream(SMOOTH, kind="chat", headers=headers), "note")


def test_missing_heartbeats() -> None:
    silent = [*SMOOTH, (40.0, 1)]
    assert "15 s" in of(stream(silent), "held")
    assert "15 s" not in of(stream(silent, kind="chat"), "held")


def test_a_stream_that_is_cut() -> None:
    cut = stream([*SMOOTH, (60.2, 1)], end="", ended_at=60.4, kind="chat")
    assert verdict(findings(cut)) == "broken"
    assert "60 s is a common timeout" in of(cut, "broken")
    other = stream(SMOOTH, end="", ended_at=7.0)
    assert "server's log" in of(other, "broken")
    failed = stream(SMOOTH, end="", ended_at=None, problem="The connection broke.")
    assert "The connection broke." in of(failed, "broken")


def test_a_stream_that_continues() -> None:
    assert "--seconds" in of(stream(SMOOTH, end="", ended_at=None), "note")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"status": 0, "problem": "Connection refused."}, "Connection refused."),
        ({"status": 0}, "No answer came in time."),
        ({"status": 401, "problem": "Who?"}, "--token"),
        ({"status": 404}, "ends in /v1"),
        ({"status": 502}, "HTTP 502"),
        ({"headers": {"content-type": "text/html; charset=utf-8"}}, "not an event stream: text/html"),
        ({"headers": {}}, "no content type"),
    ],
)
def test_no_stream_at_all(more: dict[str, Any], said: str) -> None:
    one = stream(SMOOTH, **more)
    assert verdict(findings(one)) == "broken"
    assert said in of(one, "broken")


def test_the_worst_counts() -> None:
    levels: Any = ("note", "unsure", "held", "broken")
    found = [Finding(level, "x") for level in levels]
    assert [verdict(found[: n + 1]) for n in range(4)] == ["flows", "unsure", "held", "broken"]
