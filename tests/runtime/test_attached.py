"""A run on another server: reading its log, messages, answers, stopping and leaving, from every kind of code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from headwater import Agent, AgentStream, Remote, SequentialWorkflow, ToolContext, ToolResult, attach, tool
from headwater.backends.offline import Call, Say, Wait
from headwater.errors import (
    AlreadyAnswered,
    AnswerInvalid,
    ApprovalNeeded,
    Cancelled,
    ConfigurationError,
    HeadwaterError,
    RunEnded,
    UnknownQuestion,
    UsageError,
)
from headwater.events import ApprovalAsked, InputAsked, MessageAdded, RunCancelled, RunStarted
from headwater.events.questions import Answer, Question
from headwater.web import router
from tests.support.hostile_proxy import Harm, hostile_proxy
from tests.support.members import paced, speaker
from tests.support.served import Served, served
from tests.support.served_apart import served_apart


@tool(approval=True)
async def send(to: str) -> str:
    """Send it."""
    return f"sent to {to}"


@tool
async def ask_name(ctx: ToolContext) -> str:
    """Ask for a name."""
    return str(await ctx.ask("Whose?"))


def sender() -> Agent[Any, Any]:
    turns = [[Say("I send it. "), Call("send", {"to": "ann"})], "Done."]
    return speaker("sender", *turns, tools=[send])


def asker() -> Agent[Any, Any]:
    return speaker("asker", [Say("Well. "), Call("ask_name", {})], "Thanks.", tools=[ask_name])


def listener() -> Agent[Any, Any]:
    return speaker("listener", [Say("One "), Wait(0.4), Say("two. ")], "I heard.")


MEMBERS = {"sender": sender, "asker": asker, "listener": listener}


def application() -> Any:
    return router(*(make() for make in MEMBERS.values()), paced("a", 1000, 0.02), two(), sending())


def sending() -> SequentialWorkflow:
    return SequentialWorkflow([sender()], name="sending")


def two() -> SequentialWorkflow:
    return SequentialWorkflow([listener(), speaker("second")], name="two")


@pytest.fixture
def apart() -> Iterator[Served]:
    with served_apart(application) as server:
        yield server


def given(response: Any) -> Any:
    """What the tool gave the model."""
    results = [part for one in response.messages for part in one.content if isinstance(part, ToolResult)]
    return results[-1]


async def state(server: Served, run: str) -> str:
    return str((await server.client.get(f"/runs/{run}")).json()["state"])


async def comes_to(server: Served, run: str, wanted: str) -> None:
    async with asyncio.timeout(20):
        while await state(server, run) != wanted:  # noqa: ASYNC110  # a server tells of it in no other way
            await asyncio.sleep(0.01)


# --- answering


def test_an_approval_in_async_code() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="sender").run_stream("Go.")
            async for event in stream.events():
                if isinstance(event, ApprovalAsked):
                    (question,) = stream.pending
                    assert (question.tool, question.arguments, question.agent) == ("send", {"to": "ann"}, "sender")
                    with pytest.raises(UnknownQuestion, match=question.id):
                        stream.approve("nothing")
                    with pytest.raises(AnswerInvalid, match="another kind"):
                        stream.answer(question.id, "x")
                    stream.approve(question.id, arguments={"to": "bob"}, note="Bob, rather.")
            assert stream.response.text == "Done."
            assert given(stream.response).content.endswith("sent to bob")
            assert stream.pending == ()
            with pytest.raises(AlreadyAnswered):
                stream.approve(question.id)
            with pytest.raises(RunEnded):
                stream.approve("nothing")

    asyncio.run(main())


def test_an_approval_in_sync_code(apart: Served) -> None:
    stream = Remote(apart.url, agent="sender").run_stream("Go.")
    for event in stream.events():
        if isinstance(event, ApprovalAsked):
            with pytest.raises(AnswerInvalid, match="to"):
                stream.approve(event.approval, arguments={"whom": "bob"})
            stream.deny(event.approval, note="No.")
    assert stream.response.text == "Done."
    assert "No." in given(stream.response).content


def test_an_answer_that_does_not_fit_is_raised_out_of_the_reading_in_async_code() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="sender").run_stream("Go.")

            async def read() -> None:
                async for event in stream.events():
                    if isinstance(event, ApprovalAsked):
                        stream.approve(event.approval, arguments={"whom": "bob"})

            with pytest.raises(AnswerInvalid, match="to"):
                await read()
            again = attach(f"{server.url}/runs/{stream.run_id}")
            async for event in again.events():
                if isinstance(event, ApprovalAsked):
                    again.approve(event.approval)
            assert again.response.text == "Done."

    asyncio.run(main())


def test_a_second_answer_is_ignored_in_favor_of_the_log() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="sender").run_stream("Go.")
            async for event in stream.events():
                if isinstance(event, ApprovalAsked):
                    place = f"/runs/{stream.run_id}/approve"
                    body = {"approval": event.approval, "allowed": False}
                    assert (await server.client.post(place, json=body)).status_code == 202
                    stream.approve(event.approval)  # not known here yet: the server's refusal is no error
            assert given(stream.response).error

    asyncio.run(main())


def test_a_question_is_answered_through_a_stream_that_nobody_reads(apart: Served) -> None:
    """The server knows whether it is open."""
    run = httpx.post(f"{apart.url}/runs", json={"input": "Go.", "agent": "sender"}, trust_env=False).json()["run_id"]
    address = f"{apart.url}/runs/{run}"
    asked = next(event for event in attach(address).events() if isinstance(event, ApprovalAsked))
    with pytest.raises(UnknownQuestion):
        attach(address).approve("nothing")
    attach(address).approve(asked.approval)
    assert attach(address).result_sync().text == "Done."


def test_a_question_is_answered_from_another_thread(apart: Served) -> None:
    stream = Remote(apart.url, agent="asker").run_stream("Go.")
    threads: list[threading.Thread] = []

    def on_event(event: Any) -> None:
        if isinstance(event, InputAsked):
            threads.append(threading.Thread(target=stream.answer, args=(event.input, "Ann's")))
            threads[-1].start()

    for event in stream.events():
        on_event(event)
    threads[0].join()
    assert given(stream.response).content == "Ann's"


def test_a_question_is_declined() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="asker").run_stream("Go.")
            async for event in stream.events():
                if isinstance(event, InputAsked):
                    stream.decline(event.input)
            assert given(stream.response).error

    asyncio.run(main())


def test_an_approver_answers() -> None:
    asked: list[Question] = []

    async def approve(question: Question) -> bool | Answer:
        asked.append(question)
        return Answer(arguments={"to": "eve"}, by="me")

    async def main() -> None:
        async with served(application()) as server:
            response = await Remote(server.url, agent="sender", approver=approve).run("Go.")
            assert given(response).content.endswith("sent to eve")
            assert [one.tool for one in asked] == ["send"]
            assert asyncio.all_tasks() - {asyncio.current_task()}  # the server's own

    asyncio.run(main())


def test_an_approver_in_sync_code(apart: Served) -> None:
    response = Remote(apart.url, agent="sender", approver=lambda question: question.tool == "send").run("Go.")
    assert response.text == "Done."


@pytest.mark.parametrize("agent", ["sender", "asker", "sending"])
def test_a_run_that_nobody_can_answer_raises_and_goes_on_waiting_on_its_server(agent: str) -> None:
    async def main() -> None:
        async with served(application()) as server:
            with pytest.raises(ApprovalNeeded, match="nobody is there to answer") as caught:
                await Remote(server.url, agent=agent).run("Go.")
            (question,) = caught.value.pending
            run = caught.value.response.run_id
            assert f"{question.tool} ({question.id})" in str(caught.value)
            assert f"headwater.attach('{server.url}/runs/{run}'" in str(caught.value)
            assert await state(server, run) == "waiting"
            stream = attach(f"{server.url}/runs/{run}", approver=lambda question: Answer(content="Ann"))
            assert (await stream.result()).text in ("Done.", "Thanks.")

    asyncio.run(main())


def test_a_run_that_nobody_can_answer_raises_in_sync_code_too(apart: Served) -> None:
    with pytest.raises(ApprovalNeeded) as caught:
        Remote(apart.url, agent="sender").run("Go.")
    assert [question.tool for question in caught.value.pending] == ["send"]


def test_an_approver_on_the_server_is_waited_for() -> None:
    async def main() -> None:
        decided = asyncio.Event()

        async def approve(question: Question) -> bool:
            await decided.wait()
            return True

        member = speaker("sender", [Call("send", {"to": "ann"})], "Done.", tools=[send], approver=approve)
        async with served(router(member)) as server:
            running = asyncio.ensure_future(Remote(server.url).arun("Go."))
            while not (runs := (await server.client.get("/runs")).json()["runs"]) or runs[0]["state"] != "waiting":  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            told = (await server.client.get(f"/runs/{runs[0]['run_id']}")).json()
            assert len(told["waiting"]) == 1
            assert told["unattended"] == []
            decided.set()
            assert (await running).text == "Done."

    asyncio.run(main())


def test_a_late_approver_is_dropped() -> None:
    async def main() -> None:
        let_go = asyncio.Event()

        async def never(question: Question) -> bool:
            try:
                await asyncio.Event().wait()
            finally:
                let_go.set()
            return True

        async with served(application()) as server:
            stream = Remote(server.url, agent="sender", approver=never).run_stream("Go.")
            async for event in stream.events():
                if isinstance(event, ApprovalAsked):
                    body = {"approval": event.approval, "allowed": True}
                    await server.client.post(f"/runs/{stream.run_id}/approve", json=body)
            assert stream.response.text == "Done."
            await let_go.wait()

    asyncio.run(main())


def test_an_approver_who_fails_ends_the_reading() -> None:
    def fails(question: Question) -> bool:
        raise LookupError("Nobody home.")

    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="sender", approver=fails).run_stream("Go.")
            with pytest.raises(LookupError, match="Nobody home"):
                await stream.result()
            assert await state(server, stream.run_id) == "waiting"

    asyncio.run(main())


# --- steering


def test_a_message_is_delivered() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="listener").run_stream("Go.")
            said = False
            async for chunk in stream:
                if chunk.content and not said:
                    said = stream.steer("Be brief.")
            assert said
            assert stream.response.transcript == "One two. \n\nI heard."
            assert "Be brief." in [message.text for message in stream.response.messages]
            assert not stream.steer("Too late.")

    asyncio.run(main())


def test_a_message_to_a_member_by_its_name(apart: Served) -> None:
    stream = Remote(apart.url, agent="two").run_stream("Go.")
    said = False
    for event in stream.events():
        if event.type == "text.delta" and not said:
            said = True
            with pytest.raises(ConfigurationError, match="Name the member"):
                stream.steer("Be brief.")
            assert not stream.steer("Be brief.", agent="nobody")
            assert stream.steer("Be brief.", agent="listener")
    added = [event for event in stream_log(apart, stream) if isinstance(event, MessageAdded)]
    assert "Be brief." in [event.message.text for event in added]


def stream_log(server: Served, stream: AgentStream[Any, Any]) -> list[Any]:
    return [*attach(f"{server.url}/runs/{stream.run_id}").events()]


# --- stopping and leaving


def test_cancel_stops_the_run_there() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="a").run_stream("Go.")
            events = []
            async for event in stream.events():
                events.append(event)
                if len(events) == 8:
                    stream.cancel()
                    stream.cancel()
            assert isinstance(events[-1], RunCancelled)
            assert events[-1].by == "caller"
            assert stream.response.finish_reason == "cancelled"
            assert await state(server, stream.run_id) == "cancelled"

    asyncio.run(main())


def test_cancel_in_sync_code_has_arrived(apart: Served) -> None:
    stream = Remote(apart.url, agent="a").run_stream("Go.")
    for chunk in stream:
        if chunk.content:
            stream.cancel()
            break
    assert stream.response.partial
    events = stream_log(apart, stream)
    assert isinstance(events[-1], RunCancelled)


def test_cancel_before_the_run_is_read() -> None:
    async def main() -> None:
        async with served(application()) as server:
            begun = (await server.client.post("/runs", json={"input": "Go.", "agent": "a"})).json()
            stream = attach(f"{server.url}{begun['events']}")
            stream.cancel()
            assert (await stream.result()).finish_reason == "cancelled"
            never = Remote(server.url, agent="a").run_stream("Go.")
            never.cancel()
            with pytest.raises(Cancelled, match="before it started"):
                await never.result()
            assert len((await server.client.get("/runs")).json()["runs"]) == 1

    asyncio.run(main())


def test_a_cancel_that_does_not_arrive_is_an_error() -> None:
    async def main() -> None:
        async with served(application()) as server:
            refuse = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
            harm = lambda n: Harm() if n == 0 else Harm(refuse=refuse)  # noqa: E731
            async with hostile_proxy(server.port, harm) as proxy:

                async def read() -> None:
                    stream = Remote(proxy.url, agent="a").run_stream("Go.")
                    async for chunk in stream:
                        if chunk.content:
                            stream.cancel()

                with pytest.raises(HeadwaterError, match="HTTP 500"):
                    await read()

    asyncio.run(main())


@pytest.mark.parametrize(("then", "after"), [("cancel", "cancelled"), ("continue", "running"), (0.05, "cancelled")])
def test_the_server_decides_what_leaving_means(then: Any, after: str) -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="a", on_disconnect=then).run_stream("Go.")
            async for chunk in stream:
                if chunk.content:
                    break
            assert stream.response.partial
            await comes_to(server, stream.run_id, after)
            await server.client.post(f"/runs/{stream.run_id}/cancel", json={})

    asyncio.run(main())


def test_a_run_is_not_parked_from_here() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="a").run_stream("Go.")
            async for _ in stream:
                with pytest.raises(UsageError, match="cannot be parked from here"):
                    stream.park()
                break

    asyncio.run(main())


def test_the_log_is_kept_on_request() -> None:
    async def main() -> None:
        async with served(application()) as server:
            stream = Remote(server.url, agent="listener", keep_log=True).run_stream("Go.")
            response = await stream.result()
            assert isinstance(stream.log[0], RunStarted)
            assert stream.log[-1].run == response.run_id

    asyncio.run(main())
