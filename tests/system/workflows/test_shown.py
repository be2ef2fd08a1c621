"""What a workflow writes to standard output: each member's words once, or nothing."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, GraphWorkflow, Results, SequentialWorkflow
from headwater.backends.offline import Call, Fail, Say
from tests.support.members import speaker, texts

KINDS: list[Any] = [SequentialWorkflow, ConcurrentWorkflow, GraphWorkflow]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def loud(name: str, *turns: Any, **options: Any) -> Agent[Any, Any]:
    return speaker(name, *turns, streaming_on=True, **options)


@each_kind
def test_each_members_text_is_shown_once(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kind([loud("a"), loud("b")]).run("Go.")
    assert sorted(capsys.readouterr().out.splitlines()) == ["a says hi there.", "b says hi there."]


@each_kind
def test_in_a_loop_too(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    asyncio.run(kind([loud("a"), loud("b")]).arun("Go."))
    assert sorted(capsys.readouterr().out.splitlines()) == ["a says hi there.", "b says hi there."]


@each_kind
def test_nothing_is_shown_that_was_not_requested(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kind([speaker("a"), speaker("b")]).run("Go.")
    kind([loud("a"), loud("b")], print_on=False).run("Go.")
    kind([loud("a"), loud("b")]).run("Go.", streaming_callback=lambda token: None)
    kind([loud("a", print_on=False), speaker("b")]).run("Go.")
    list(kind([loud("a"), loud("b")], show_dashboard=True).run_stream("Go."))
    kind([loud("a"), loud("b")]).run_stream("Go.").result_sync()
    assert capsys.readouterr() == ("", "")


@each_kind
def test_print_on_shows_what_is_quiet_otherwise(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kind([speaker("a"), speaker("b")], print_on=True).run("Go.")
    assert sorted(capsys.readouterr().out.splitlines()) == ["a says hi there.", "b says hi there."]


@each_kind
def test_members_never_print_themselves_further_down(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    inner = kind([loud("a"), loud("b")], name="inner", print_on=True)
    kind([inner, loud("c")]).run("Go.")
    lines = capsys.readouterr().out.splitlines()
    assert sorted(filter(None, lines)) == [f"{name} says hi there." for name in "abc"]


def test_an_agents_tool_is_not_shown_as_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    team = SequentialWorkflow([loud("p")], name="team")
    boss = loud("boss", [Say("I ask."), Call("team", {"task": "x"})], "Done.", tools=[team])
    SequentialWorkflow([boss, loud("z")]).run("Go.")
    assert capsys.readouterr().out == "I ask.\n\nDone.\nz says hi there.\n"


def test_each_round_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    SequentialWorkflow([loud("a", "a1", "a2"), loud("b", "b1", "b2")], max_loops=2).run("Go.")
    assert capsys.readouterr().out.split() == ["a1", "b1", "a2", "b2"]


def test_overlapping_members_are_shown_one_after_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    inner = ConcurrentWorkflow([loud("a", ["a "] * 9), loud("b", ["b "] * 9)], name="inner")
    SequentialWorkflow([inner, loud("c")]).run("Go.")
    lines = capsys.readouterr().out.splitlines()
    assert sorted(lines[:2]) == ["a " * 9, "b " * 9]


def test_a_failure_is_raised_and_the_text_before_it_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    workflow = SequentialWorkflow([loud("a"), loud("b", [Say("Half "), Fail(500)], retries=0)], on_error="collect")
    result = workflow.run("Go.")
    assert type(result.error).__name__ == "ServerError"
    assert capsys.readouterr().out == "a says hi there.\nHalf \n"


@each_kind
def test_a_dashboard_on_a_pipe_shows_each_once(kind: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kind([loud("a"), loud("b")], show_dashboard=True, name="my workflow").run("Go.")
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for name in "ab":
        assert len(re.findall(f"{name} says hi there", out)) <= 1, out


@pytest.mark.parametrize("dashboard", [False, True])
def test_the_results_are_the_same_with_and_without_a_dashboard(
    dashboard: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = [speaker("slow", ["one ", "two ", "three"]), speaker("quick", "at once"), speaker("c")]
    results = ConcurrentWorkflow(agents, show_dashboard=dashboard).run("Go.")
    assert isinstance(results, Results)
    assert list(texts(results).items()) == [("slow", "one two three"), ("quick", "at once"), ("c", "c says hi there.")]
    capsys.readouterr()
