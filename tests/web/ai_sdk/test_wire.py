"""Held to what the AI SDK's clients take; they themselves read it in tests/system/clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest

from headwater import ToolContext, tool
from headwater.backends.offline import Call, Cut, Say
from headwater.events import Event, Retracted, RunCancelled, RunFailed, RunFinished, TextDelta
from headwater.testing import check_surface, sample_logs
from headwater.web.ai_sdk.wire import VERSIONS, Version, ai_sdk_wire, waits_for_approval
from tests.support.members import paced
from tests.support.streams import log_of, scripted

ENDS = (RunFinished, RunFailed, RunCancelled)

SINCE_5 = {
    *("start", "start-step", "finish-step", "finish", "abort", "error", "message-metadata"),
    *("text-start", "text-delta", "text-end", "reasoning-start", "reasoning-delta", "reasoning-end"),
    *("file", "source-url", "tool-input-start", "tool-input-delta", "tool-input-available", "tool-input-error"),
    *("tool-output-available", "tool-output-error"),
}
SINCE_6 = {"tool-approval-request", "tool-output-denied"}
KNOWN = {5: SINCE_5, 6: SINCE_5 | SINCE_6, 7: SINCE_5 | SINCE_6 | {"reset-step"}}
REASONS = {"stop", "length", "content-filter", "tool-calls", "error", "other"}
FREE = ("data", "input", "output", "messageMetadata")
"""Fields that may hold any JSON."""


def chunks(log: Iterable[Event], version: Version, **where: int) -> list[dict[str, Any]]:
    of = ai_sdk_wire(version, **where).make()
    frames = [frame for event in log for frame in of(event).decode().split("\n\n") if frame]
    assert all(frame.startswith("data: ") for frame in frames)
    assert "data: [DONE]" not in frames[:-1]
    return [json.loads(frame[6:]) for frame in frames if frame != "data: [DONE]"]


class Client:
    """What a client makes of the chunks, and what it would not take."""

    def __init__(self, version: Version, calls: Iterable[str] = ()) -> None:
        self.version = version
        self.text: dict[str, str] = {}
        self.open: dict[str, str] = {}
        self.calls = {*calls}
        self.step: list[str] = []
        self.in_step = self.begun = self.over = False

    def read(self, chunk: dict[str, Any]) -> None:
        kind = chunk["type"]
        assert kind in KNOWN[self.version] or kind.startswith("data-"), kind
        assert not self.over, f"{kind} after the finish"
        assert None not in [value for name, value in chunk.items() if name not in FREE], chunk
        assert self.begun == (kind != "start"), kind
        stem, _, what = kind.rpartition("-")
        if kind == "start":
            self.begun = True
        elif kind == "start-step":
            assert not self.in_step
            self.in_step, self.step = True, []
        elif kind == "finish-step":
            assert self.in_step
            assert not self.open, self.open
            self.in_step = False
        elif kind == "reset-step":
            for part in self.step:
                self.text.pop(part, None)
            self.open.clear()
        elif stem in ("text", "reasoning"):
            self._part(stem, what, chunk)
        elif kind.startswith("tool-"):
            self._tool(kind, chunk)
        elif kind == "finish":
            assert chunk["finishReason"] in REASONS | ({"interrupted"} if self.version == 7 else set())
            assert not self.open
            assert not self.in_step
            self.over = True

    def _part(self, stem: str, what: str, chunk: dict[str, Any]) -> None:
        part = chunk["id"]
        if what == "start":
            assert self.in_step
            assert part not in self.open
            self.open[part] = stem
            self.step.append(part)
            self.text[part] = ""
        else:
            assert self.open[part] == stem
            if what == "end":
                del self.open[part]
            else:
                self.text[part] += chunk["delta"] if stem == "text" else ""

    def _tool(self, kind: str, chunk: dict[str, Any]) -> None:
        if kind in ("tool-input-start", "tool-input-available", "tool-input-error"):
            assert chunk["toolName"]
            self.calls.add(chunk["toolCallId"])
        else:
            assert chunk["toolCallId"] in self.calls, chunk


def read(log: Iterable[Event], version: Version, **where: int) -> Client:
    client = Client(version)
    for chunk in chunks(log, version, **where):
        client.read(chunk)
    return client


def said(log: Iterable[Event]) -> str:
    """All that the outermost run said, refusals too, less what was taken back."""
    texts: list[list[str]] = [[]]
    root = None
    for event in log:
        root = root or event.run
        if event.run != root:
            continue
        if event.type == "attempt.started":
            texts.append([])
        elif isinstance(event, TextDelta):
            texts[-1].append(event.text)
        elif isinstance(event, Retracted):
            texts[-1].clear()
    return "".join(text for attempt in texts for text in attempt)


@pytest.mark.parametrize("version", VERSIONS)
def test_it_reads_every_log_and_changes_none(version: Version) -> None:
    check_surface(ai_sdk_wire(version).make)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_log_is_what_its_version_takes(version: Version) -> None:
    for name, log in sample_logs().items():
        waits = sum(waits_for_approval(event, log[0].run) for event in log)
        client = read(log, version, stop=waits + 1)
        ended = isinstance(log[-1], ENDS) and log[-1].run == log[0].run
        assert client.over is ended, name
        alone = not any(event.type in ("child.started", "run.resumed") for event in log)
        guarded = any(getattr(event, "then", "") == "guard" for event in log)
        if ended and alone and not (guarded and version < 7):
            assert "".join(client.text.values()) == said(log), name


@pytest.mark.parametrize("version", VERSIONS)
def test_the_message_is_the_run(version: Version) -> None:
    log = sample_logs()["text"] if "text" in sample_logs() else next(iter(sample_logs().values()))
    first, *_, last = chunks(log, version)
    assert first == {
        "type": "start",
        "messageId": log[0].run,
        "messageMetadata": {"run": log[0].run, "agent": log[0].agent},
    }
    assert (last["type"], last["finishReason"]) == ("finish", "stop")


def restarted() -> list[Event]:
    agent = scripted([Say(["Wrong "]), Cut()], [Say(["Right"])], on_interrupted="restart", retries=2)
    return asyncio.run(log_of(agent.run_stream("Go.")))


def test_retracted_text_is_reset_or_was_held() -> None:
    log = restarted()
    kinds = [chunk["type"] for chunk in chunks(log, 7)]
    assert "reset-step" in kinds
    for version in VERSIONS:
        assert [*read(log, version).text.values()] == ["Right"]
    assert "Wrong" not in json.dumps(chunks(log, 5))
    assert "Wrong" not in json.dumps(chunks(log, 6))


@tool(approval="It is sent at once.")
async def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


async def choose(ctx: ToolContext[Any]) -> str:
    """Ask."""
    return str(await ctx.ask("Which?", int))


def approved(*allowed: bool) -> list[Event]:
    """A run in which people are asked so often."""
    turns = [Call("send", {"to": str(number)}) for number in range(len(allowed))]
    agent = scripted(*turns, [Say("Done.")], tools=[send])

    async def main() -> list[Event]:
        stream = agent.run_stream("Go.", keep_log=True)
        answers = iter(allowed)
        async for event in stream.events():
            if waits_for_approval(event, stream.run_id):
                (question,) = stream.pending
                (stream.approve if next(answers) else stream.deny)(question.id)
        return [*stream.log]

    return asyncio.run(main())


@pytest.mark.parametrize("version", [6, 7])
def test_after_a_question_a_message_continues_in_the_next_stream(version: Version) -> None:
    log = approved(True, False)
    client = Client(version)
    outcomes = []
    for segment in range(3):
        client.over = client.begun = False
        told = chunks(log, version, skip=segment, stop=segment + 1)
        assert told[0]["messageId"] == log[0].run
        assert told[-1]["finishReason"] == ("tool-calls" if segment < 2 else "stop")
        for chunk in told:
            client.read(chunk)
        outcomes += [chunk["type"] for chunk in told if chunk["type"].startswith("tool-output")]
        assert ("tool-approval-request" in [chunk["type"] for chunk in told]) is (segment < 2)
    assert outcomes == ["tool-output-available", "tool-output-denied"]
    assert "".join(client.text.values()) == "Done."
    whole = read(log, version, stop=3)
    assert whole.over
    assert whole.text == client.text


def test_version_5_is_asked_in_data_and_its_stream_stays_open() -> None:
    log = approved(False)
    told = chunks(log, 5, skip=1, stop=2)
    asked, denied = [chunk for chunk in told if chunk["type"] == "data-approval"]
    assert asked["id"] == denied["id"]
    assert asked["data"]["state"] == "asked"
    assert asked["data"]["reason"] == "It is sent at once."
    assert denied["data"]["state"] == "denied"
    assert next(chunk for chunk in told if chunk["type"] == "tool-output-error")["errorText"] == "Denied."
    assert read(log, 5).over


@pytest.mark.parametrize("version", VERSIONS)
def test_a_question_of_a_tool_is_asked_in_data(version: Version) -> None:
    async def main() -> list[Event]:
        stream = scripted(Call("choose"), [Say("Done.")], tools=[choose]).run_stream("Go.", keep_log=True)
        async for event in stream.events():
            if event.type == "run.waiting":
                stream.answer(stream.pending[0].id, 7)
        return [*stream.log]

    told = [chunk for chunk in chunks(asyncio.run(main()), version) if chunk["type"] == "data-question"]
    assert [one["data"]["state"] for one in told] == ["asked", "accept"]
    assert told[0]["data"]["message"] == "Which?"


def test_a_cut_run_ends_as_its_version_says() -> None:
    async def main() -> list[Event]:
        stream = paced("a", 50, 0.0).run_stream("Go.", keep_log=True)
        async for event in stream.events():
            if event.seq == 8:
                stream.cancel()
        return [*stream.log]

    log = asyncio.run(main())
    for version in VERSIONS:
        *_, abort, finish = chunks(log, version)
        assert abort == {"type": "abort", "reason": "caller"}
        assert finish["finishReason"] == ("interrupted" if version == 7 else "other")
