"""Telemetry of running runs: parents, ends, what is current, and that nothing is left."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from typing import Any

import pytest
from opentelemetry import trace

from headwater import Agent, ConcurrentWorkflow, RunFile, SequentialWorkflow, tool
from headwater.errors import ApprovalNeeded, ConfigurationError, HeadwaterError
from headwater.events import Event, TextDelta
from headwater.runtime import process_hooks
from headwater.telemetry import instrument
from headwater.testing import Call, Cut, Fail, ProviderSimulator, ScriptedModel, run_virtual
from tests.support.journals import journal as journal
from tests.support.paths import ROOT
from tests.support.streams import always, scripted
from tests.telemetry.conventions import LEGACY, METRICS, fits
from tests.telemetry.conventions import TYPES as TYPES_OF
from tests.telemetry.traced import Traced, children_of, named, traced, tree_of


def looking(told: Traced, **more: Any) -> Agent[Any, Any]:
    """An agent whose two tools, one in a thread, have spans of their own."""

    @tool
    def look(what: str) -> str:
        """Look."""
        with told.tracer.start_as_current_span("in the thread"):
            return f"saw {what}"

    @tool
    async def listen(what: str) -> str:
        """Listen."""
        with told.tracer.start_as_current_span("in the task"):
            await asyncio.sleep(0)
            return f"heard {what}"

    calls = ["Wait. ", Call("look", {"what": "sea"}), Call("listen", {"what": "wind"})]
    return scripted(calls, "Blue and loud.", name="guide", tools=[look, listen], **more)


def test_a_run_in_the_programs_span_with_its_tools_spans_inside() -> None:
    with traced() as told, told.tracer.start_as_current_span("request"):
        assert looking(told).run("What is there?") == "Blue and loud."
        assert trace.get_current_span().name == "request"  # type: ignore[attr-defined]
    told.check()
    assert tree_of(told.ended) == [
        "request",
        "request > invoke_agent guide",
        "request > invoke_agent guide > chat offline",
        "request > invoke_agent guide > chat offline",
        "request > invoke_agent guide > execute_tool listen",
        "request > invoke_agent guide > execute_tool listen > in the task",
        "request > invoke_agent guide > execute_tool look",
        "request > invoke_agent guide > execute_tool look > in the thread",
    ]


@pytest.mark.parametrize("face", ["run", "arun", "events", "start"])
def test_a_journal_gets_every_event_of_a_traced_run(journal: str, face: str) -> None:
    agent: Agent[Any, Any] = Agent(name=face, model="offline", journal=journal)

    async def read() -> list[Event]:
        return [event async for event in agent.run_stream("Explain tides").events()]

    with traced() as told:
        match face:
            case "run":
                agent.run("Explain tides")
            case "arun":
                asyncio.run(agent.arun("Explain tides"))
            case "events":
                asyncio.run(read())
            case _:
                agent.start("Explain tides").result_sync()
    told.check()
    assert tree_of(told.ended)[0] == f"invoke_agent {face}"


def test_runs_in_threads_each_have_the_span_of_their_thread() -> None:
    agent: Agent[Any, Any] = Agent(name="guide", model=always("So."))

    def work(number: int) -> None:
        with told.tracer.start_as_current_span(f"thread {number}"):
            agent.run("Go.")

    with traced() as told:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    told.check()
    for number in range(5):
        assert children_of(told.ended, named(told.ended, f"thread {number}")) == ["invoke_agent guide"]


def test_a_tree_of_workflow_member_tool_and_agent_below() -> None:
    helper = scripted("Calm.", name="helper")
    asks = scripted([Call("helper", {"task": "Weather?"})], "It is calm.", name="ann", tools=[helper])
    flow = ConcurrentWorkflow([asks, scripted("Warm.", name="bob")], name="crew")
    with traced() as told:
        SequentialWorkflow([flow, scripted("Sail.", name="skipper")], name="day").run("Sail?")
    told.check()
    crew = "invoke_workflow day > invoke_workflow crew"
    assert tree_of(told.ended) == [
        "invoke_workflow day",
        "invoke_workflow day > invoke_agent skipper",
        "invoke_workflow day > invoke_agent skipper > chat offline",
        crew,
        f"{crew} > invoke_agent ann",
        f"{crew} > invoke_agent ann > chat offline",
        f"{crew} > invoke_agent ann > chat offline",
        f"{crew} > invoke_agent ann > execute_tool helper",
        f"{crew} > invoke_agent ann > execute_tool helper > invoke_agent helper",
        f"{crew} > invoke_agent ann > execute_tool helper > invoke_agent helper > chat offline",
        f"{crew} > invoke_agent bob",
        f"{crew} > invoke_agent bob > chat offline",
    ]


def test_a_handoff_and_a_run_that_a_tool_starts_by_itself() -> None:
    heir = scripted("Yours.", name="heir")
    inner = scripted("Deep.", name="inner")

    @tool
    async def dive(to: str) -> str:
        """Dive."""
        return str(await inner.arun("How deep?"))

    front = scripted(
        [Call("dive", {"to": "wreck"})], [Call("transfer_to_heir", {})], name="front", tools=[dive], handoffs=[heir]
    )
    with traced() as told:
        front.run("Go.")
    told.check()
    paths = tree_of(told.ended)
    assert "invoke_agent front > execute_tool dive > invoke_agent inner > chat offline" in paths
    assert "invoke_agent front > invoke_agent heir > chat offline" in paths


# --- every end


def test_break_ends_every_span_before_the_next_statement() -> None:
    async def main() -> None:
        async for event in looking(told).run_stream("Go.").events():
            if isinstance(event, TextDelta):
                break
        told.check()

    with traced() as told:
        run_virtual(main())
    agent = named(told.ended, "invoke_agent guide")
    assert agent.attributes is not None
    assert agent.attributes["gen_ai.response.finish_reasons"] == ("cancelled",)
    assert agent.status.status_code is trace.StatusCode.UNSET


def test_cancel_of_the_run_and_of_its_task() -> None:
    async def cancelled() -> None:
        stream = looking(told).run_stream("Go.")
        async for event in stream.events():
            if isinstance(event, TextDelta):
                stream.cancel()

    async def task_cancelled() -> None:
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in looking(told).run_stream("Go.").events():
                begun.set()
                await asyncio.sleep(0)

        reading = asyncio.create_task(read())
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    for main in (cancelled, task_cancelled):
        with traced() as told:
            run_virtual(main())
        told.check()
        assert named(told.ended, "invoke_agent guide").status.status_code is trace.StatusCode.UNSET


def test_break_while_a_tool_runs() -> None:
    @tool
    async def sleep(seconds: int) -> str:
        """Sleep."""
        await asyncio.sleep(seconds)
        return "slept"

    async def main() -> None:
        agent = scripted([Call("sleep", {"seconds": 100})], "So.", name="guide", tools=[sleep])
        async for event in agent.run_stream("Go.").events():
            if event.type == "tool.started":
                break
        told.check()

    with traced() as told:
        run_virtual(main())
    assert named(told.ended, "execute_tool sleep").status.status_code is trace.StatusCode.UNSET


def test_a_failed_run_says_what_failed_and_not_what_was_said() -> None:
    with traced() as told, pytest.raises(HeadwaterError):
        scripted(["Half a secret", Cut()], name="guide").run("Go.")
    told.check()
    for name in ("chat offline", "invoke_agent guide"):
        span = named(told.ended, name)
        assert span.status.status_code is trace.StatusCode.ERROR
        assert span.status.description is None
        assert span.attributes is not None
        assert span.attributes["error.type"] == "IncompleteStream"
        assert span.attributes["gen_ai.response.finish_reasons"] == ("error",)
    (duration,) = told.points("gen_ai.client.inference.duration")
    assert duration.attributes["error.type"] == "IncompleteStream"


def test_a_stream_that_is_dropped_ends_its_spans_when_it_is_collected() -> None:
    async def main() -> None:
        stream = looking(told).run_stream("Go.")
        events = stream.events()
        await anext(events)
        del stream, events
        gc.collect()
        await asyncio.sleep(1)

    with traced() as told:
        run_virtual(main())
        gc.collect()
    told.check()
    assert told.ended


def test_a_parked_run_ends_its_spans_and_a_resumed_one_has_new_ones() -> None:
    @tool(approval=True)
    async def pay(euros: int) -> str:
        """Pay."""
        return f"paid {euros}"

    agent = scripted([Call("pay", {"euros": 5})], "Paid.", name="buyer", tools=[pay], keep_log=True)
    team = SequentialWorkflow([agent], name="shop", keep_log=True)
    with traced() as told:
        with pytest.raises(ApprovalNeeded) as parked:
            team.run("Buy it.")
        told.check()
        assert tree_of(told.ended) == [
            "invoke_workflow shop",
            "invoke_workflow shop > invoke_agent buyer",
            "invoke_workflow shop > invoke_agent buyer > chat offline",
        ]
        before = len(told.ended)
        (question,) = parked.value.pending
        agent = scripted("Paid.", name="buyer", tools=[pay], keep_log=True)
        team = SequentialWorkflow([agent], name="shop", keep_log=True)
        with told.tracer.start_as_current_span("later"):
            team.resume(parked.value.log, approvals={question.id: True}, on_changed="warn").result_sync()
    told.check()
    assert tree_of(told.ended[before:]) == [
        "later",
        "later > invoke_workflow shop",
        "later > invoke_workflow shop > invoke_agent buyer",
        "later > invoke_workflow shop > invoke_agent buyer > chat offline",
        "later > invoke_workflow shop > invoke_agent buyer > execute_tool pay",
    ]


# --- requests


def called(name: str, turns: list[Any]) -> ScriptedModel:
    """A model of that name, whose turns are taken from the end."""
    model = ScriptedModel(lambda request: turns.pop())
    model.model = name
    return model


def test_a_retry_is_an_event_of_one_span_and_a_fallback_a_span_of_its_own() -> None:
    agent: Agent[Any, Any] = Agent(name="guide", model=called("first", ["So.", [Fail(503)]]))
    broken: Agent[Any, Any] = Agent(
        name="guide", model=called("first", [[Fail(503)]] * 3), fallback=[called("second", ["So."])]
    )

    async def main(one: Agent[Any, Any]) -> None:
        assert await one.arun("Go.") == "So."

    with traced() as told:
        run_virtual(main(agent))
    told.check()
    chat = named(told.ended, "chat first")
    (retry,) = chat.events
    assert retry.name == "headwater.retry"
    assert dict(retry.attributes or {})["error.type"] == "Overloaded"
    (calls,) = told.points("gen_ai.invoke_agent.inference_calls")
    assert calls.sum == 2

    with traced() as told:
        run_virtual(main(broken))
    told.check()
    assert len(named(told.ended, "chat first").events) == 2
    assert named(told.ended, "chat first").status.status_code is trace.StatusCode.ERROR
    assert children_of(told.ended, named(told.ended, "invoke_agent guide")) == ["chat first", "chat second"]


@pytest.mark.parametrize("api", ["openai-chat", "anthropic", "gemini"])
def test_over_http_with_server_settings_and_what_the_provider_says(api: str) -> None:
    with ProviderSimulator(["Good day to you."]) as provider, traced(content=True) as told:
        model = str(provider.model(api).name)
        agent: Agent[Any, Any] = Agent(
            name="guide",
            model=model,
            base_url=provider.url(api),
            api_key="sk-secret",
            temperature=1,
            max_tokens=50,
            stop=["END"],
        )
        assert agent.run("Hello") == "Good day to you."
    told.check()
    attributes: dict[str, Any] = dict(told.ended[0].attributes or {})
    assert told.ended[0].name == f"chat {attributes['gen_ai.request.model']}"
    assert model.endswith(attributes["gen_ai.request.model"])
    assert attributes["server.address"] == "127.0.0.1"
    assert f":{attributes['server.port']}" in provider.url(api)
    assert attributes["gen_ai.request.temperature"] == 1.0
    assert attributes["gen_ai.request.max_tokens"] == 50
    assert attributes["gen_ai.request.stop_sequences"] == ("END",)
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["headwater.usage.origin"] == "measured"
    assert attributes["gen_ai.usage.input_tokens"] > 0
    assert "sk-secret" not in str([dict(span.attributes or {}) for span in told.ended])


# --- metrics


def test_every_metric_is_in_the_table_with_its_instrument_unit_and_attributes() -> None:
    def work() -> None:
        team = SequentialWorkflow([looking(told), scripted("So.", name="bob")], name="day")
        team.run("Go.")
        with pytest.raises(HeadwaterError):
            scripted(["Half", Cut()]).run("Go.")

    for legacy in (False, True):
        with traced(legacy=legacy) as told:
            work()
        table = {**METRICS, **(LEGACY if legacy else {})}
        recorded = dict(told.metrics())
        unheard = {name for name in table if any(word in name for word in ("cache", "reasoning", "per_output"))}
        assert set(recorded) >= set(table) - unheard
        for name, metric in recorded.items():
            shape = table[name]
            assert metric.unit == shape.unit
            assert type(metric.data).__name__ == {"histogram": "Histogram", "counter": "Sum"}[shape.instrument]
            for point in metric.data.data_points:
                attributes = dict(point.attributes)
                assert shape.required <= attributes.keys() <= shape.required | shape.other, name
                assert all(fits(value, TYPES_OF[key]) for key, value in attributes.items())


def test_durations_of_metrics_are_those_of_the_spans() -> None:
    with traced() as told:
        looking(told).run("Go.")
    for metric, name in (
        ("gen_ai.invoke_agent.duration", "invoke_agent guide"),
        ("gen_ai.execute_tool.duration", "execute_tool look"),
    ):
        span = named(told.ended, name)
        assert span.start_time is not None
        assert span.end_time is not None
        points = [one for one in told.points(metric) if one.attributes.get("gen_ai.tool.name", "look") == "look"]
        assert points[0].sum == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-6)
    (calls,) = told.points("gen_ai.invoke_agent.inference_calls")
    (tools,) = told.points("gen_ai.invoke_agent.tool_calls")
    assert (calls.sum, tools.sum) == (2, 2)


# --- content


def test_no_content_without_asking_and_the_official_shapes_with() -> None:
    with traced() as told:
        looking(told).run("What is there?")
    said = str([(span.name, dict(span.attributes or {}), span.events) for span in told.ours])
    assert not [word for word in ("What is there", "Blue and loud", "sea", "saw") if word in said]
    with traced(content=True) as told:
        looking(told).run("What is there?")
    told.check()
    tools = dict(named(told.ended, "execute_tool look").attributes or {})
    assert tools["gen_ai.tool.call.arguments"] == '{"what":"sea"}'
    assert tools["gen_ai.tool.call.result"] == '{"output":"saw sea"}'
    agent = dict(named(told.ended, "invoke_agent guide").attributes or {})
    assert agent["gen_ai.input.messages"] == '[{"role":"user","parts":[{"type":"text","content":"What is there?"}]}]'
    assert "Blue and loud." in str(agent["gen_ai.output.messages"])
    last = [span for span in told.ended if span.name == "chat offline"][-1]
    assert '"tool_call_response"' in str((last.attributes or {})["gen_ai.input.messages"])


# --- on and off


def test_a_second_call_replaces_the_first_and_nothing_stays() -> None:
    with traced() as first, traced() as second:
        scripted("So.").run("Go.")
    assert (len(first.ended), len(second.ended)) == (0, 2)
    assert process_hooks.hooks() == ()
    assert process_hooks._tool_hooks == ()


def test_a_run_that_is_only_played_is_not_traced(tmp_path: Any) -> None:
    scripted("So.").run("Go.", save=tmp_path / "run.jsonl")
    with traced() as told:
        assert RunFile(tmp_path / "run.jsonl").play(0).result_sync() == "So."
    assert told.started == []


def test_a_provider_that_raises_ends_no_run() -> None:
    class Broken(trace.NoOpTracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Any:
            class Tracer(trace.NoOpTracer):
                def start_span(self, *_: Any, **__: Any) -> Any:
                    raise RuntimeError("full")

            return Tracer()

    end = instrument(Broken())
    try:
        response = scripted("So.").run_stream("Go.").result_sync()
    finally:
        end()
    assert response == "So."
    assert response.callback_errors > 0


def test_without_telemetry_nothing_of_it_is_imported() -> None:
    program = (
        "import sys, headwater; from headwater.testing import ScriptedModel;"
        " headwater.Agent(model=ScriptedModel(['So.'])).run('Go.');"
        " print(*[name for name in sys.modules if 'opentelemetry' in name or 'telemetry' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "headwater.telemetry.live")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"opentelemetry-api.*pip install"):
        instrument()
