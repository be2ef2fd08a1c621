"""Traces of a run by OpenTelemetry; needs the extra `headwater[otel]`."""

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from headwater import Agent, telemetry

exporter = InMemorySpanExporter()  # instead of one that sends: OTLPSpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("harbour")


def high_water(port: str) -> str:
    """When the tide is highest at a port."""
    with tracer.start_as_current_span("ask the harbour office"):  # inside the tool's span
        return f"06:12 at {port}"


telemetry.instrument(provider)
with tracer.start_as_current_span("request"):  # the run is inside the program's own span
    print(Agent(name="pilot", model="offline", tools=[high_water]).run("When can we sail from Brest?"))

spans = exporter.get_finished_spans()


def show(parent: int | None, indent: str = "") -> None:
    below = [span for span in spans if (span.parent.span_id if span.parent else None) == parent]
    for span in sorted(below, key=lambda span: span.start_time or 0):
        print(f"{indent}{span.name}{details(span)}")
        if span.context is not None:
            show(span.context.span_id, f"{indent}  ")


def details(span: ReadableSpan) -> str:
    tokens = (span.attributes or {}).get("gen_ai.usage.output_tokens")
    return f" ({tokens} tokens)" if tokens else ""


show(None)
