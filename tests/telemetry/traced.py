"""An instrumented process, and what came out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from headwater.telemetry import instrument
from tests.telemetry.conventions import wrong_in_span

__all__ = ("Traced", "children_of", "named", "traced", "tree_of")


class Traced(SpanProcessor):
    """The spans that were started, and those that ended; the metrics so far."""

    def __init__(self) -> None:
        self.started: list[Span] = []
        self.ended: list[ReadableSpan] = []
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(self)
        self.meters = MeterProvider([self._reader], shutdown_on_exit=False)
        self.tracer = self.tracers.get_tracer("the program")

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)

    @property
    def ours(self) -> list[ReadableSpan]:
        """Headwater's own spans."""
        return [
            span for span in self.ended if span.instrumentation_scope and span.instrumentation_scope.name != self.own
        ]

    own = "the program"

    def points(self, metric: str) -> list[Any]:
        """The data points of a metric; [] if nothing was recorded."""
        return [point for name, one in self.metrics() if name == metric for point in one.data.data_points]

    def metrics(self) -> list[tuple[str, Any]]:
        """Every metric that was recorded, by name."""
        data = self._reader.get_metrics_data()
        resources = data.resource_metrics if data is not None else ()
        return [(one.name, one) for each in resources for scope in each.scope_metrics for one in scope.metrics]

    def check(self) -> None:
        """Everything that started has ended, once, and is as the conventions say."""
        assert len(self.ended) == len(self.started)
        assert not [span.name for span in self.started if span.end_time is None]
        for span in self.ours:
            assert wrong_in_span(span.name, span.kind.name, dict(span.attributes or {})) == []
            assert span.start_time is not None
            assert span.end_time is not None
            assert span.start_time <= span.end_time


@contextmanager
def traced(**options: Any) -> Iterator[Traced]:
    """Instruments this process meanwhile."""
    told = Traced()
    end = instrument(told.tracers, told.meters, **options)
    try:
        yield told
    finally:
        end()


def named(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    """The only span of that name."""
    (found,) = (span for span in spans if span.name == name)
    return found


def children_of(spans: Sequence[ReadableSpan], parent: ReadableSpan) -> list[str]:
    """The names of a span's children, in the order in which they began."""
    below = [span for span in spans if span.parent is not None and span.parent.span_id == parent.context.span_id]
    return [span.name for span in sorted(below, key=lambda span: span.start_time or 0)]


def tree_of(spans: Sequence[ReadableSpan]) -> list[str]:
    """Each span's name under those around it."""
    by_id = {span.context.span_id: span for span in spans}

    def path(span: ReadableSpan) -> str:
        above = by_id.get(span.parent.span_id) if span.parent is not None else None
        return span.name if above is None else f"{path(above)} > {span.name}"

    return sorted(map(path, spans))
