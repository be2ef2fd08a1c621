from __future__ import annotations

import ast
import asyncio
import inspect
import io
import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from headwater import Agent
from headwater.agents import agent as module
from headwater.agents.declaration import Declaration
from headwater.agents.options import Arguments, Options
from headwater.backends.offline import Call, Say, Wait
from headwater.errors import ConfigurationError, LoopMisuse
from headwater.events import TextDelta
from tests.support.streams import always, scripted
from tests.support.virtual import run_virtual

# --- run, in plain code and in a loop


def test_run_blocks_in_sync_code_and_is_awaited_in_a_loop() -> None:
    agent = Agent(model=always("Hello."))
    assert agent.run("Go.") == "Hello."
    assert agent.run("Go.").usage

    async def main() -> None:
        assert await agent.run("Go.") == "Hello."
        assert await agent.arun("Go.") == "Hello."
        one, two = await asyncio.gather(agent.run("Go."), agent.run("Go."))
        assert (one, two) == ("Hello.", "Hello.")
        assert one.run_id != two.run_id
        task: Any = asyncio.create_task(agent.run("Go."))  # type: ignore[arg-type]
        assert await task == "Hello."
        assert await asyncio.wait_for(agent.run("Go."), 5) == "Hello."
        async with asyncio.TaskGroup() as group:
            tasks: list[Any] = [group.create_task(agent.arun("Go.")) for _ in range(3)]
        assert [task.result() for task in tasks] == ["Hello."] * 3

    asyncio.run(main())
    asyncio.run(main(), debug=True)
    assert agent.run_sync("Go.") == "Hello."


def test_run_sync_is_refused_where_it_would_hold_up_a_loop() -> None:
    async def main() -> None:
        with pytest.raises(LoopMisuse, match=r"await agent\.run"):
            scripted("Hello.").run_sync("Go.")
        assert await asyncio.to_thread(scripted("Hello.").run_sync, "Go.") == "Hello."

    asyncio.run(main())


def test_gathered_runs_that_are_cancelled_are_all_ended() -> None:
    ended: list[str] = []
    agent = Agent(model=always("So ", Wait(1000)))

    def note(event: Any) -> None:
        if event.type == "run.cancelled":
            ended.append(event.by)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.gather(*(agent.run("Go.", on_event=note) for _ in range(3)))
        assert ended == ["caller"] * 3

    run_virtual(main())


# --- what is shown


SHOWN = {
    # streaming_on, print_on, callback given: is anything shown?
    (False, None, False): False,
    (False, None, True): False,
    (True, None, False): True,
    (True, None, True): False,
    (False, True, False): True,
    (False, True, True): False,
    (True, True, False): True,
    (True, True, True): False,
    (False, False, False): False,
    (True, False, False): False,
    (True, False, True): False,
}


@pytest.mark.parametrize(("streaming_on", "print_on", "callback"), SHOWN, ids=str)
def test_what_run_shows(
    streaming_on: bool, print_on: bool | None, callback: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = Agent(model=always(Say(["Hel", "lo."])), streaming_on=streaming_on, print_on=print_on)
    options: dict[str, Any] = {"streaming_callback": lambda token: None} if callback else {}
    shown = SHOWN[streaming_on, print_on, callback]
    agent.run_sync("Go.", **options)
    out, error = capsys.readouterr()
    assert out.count("Hello.") == shown
    assert error == ""
    asyncio.run(agent.arun("Go.", **options))
    assert capsys.readouterr().out.count("Hello.") == shown


def test_a_stream_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    list(Agent(model=always("Hello."), streaming_on=True, print_on=True).run_stream("Go."))
    assert capsys.readouterr() == ("", "")


def test_an_agent_below_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    inner = scripted("Inner.", name="inner", streaming_on=True)
    scripted(Call("inner", {"task": "x"}), "So.", tools=[inner]).run_sync("Go.")
    assert capsys.readouterr() == ("", "")


# --- the rest of what a run takes


def test_an_event_callback_sees_what_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    texts: list[str] = []

    def note(event: Any) -> None:
        if isinstance(event, TextDelta):
            texts.append(event.text)

    scripted(Say(["Hel", "lo."]), on_event=note, verbose=True).run_sync("Go.")
    assert texts == ["Hel", "lo."]


def test_a_callback_that_wants_too_much_is_refused() -> None:
    def callback(one: Any, two: Any, three: Any, four: Any) -> None: ...

    with pytest.raises(ConfigurationError, match="requires 4 arguments"):
        Agent(model="offline").run("x", streaming_callback=callback)


def test_arguments_without_names_are_answered_with_both_that_could_be_meant() -> None:
    make: Any = Agent
    with pytest.raises(TypeError, match=r"Write Agent\(model='offline'\) .*, Agent\(name='offline', model=…\)"):
        make("offline")


def test_two_handoffs_of_one_name_are_found_where_the_agent_is_made() -> None:
    heirs = [Agent(name="heir", model="offline"), Agent(name="heir", model="offline")]
    with pytest.raises(ConfigurationError, match="Two tools of 'agent' have the name 'transfer_to_heir'"):
        Agent(model="offline", handoffs=heirs)


# --- what checkers are told


def test_the_signatures_that_checkers_read_are_those_of_the_declaration() -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    first = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "__init__")
    parameters = {**inspect.signature(Declaration).parameters}
    del parameters["positional"]  # which is there to be refused
    assert [argument.arg for argument in first.args.kwonlyargs] == [name for name in parameters if name != "more"]
    told = [None if default is None else ast.unparse(default) for default in first.args.kw_defaults]
    given = [repr(one.default) for name, one in parameters.items() if name != "more"]
    own = {"name": repr(25), "MAX_STEPS": "25", "...": repr(str)}
    assert [own.get(str(default), default) for default in told] == given
    beside = Arguments.__annotations__.keys() - Options.__annotations__.keys()
    assert beside == parameters.keys() - {"more", "output_type"}


@pytest.mark.parametrize("verb", ["run", "arun", "run_sync", "run_stream"])
def test_what_editors_show_of_a_run_names_the_task_and_the_context(verb: str) -> None:
    shown = inspect.signature(getattr(Agent(model="offline"), verb)).parameters
    assert list(shown)[:2] == ["task", "context"]
    assert shown["context"].kind is inspect.Parameter.KEYWORD_ONLY
    assert shown["context"].default is None


def test_a_cancelled_run_has_its_partial_answer_on_the_exception() -> None:
    async def main() -> None:
        agent = scripted(["Half of ", Wait(5.0), "it."])
        task = asyncio.ensure_future(agent.arun("go"))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        left: Any = cancelled.value
        assert (str(left.response), left.response.partial) == ("Half of ", True)

        with pytest.raises(TimeoutError) as late:
            async with asyncio.timeout(1.0):
                await scripted(["Half of ", Wait(5.0), "it."]).arun("go")
        cause: Any = late.value.__cause__
        assert str(cause.response) == "Half of "

    run_virtual(main())


@pytest.mark.parametrize("screen", [True, False])
def test_a_tools_failure_is_told_once_under_the_call_or_on_a_line(
    screen: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def slow() -> str:
        """Take long."""
        raise TimeoutError("Too late.")

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return screen

    monkeypatch.setattr(logging.getLogger("headwater.tools"), "propagate", False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", out := Screen())
    scripted(Call("slow", {}), "So.", tools=[slow], streaming_on=True).run("Go.")
    assert out.getvalue().count("Too late.") == (1 if screen else 0)
    line = "headwater: the tool slow raised TimeoutError: Too late; the model was told, and the run continues.\n"
    assert capsys.readouterr().err == ("" if screen else line)
