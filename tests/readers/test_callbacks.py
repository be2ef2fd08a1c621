from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from headwater import Agent, SequentialWorkflow
from headwater.backends.offline import Call, Cut, Say, ScriptedModel, Think, Wait
from headwater.errors import ConfigurationError, LoopMisuse
from headwater.events import Event
from headwater.readers.callbacks import positional_parameters
from headwater.testing import check_log
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual

TOKENS = ["Hel", "lo", "!"]


def _agent(**more: Any) -> Agent[Any, Any]:
    return scripted(Say(TOKENS), name="writer", **more)


# --- how they are called


def test_callbacks_are_called_by_how_many_parameters_they_take() -> None:
    seen: list[Any] = []

    class Sink:
        def method(self, token: str) -> None:
            seen.append(token)

        def __call__(self, agent: str, token: str) -> None:
            seen.append((agent, token))

    def with_default(token: str, more: int = 5) -> None:
        seen.append((token, more))

    plain: list[Any] = [*TOKENS]
    named: list[Any] = [("writer", token) for token in TOKENS]
    final: list[Any] = [*(("writer", token, False) for token in TOKENS), ("writer", "", True)]
    for callback, expected in (
        (seen.append, plain),
        (lambda token: seen.append(token), plain),
        (lambda agent, token: seen.append((agent, token)), named),
        (lambda agent, token, is_final: seen.append((agent, token, is_final)), final),
        (lambda *told: seen.append(told[0]), plain),
        (lambda token, *, flag=False: seen.append(token), plain),
        (with_default, [(token, 5) for token in TOKENS]),
        (Sink().method, plain),
        (Sink(), named),
        (functools.partial(lambda extra, token: seen.append((extra, token)), 1), [(1, token) for token in TOKENS]),
    ):
        seen.clear()
        response = _agent().run_sync("Go.", streaming_callback=callback)
        assert seen == expected
        assert response.callback_errors == 0


def test_a_callback_with_any_number_of_parameters_gets_only_the_token() -> None:
    assert positional_parameters(print) is None
    assert positional_parameters(lambda token, *rest: None) is None
    assert positional_parameters(type) is None  # says nothing of its parameters


def test_an_awaited_callback_delays_the_next_token() -> None:
    async def main() -> None:
        order: list[str] = []

        async def slow(token: str) -> None:
            order.append(f"begin {token}")
            await asyncio.sleep(1)
            order.append(f"end {token}")

        class Later:
            def __call__(self, token: str) -> Awaitable[None]:
                return slow(token)

        for callback in (slow, Later(), lambda token: slow(token)):
            order.clear()
            await _agent().run("Go.", streaming_callback=callback)
            assert order == [f"{what} {token}" for token in TOKENS for what in ("begin", "end")]

    _, seconds = run_virtual(main())
    assert seconds == pytest.approx(9)


def test_an_awaited_callback_in_sync_code() -> None:
    seen: list[str] = []

    async def later(token: str) -> None:
        await asyncio.sleep(0)
        seen.append(token)

    _agent().run_sync("Go.", streaming_callback=later)
    assert seen == TOKENS
    seen.clear()
    list(_agent().run_stream("Go.", streaming_callback=later))
    assert seen == TOKENS


def test_details_have_only_applicable_keys_and_are_json() -> None:
    def look(city: str) -> str:
        """Look."""
        return f"{city} seen"

    seen: list[dict[str, Any]] = []
    agent = scripted(
        [Think(["Hm."]), Say(["I look."]), Call("look", {"city": "Brest"}, id="a")],
        Say(["So."]),
        tools=[look],
        stream=True,
        name="writer",
    )
    response = agent.run_sync("Go.", streaming_callback=seen.append)
    json.dumps(seen)
    own = ("agent", "run_id", "seq")
    assert [{k: v for k, v in told.items() if k not in own} for told in seen] == [
        {"reasoning": "Hm."},
        {"content": "I look.", "token": "I look."},
        {"tool_call": {"id": "a", "name": "look", "arguments": {"city": "Brest"}}},
        {"finish_reason": "tool_calls"},
        {"tool_result": {"id": "a", "name": "look", "result": "Brest seen", "error": None}},
        {"content": "\n\nSo.", "token": "\n\nSo."},
        {"finish_reason": "stop", "model": "offline", "usage": response.usage.to_dict()},
    ]
    assert {told["agent"] for told in seen} == {"writer"}
    assert {told["run_id"] for told in seen} == {response.run_id}
    assert [told["seq"] for told in seen] == sorted(told["seq"] for told in seen)


def test_events_include_the_whole_tree() -> None:
    log: list[Event] = []
    inner = scripted("Inner.", name="inner")
    scripted(Call("inner", {"task": "x"}), "So.", tools=[inner]).run_sync("Go.", on_event=log.append)
    check_log(log)
    assert {event.agent for event in log} == {"agent", "inner"}


