"""The metrics of the conventions: which instruments there are, and what each records.

`spans` decides when. Values are in seconds, tokens and calls. Source: as `names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from opentelemetry.context import Context
from opentelemetry.metrics import Counter, Histogram, Meter

from headwater.events.messages import Usage

__all__ = ("Measures", "Request")

_SECONDS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_AGENT_SECONDS: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
_WORKFLOW_SECONDS: Final = (1, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_CALLS: Final = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

_USAGE: Final = {
    "input_tokens": ("input_tokens", "Input tokens used, including cached ones."),
    "output_tokens": ("output_tokens", "Output tokens used, including reasoning."),
    "cached_input_tokens": ("cache_read.input_tokens", "Input tokens read from the provider's cache."),
    "cache_write_tokens": ("cache_write.input_tokens", "Input tokens written to the provider's cache."),
    "reasoning_tokens": ("reasoning.output_tokens", "Output tokens used for reasoning."),
}
"""For each count of a Usage: its counter after `gen_ai.client.inference.usage.`, and the description."""

_MODALITY: Final = {"gen_ai.token.modality": "unknown"}
"""No provider's report is split by modality here."""

Attributes = Mapping[str, Any]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A model request that has ended, as the metrics see it."""

    attributes: dict[str, Any]
    """Those of every metric of it; `error` is added to the duration alone."""
    error: str
    """The value of `error.type`; empty if there was no error."""
    duration: float
    to_first_chunk: float | None
    between_chunks: Sequence[float]
    usage: Usage


class Measures:
    """The instruments of one meter. `legacy` adds those of v1.41."""

    def __init__(self, meter: Meter, *, legacy: bool = False) -> None:
        inference = "gen_ai.client.inference."
        self._durations = [_seconds(meter, f"{inference}duration", "Duration of a model request.")]
        self._first = [_seconds(meter, f"{inference}time_to_first_chunk", "Time to the first chunk of an answer.")]
        self._between = [_seconds(meter, f"{inference}time_per_output_chunk", "Time between two chunks of an answer.")]
        self._usage: dict[str, Counter] = {
            field: meter.create_counter(f"{inference}usage.{name}", "{token}", said)
            for field, (name, said) in _USAGE.items()
        }
        self._tokens: Histogram | None = None
        self._agent = _seconds(meter, "gen_ai.invoke_agent.duration", "Duration of an agent's run.", _AGENT_SECONDS)
        self._calls = meter.create_histogram(
            "gen_ai.invoke_agent.inference_calls",
            "{inference_call}",
            "Model requests of an agent's run.",
            explicit_bucket_boundaries_advisory=_CALLS,
        )
        self._tool_calls = meter.create_histogram(
            "gen_ai.invoke_agent.tool_calls",
            "{tool_call}",
            "Tool calls of an agent's run.",
            explicit_bucket_boundaries_advisory=_CALLS,
        )
        self._workflow = _seconds(
            meter, "gen_ai.invoke_workflow.duration", "Duration of a workflow's run.", _WORKFLOW_SECONDS
        )
        self._tool = _seconds(meter, "gen_ai.execute_tool.duration", "Duration of a tool's execution.")
        if legacy:
            self._add_legacy(meter)

    def _add_legacy(self, meter: Meter) -> None:
        operation = "gen_ai.client.operation."
        self._durations.append(_seconds(meter, f"{operation}duration", "Duration of a model request."))
        self._first.append(_seconds(meter, f"{operation}time_to_first_chunk", "Time to the first chunk."))
        self._between.append(_seconds(meter, f"{operation}time_per_output_chunk", "Time between two chunks."))
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of a model request.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def request(self, ended: Request, context: Context) -> None:
        """Records a model request."""
        attributes = ended.attributes
        for histogram in self._durations:
            histogram.record(ended.duration, _with_error(attributes, ended.error), context)
        if ended.to_first_chunk is not None:
            for histogram in self._first:
                histogram.record(ended.to_first_chunk, attributes, context)
        for histogram in self._between:
            for seconds in ended.between_chunks:
                histogram.record(seconds, attributes, context)
        counted = {**attributes, **_MODALITY}
        for field, counter in self._usage.items():
            if (count := getattr(ended.usage, field)) is not None:
                counter.add(count, counted, context)
        if self._tokens is not None:
            for kind, tokens in (("input", ended.usage.input_tokens), ("output", ended.usage.output_tokens)):
                if tokens is not None:
                    self._tokens.record(tokens, {**attributes, "gen_ai.token.type": kind}, context)

    def agent(
        self, name: str, model: str, seconds: float, calls: int, tools: int, error: str, context: Context
    ) -> None:
        """Records an agent's run: its duration, its model requests and its tool calls."""
        attributes = {"gen_ai.agent.name": name} if name else {}
        self._calls.record(calls, attributes, context)
        self._tool_calls.record(tools, attributes, context)
        asked = {**attributes, "gen_ai.request.model": model} if model else attributes
        self._agent.record(seconds, _with_error(asked, error), context)

    def workflow(self, name: str, seconds: float, error: str, context: Context) -> None:
        """Records a workflow's run."""
        attributes = {"gen_ai.workflow.name": name} if name else {}
        self._workflow.record(seconds, _with_error(attributes, error), context)

    def tool(self, attributes: dict[str, Any], seconds: float, error: str, context: Context) -> None:
        """Records a tool's execution."""
        self._tool.record(seconds, _with_error(attributes, error), context)


def _seconds(meter: Meter, name: str, description: str, bounds: Sequence[float] = _SECONDS) -> Histogram:
    return meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=bounds)


def _with_error(attributes: dict[str, Any], error: str) -> dict[str, Any]:
    return {**attributes, "error.type": error} if error else attributes
