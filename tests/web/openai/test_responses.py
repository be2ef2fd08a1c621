"""What OpenAI's own clients make of it is tried in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from headwater import Answer, tool
from headwater.backends.offline import Call, Say
from headwater.events import Event, RunCancelled, RunFailed, RunFinished
from headwater.testing import check_surface, sample_logs
from headwater.web.openai.chat import WAITS
from headwater.web.openai.responses import approval_of, response_id, response_of, responses_wire, run_id
from headwater.web.wires.voice import Voice
from tests.support.streams import log_of, scripted

ENDS = (RunFinished, RunFailed, RunCancelled)


def events(log: Iterable[Event], **asked: Any) -> list[dict[str, Any]]:
    of = responses_wire("writer", **asked).make()
    frames = b"".join(map(of, log)).decode().replace(WAITS.decode(), "").split("\n\n")
    told = []
    for frame in frames:
        lines = dict(line.split(": ", 1) for line in frame.splitlines())
        assert set(lines) <= {"event", "data"}
        if lines and lines["data"] != "[DONE]":
            told.append(json.loads(lines["data"]))
            assert told[-1]["type"] == lines["event"]
    return told


def ended() -> dict[str, tuple[Event, ...]]:
    logs = {name: log for name, log in sample_logs().items() if isinstance(log[-1], ENDS) and log[0].run == log[-1].run}
    assert len(logs) > 10
    return logs


def test_it_reads_every_log_and_changes_none() -> None:
    check_surface(responses_wire("writer").make)


def test_each_item_is_opened_filled_and_closed_and_the_last_event_has_all() -> None:
    for name, log in ended().items():
        told = events(log)
        assert [one["sequence_number"] for one in told] == [*range(len(told))], name
        assert [one["type"] for one in told[:2]] == ["response.created", "response.in_progress"]
        assert told[-1]["type"] in ("response.completed", "response.incomplete", "response.failed")
        added = [one for one in told if one["type"] == "response.output_item.added"]
        done = [one for one in told if one["type"] == "response.output_item.done"]
        assert sorted(one["output_index"] for one in done) == [*range(len(added))], name
        assert [one["output_index"] for one in added] == [*range(len(added))]
        output = told[-1]["response"]["output"]
        assert output == [one["item"] for one in sorted(done, key=lambda one: int(one["output_index"]))], name
        assert len({item["id"] for item in output}) == len(output)
        filled: dict[str, str] = {}
        for one in told:
            if one["type"] == "response.output_text.delta":
                filled[one["item_id"]] = filled.get(one["item_id"], "") + one["delta"]
        for item in output:
            if item["type"] == "message":
                text = "".join(part["text"] for part in item["content"] if part["type"] == "output_text")
                assert text == filled.get(item["id"], "")


def test_it_has_the_runs_text() -> None:
    for name, log in ended().items():
        voice = Voice()
        said = [one for event in log for one in voice(event)]
        told = events(log)
        for kind, delta in (("text", "output_text"), ("reasoning", "reasoning_summary_text"), ("refusal", "refusal")):
            words = "".join(one["delta"] for one in told if one["type"] == f"response.{delta}.delta")
            wanted = [one.text for one in said if one.kind == kind]
            assert words == "".join(wanted), name


def test_from_after_each_number_the_rest_is_sent() -> None:
    log = next(log for log in ended().values() if any(event.type == "tool.finished" for event in log))
    whole = events(log)
    for number in range(-1, len(whole)):
        assert events(log, after=number) == whole[number + 1 :]


async def look(at: str) -> str:
    """Look."""
    return f"saw {at}"


@tool(approval=True)
async def send() -> str:
    """Send."""
    return "sent"


def test_the_agents_calls_are_shown_and_never_sent_to_the_client() -> None:
    from openai.types.responses.response_output_item import McpCall

    agent = scripted([Say("I look. "), Call("look", {"at": "sea"})], Call("send"), [Say("Done.")], tools=[look, send])

    async def main() -> list[Event]:
        return await log_of(agent.run_stream("Go.", approver=lambda question: Answer(allowed=False, note="not now")))

    log = asyncio.run(main())
    output = events(log)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "mcp_call", "mcp_call", "message"]
    looked, sent = output[1:3]
    assert (looked["server_label"], looked["name"], looked["arguments"]) == ("agent", "look", '{"at":"sea"}')
    assert (looked["status"], looked["output"], looked["error"]) == ("completed", "saw sea", None)
    assert (sent["name"], sent["status"]) == ("send", "failed")
    assert sent["error"]["content"] == [{"type": "text", "text": "Denied: not now."}]
    for call in (looked, sent):
        assert McpCall.model_validate(call).model_dump(exclude_unset=True) == call


def test_every_response_is_one_in_the_types_of_the_openai_package() -> None:
    from openai.types.responses import Response

    for log in ended().values():
        for told in events(log):
            if "response" in told and not isinstance(log[-1], RunCancelled):  # the package knows no such reason
                assert Response.model_validate(told["response"])


def test_the_complete_answer_is_the_last_event() -> None:
    for log in ended().values():
        whole, last = response_of(log, "writer"), events(log)[-1]["response"]
        assert whole is not None
        if isinstance(log[-1], RunCancelled):
            assert (whole["status"], last["incomplete_details"]) == ("cancelled", {"reason": "cancelled"})
        else:
            assert whole == last
        half = response_of(log[: len(log) // 2], "writer", background=True)
        assert half is not None
        assert (half["status"], half["background"]) == ("in_progress", True)
    assert response_of([], "writer") is None


def test_ids_lead_back_to_runs() -> None:
    assert run_id(response_id("run_1")) == ("run_1", 0)
    assert run_id(response_id("run_1", 2)) == ("run_1", 2)
    assert run_id("chatcmpl-run_1") == ("", 0)
    assert approval_of("mcpr_run_1.appr_2") == ("run_1", "appr_2")
    assert approval_of("else") == ("", "")
