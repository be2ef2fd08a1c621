"""Held to what AG-UI's clients take and to the protocol's own types; the clients read it in tests/system/clients."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from ag_ui.core import events as protocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter

from headwater import Agent, ToolContext, tool
from headwater.backends.offline import Call, Cut, Say, Think
from headwater.events import (
    AttemptStarted,
    CallReady,
    CallRejected,
    CallStarted,
    Event,
    InputAnswered,
    InputAsked,
    Retracted,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunStarted,
    RunWaiting,
    StepFinished,
    StepStarted,
    TextDelta,
    ToolFinished,
    ToolProgress,
    ToolStarted,
)
from headwater.events.messages import Image, Usage
from headwater.events.tree import Tree
from headwater.testing import check_surface, sample_logs
from headwater.web.ag_ui.wire import Exchange, ag_ui_wire
from headwater.web.wires.questions import Questions
from tests.support.ag_ui import HI, Client, streamed
from tests.support.effort import tries
from tests.support.logs import stamped
from tests.support.members import paced
from tests.support.streams import log_of, scripted
from tests.system.invariants.log_alone import played

EVENT: TypeAdapter[Any] = TypeAdapter(protocol.Event)
ENDS = (RunFinished, RunFailed, RunCancelled)


def known(model: Any) -> None:
    """Fail where a field is none of the protocol's."""
    if isinstance(model, BaseModel):
        assert not model.model_extra, model
        for name in type(model).model_fields:
            known(getattr(model, name))
    elif isinstance(model, list):
        for one in model:
            known(one)


def read(events: Iterable[Mapping[str, Any]], *, modern: bool = True, messages: Iterable[Any] = (HI,)) -> Client:
    client = Client(modern=modern, messages=messages)
    for event in events:
        known(EVENT.validate_python(event))
        client.read({**event})
    return client


def said(log: Iterable[Event]) -> dict[str, str]:
    """What each run has said, refusals too, less what was taken back."""
    steps: dict[str, list[list[str]]] = {}
    for event in log:
        of = steps.setdefault(event.run, [[]])
        if isinstance(event, StepStarted):
            of.append([])
        elif isinstance(event, (AttemptStarted, Retracted)):
            of[-1].clear()
        elif isinstance(event, TextDelta):
            of[-1].append(event.text)
    return {run: "".join(text for step in of for text in step) for run, of in steps.items()}


def answers_by_a_call(log: Iterable[Event]) -> set[str]:
    return {event.run for event in log if isinstance(event, RunStarted) and event.answer_tool}


def waits(log: Iterable[Event]) -> int:
    questions = Questions()
    return sum(questions.add(event) for event in log)


def held_to_the_log(log: list[Event] | tuple[Event, ...], client: Client) -> None:
    """Fail where the client does not hold what the log says."""
    root = log[0].run
    tree = Tree()
    for event in log:
        tree.add(event)
    heard = {event.run for event in log if event.type == "message.added"}
    for run, text in said(log).items():
        if run not in answers_by_a_call(log) | heard:
            assert client.text(None if run == root else run) == text
    end = log[-1]
    if isinstance(end, ENDS) and end.run == root and not any(event.type == "run.resumed" for event in log):
        assert client.end is not None
        told = client.end.get("usage", [])
        assert sum(one.get("inputTokens", 0) for one in told) == (end.usage.input_tokens or 0)
        assert sum(one.get("outputTokens", 0) for one in told) == (end.usage.output_tokens or 0)


@pytest.mark.parametrize("modern", [True, False])
def test_it_reads_every_log_and_changes_none(modern: bool) -> None:
    check_surface(ag_ui_wire(Exchange("t", "r", modern, (HI,)), 0).make)


@pytest.mark.parametrize("modern", [True, False])
def test_every_log_is_what_clients_take(modern: bool) -> None:
    for log in sample_logs().values():
        client = read(streamed(log, modern=modern, stop=waits(log) + 1), modern=modern)
        assert (client.end is not None) is (isinstance(log[-1], ENDS) and log[-1].run == log[0].run)
        held_to_the_log(log, client)


