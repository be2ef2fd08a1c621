from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from headwater import MCP
from headwater.errors import Parked
from headwater.events import InputAsked, ToolFinished, ToolProgress, ToolStarted
from headwater.testing import Call, check_log
from headwater.tools.mcp.calls import UNKNOWN
from tests.support.mcp import agent_with, gone, log_of_calls, pids, results, seen, small
from tests.support.mcp_server import server


def test_progress_and_results_are_in_the_log() -> None:
    calls = [Call("add", {"a": 1, "b": 2}), Call("slow", {"steps": 2}), Call("point", {"x": 1, "y": 2})]
    log = asyncio.run(log_of_calls(MCP(server()), calls))
    assert results(log)["add"] == "3"
    assert results(log)["slow"] == "done"
    assert [event.data for event in log if isinstance(event, ToolProgress)] == [
        {"progress": 1, "total": 2, "message": "step 1"},
        {"progress": 2, "total": 2, "message": "step 2"},
    ]


def test_errors_of_the_tool_the_server_and_the_arguments_are_read_by_the_model() -> None:
    log = asyncio.run(log_of_calls(MCP(server()), [Call("boom", {}), Call("add", {"a": "x"}), Call("nothing", {})]))
    ends = {event.name: event for event in log if isinstance(event, ToolFinished)}
    assert ends["boom"].error is not None
    assert "kaputt" in ends["boom"].error
    assert ends["add"].invalid
    assert "b: required" in str(ends["add"].error)
    assert "There is no tool named 'nothing'" in str(ends["nothing"].error)


def test_a_result_that_does_not_fit_the_servers_own_schema_is_an_error() -> None:
    log = asyncio.run(log_of_calls(small(), Call("lie", {})))
    assert "Invalid structured content" in results(log)["lie"]


def test_an_error_with_the_code_of_a_lost_connection_is_the_servers_own(tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    log = asyncio.run(log_of_calls(small(saw=saw), Call("refuse", {})))
    assert results(log)["refuse"] == "out of order"
    assert len(pids(saw)) == 1


# --- leaving


def test_leaving_cancels_the_call_at_the_server(tmp_path: Path) -> None:
    saw = tmp_path / "saw"

    async def main() -> None:
        one = small(saw=saw)
        agent = agent_with(one, turns=[[Call("hang", {})], [Call("echo", {})], "done"])
        stream = agent.run_stream("go")
        async for event in stream.events():
            if isinstance(event, ToolProgress):
                break
        assert stream.response.finish_reason == "cancelled"
        await agent.run("again")  # what it has sent was read before this is
        assert "cancelled" in seen(saw)
        assert len(pids(saw)) == 1
        await one.aclose()

    asyncio.run(main())
    assert gone(*pids(saw))


def test_leaving_cancels_the_call_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_TEST_SAW", str(tmp_path / "saw"))

    async def main() -> None:
        agent = agent_with(MCP(server()), turns=[[Call("slow", {"steps": 100_000})]])
        async for event in agent.run_stream("go").events():
            if isinstance(event, ToolProgress):
                break
        while seen(tmp_path / "saw") != ["slow", "cancelled"]:  # noqa: ASYNC110
            await asyncio.sleep(0)

    asyncio.run(main())


# --- lost connections


def test_what_a_call_did_before_its_server_died_is_unknown(tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    log = asyncio.run(log_of_calls(small(saw=saw), Call("die", {}), Call("echo", {"a": 1})))
    assert results(log) == {"die": UNKNOWN, "echo": '{"a": 1}'}
    assert seen(saw).count("die") == 1
    assert len(pids(saw)) == 2


def test_a_call_that_may_be_repeated_is(tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    log = asyncio.run(log_of_calls(small(saw=saw), Call("die_once", {})))
    assert results(log) == {"die_once": "{}"}
    assert seen(saw).count("die_once") == 2


def test_a_server_that_was_killed_meanwhile_is_started_again_and_nothing_is_unknown(tmp_path: Path) -> None:
    saw = tmp_path / "saw"

    async def main() -> None:
        async with small(saw=saw) as one:
            agent = agent_with(one, turns=[[Call("echo", {"a": 1})], "done", [Call("echo", {"a": 2})], "done"])
            await agent.run("go")
            os.kill(pids(saw)[0], signal.SIGKILL)
            session = await one.connection().session()
            while not session.over:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            log = [event async for event in agent.run_stream("go").events()]
            assert results(log) == {"echo": '{"a": 2}'}

    asyncio.run(main())
    assert len(pids(saw)) == 2


def test_all_calls_of_a_step_share_the_second_connection(tmp_path: Path) -> None:
    saw = tmp_path / "saw"
    calls = [Call("die_once", {"n": n}) for n in range(5)]
    log = asyncio.run(log_of_calls(small(saw=saw), calls))
    assert [event.error for event in log if isinstance(event, ToolFinished)] == [None] * 5
    assert len(pids(saw)) == 2


# --- people


@pytest.mark.parametrize("era", ["now", "before"])
def test_a_server_asks_a_person(era: str, tmp_path: Path) -> None:
    async def main() -> None:
        tool = MCP(server()) if era == "now" else small(saw=tmp_path / "saw")
        stream = agent_with(tool, turns=[[Call("ask", {})], "done"]).run_stream("go")
        log = []
        async for event in stream.events():
            log.append(event)
            if isinstance(event, InputAsked):
                assert event.message == "Really?"
                assert event.schema["required"] == ["ok"]
                stream.answer(event.input, {"ok": True})
        check_log(log)
        said = results(log)["ask"]
        assert "accept" in said
        assert "true" in said.lower()
        assert era == "before" or "because" in said
        assert era == "before" or "state-1" in said

    asyncio.run(main())


def test_a_declined_question_is_the_servers_to_judge() -> None:
    async def main() -> None:
        stream = agent_with(MCP(server()), turns=[[Call("ask", {})], "done"]).run_stream("go")
        log = []
        async for event in stream.events():
            log.append(event)
            if isinstance(event, InputAsked):
                stream.decline(event.input)
        assert "decline" in results(log)["ask"]

    asyncio.run(main())


def test_another_process_continues_with_the_servers_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWATER_TEST_SAW", str(tmp_path / "saw"))

    async def main() -> None:
        made = server()
        agent = agent_with(MCP(made), turns=[[Call("ask", {})]])
        stream = agent.run_stream("go")
        with pytest.raises(Parked) as parked:  # noqa: PT012
            async for event in stream.events():
                if isinstance(event, InputAsked):
                    stream.park()
        asked = next(event for event in parked.value.log if isinstance(event, InputAsked))
        again = agent_with(MCP(made), turns=["done"])
        resumed = again.resume(parked.value.log, answers={asked.input: {"ok": True}})
        log = [event async for event in resumed.events()]
        check_log([*parked.value.log, *log])
        assert results(log)["ask"] == "accept {'ok': True, 'why': 'because'} state-1"
        assert [event.try_ for event in log if isinstance(event, ToolStarted)] == [2]
        assert seen(tmp_path / "saw").count("ask") == 2  # the question was not asked again

    asyncio.run(main())
