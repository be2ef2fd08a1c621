"""Which of a run is shown where."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest

from headwater import Agent, ConcurrentWorkflow, SequentialWorkflow, Thread
from headwater.backends.offline import Fail, ScriptedModel
from headwater.cli.output import JSONLines, Outlet, Printer, Watching
from headwater.cli.run import ask
from headwater.cli.watching import Sections, Value, Whole, watching_for
from headwater.errors import HeadwaterError


class Screen(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def says(name: str, *said: Any, **more: Any) -> Agent[Any, Any]:
    return Agent(name=name, model=ScriptedModel(list(said) or [f"{name} speaks."]), **more)


def on_screen(bare: pytest.MonkeyPatch) -> Screen:
    shown = Screen()
    bare.setattr(sys, "stdout", shown)
    return shown


def watch(runnable: Any, **how: Any) -> tuple[Watching, Outlet]:
    out = Outlet()
    return watching_for(runnable, out, **how), out


def test_a_pipe_gets_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    alone, handing = says("ann"), says("ann", handoffs=[says("bob")])
    crew = SequentialWorkflow([says("ann"), says("bob")])
    kinds = [type(watch(one)[0]) for one in (alone, handing, crew)]
    assert kinds == [Printer, Sections, Whole]
    watching, out = watch(crew)
    ask(crew, "Go.", out, watching, thread=Thread())
    assert capsys.readouterr().out == "bob speaks.\n"


def test_a_terminal_sees_each_under_a_name_and_the_failure_is_left_to_the_command(bare: pytest.MonkeyPatch) -> None:
    screen = on_screen(bare)
    crew = SequentialWorkflow([says("ann"), says("bob", Fail(400, "no sea"))])
    watching, out = watch(crew)
    with pytest.raises(HeadwaterError, match="no sea"):
        ask(crew, "Go.", out, watching, thread=Thread())
    assert "Agent: ann" in screen.getvalue()
    assert "ann speaks." in screen.getvalue()


def test_a_dashboard_has_the_answers_below_it(bare: pytest.MonkeyPatch) -> None:
    screen = on_screen(bare)
    crew = ConcurrentWorkflow([says("ann"), says("bob")], name="crew", show_dashboard=True)
    watching, out = watch(crew)
    ask(crew, "Go.", out, watching, thread=Thread())
    assert screen.getvalue().endswith("## ann\n\nann speaks.\n\n## bob\n\nbob speaks.\n")


def test_of_a_workflow_that_fails_the_rest_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    crew = ConcurrentWorkflow([says("ann"), says("bob", Fail(400, "no sea"))])
    watching, out = watch(crew)
    with pytest.raises(HeadwaterError):
        ask(crew, "Go.", out, watching, thread=Thread())
    assert "ann speaks." in capsys.readouterr().out


@pytest.mark.parametrize(("encoding", "written"), [("utf-8", '["潮"]\n'), ("ascii", '["\\u6f6e"]\n')])
def test_a_value_is_one_line_in_every_encoding(encoding: str, written: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    agent = says("ann", json.dumps(["潮"]), output_type=list[str])
    watching, out = watch(agent, value=True)
    assert isinstance(watching, Value)
    ask(agent, "Go.", out, watching, thread=Thread())
    assert raw.getvalue().decode() == written


def test_an_invalid_answer_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    agent = says("ann", "no idea", "none", "none", "none", output_type=list[int])
    watching, out = watch(agent, value=True)
    with pytest.raises(HeadwaterError):
        ask(agent, "Go.", out, watching, thread=Thread())
    assert capsys.readouterr() == ("", "headwater: the answer: none\n")


def test_a_value_on_a_terminal_and_json_are_shown_while_generated(bare: pytest.MonkeyPatch) -> None:
    on_screen(bare)
    assert isinstance(watch(says("ann"), value=True)[0], Printer)
    assert isinstance(watch(says("ann"), value=True, json=True)[0], JSONLines)