@settings(max_examples=tries(8, 500), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**6), st.booleans())
def test_so_is_any_run(number: int, modern: bool) -> None:
    log = played(number).log
    if log:
        held_to_the_log(log, read(streamed(log, modern=modern), modern=modern))


@pytest.mark.parametrize("modern", [True, False])
def test_each_stretch_between_answers_is_a_run_of_the_client(modern: bool) -> None:
    for name, log in sample_logs().items():
        messages: list[Any] = [HI]
        for stretch in range(waits(log) + 1):
            events = streamed(log, modern=modern, messages=tuple(messages), skip=stretch, stop=stretch + 1)
            client = read(events, modern=modern, messages=messages)
            if stretch < waits(log):
                assert client.end is not None, name
                assert client.end["outcome"]["type"] == "interrupt", name
            messages = [one for one in client.messages.values() if one["role"] != "activity"]
            again = streamed(log, modern=modern, skip=stretch + 1, stop=stretch + 1)
            if stretch < waits(log):
                assert [event["type"] for event in again] == ["RUN_STARTED", "RUN_FINISHED"]
                assert client.end is not None
                assert again[-1]["outcome"] == client.end["outcome"]
        whole = read(streamed(log, modern=modern, stop=waits(log) + 1), modern=modern)
        assert messages == [one for one in whole.messages.values() if one["role"] != "activity"], name


