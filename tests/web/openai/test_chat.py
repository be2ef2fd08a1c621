"""What OpenAI's own clients make of it is tried in tests/system/clients."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from headwater.events import ErrorInfo, Event, RunCancelled, RunFailed, RunFinished
from headwater.events.messages import Usage
from headwater.testing import check_surface, sample_logs
from headwater.web.openai.chat import DONE, WAITS, chat_wire, completion, usage_of
from headwater.web.openai.failures import failure
from headwater.web.wires.endings import is_filtered
from headwater.web.wires.voice import Voice


def chunks(log: Iterable[Event], *, usage: bool = False) -> list[Any]:
    of = chat_wire("writer", usage=usage).make()
    data = b"".join(map(of, log)).decode()
    data = data.replace(WAITS.decode(), "")
    frames = [frame.removeprefix("data: ") for frame in data.split("\n\n") if frame]
    assert all(line.startswith("data: ") for line in data.splitlines() if line)  # no id, no retry, no name
    return [frame if frame == "[DONE]" else json.loads(frame) for frame in frames]


def finished() -> dict[str, tuple[Event, ...]]:
    return {name: log for name, log in sample_logs().items() if isinstance(log[-1], RunFinished)}


def test_it_reads_every_log_and_changes_none() -> None:
    check_surface(chat_wire("writer", usage=True).make)


def test_it_has_the_runs_text_and_ends() -> None:
    for name, log in sample_logs().items():
        if not isinstance(log[-1], RunFinished | RunFailed | RunCancelled):
            continue
        voice = Voice()
        said = [one for event in log for one in voice(event)]
        *told, done = chunks(log)
        assert done == "[DONE]", name
        deltas = [chunk["choices"][0]["delta"] for chunk in told if chunk.get("choices")]
        for kind, field in (("text", "content"), ("reasoning", "reasoning_content"), ("refusal", "refusal")):
            assert "".join(delta.get(field) or "" for delta in deltas) == "".join(
                one.text for one in said if one.kind == kind
            ), name
        assert deltas[0] == {"role": "assistant", "content": ""}
        reasons = [chunk["choices"][0]["finish_reason"] for chunk in told if chunk.get("choices")]
        if isinstance(log[-1], RunFinished):
            assert set(reasons[:-1]) == {None}
            assert reasons[-1] in ("stop", "length", "content_filter", "tool_calls")
        elif is_filtered(log[-1]):
            assert (set(reasons[:-1]), reasons[-1]) == ({None}, "content_filter")
        else:
            assert set(reasons) == {None}
            assert set(told[-1]) == {"error"}


def test_a_guards_block_is_a_finish_reason() -> None:
    log = sample_logs()["blocked by a guard"]
    *told, _ = chunks(log, usage=True)
    assert told[-2]["choices"][0]["finish_reason"] == "content_filter"
    assert "usage" in told[-1]
    whole = completion(log, "writer")
    assert whole["choices"][0]["finish_reason"] == "content_filter"
    assert whole["choices"][0]["message"]["content"] == "The key is"


def test_each_chunk_has_the_same_head_and_no_clock_is_read() -> None:
    log = next(iter(finished().values()))
    told = [chunk for chunk in chunks(log) if chunk != "[DONE]"]
    heads = [{name: chunk[name] for name in ("id", "object", "created", "model")} for chunk in told]
    assert heads == [heads[0]] * len(heads)
    assert heads[0]["created"] == int(log[0].time)
    assert heads[0]["id"] == f"chatcmpl-{log[0].run}"


def test_the_usage_comes_last_on_request() -> None:
    log = next(iter(finished().values()))
    *_, last, done = chunks(log, usage=True)
    end = log[-1]
    assert isinstance(end, RunFinished)
    assert (last["choices"], last["usage"], done) == ([], usage_of(end.usage), "[DONE]")
    assert not any("usage" in chunk for chunk in chunks(log)[:-1])
    counted = usage_of(Usage(input_tokens=5, output_tokens=7, cached_input_tokens=2, reasoning_tokens=3))
    assert counted["total_tokens"] == 12
    assert counted["prompt_tokens_details"] == {"cached_tokens": 2}
    assert usage_of(Usage())["total_tokens"] == 0


def test_an_end_before_its_time_is_an_error() -> None:
    failed = failure(RunFailed(error=ErrorInfo(type="Overloaded", message="Too much.")))
    assert failed["error"] == {"message": "Too much.", "type": "server_error", "param": None, "code": "Overloaded"}
    assert failure(RunCancelled(by="left"))["error"]["code"] == "cancelled"
    assert DONE == b"data: [DONE]\n\n"


def test_the_complete_answer_is_what_was_streamed() -> None:
    for name, log in finished().items():
        whole = completion(log, "writer")
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks(log) if chunk != "[DONE]"]
        message = whole["choices"][0]["message"]
        assert (message["content"] or "") == "".join(delta.get("content") or "" for delta in deltas), name
        assert whole["choices"][0]["finish_reason"] == chunks(log)[-2]["choices"][0]["finish_reason"]
        assert whole["object"] == "chat.completion"
    cut = next(log for log in sample_logs().values() if isinstance(log[-1], RunFailed))
    assert set(completion(cut, "writer")) == {"error"}
