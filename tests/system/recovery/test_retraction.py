"""What is taken back is taken back everywhere: in every shape of a stream, on every screen, at every depth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pyte
import pytest

from headwater import Agent, StreamChunk, Thread
from headwater.backends.offline import Call, Cut, Fail, Say, Think, Wait
from headwater.errors import IncompleteStream
from headwater.events import Retracted, RunStarted, ToolFinished, ToolStarted, UsageReported
from headwater.events.messages import Image, Usage
from headwater.testing import check_log
from headwater.workflows import ConcurrentWorkflow, GraphWorkflow, SequentialWorkflow
from tests.support.logs import check_history
from tests.support.streams import always, log_of, scripted
from tests.support.virtual import run_virtual
from tests.system.recovery.projections import less_retracted, watch_all

BROKEN = ("Once ", "upon ", "a—")
"""What an attempt says before it breaks off; none of these words may be in what is left."""

BREAKS: list[Any] = [Cut(), Fail(ConnectionResetError()), Fail("overloaded_error")]


def restarting(*turns: Any, **more: Any) -> Agent[Any, Any]:
    return scripted(*turns, on_interrupted="restart", **more)


def story(*broken: Any, end: Any = None, **more: Any) -> Agent[Any, Any]:
    """An agent that breaks off in its first and in its second step, and whose answer has two steps."""

    async def look() -> str:
        """Look."""
        return "seen"

    return restarting(
        [*(broken or (Say(BROKEN),)), end or Cut()],
        [Say(["I ", "look."]), Call("look")],
        [Say(["Then ", "she—"]), end or Cut()],
        [Say(["The ", "end."])],
        tools=[look],
        **more,
    )


TOLD = "I look.\n\nThe end."


@pytest.mark.parametrize("end", BREAKS, ids=["cut", "reset", "in band"])
def test_every_reader_retracts_it(end: Any) -> None:
    async def main() -> None:
        stream = story(end=end, name="writer").run_stream("Go.")
        shown = watch_all(stream, "writer")
        async for event in stream.events():
            assert shown.log[-1] is event
            shown.check()
        shown.check_end()
        check_log(shown.log)
        assert stream.response.transcript == TOLD
        assert stream.response.text == "The end."
        assert "".join(shown.tokens) == "".join(shown.held) == shown.named["writer"] == TOLD
        assert shown.pipe.getvalue() == shown.sections.getvalue() == TOLD + "\n"
        assert shown.on_board("writer").replace("\n", "") == TOLD.replace("\n", "")
        _check_screen(shown.screen.getvalue())
        check_history(stream.response.messages)
        assert [message.text for message in stream.response.messages] == ["Go.", "I look.", "", "The end."]

    run_virtual(main())


def _check_screen(written: str) -> None:
    """What had not scrolled away is wiped away, without a trace but for what broke."""
    screen = pyte.Screen(80, 60)
    pyte.Stream(screen).feed(written.replace("\n", "\r\n"))
    rows = [row.rstrip() for row in screen.display if row.strip()]
    assert [row for row in rows if row in TOLD.splitlines()] == ["I look.", "The end."]
    assert not [row for row in rows if row.startswith(("Once", "Then")) or "she" in row]
    assert "Once upon" in written, "it was shown while it stood"
    assert " ".join(" ".join(rows).split()).count("(starting this answer again") == 2


@pytest.mark.parametrize("broken", [(Say(BROKEN),), (Think("Hm."), Say(BROKEN)), (Think("Hm."),), (Call("look", "{"),)])
def test_chunks_minus_retractions_are_the_text(broken: tuple[Any, ...]) -> None:
    async def main() -> None:
        stream = story(*broken).run_stream("Go.")
        chunks = [chunk async for chunk in stream]
        (shown,) = less_retracted(chunks).values()
        assert shown == stream.response.transcript == TOLD
        back = [chunk for chunk in chunks if chunk.finish_reason == "retracted"]
        assert len(back) == 2
        assert all(not (chunk.content or chunk.is_final or chunk.metadata) for chunk in back)
        assert [chunk.is_final for chunk in chunks] == [False] * (len(chunks) - 1) + [True]

    run_virtual(main())


def test_text_waits_until_its_step_has_ended() -> None:
    async def main() -> None:
        stream = story().run_stream("Go.")
        pieces: list[str] = [piece async for piece in stream.text()]
        assert pieces == ["I look.", "\n\nThe end."]
        assert "".join(pieces) == stream.response.transcript

    run_virtual(main())


def test_a_callback_without_on_retract_waits_like_text() -> None:
    async def main() -> None:
        for callback_of in _callbacks():
            tokens: list[str] = []
            response = await story().run("Go.", streaming_callback=callback_of(tokens))
            assert (tokens, response.callback_errors) == (["I look.", "\n\nThe end."], 0)

    run_virtual(main())


def _callbacks() -> list[Callable[[list[str]], Callable[..., Any]]]:
    def one(tokens: list[str]) -> Callable[..., Any]:
        return lambda token: tokens.append(token)

    def two(tokens: list[str]) -> Callable[..., Any]:
        return lambda agent, token: tokens.append(token)

    def three(tokens: list[str]) -> Callable[..., Any]:
        return lambda agent, token, final: tokens.append(token) if token else None

    def awaited(tokens: list[str]) -> Callable[..., Any]:
        async def later(token: str) -> None:
            await asyncio.sleep(1)
            tokens.append(token)

        return later

    return [one, two, three, awaited]


def test_an_async_on_retract_delays_the_next_attempt() -> None:
    async def main() -> None:
        order: list[Any] = []

        async def back(chars: int) -> None:
            order.append("begin")
            await asyncio.sleep(5)
            order.append(chars)

        agent = restarting([Say(["So ", "far"]), Cut()], Say(["Anew."]))
        await agent.run("Go.", streaming_callback=order.append, on_retract=back)
        assert order == ["So ", "far", "begin", 6, "Anew."]

    run_virtual(main())


def test_an_on_retract_that_raises_is_counted_and_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def back(chars: int) -> None:
        raise LookupError(chars)

    async def main() -> None:
        tokens: list[str] = []
        response = await story(print_on=False).run("Go.", streaming_callback=tokens.append, on_retract=back)
        assert (response.transcript, response.callback_errors) == (TOLD, 2)

    run_virtual(main())
    assert capsys.readouterr() == ("", "")


def test_a_callback_without_tokens_gets_no_retraction() -> None:
    async def main() -> None:
        told: list[Any] = []
        agent = restarting([Think("Hm."), Call("look", "{"), Cut()], "Anew.")
        await agent.run("Go.", streaming_callback=lambda token: told.append(token), on_retract=told.append)
        assert "".join(told) == "Anew."

    run_virtual(main())


def test_details_say_how_much() -> None:
    async def main() -> None:
        details: list[dict[str, Any]] = []
        await story(stream=True).run("Go.", streaming_callback=details.append)
        back = [told for told in details if told.get("finish_reason") == "retracted"]
        assert [told["chars"] for told in back] == [len("".join(BROKEN)), len("\n\nThen she—")]
        assert all(told.keys() == {"finish_reason", "chars", "agent", "run_id", "seq"} for told in back)

    run_virtual(main())


def test_a_refusal_is_retracted_too() -> None:
    async def main() -> None:
        agent = restarting([Say(["Hm. "]), Say(["I will not—"], refusal=True), Cut()], Say(["I will."]))
        stream = agent.run_stream("Go.")
        shown = watch_all(stream, "agent")
        log = await log_of(stream)
        (back,) = (event for event in log if isinstance(event, Retracted))
        assert back.chars == len("Hm. ")
        assert (stream.response.text, stream.response.refusal) == ("I will.", "")
        shown.check_end()
        assert "not" not in shown.pipe.getvalue()

    run_virtual(main())


@pytest.mark.parametrize("way", ["chunks", "events", "text", "final"])
def test_sync_code_sees_the_same(way: str) -> None:
    stream = story(timeouts=None).run_stream("Go.")
    if way == "chunks":
        (said,) = less_retracted(stream).values()
    elif way == "events":
        check_log(stream.events())
        said = stream.response.transcript
    elif way == "text":
        said = "".join(stream.text())
    else:
        chunks: list[StreamChunk] = list(stream.select(final_only=True))
        said = "".join(chunk.content for chunk in chunks)
        assert said == "The end."
        return
    assert said == stream.response.transcript == TOLD


# --- workflows, agents as tools, handoffs


def _member(name: str) -> Agent[Any, Any]:
    broken, whole = [Say([f"{name} be", "gan—"]), Wait(0.2), Cut()], [Say([f"{name} ", "said."]), Wait(0.1)]
    return restarting(broken, whole, name=name)


SHAPES: dict[str, Callable[[], Any]] = {
    "sequential": lambda: SequentialWorkflow([_member("one"), _member("two")]),
    "concurrent": lambda: ConcurrentWorkflow([_member("one"), _member("two")]),
    "graph": lambda: GraphWorkflow([_member("one"), _member("two")], edges=[("one", "two")]),
    "nested": lambda: SequentialWorkflow(
        [ConcurrentWorkflow([_member("one")], name="inner"), SequentialWorkflow([_member("two")], name="last")]
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_workflows_members_retract_their_own_text(shape: str) -> None:
    alone = shape != "concurrent"

    async def main() -> None:
        stream = SHAPES[shape]().run_stream("Go.")
        shown = watch_all(stream, *(("inner", "last") if shape == "nested" else ("one", "two")))
        chunks: list[StreamChunk] = []
        async for chunk in stream:
            chunks.append(chunk)
            shown.check(alone=alone)
        shown.check_end(alone=alone)
        check_log(shown.log)
        said = less_retracted(chunks)
        names = {event.run: event.agent for event in shown.log if isinstance(event, RunStarted)}
        assert {names[run]: text for run, text in said.items() if text} == {"one": "one said.", "two": "two said."}
        assert dict(shown.named) == {"one": "one said.", "two": "two said."}
        if alone:
            assert shown.sections.getvalue() == "one said.\ntwo said.\n"
        else:
            assert "—" not in shown.sections.getvalue()
        for name in ("one", "two"):
            assert shown.on_board(name) == f"{name} said."

    run_virtual(main())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_workflows_text_and_tokens_wait_like_an_agents(shape: str) -> None:
    async def main() -> None:
        stream = SHAPES[shape]().run_stream("Go.")
        pieces = [piece async for piece in stream.text()]
        assert sorted(pieces) == ["one said.", "two said."]
        tokens: list[Any] = []
        await SHAPES[shape]().run("Go.", streaming_callback=lambda agent, token: tokens.append((agent, token)))
        assert sorted(tokens) == [("one", "one said."), ("two", "two said.")]

    run_virtual(main())


def test_an_agent_called_as_a_tool_returns_what_remains() -> None:
    async def main() -> None:
        helper_tokens: list[str] = []
        helper = _member("helper")
        helper.streaming_callback = helper_tokens.append
        stream = restarting(
            [Say(["I as—"]), Cut()], [Say(["I ask."]), Call("helper", {"task": "x"})], "So.", tools=[helper]
        ).run_stream("Go.")
        shown = watch_all(stream, "agent")
        log = await log_of(stream)
        (finished,) = (event for event in log if isinstance(event, ToolFinished))
        assert finished.result == "helper said."
        assert helper_tokens == ["helper said."]
        assert stream.response.transcript == "I ask.\n\nSo."
        shown.check_end()
        check_history(stream.response.messages)

    run_virtual(main())


def test_the_agent_that_takes_over_retracts_its_own_text() -> None:
    async def main() -> None:
        heir = restarting([Say(["Me, I—"]), Cut()], [Say(["Now ", "me."])], name="heir")
        agent = restarting([Say(["Wa—"]), Cut()], [Say(["Wait."]), Call("transfer_to_heir")], handoffs=[heir])
        stream = agent.run_stream("Go.")
        shown = watch_all(stream, "agent")
        chunks = [chunk async for chunk in stream]
        shown.check_end()
        check_log(shown.log)
        assert "".join(less_retracted(chunks).values()) == stream.response.transcript == "Wait.\n\nNow me."
        assert shown.pipe.getvalue() == "Wait.\n"  # a printer of one agent: the other has its own
        assert shown.sections.getvalue() == "Wait.\n\nNow me.\n"
        check_history(stream.response.messages)

    run_virtual(main())


def test_printers_of_agents_and_workflows_hold_for_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> None:
        await story(streaming_on=True).run("Go.")
        assert capsys.readouterr().out == TOLD + "\n"
        first, second = _member("one"), _member("two")
        await SequentialWorkflow([first, second], print_on=True).run("Go.")
        assert capsys.readouterr().out == "one said.\ntwo said.\n"
        heir = restarting([Say(["Me, I—"]), Cut()], [Say(["Now ", "me."])], name="heir")
        agent = restarting([Say(["Wa—"]), Cut()], [Call("transfer_to_heir")], handoffs=[heir], streaming_on=True)
        await agent.run("Go.")
        assert capsys.readouterr().out == "Now me.\n"

    run_virtual(main())


def test_text_that_cannot_be_retracted_is_not_held() -> None:
    async def main() -> None:
        stream = scripted(Say(["As ", "it ", "comes."])).run_stream("Go.")
        assert [piece async for piece in stream.text()] == ["As ", "it ", "comes."]

    run_virtual(main())


# --- what it costs, what it does, what is kept


def test_the_usage_of_every_attempt_is_there() -> None:
    async def main() -> None:
        first = Usage(input_tokens=7, output_tokens=3)
        agent = restarting(
            [first, Say(["Mea", "sured."]), Cut()],
            [Say(["Esti", "mated, by its words."]), Cut()],
            [Think(signature="s", redacted="x"), Cut()],
            Fail(500),
            [Say(["The ", "end."]), Usage(input_tokens=5, output_tokens=2)],
            retries=9,
        )
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        reports = {event.attempt: event for event in log if isinstance(event, UsageReported)}
        assert [reports[at].origin for at in sorted(reports)] == ["estimated", "estimated", "unknown", "measured"]
        assert sorted(reports) == [1, 2, 3, 5]  # of the fourth nothing was ever taken up
        assert reports[1].usage == first
        assert (reports[2].usage.output_tokens or 0) > 0
        total = sum((event.usage for event in reports.values()), Usage())
        assert stream.response.usage.to_dict() == total.to_dict()
        assert stream.response.usage_origin == "unknown"

    run_virtual(main())


def test_a_tool_never_runs_a_second_time() -> None:
    ran: list[str] = []

    async def look(where: str) -> str:
        """Look."""
        ran.append(where)
        return f"{where} seen"

    async def main() -> None:
        call = Call("look", {"where": "here"}, id="a")
        agent = restarting(
            [Say(["I—"]), call, Cut()],  # whole as it looks, it is part of an answer that broke off
            [Say(["I look."]), call],
            [Say(["Then—"]), Cut()],
            [Say(["Then—"]), Fail("overloaded_error")],
            ["So."],
            tools=[look],
            retries=3,
        )
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        assert ran == ["here"]
        assert len([event for event in log if isinstance(event, ToolStarted)]) == 1
        assert stream.response.transcript == "I look.\n\nSo."
        check_history(stream.response.messages)
        assert [call.arguments for call in stream.response.tool_calls] == [{"where": "here"}]

    run_virtual(main())


def test_a_thread_continues_from_what_remains() -> None:
    async def main() -> None:
        thread = Thread()
        agent = story()
        await agent.run("Go.", thread=thread)
        model: Any = agent.model
        assert [message.text for message in thread.messages] == ["Go.", "I look.", "", "The end."]
        for request in model.requests:
            assert not any("—" in message.text for message in request.messages)

    run_virtual(main())


def test_leaving_during_a_second_attempt_keeps_its_text() -> None:
    async def main() -> None:
        stream = restarting([Say(["So ", "far"]), Cut()], Say(["A", "new", "."])).run_stream("Go.")
        shown = watch_all(stream, "agent")
        async for chunk in stream:
            if chunk.content == "new":
                break
        assert stream.response.transcript == "Anew"
        shown.check_end()
        assert (shown.pipe.getvalue(), shown.held) == ("Anew\n", ["Anew"])
        check_log(shown.log)

    run_virtual(main())


def test_leaving_between_two_attempts_keeps_no_text() -> None:
    async def main() -> None:
        stream = restarting([Say(["So ", "far"]), Cut()], Say(["A", "new", "."])).run_stream("Go.")
        shown = watch_all(stream, "agent")
        async for chunk in stream:
            if chunk.finish_reason == "retracted":
                break
        assert (stream.response.transcript, stream.response.text) == ("", "")
        assert [message.role for message in stream.response.messages] == ["user"]
        shown.check_end()
        check_log(shown.log)

    run_virtual(main())


def test_an_unrecovered_error_has_the_last_attempts_text() -> None:
    async def main() -> None:
        agent = Agent(
            name="writer",
            model=always(Say(["So ", "far"]), Cut()),
            on_interrupted="restart",
            retries=2,
        )
        stream = agent.run_stream("Go.")
        shown = watch_all(stream, "writer")
        with pytest.raises(IncompleteStream) as caught:
            async for _ in stream:
                pass
        shown.check_end()
        check_log(shown.log)
        partial = caught.value.response
        assert (partial.text, partial.partial) == ("So far", True)
        assert shown.held == ["So far"]
        assert shown.pipe.getvalue() == "So far\n"
        check_history(partial.messages)

    run_virtual(main())


@pytest.mark.parametrize("restart", [False, True])
def test_a_generated_image_counts_as_shown_output(restart: bool) -> None:
    """An answer that broke off after one is not asked for again unseen, to be paid for and shown twice."""
    picture = Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png")

    async def main() -> None:
        agent = scripted([picture, Cut()], [picture, "So."], on_interrupted="restart" if restart else "raise")
        if not restart:
            with pytest.raises(IncompleteStream) as caught:
                await agent.run("Go.")
            assert caught.value.response.files == (picture,)
            return
        stream = agent.run_stream("Go.")
        log = await log_of(stream)
        assert [event.chars for event in log if isinstance(event, Retracted)] == [0]
        assert stream.response.files == (picture,)

    run_virtual(main())