def test_tokens_are_the_agents_own() -> None:
    tokens: list[str] = []
    inner = scripted("Inner.", name="inner")
    agent = scripted(Call("inner", {"task": "x"}), Say(["So."]), tools=[inner])
    agent.run_sync("Go.", streaming_callback=tokens.append)
    assert tokens == ["So."]


# --- scope


def test_the_runs_callbacks_win_over_the_agents() -> None:
    agents: list[Any] = []
    runs: list[Any] = []
    agent = Agent(
        model=ScriptedModel(lambda request: Say(TOKENS)), streaming_callback=agents.append, on_event=agents.append
    )
    agent.run_sync("Go.")
    assert [told for told in agents if isinstance(told, str)] == TOKENS
    assert any(isinstance(told, Event) for told in agents)
    agents.clear()
    agent.run_sync("Go.", streaming_callback=runs.append, on_event=lambda event: None)
    assert (agents, runs) == ([], TOKENS)
    agent.streaming_callback = None
    agent.on_event = None
    agent.run_sync("Go.")
    assert agents == []


def test_callbacks_go_with_streams_too() -> None:
    async def main() -> None:
        seen: list[str] = []
        stream = _agent().run_stream("Go.", streaming_callback=seen.append)
        assert [text async for text in stream.text()] == seen == TOKENS

    asyncio.run(main())


@pytest.mark.parametrize("name", ["streaming_callback", "on_event", "on_retract"])
def test_anything_not_callable_is_refused(name: str) -> None:
    options: dict[str, Any] = {name: "print"}
    with pytest.raises(ConfigurationError, match=name):
        Agent(model="offline", **options)
    with pytest.raises(ConfigurationError, match=name):
        _agent().run_sync("Go.", **options)


# --- exceptions


@contextmanager
def silent() -> Iterator[None]:
    """Logging as in a program that never configured it."""
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []
    yield
    root.handlers = handlers


def _broken(token: str) -> None:
    raise LookupError(f"on {token}")


async def _broken_later(token: str) -> None:
    await asyncio.sleep(0)
    raise LookupError(f"on {token}")


@pytest.mark.parametrize("callback", [_broken, _broken_later])
def test_a_callback_that_raises_never_ends_the_run(callback: Any, caplog: pytest.LogCaptureFixture) -> None:
    response = _agent().run_sync("Go.", streaming_callback=callback)
    assert response == "Hello!"
    assert response.callback_errors == 3
    assert not response.partial
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("headwater", "ERROR")
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "on Hel"


def test_an_event_callback_that_raises_never_ends_the_run(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event) -> None:
        raise LookupError

    response = _agent().run_sync("Go.", on_event=broken)
    assert response == "Hello!"
    assert response.callback_errors > 3
    assert "on_event callback raised LookupError" in caplog.text


def test_without_logging_one_line_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with silent():
        _agent().run_sync("Go.", streaming_callback=_broken)
    out, error = capsys.readouterr()
    assert error == "headwater: a streaming_callback raised LookupError: on Hel; the run continues.\n"
    assert out == ""
    with silent():
        _agent(print_on=False).run_sync("Go.", streaming_callback=_broken)
    assert capsys.readouterr() == ("", "")


def test_base_exceptions_end_the_run() -> None:
    for kind in (KeyboardInterrupt, SystemExit):

        def leave(token: str, kind: type[BaseException] = kind) -> None:
            raise kind

        log: list[Event] = []
        with pytest.raises(kind):
            _agent().run_sync("Go.", streaming_callback=leave, on_event=log.append)
        check_log(log)
        assert _agent().run_sync("Go.") == "Hello!"  # the thread's loop is as good as before


def test_a_callback_that_cancels_itself_does_not_cancel_the_run() -> None:
    async def main() -> None:
        async def waits(token: str) -> None:
            inner = asyncio.ensure_future(asyncio.sleep(100))
            asyncio.get_running_loop().call_soon(inner.cancel)
            try:
                await inner
            except asyncio.CancelledError:
                raise LookupError from None

        assert (await _agent().run("Go.", streaming_callback=waits)).callback_errors == 3

    run_virtual(main())


async def _waits_for_what_is_cancelled(token: Any) -> None:
    gone = asyncio.get_running_loop().create_future()
    gone.cancel()
    await gone


