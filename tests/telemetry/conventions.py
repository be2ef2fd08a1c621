"""The conventions as a table: which attribute has which type, and what each span and metric must and may have.

Facts derived from open-telemetry/semantic-conventions-genai. The tag meant is v0.1.0; its files were not available, so
the table is derived from the same repository at these commits, the nearest that were: `docs/gen-ai/client-inference.md`
at 024a4f944a1291fcb627c9c47da69e79868dd15e (inference span, its attributes' types, the three inference histograms),
`model/gen-ai/registry.yaml` at e8fc5751506258db1459d1bde47994e01dee922e and `model/gen-ai/spans.yaml` at
002c8a6ea1c8a42b14a4527db83b3cabcded610a (agent, workflow and tool spans), with the changes of main up to
e07f4ebacb08f56db8c4c882d117720333fbca04 (`gen_ai.usage.cache_write.*`, the counters `gen_ai.client.inference.usage.*`,
what `gen_ai.invoke_agent.internal` no longer has). `LEGACY` is open-telemetry/semantic-conventions v1.41.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

__all__ = ("DEPRECATED", "LEGACY", "METRICS", "OURS", "SPANS", "TYPES", "Metric", "Shape", "fits", "wrong_in_span")

TYPES: Final[dict[str, str]] = {
    "error.type": "string",
    "gen_ai.agent.description": "string",
    "gen_ai.agent.name": "string",
    "gen_ai.conversation.id": "string",
    "gen_ai.input.messages": "any",
    "gen_ai.operation.name": "string",
    "gen_ai.output.messages": "any",
    "gen_ai.output.type": "string",
    "gen_ai.provider.name": "string",
    "gen_ai.request.choice.count": "int",
    "gen_ai.request.frequency_penalty": "double",
    "gen_ai.request.max_tokens": "int",
    "gen_ai.request.model": "string",
    "gen_ai.request.presence_penalty": "double",
    "gen_ai.request.reasoning.level": "string",
    "gen_ai.request.seed": "int",
    "gen_ai.request.stop_sequences": "string[]",
    "gen_ai.request.stream": "boolean",
    "gen_ai.request.temperature": "double",
    "gen_ai.request.top_k": "int",
    "gen_ai.request.top_p": "double",
    "gen_ai.response.finish_reasons": "string[]",
    "gen_ai.response.id": "string",
    "gen_ai.response.model": "string",
    "gen_ai.response.time_to_first_chunk": "double",
    "gen_ai.token.modality": "string",
    "gen_ai.token.type": "string",
    "gen_ai.tool.call.arguments": "any",
    "gen_ai.tool.call.id": "string",
    "gen_ai.tool.call.result": "any",
    "gen_ai.tool.name": "string",
    "gen_ai.tool.type": "string",
    "gen_ai.usage.cache_read.input_tokens": "int",
    "gen_ai.usage.cache_write.input_tokens": "int",
    "gen_ai.usage.input_tokens": "int",
    "gen_ai.usage.output_tokens": "int",
    "gen_ai.usage.reasoning.output_tokens": "int",
    "gen_ai.workflow.name": "string",
    "server.address": "string",
    "server.port": "int",
}

DEPRECATED: Final = frozenset(
    {
        "gen_ai.completion",
        "gen_ai.prompt",
        "gen_ai.system",
        "gen_ai.token.type",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.completion_tokens",
        "gen_ai.usage.prompt_tokens",
    }
)

OURS: Final[dict[str, str]] = {
    "headwater.cost": "double",
    "headwater.parked": "boolean",
    "headwater.run.id": "string",
    "headwater.usage.origin": "string",
}
"""Attributes of no convention."""


class Shape(NamedTuple):
    """A span: its kind, its attributes, and which of them make up its name."""

    kind: str
    name: tuple[str, ...]
    required: frozenset[str]
    other: frozenset[str]


_REQUEST: Final = frozenset(
    f"gen_ai.request.{name}"
    for name in (
        *("choice.count", "frequency_penalty", "max_tokens", "model", "presence_penalty", "seed"),
        *("stop_sequences", "temperature", "top_p"),
    )
)
_CONTENT: Final = frozenset({"gen_ai.input.messages", "gen_ai.output.messages"})
_TOTALS: Final = frozenset({"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"})
_COMMON: Final = frozenset({"error.type", "gen_ai.conversation.id"})

SPANS: Final[dict[str, Shape]] = {
    "chat": Shape(
        "CLIENT",
        ("gen_ai.operation.name", "gen_ai.request.model"),
        frozenset({"gen_ai.operation.name", "gen_ai.provider.name"}),
        _COMMON
        | _REQUEST
        | _CONTENT
        | _TOTALS
        | {
            "gen_ai.output.type",
            "gen_ai.request.reasoning.level",
            "gen_ai.request.stream",
            "gen_ai.request.top_k",
            "gen_ai.response.finish_reasons",
            "gen_ai.response.id",
            "gen_ai.response.model",
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_write.input_tokens",
            "gen_ai.usage.reasoning.output_tokens",
            "server.address",
            "server.port",
        },
    ),
    "invoke_agent": Shape(
        "INTERNAL",
        ("gen_ai.operation.name", "gen_ai.agent.name"),
        frozenset({"gen_ai.operation.name"}),
        _COMMON
        | _REQUEST
        | _CONTENT
        | _TOTALS
        | {"gen_ai.agent.description", "gen_ai.agent.name", "gen_ai.output.type", "gen_ai.response.finish_reasons"},
    ),
    "invoke_workflow": Shape(
        "INTERNAL",
        ("gen_ai.operation.name", "gen_ai.workflow.name"),
        frozenset({"gen_ai.operation.name"}),
        _COMMON | _CONTENT | {"gen_ai.workflow.name"},
    ),
    "execute_tool": Shape(
        "INTERNAL",
        ("gen_ai.operation.name", "gen_ai.tool.name"),
        frozenset({"gen_ai.operation.name", "gen_ai.tool.name"}),
        _COMMON
        | {
            "gen_ai.agent.name",
            "gen_ai.tool.call.arguments",
            "gen_ai.tool.call.id",
            "gen_ai.tool.call.result",
            "gen_ai.tool.type",
        },
    ),
}


class Metric(NamedTuple):
    """An instrument, its unit, and its attributes."""

    instrument: str
    unit: str
    required: frozenset[str]
    other: frozenset[str]


_ASKED: Final = frozenset({"gen_ai.operation.name", "gen_ai.provider.name"})
_ABOUT: Final = frozenset({"gen_ai.request.model", "gen_ai.response.model", "server.address", "server.port"})
_NOTHING: Final[frozenset[str]] = frozenset()
_COUNTER: Final = Metric("counter", "{token}", _ASKED | {"gen_ai.token.modality"}, _ABOUT)

METRICS: Final[dict[str, Metric]] = {
    "gen_ai.client.inference.duration": Metric("histogram", "s", _ASKED, _ABOUT | {"error.type"}),
    "gen_ai.client.inference.time_to_first_chunk": Metric("histogram", "s", _ASKED, _ABOUT),
    "gen_ai.client.inference.time_per_output_chunk": Metric("histogram", "s", _ASKED, _ABOUT),
    "gen_ai.client.inference.usage.input_tokens": _COUNTER,
    "gen_ai.client.inference.usage.output_tokens": _COUNTER,
    "gen_ai.client.inference.usage.cache_read.input_tokens": _COUNTER,
    "gen_ai.client.inference.usage.cache_write.input_tokens": _COUNTER,
    "gen_ai.client.inference.usage.reasoning.output_tokens": _COUNTER,
    "gen_ai.invoke_agent.duration": Metric(
        "histogram", "s", _NOTHING, frozenset({"error.type", "gen_ai.agent.name", "gen_ai.request.model"})
    ),
    "gen_ai.invoke_agent.inference_calls": Metric(
        "histogram", "{inference_call}", _NOTHING, frozenset({"gen_ai.agent.name"})
    ),
    "gen_ai.invoke_agent.tool_calls": Metric("histogram", "{tool_call}", _NOTHING, frozenset({"gen_ai.agent.name"})),
    "gen_ai.invoke_workflow.duration": Metric(
        "histogram", "s", _NOTHING, frozenset({"error.type", "gen_ai.workflow.name"})
    ),
    "gen_ai.execute_tool.duration": Metric(
        "histogram",
        "s",
        frozenset({"gen_ai.tool.name"}),
        frozenset({"error.type", "gen_ai.agent.name", "gen_ai.tool.type"}),
    ),
}

LEGACY: Final[dict[str, Metric]] = {
    "gen_ai.client.operation.duration": Metric("histogram", "s", _ASKED, _ABOUT | {"error.type"}),
    "gen_ai.client.operation.time_to_first_chunk": Metric("histogram", "s", _ASKED, _ABOUT),
    "gen_ai.client.operation.time_per_output_chunk": Metric("histogram", "s", _ASKED, _ABOUT),
    "gen_ai.client.token.usage": Metric("histogram", "{token}", _ASKED | {"gen_ai.token.type"}, _ABOUT),
}

_PYTHON: Final[dict[str, type | tuple[type, ...]]] = {
    "string": str,
    "int": int,
    "double": float,
    "boolean": bool,
    "any": str,  # as a JSON string, which spans may have
}


def fits(value: Any, type: str) -> bool:
    """Whether an attribute's value has the type that the table says."""
    if type == "string[]":
        return isinstance(value, (tuple, list)) and all(isinstance(one, str) for one in value)
    return isinstance(value, _PYTHON[type]) and (type == "boolean" or not isinstance(value, bool))


def wrong_in_span(name: str, kind: str, attributes: dict[str, Any]) -> list[str]:
    """What is wrong with a span, by the table; empty if nothing is."""
    operation = attributes.get("gen_ai.operation.name")
    if operation not in SPANS:
        return [f"{name}: no such operation: {operation}"]
    shape = SPANS[operation]
    said = " ".join(str(attributes[one]) for one in shape.name if one in attributes)
    wrong = [f"{name} is not {said}"] * (name != said) + [f"{name} is {kind}"] * (kind != shape.kind)
    wrong += [f"{name} lacks {one}" for one in shape.required - attributes.keys()]
    ours = {key for key in attributes if key.startswith("headwater.")}
    wrong += [f"{name} has {one}" for one in attributes.keys() - shape.required - shape.other - ours]
    wrong += [f"{name} has the deprecated {one}" for one in attributes.keys() & DEPRECATED]
    types = {**TYPES, **OURS}
    wrong += [f"{name}: {key} is {value!r}" for key, value in attributes.items() if not fits(value, types[key])]
    return wrong
