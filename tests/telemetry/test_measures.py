"""What each instrument records."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context

from headwater.events.messages import Usage
from headwater.telemetry.measures import Measures, Request
from tests.telemetry.conventions import LEGACY, METRICS
from tests.telemetry.traced import Traced

ASKED = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}


def request(**more: Any) -> Request:
    given: dict[str, Any] = {
        "attributes": ASKED,
        "error": "",
        "duration": 2.0,
        "to_first_chunk": 0.5,
        "between_chunks": [0.1, 0.2],
        "usage": Usage(
            input_tokens=5, output_tokens=3, cached_input_tokens=2, cache_write_tokens=1, reasoning_tokens=1
        ),
    }
    return Request(**{**given, **more})


@pytest.mark.parametrize("legacy", [False, True])
def test_a_request_records_every_metric_of_requests(legacy: bool) -> None:
    told = Traced()
    measures = Measures(told.meters.get_meter("headwater"), legacy=legacy)
    measures.request(request(), Context())
    table = {**METRICS, **(LEGACY if legacy else {})}
    assert {name for name, _ in told.metrics()} == {name for name in table if ".client." in name}
    (gaps,) = told.points("gen_ai.client.inference.time_per_output_chunk")
    assert (gaps.count, gaps.sum) == (2, pytest.approx(0.3))
    (first,) = told.points("gen_ai.client.inference.time_to_first_chunk")
    assert first.sum == 0.5
    (tokens,) = told.points("gen_ai.client.inference.usage.cache_read.input_tokens")
    assert (tokens.value, tokens.attributes["gen_ai.token.modality"]) == (2, "unknown")
    if legacy:
        usage = told.points("gen_ai.client.token.usage")
        assert {one.attributes["gen_ai.token.type"]: one.sum for one in usage} == {"input": 5, "output": 3}


def test_what_is_unknown_is_not_recorded_and_an_error_belongs_to_the_duration_alone() -> None:
    told = Traced()
    measures = Measures(told.meters.get_meter("headwater"))
    measures.request(request(error="ServerError", to_first_chunk=None, between_chunks=[], usage=Usage()), Context())
    assert [name for name, _ in told.metrics()] == ["gen_ai.client.inference.duration"]
    (duration,) = told.points("gen_ai.client.inference.duration")
    assert duration.attributes == {**ASKED, "error.type": "ServerError"}


def test_runs_and_tools() -> None:
    told = Traced()
    measures = Measures(told.meters.get_meter("headwater"))
    measures.agent("ann", "m", 1.5, 3, 2, "", Context())
    measures.workflow("day", 2.5, "RunTimeout", Context())
    measures.tool({"gen_ai.tool.name": "look"}, 0.5, "", Context())
    found = {name: told.points(name)[0] for name, _ in told.metrics()}
    assert {name: point.sum for name, point in found.items()} == {
        "gen_ai.invoke_agent.duration": 1.5,
        "gen_ai.invoke_agent.inference_calls": 3,
        "gen_ai.invoke_agent.tool_calls": 2,
        "gen_ai.invoke_workflow.duration": 2.5,
        "gen_ai.execute_tool.duration": 0.5,
    }
    assert found["gen_ai.invoke_agent.inference_calls"].attributes == {"gen_ai.agent.name": "ann"}
    assert found["gen_ai.invoke_workflow.duration"].attributes["error.type"] == "RunTimeout"