def test_a_run_starts_with_its_names_and_ends_with_its_usage() -> None:
    log = sample_logs()["text"]
    first, *_, last = streamed(log)
    ours = {"headwater": {"run": log[0].run, "agent": "writer"}}
    assert first == {
        **{"type": "RUN_STARTED", "threadId": "t", "runId": "r", "protocolVersion": "1.0"},
        "metadata": ours,
    }
    assert last["outcome"] == {"type": "success"}
    (usage,) = last["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] > 0
    assert (usage["provider"], usage["model"]) == ("offline", "offline")
    assert streamed(log, warnings=("Careful.",))[1]["value"] == {"message": "Careful."}
    before = streamed(log, modern=False)
    assert "protocolVersion" not in before[0]


def restarted() -> list[Event]:
    agent = scripted(
        [Think("Hm."), Say(["Wrong "]), Call("nothing", {}), Cut()],
        [Say(["Right"])],
        on_interrupted="restart",
        retries=2,
    )
    return asyncio.run(log_of(agent.run_stream("Go.")))


def test_retracted_text_is_removed_from_the_messages() -> None:
    events = streamed(restarted())
    kinds = [event["type"] for event in events]
    at = kinds.index("MESSAGES_SNAPSHOT")
    assert not read(events[:at]).open.keys() - {("step", None, "step 1")}
    client = read(events)
    assert client.text() == "Right"
    assert client.thought() == ""
    assert not client.calls
    assert client.pending == []
    assert [one["role"] for one in events[at]["messages"]] == ["user", "reasoning"]  # emptied: clients keep it


def test_what_others_say_meanwhile_stays() -> None:
    log = [*sample_logs()["side by side, with roles"]]
    at = next(at for at, event in enumerate(log) if isinstance(event, TextDelta)) + 1
    again = [AttemptStarted(step=1, attempt=2, run=log[at - 1].run, path=log[at - 1].path)]
    client = Client()
    snapshots = 0
    for event in streamed([*log[:at], *again]):
        snapshots += event["type"] == "MESSAGES_SNAPSHOT"
        client.read(event)
    assert snapshots == 1
    assert client.text(log[at - 1].run) == ""


@tool(approval="It is sent at once.")
async def send(to: str) -> str:
    """Send."""
    return f"sent to {to}"


@tool
async def choose(ctx: ToolContext[Any]) -> str:
    """Ask."""
    return str(await ctx.ask("Which?", int))


def asked(agent: Agent[Any, Any], *answers: Any) -> list[Event]:
    """A run in which people give these answers, each when it waits for it: a bool for an approval."""

    async def main() -> list[Event]:
        stream = agent.run_stream("Go.", keep_log=True)
        given = iter(answers)
        async for event in stream.events():
            if event.type == "run.waiting" and event.run == stream.run_id:
                answer = next(given)
                (question,) = stream.pending
                if question.kind == "input":
                    stream.answer(question.id, answer)
                else:
                    (stream.approve if answer else stream.deny)(question.id)
        return [*stream.log]

    return asyncio.run(main())


def test_an_approval_is_an_interrupt_about_its_call() -> None:
    log = asked(scripted(Call("send", {"to": "ann"}), [Say("Done.")], tools=[send]), False)
    events = streamed(log)
    client = read(events)
    (interrupt,) = events[-1]["outcome"]["interrupts"]
    (call,) = client.calls
    assert (interrupt["reason"], interrupt["toolCallId"]) == ("tool_call", call)
    assert interrupt["message"] == "It is sent at once."
    assert interrupt["responseSchema"]["required"] == ["approved"]
    assert interrupt["metadata"]["headwater"]["arguments"] == {"to": "ann"}
    assert client.custom[-1]["value"] == interrupt
    assert "usage" in events[-1]
    rest = streamed(log, skip=1, stop=2, messages=[*client.messages.values()])
    assert [event["type"] for event in rest[:3]] == ["RUN_STARTED", "TOOL_CALL_RESULT", "STEP_STARTED"]
    assert (rest[1]["toolCallId"], rest[1]["content"]) == (call, "Denied.")
    usage = Usage()
    for end in (events[-1], rest[-1]):
        usage += Usage(input_tokens=end["usage"][0]["inputTokens"], output_tokens=end["usage"][0]["outputTokens"])
    whole = log[-1].usage  # type: ignore[attr-defined]
    assert (usage.input_tokens, usage.output_tokens) == (whole.input_tokens, whole.output_tokens)


def test_a_question_is_an_interrupt_with_its_form() -> None:
    log = asked(scripted(Call("choose"), [Say("Done.")], tools=[choose]), 7)
    (interrupt,) = streamed(log)[-1]["outcome"]["interrupts"]
    assert (interrupt["reason"], interrupt["message"]) == ("input_required", "Which?")
    assert interrupt["responseSchema"]
    held = [*read(streamed(log)).messages.values()]
    rest = read(streamed(log, skip=1, stop=2, messages=held), messages=held)
    assert rest.end is not None
    assert rest.end["outcome"] == {"type": "success"}


def test_a_child_run_is_suspended_at_its_question_and_continues_under_its_name() -> None:
    clerk = scripted(Call("send", {"to": "bob"}), [Say("Sent.")], tools=[send], name="clerk")
    boss = scripted(Call("clerk", {"task": "Write."}), [Say("Done.")], tools=[clerk], name="boss")
    log = asked(boss, True)
    first = streamed(log)
    (interrupt,) = first[-1]["outcome"]["interrupts"]
    suspended = first[-2]
    assert suspended["outcome"] == {"type": "suspended", "interruptIds": [interrupt["id"]]}
    assert interrupt["subagentRunId"] == suspended["subagentRunId"]
    rest = streamed(log, skip=1, stop=2, messages=[*read(first).messages.values()])
    assert (rest[1]["type"], rest[1]["subagentRunId"]) == ("SUBAGENT_STARTED", suspended["subagentRunId"])
    client = read(rest, messages=[*read(first).messages.values()])
    assert client.subagents == {suspended["subagentRunId"]: "success"}
    own = [one for one in client.messages.values() if one["role"] == "assistant" and one.get("content") == "Sent."]
    assert [one["id"].startswith("helper:") for one in own] == [True]


@pytest.mark.parametrize("modern", [True, False])
def test_a_cut_run_ends_as_its_version_says(modern: bool) -> None:
    async def main() -> list[Event]:
        stream = paced("a", 50, 0.0).run_stream("Go.", keep_log=True)
        async for event in stream.events():
            if event.seq == 8:
                stream.cancel()
        return [*stream.log]

    last = streamed(asyncio.run(main()), modern=modern)[-1]
    if modern:
        assert last["outcome"] == {"type": "cancelled"}
    else:
        assert (last["type"], last["code"]) == ("RUN_ERROR", "cancelled")
    assert last["usage"]


def test_a_failed_run_is_an_error_with_what_it_cost() -> None:
    log = sample_logs()["failed"]
    *_, last = streamed(log)
    end = log[-1]
    assert isinstance(end, RunFailed)
    assert (last["type"], last["code"], last["message"]) == ("RUN_ERROR", end.error.type, end.error.message)


def test_the_clients_calls_are_left_to_it() -> None:
    log = sample_logs()["calls for the client"]
    client = read(streamed(log))
    assert client.end is not None
    assert client.end["outcome"]["pendingToolCallIds"] == client.pending == [f"{log[0].run}:c2"]
    before = read(streamed(log, modern=False), modern=False)
    assert before.end is not None
    assert "outcome" not in before.end  # which says success too, and leaves open whether that is all


def test_an_answer_by_a_call_is_a_message() -> None:
    client = read(streamed(sample_logs()["an answer by a call"]))
    assert not client.calls
    assert client.text().endswith('{"city":"Paris","sky":"clear"}')
    assert client.end is not None
    assert client.end["result"] == {"city": "Paris", "sky": "clear"}


def test_a_steering_message_is_a_user_message() -> None:
    client = read(streamed(sample_logs()["steered"]))
    assert [one["content"] for one in client.messages.values() if one["role"] == "user"] == ["Hi", "In one word."]


def test_pictures_of_tools_are_parts_for_those_who_know_parts() -> None:
    @tool
    def draw() -> Any:
        """Draw."""
        return ["Here: ", Image(data=b"\x89PNG\r\n\x1a\n")]

    log = asyncio.run(log_of(scripted(Call("draw"), [Say("Done.")], tools=[draw]).run_stream("Go.")))
    told = {modern: read(streamed(log, modern=modern), modern=modern) for modern in (True, False)}
    (parts,) = [one["content"] for one in told[True].messages.values() if one["role"] == "tool"]
    assert [part["type"] for part in parts] == ["text", "image"]
    assert parts[1]["source"]["mimeType"] == "image/png"
    assert [one["content"] for one in told[False].messages.values() if one["role"] == "tool"] == ["Here: "]


def called(key: str, step: int = 1, **more: Any) -> list[Event]:
    ready = CallReady(step=step, call=key, name="f", arguments={}, **more)
    return [CallStarted(step=step, call=key, name="f", **more), ready]


def test_a_later_stream_has_its_own_calls_and_restarts_progress() -> None:
    log = stamped(
        [
            *(RunStarted(), StepStarted(step=1), AttemptStarted(step=1)),
            *(*called("own"), *called("page", by="client"), StepFinished(step=1)),
            ToolStarted(step=1, call="own", name="f"),
            ToolProgress(step=1, call="own", name="f", data=1),
            InputAsked(input="i", call="own", name="f", schema={"type": "integer"}),
            *(RunWaiting(on="input", ids=("i",)), InputAnswered(input="i", action="accept", content=7)),
            *(ToolProgress(step=1, call="own", name="f", data=at) for at in (2, 3)),
            *(ToolFinished(step=1, call="own", name="f", result="7"), RunFinished()),
        ]
    )
    held = [*read(streamed(log)).messages.values()]
    events = streamed(log, skip=1, stop=2, messages=held)
    told = [event["type"] for event in events]
    assert told == ["RUN_STARTED", "ACTIVITY_SNAPSHOT", "ACTIVITY_DELTA", "TOOL_CALL_RESULT", "RUN_FINISHED"]
    assert read(events, messages=held).pending == []


def test_an_unanswered_call_gets_a_result_before_the_next_step() -> None:
    cut = CallRejected(step=1, call="c", name="f", raw="{", error="It was cut.", cut=True)
    log = stamped(
        [
            *(RunStarted(), StepStarted(step=1), AttemptStarted(step=1), *called("c")),
            *(AttemptStarted(step=1, attempt=2, cause="restart"), CallStarted(step=1, call="c", name="f"), cut),
            *(StepFinished(step=1), StepStarted(step=2), StepFinished(step=2), RunFinished()),
        ]
    )
    events = streamed(log)
    told = [event["type"] for event in events]
    assert told[told.index("STEP_FINISHED") :][:3] == ["STEP_FINISHED", "TOOL_CALL_RESULT", "STEP_STARTED"]
    client = read(events)  # which would not take one id for the call that was taken back and the one after it
    assert [one["content"] for one in client.messages.values() if one["role"] == "tool"] == ["It was cut."]
