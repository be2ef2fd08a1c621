"""The spans of a saved run, sent to an exporter.

Owns the ids: they are derived from the run's id, so that a run that is exported twice has the same trace twice. Needs
`opentelemetry-sdk`. Metrics are not exported: a metric is recorded when something happens, not when it is read.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from headwater.errors import ConfigurationError
from headwater.events import CallDelta, Event, ReasoningDelta, TextDelta
from headwater.telemetry.spans import Out, TreeSpans
from headwater.version import __version__

__all__ = ("export", "spans_of")


def spans_of(events: Sequence[Event], *, content: bool = False) -> list[ReadableSpan]:
    """Returns the spans of a log, in the order in which they ended; those of an unfinished run end with the log."""
    kept = _Kept()
    provider = TracerProvider(sampler=ALWAYS_ON, id_generator=_Ids(events[0].run), shutdown_on_exit=False)
    provider.add_span_processor(kept)
    spans = TreeSpans(Out(provider.get_tracer("headwater", __version__), content=content), Context())
    for event in events:
        if isinstance(event, (TextDelta, ReasoningDelta, CallDelta)):
            spans.chunk(event)
        else:
            spans.add(event)
    spans.leave()
    return kept.spans


def export(events: Sequence[Event], exporter: SpanExporter, *, content: bool = False) -> int:
    """Sends the spans of a log; returns how many. Raises ConfigurationError if the exporter fails."""
    spans = spans_of(events, content=content)
    try:
        result = exporter.export(spans)
    finally:
        exporter.shutdown()
    if result is not SpanExportResult.SUCCESS:
        raise ConfigurationError(
            f"The {len(spans)} spans were not accepted.", hint="Check the address of the collector, and that it runs."
        )
    return len(spans)


class _Kept(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


class _Ids(IdGenerator):
    """The same ids for the same run."""

    def __init__(self, run: str) -> None:
        self._source = random.Random(run)

    def generate_trace_id(self) -> int:
        return self._source.getrandbits(128) or 1

    def generate_span_id(self) -> int:
        return self._source.getrandbits(64) or 1
