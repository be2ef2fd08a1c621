"""OpenTelemetry: traces and metrics of runs, by the semantic conventions for generative AI.

    from headwater import Agent, telemetry

    telemetry.instrument()

Spans and metrics are computed from the events of a run, live or from a saved log. This file owns the public function,
and that nothing of OpenTelemetry is imported before it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from headwater.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ("instrument",)


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    content: bool = False,
    legacy: bool = False,
) -> Callable[[], None]:
    """Traces and measures every run that starts in this process from now on.

    The providers are OpenTelemetry's; None means the global one. `content` adds messages, arguments and results to the
    spans. `legacy` also records the metrics of v1.41 (`gen_ai.client.operation.*`, `gen_ai.client.token.usage`). A
    second call replaces the first. Returns a function that ends it for later runs.

    Needs `opentelemetry-api` alone. Raises ConfigurationError if it is not installed.
    """
    try:
        from headwater.telemetry.live import begin
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise ConfigurationError(
            "Telemetry needs the package opentelemetry-api, which is not installed.",
            hint='Run: pip install "headwater[otel]"',
        ) from error
    return begin(tracer_provider, meter_provider, content=content, legacy=legacy)
