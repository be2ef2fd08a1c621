"""Spans of logs of every kind, against the table of the conventions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from headwater.events import CallDelta, Event, ReasoningDelta, RunResumed, RunStarted, StepFinished, TextDelta
from headwater.telemetry.measures import Measures
from headwater.telemetry.saved import spans_of
from headwater.telemetry.spans import Out, TreeSpans, nanoseconds
from headwater.testing import sample_logs
from tests.telemetry.conventions import wrong_in_span
from tests.telemetry.traced import Traced

LOGS = sample_logs()


def checked(spans: Sequence[ReadableSpan]) -> None:
    for span in spans:
        assert wrong_in_span(span.name, span.kind.name, dict(span.attributes or {})) == []
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
    ids = {span.context.span_id: span for span in spans}
    assert sum(span.parent is None for span in spans) >= 1
    for span in spans:
        if span.parent is not None:
            around = ids[span.parent.span_id]
            assert around.start_time is not None
            assert span.start_time is not None
            assert around.start_time <= span.start_time


@pytest.mark.parametrize("name", sorted(LOGS))
@pytest.mark.parametrize("content", [False, True])
def test_every_sample_log_has_spans_by_the_table(name: str, content: bool) -> None:
    log = LOGS[name]
    spans = spans_of(log, content=content)
    checked(spans)
    started = [event for event in log if isinstance(event, RunStarted)]
    runs = [span for span in spans if span.name.startswith("invoke_")]
    assert {span.attributes["headwater.run.id"] for span in runs if span.attributes} >= {one.run for one in started}


@pytest.mark.parametrize("name", sorted(LOGS))
def test_a_log_that_stops_anywhere_leaves_no_span_open(name: str) -> None:
    log = LOGS[name]
    for size in range(1, len(log), max(1, len(log) // 25)):
        told = Traced()
        spans = TreeSpans(Out(told.tracers.get_tracer("headwater")), Context())
        for event in log[:size]:
            (spans.chunk if isinstance(event, (TextDelta, ReasoningDelta, CallDelta)) else spans.add)(event)
        spans.leave()
        told.check()


def test_times_are_those_of_the_events() -> None:
    log = next(log for log in LOGS.values() if any(isinstance(event, StepFinished) for event in log))
    spans = spans_of(log)
    times = {nanoseconds(event.time) for event in log}
    assert {span.start_time for span in spans} | {span.end_time for span in spans} <= times


def test_the_past_of_a_resumed_run_has_no_spans_here() -> None:
    (log,) = (LOGS[name] for name in sorted(LOGS)[:1])
    told = Traced()
    TreeSpans(Out(told.tracers.get_tracer("headwater")), Context(), past=log).leave()
    assert told.started == []


@pytest.mark.parametrize("name", sorted(LOGS))
def test_the_past_of_a_resumed_run_is_not_measured_again(name: str) -> None:
    log = LOGS[name]
    for size in range(1, len(log), max(1, len(log) // 25)):
        told = Traced()
        out = Out(told.tracers.get_tracer("headwater"), Measures(told.meters.get_meter("headwater")))
        spans = TreeSpans(out, Context(), past=log[:size])
        last = log[size - 1]
        resumed = RunResumed(seq=last.seq + 1, time=last.time + 3600.0, run=log[0].run, path=log[0].path)
        spans.add(resumed)
        assert told.metrics() == []
        assert {span.start_time for span in told.started} <= {nanoseconds(resumed.time)}
        spans.leave()
        told.check()


def test_an_unknown_event_and_one_of_an_unknown_run_change_nothing() -> None:
    spans = TreeSpans(Out(TracerProvider(shutdown_on_exit=False).get_tracer("headwater")), Context())
    spans.add(Event(run="nobody"))
    spans.chunk(TextDelta(step=1, part=0, text="So.", run="nobody"))
    for name in sorted(LOGS):
        for event in LOGS[name]:
            if not isinstance(event, (RunStarted, TextDelta)):
                spans.add(event)  # a log whose beginning is missing
    spans.leave()
