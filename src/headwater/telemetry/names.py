"""The names and values of the semantic conventions that headwater uses.

Source: open-telemetry/semantic-conventions-genai, v0.1.0 (status: Development); `tests/telemetry/conventions.py` holds
the table of types and required attributes. Pure: no OpenTelemetry package is imported here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from headwater.events import ErrorInfo, ToolFinished
from headwater.events.messages import Usage

__all__ = (
    "AGENT_SETTINGS",
    "CHAT_SETTINGS",
    "error_type",
    "of_settings",
    "of_usage",
    "provider_name",
    "tool_error_type",
)

_PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Well-known values of `gen_ai.provider.name` that differ from headwater's; others are passed on."""

AGENT_SETTINGS: Final[Mapping[str, str]] = {
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "max_tokens": "gen_ai.request.max_tokens",
    "stop": "gen_ai.request.stop_sequences",
    "seed": "gen_ai.request.seed",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
}
"""The attribute of each setting on an agent's span."""

CHAT_SETTINGS: Final[Mapping[str, str]] = {
    **AGENT_SETTINGS,
    "top_k": "gen_ai.request.top_k",
    "reasoning": "gen_ai.request.reasoning.level",
}
"""The same on a request's span."""

_FLOATS: Final = ("temperature", "top_p", "presence_penalty", "frequency_penalty")

_ERROR_NAME: Final = re.compile(r"([A-Z]\w*)(?=:|$)")


def provider_name(ours: str) -> str:
    """Returns the value of `gen_ai.provider.name` for a provider of headwater, "headwater" for a model without one."""
    return _PROVIDERS.get(ours, ours) or "headwater"


def of_settings(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings of a run as attributes, under `names`."""
    found: dict[str, Any] = {}
    for ours, name in names.items():
        value = settings.get(ours)
        if value is None or (ours == "reasoning" and not isinstance(value, str)):
            continue  # a budget in tokens or a switch is no level
        found[name] = float(value) if ours in _FLOATS else tuple(value) if ours == "stop" else value
    return found


def of_usage(usage: Usage, *, details: bool) -> dict[str, Any]:
    """Returns usage as attributes; `details` are the parts of the sums, for the span of a request."""
    counts: dict[str, Any] = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    if details:
        counts["gen_ai.usage.cache_read.input_tokens"] = usage.cached_input_tokens
        counts["gen_ai.usage.cache_write.input_tokens"] = usage.cache_write_tokens
        counts["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
    if usage.cost is not None:
        counts["headwater.cost"] = float(usage.cost)
    return {name: count for name, count in counts.items() if count is not None}


def error_type(error: ErrorInfo) -> str:
    """Returns the value of `error.type`: the name of the exception's class."""
    return error.type or "_OTHER"


def tool_error_type(event: ToolFinished) -> str:
    """Returns the value of `error.type` for a failed tool: the exception's class if the error names it."""
    if event.invalid:
        return "invalid_arguments"
    found = _ERROR_NAME.match(event.error or "")
    return found[1] if found is not None else "_OTHER"