def _raises_it(token: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize("callback", [_waits_for_what_is_cancelled, _raises_it])
@pytest.mark.parametrize("kind", ["streaming_callback", "on_event"])
def test_a_foreign_cancellation_is_an_error_of_the_callback(callback: Any, kind: str) -> None:
    async def main() -> None:
        log: list[Event] = []
        stream = SequentialWorkflow([_agent(**{kind: callback}), scripted("Bye.", name="last")]).run_stream("Go.")
        log += [event async for event in stream.events()]
        check_log(log)
        assert log[-1].type == "run.finished"
        assert stream.response.callback_errors >= 3

    run_virtual(main())
    plain = _agent().run_sync("Go.", **{kind: callback})
    assert (plain, plain.partial) == ("Hello!", False)
    assert plain.callback_errors >= 3


def test_a_reader_that_is_cancelled_while_its_callback_waits_is_cancelled() -> None:
    async def main() -> None:
        begun = asyncio.Event()

        async def waits(token: str) -> None:
            begun.set()
            await asyncio.sleep(100)

        log: list[Event] = []
        task = asyncio.ensure_future(_agent().arun("Go.", streaming_callback=waits, on_event=log.append))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert log[-1].type == "run.cancelled"

    run_virtual(main())


# --- retractions


def test_tokens_are_held_while_they_may_be_retracted() -> None:
    async def main() -> None:
        tokens: list[str] = []
        agent = scripted(
            [Say(["So ", "far"]), Cut()], Say(["A", "new."]), on_interrupted="restart", streaming_callback=tokens.append
        )
        assert await agent.run("Go.") == "Anew."
        assert tokens == ["Anew."]

    run_virtual(main())


def test_on_retract_gets_the_number_of_characters() -> None:
    async def main() -> None:
        told: list[Any] = []
        for one in (lambda chars: told.append(chars), lambda agent, chars: told.append((agent, chars))):
            told.clear()
            agent = scripted([Say(["So ", "far"]), Cut()], Say(["A", "new."]), on_interrupted="restart")
            await agent.run("Go.", streaming_callback=told.append, on_retract=one)
            assert told[:2] == ["So ", "far"]
            assert told[2] in (6, ("agent", 6))
            assert told[3:] == ["A", "new."]

    run_virtual(main())


# --- runs begun in them


def test_an_agent_run_in_a_sync_callback_blocks_and_is_linked() -> None:
    inner = Agent(name="inner", model=ScriptedModel(lambda request: "Inner."))
    parents: list[Any] = []
    answers: list[str] = []

    def ask(token: str) -> None:
        def note(event: Event) -> None:
            if event.type == "run.started":
                parents.append(event.parent)  # type: ignore[attr-defined]

        answers.append(str(inner.run("x", on_event=note)))
        answers.extend(chunk.content for chunk in inner.run_stream("y") if chunk.content)

    response = _agent().run_sync("Go.", streaming_callback=ask)
    assert "".join(answers) == "Inner.Inner." * 3
    assert set(parents) == {response.run_id}


def test_a_sync_callback_in_async_code_gets_an_awaitable() -> None:
    inner = scripted("Inner.")
    asked: list[Any] = []

    async def main() -> None:
        await _agent().run("Go.", streaming_callback=lambda token: asked.append(inner.run("x")))
        for run in asked[1:]:
            run.close()
        with pytest.raises(LoopMisuse):
            inner.run_sync("x")
        assert await asked[0] == "Inner."

    asyncio.run(main())


def test_a_run_started_in_a_callback_is_cancelled_with_the_outer_one() -> None:
    inner = Agent(model=always("In ", Wait(1000)))

    async def main() -> None:
        begun: list[Any] = []

        async def ask(token: str) -> None:
            stream = inner.run_stream("x")
            begun.append(stream)
            async for chunk in stream:
                if chunk.content:
                    outer.cancel()

        outer = _agent().run_stream("Go.", streaming_callback=ask)
        assert (await outer.result()).finish_reason == "cancelled"
        assert begun[0].response.finish_reason == "cancelled"

    run_virtual(main())


def test_a_callback_has_little_overhead() -> None:
    """Ten thousand tokens with a callback: a bound ten times above what it takes, for what would be quadratic."""
    count = 0

    def note(token: str) -> None:
        nonlocal count
        count += 1

    begun = time.perf_counter()
    scripted(Say(["x "] * 10_000)).run_sync("Go.", streaming_callback=note)
    assert count == 10_000
    assert time.perf_counter() - begun < 5


def test_a_run_in_a_sync_callback_is_cancelled_with_the_outer_one_from_another_thread() -> None:
    """The outer one's loop stands still meanwhile, and would hear of it only when the inner one had ended."""
    inner = Agent(model=always("In ", Wait(1000)))
    begun = threading.Event()
    ends: list[Any] = []

    def ask(token: str) -> None:
        for chunk in inner.run_stream("x"):
            begun.set()
            if chunk.is_final:
                ends.append(chunk.finish_reason)

    outer = _agent().run_stream("Go.", streaming_callback=ask)

    def stop() -> None:
        begun.wait(5)
        outer.cancel()

    thread = threading.Thread(target=stop)
    thread.start()
    assert outer.result_sync().finish_reason == "cancelled"
    thread.join()
    assert ends[0] == "cancelled"
