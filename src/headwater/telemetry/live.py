"""Telemetry of the runs of this process: connects `spans` to each run, and makes a tool's span current in its task.

Owns what belongs to the process: one instrumentation at a time. A tool's span is set in the context of the tool's own
task, which ends with the tool; nothing is set where the program reads a run.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, metrics, trace

from headwater.events import CallDelta, Event, ReasoningDelta, TextDelta
from headwater.runtime import process_hooks
from headwater.runtime.context import Watcher
from headwater.runtime.from_log import FromLog
from headwater.runtime.run import Run
from headwater.telemetry.measures import Measures
from headwater.telemetry.spans import Address, Out, TreeSpans
from headwater.version import __version__

__all__ = ("begin",)

_current: Callable[[], None] | None = None


def begin(
    tracer_provider: trace.TracerProvider | None,
    meter_provider: metrics.MeterProvider | None,
    *,
    content: bool,
    legacy: bool,
) -> Callable[[], None]:
    """See `headwater.telemetry.instrument`."""
    global _current
    if _current is not None:
        _current()
    tracer = trace.get_tracer("headwater", __version__, tracer_provider)
    meter = metrics.get_meter("headwater", __version__, meter_provider)
    out = Out(tracer, Measures(meter, legacy=legacy), content, {})
    removes = (
        process_hooks.add(lambda run: _watcher(out, run)),
        process_hooks.add_tool_hook(lambda run, call: _enter(out, run, call)),
    )

    def end() -> None:
        global _current
        for remove in removes:
            remove()
        if _current is end:
            _current = None

    _current = end
    return end


def _enter(out: Out, run: str, call: str) -> None:
    """Makes the tool's span current; called in the tool's own task."""
    if out.tools is not None and (span := out.tools.get((run, call))) is not None:
        context.attach(trace.set_span_in_context(span))


def _watcher(out: Out, run: Run) -> Watcher | None:
    """Returns the watcher for a tree; none for one that is only replayed, or that another process drives."""
    if isinstance(run, FromLog):
        return None
    past = run.record.events if run.record is not None else ()
    spans = TreeSpans(out, context.get_current(), address=_addresses(run), past=past)
    errors = run.callback_errors
    run.at_end = (*run.at_end, spans.leave)
    chunk, add = spans.chunk, spans.add
    last_time, last_run = 0.0, ""

    def watch(event: Event) -> Awaitable[Any] | None:
        nonlocal last_time, last_run
        if event.__class__ is TextDelta or event.__class__ in (ReasoningDelta, CallDelta):
            if event.time == last_time and event.run == last_run:
                return None  # of the same read
            last_time, last_run = event.time, event.run
            chunk(event)
            return None
        try:
            add(event)
        except Exception as error:  # a provider of the program's own
            errors.add(error, "telemetry provider")
        return None

    watch.__dict__["once_a_read"] = True  # see `Pausing`: text of one read is told once, where nobody else listens
    return watch


def _addresses(run: Run) -> Address:
    """Returns the function that finds a model's server; it does not keep the run alive."""
    outermost = weakref.ref(run)

    def address(id: str, provider: str, model: str) -> tuple[str, int] | None:
        top = outermost()
        job = getattr(top.member(id), "job", None) if top is not None else None
        for backend in job.backends if job is not None else ():
            endpoint = getattr(backend, "endpoint", None)
            if endpoint is not None and (backend.provider, backend.model) == (provider, model):
                url = urlsplit(endpoint.base_url)
                return (url.hostname or "", url.port or (80 if url.scheme == "http" else 443))
        return None

    return address
