"""A saved run as spans, over OTLP/HTTP into a receiver, in process and by the command."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from headwater import RunFile
from headwater.cli import main
from headwater.errors import ConfigurationError
from headwater.telemetry import instrument
from headwater.telemetry.saved import export, spans_of
from headwater.testing import Call
from tests.support.streams import scripted
from tests.telemetry.conventions import METRICS, wrong_in_span
from tests.telemetry.traced import traced


def look(what: str) -> str:
    """Look."""
    return f"saw {what}"


def run(**options: Any) -> None:
    scripted([Call("look", {"what": "sea"})], "Blue.", name="guide", tools=[look]).run("What is there?", **options)


class Receiver:
    """What came in, by OTLP's own messages."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: dict[str, Any] = {}
        self.status = 200
        self.url = ""

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            sent = ExportTraceServiceRequest.FromString(body)
            self.spans += [span for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans]
        else:
            assert path == "/v1/metrics"
            told = ExportMetricsServiceRequest.FromString(body)
            for one in told.resource_metrics:
                self.metrics |= {metric.name: metric for scope in one.scope_metrics for metric in scope.metrics}

    def attributes(self, span: Span) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for pair in span.attributes:
            kind = pair.value.WhichOneof("value")
            assert kind is not None
            value = getattr(pair.value, kind)
            found[pair.key] = tuple(one.string_value for one in value.values) if kind == "array_value" else value
        return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            packed = self.headers.get("content-encoding") == "gzip"
            receiver.take(self.path, gzip.decompress(body) if packed else body)
            self.send_response(receiver.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


NAMES = ["chat offline", "chat offline", "execute_tool look", "invoke_agent guide"]


def checked(receiver: Receiver) -> None:
    assert sorted(span.name for span in receiver.spans) == NAMES
    for span in receiver.spans:
        kind = {Span.SPAN_KIND_CLIENT: "CLIENT", Span.SPAN_KIND_INTERNAL: "INTERNAL"}[span.kind]
        assert wrong_in_span(span.name, kind, receiver.attributes(span)) == []
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano
    (agent,) = (span for span in receiver.spans if span.name == "invoke_agent guide")
    assert agent.parent_span_id == b""
    assert {span.parent_span_id for span in receiver.spans if span is not agent} == {agent.span_id}
    assert len({span.trace_id for span in receiver.spans}) == 1


def test_live_spans_and_metrics_over_http() -> None:
    with receiving() as receiver:
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{receiver.url}/v1/traces")))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{receiver.url}/v1/metrics"), 3_600_000)
        meters = MeterProvider([reader], shutdown_on_exit=False)
        end = instrument(tracers, meters)
        try:
            run()
        finally:
            end()
            tracers.shutdown()
            meters.shutdown()
    checked(receiver)
    assert receiver.metrics.keys() <= METRICS.keys()
    for name, metric in receiver.metrics.items():
        assert metric.unit == METRICS[name].unit
        assert metric.WhichOneof("data") == {"histogram": "histogram", "counter": "sum"}[METRICS[name].instrument]
    assert "gen_ai.client.inference.duration" in receiver.metrics


def test_a_saved_run_has_the_spans_of_the_live_one(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl.gz"
    with traced() as told:
        run(save=file)
    saved = spans_of(RunFile(file).events)
    assert [(one.name, one.start_time, one.end_time, one.attributes) for one in saved] == [
        (one.name, one.start_time, one.end_time, one.attributes) for one in told.ended
    ]


def test_the_same_run_has_the_same_ids(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    run(save=file)
    events = RunFile(file).events
    assert [one.context for one in spans_of(events)] == [one.context for one in spans_of(events)]


def test_the_command_sends_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "run.jsonl"
    run(save=file)
    with receiving() as receiver:
        assert main(["runs", "otel", str(file), "--endpoint", receiver.url]) == 0
        checked(receiver)
        assert "4 spans of run_" in capsys.readouterr().err
        assert "gen_ai.input.messages" not in str(receiver.spans)
        receiver.spans.clear()
        assert main(["runs", "otel", str(file), "--endpoint", f"{receiver.url}/v1/traces", "--content"]) == 0
        checked(receiver)
        assert "gen_ai.input.messages" in str(receiver.spans)
        receiver.status = 400
        assert main(["runs", "otel", str(file), "--endpoint", receiver.url]) == 1
        assert "were not accepted" in capsys.readouterr().err


def test_an_exporter_that_fails_raises(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    run(save=file)
    with receiving() as receiver:
        receiver.status = 400
        with pytest.raises(ConfigurationError, match="4 spans were not accepted"):
            export(RunFile(file).events, OTLPSpanExporter(f"{receiver.url}/v1/traces"))
