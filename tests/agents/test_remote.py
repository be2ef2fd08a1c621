"""Agents on a server as if they were here: what is sent, every way of running, every face of the stream."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from headwater import Agent, Message, Remote, RunFile, ToolContext, attach, on_event, tool
from headwater.backends.offline import Call, Fail, Say
from headwater.errors import (
    AuthenticationFailed,
    ConfigurationError,
    HeadwaterError,
    LoopMisuse,
    UnknownRun,
    UnsupportedSetting,
)
from headwater.testing import ScriptedModel
from headwater.web import router
from headwater.web.http.guard import Guard
from headwater.web.http.site import Site
from headwater.web.routing import router_of
from tests.support.members import SHAPES, asked, paced, parts, speaker
from tests.support.served import served
from tests.support.served_apart import served_apart

TOKEN = "a-token-that-nobody-guesses-0123456789"


def test_every_way_of_running_in_sync_code() -> None:
    with served_apart(lambda: router(speaker("a"))) as server:
        remote = Remote(server.url)
        assert remote.run("Go.").text == "a says hi there."
        assert remote.run_sync("Go.") == "a says hi there."
        stream = remote.run_stream("Go.")
        assert "".join(chunk.content for chunk in stream) == "a says hi there."
        assert "".join(remote.run_stream("Go.").text()) == "a says hi there."
        assert next(remote.run_stream("Go.")).agent == "a"
        again = remote.attach(stream.run_id)
        assert [*again.events()][-1].type == "run.finished"
        assert attach(f"{server.url}/#run={stream.run_id}").result_sync() == stream.response


def test_every_way_of_running_in_async_code() -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            remote = Remote(server.url)
            assert (await remote.run("Go.")).text == "a says hi there."
            assert await remote.arun("Go.") == "a says hi there."
            with pytest.raises(LoopMisuse):
                remote.run_sync("Go.")
            stream = remote.run_stream("Go.")
            first = await anext(stream)
            assert first.agent == "a"
            assert (await stream.result()).text == "a says hi there."
            assert (await remote.attach(stream.run_id).result()).text == stream.response.text

    asyncio.run(main())


def test_the_data_of_an_answer_is_what_it_is_at_home() -> None:
    def look(at: str) -> str:
        """Look."""
        return "seen"

    turns = ([Call("look", {"at": "the sea"})], [Say([*'{"ports": ["Brest", "Le Conquet"]}'])])

    async def main() -> None:
        async with served(router(speaker("a", *turns, tools=[look]))) as server:
            stream = Remote(server.url).run_stream("Go.")
            partials = [partial async for partial in stream.partials()]
            assert partials[-1].value == {"ports": ["Brest", "Le Conquet"]}
            assert [path for partial in partials for path in partial.done][-2:] == [("ports",), ()]
            place = f"{server.url}/runs/{stream.run_id}"
            assert [item async for item in attach(place).items("ports")] == ["Brest", "Le Conquet"]
            assert [one.value async for one in attach(place).arguments()][-1] == {"at": "the sea"}

    asyncio.run(main())


def test_every_face_shows_what_it_shows_at_home() -> None:
    async def main() -> None:
        for shape in SHAPES:
            member = shape(0.0)
            async with served(router(member)) as server:
                tokens: list[str] = []
                told: list[Any] = []
                stream = Remote(server.url).run_stream("Go.", streaming_callback=tokens.append, on_event=told.append)
                events = [event async for event in stream.events()]
                assert told == events
                text = "".join(tokens)
                place = f"{server.url}/runs/{stream.run_id}"
                assert "".join([piece async for piece in attach(place).text()]) == text
                chunks = [chunk async for chunk in attach(place)]
                assert "".join(chunk.content for chunk in chunks) == text
                assert chunks[-1].is_final
                final = [chunk.content async for chunk in attach(place).select(final_only=True)]
                assert "".join(final).strip() in stream.response.text or stream.response.members
                assert await attach(place).result() == stream.response

    asyncio.run(main())


def test_callbacks_may_ask_for_details_and_watch_all_of_the_process() -> None:
    async def main() -> None:
        heard: list[Any] = []
        stop = on_event(heard.append)
        try:
            async with served(router(speaker("a"))) as server:
                heard.clear()
                told: list[Any] = []
                await Remote(server.url, streaming_callback=told.append, stream=True).run("Go.")
                assert told[0]["token"]
                assert told[-1]["finish_reason"] == "stop"
                assert len(heard) % 2 == 0  # the run itself, and the reading of it
        finally:
            stop()

    asyncio.run(main())


def test_a_run_is_saved_while_it_is_read(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            stream = Remote(server.url).run_stream("Go.", save=tmp_path)
            response = await stream.result()
            file = RunFile(tmp_path / f"{response.run_id}.jsonl.gz")
            assert file.response == response
            assert [event async for event in attach(f"{server.url}/runs/{file.run_id}").events()] == [*file.events]

    asyncio.run(main())


def test_what_is_asked_arrives() -> None:
    @tool
    async def place(ctx: ToolContext[Any]) -> str:
        """Where."""
        return str(ctx.context["place"])

    async def main() -> None:
        agent = speaker("a", [Call("place", {})], "Done.", "Again.", "More.", tools=[place])
        async with served(router(speaker("first"), agent)) as server:
            remote = Remote(server.url, agent="a")
            assert remote.name == "a"
            history = [Message.user("Before?"), Message.assistant("Before.")]
            response = await remote.run("Go.", history=history, context={"place": "Brest"})
            assert response.text == "Done."
            assert parts(asked(agent)[0]) == ["Before?", "Before.", "Go."]
            assert "Brest" in str(response.messages)
            await remote.run("First.", thread="t")
            await remote.run("Second.", thread="t")
            assert parts(asked(agent)[-1]) == ["First.", "Again.", "Second."]

    asyncio.run(main())


def test_under_a_prefix_with_a_token_and_headers() -> None:
    async def main() -> None:
        site = Site((speaker("a"),), guard=Guard(token=TOKEN))
        async with served(Starlette(routes=[Mount("/team/agents", app=router_of(site))])) as server:
            base = f"{server.url}/team/agents/"
            remote = Remote(base, token=TOKEN, headers={"x-team": "a"})
            stream = remote.run_stream("Go.")
            assert (await stream.result()).text == "a says hi there."
            assert TOKEN not in repr(remote)
            place = f"{base}runs/{stream.run_id}"
            assert await attach(place, token=TOKEN).result() == stream.response
            assert await attach(f"{base}#run={stream.run_id}&token={TOKEN}").result() == stream.response
            for reading in (attach(place), Remote(base).run_stream("Go.")):
                with pytest.raises(AuthenticationFailed, match="requires a token"):
                    await reading.result()
            with pytest.raises(AuthenticationFailed, match="refuses the token") as caught:
                await attach(place, token=TOKEN[::-1]).result()
            assert TOKEN[::-1] not in str(caught.value)

    asyncio.run(main())


def test_the_error_of_the_run_is_raised_with_its_text() -> None:
    async def main() -> None:
        failing = Agent(name="a", model=ScriptedModel([[Say("One. "), Fail(500)]]), retries=0)
        async with served(router(failing)) as server:
            stream = Remote(server.url).run_stream("Go.")
            with pytest.raises(HeadwaterError) as caught:
                await stream.result()
            assert caught.value.response.text == "One. "
            with pytest.raises(type(caught.value)):
                await attach(f"{server.url}/runs/{stream.run_id}").result()

    asyncio.run(main())


def test_a_run_that_there_is_not() -> None:
    async def main() -> None:
        async with served(router(speaker("a"))) as server:
            with pytest.raises(UnknownRun):
                await attach(f"{server.url}/runs/nonesuch").result()

    asyncio.run(main())


def test_an_address_of_another_service() -> None:
    with pytest.raises(ConfigurationError, match="run_stream"):
        attach("http://localhost:8000")
    with pytest.raises(ConfigurationError, match=r"headwater\.attach"):
        Remote("http://localhost:8000/runs/x")
    assert Remote("http://localhost:8000").name == "localhost:8000"


@pytest.mark.parametrize("name", ["idle_timeout", "reconnect_timeout"])
@pytest.mark.parametrize("value", [0, -1, True, "1", float("nan")])
def test_clocks_are_seconds(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        attach("http://localhost/runs/x", **{name: value})


def test_mistakes_are_reported_before_anything_is_sent() -> None:
    remote = Remote("http://localhost:9")
    with pytest.raises(ConfigurationError, match="JSON"):
        remote.run_stream("Go.", context=object())
    with pytest.raises(UnsupportedSetting, match="temperature"):
        remote.run_stream("Go.", temperature=1)  # type: ignore[call-arg]
    with pytest.raises(ConfigurationError, match="on_event"):
        remote.run_stream("Go.", on_event=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="A task"):
        remote.run_stream(7)  # type: ignore[arg-type]


def test_leaving_at_home_is_half_a_minute_there() -> None:
    async def main() -> None:
        async with served(router(paced("a", 1000, 0.01))) as server:
            stream = Remote(server.url).run_stream("Go.")
            async with stream:
                async for chunk in stream:
                    if chunk.content:
                        break
            assert (await server.client.get(f"/runs/{stream.run_id}")).json()["state"] == "running"
            back = attach(f"{server.url}/runs/{stream.run_id}")
            async for _ in back:
                back.cancel()
            assert back.response.finish_reason == "cancelled"

    asyncio.run(main())
