"""Asking at the terminal: how a question looks, what may be answered, and what waits meanwhile."""

from __future__ import annotations

import asyncio
import io
import sys
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from headwater import Agent, ConcurrentWorkflow, Timeouts, ToolContext, tool
from headwater.agents.terminal_asking import TerminalAsker, can_ask
from headwater.backends.offline import Call, ScriptedModel
from headwater.errors import Parked
from headwater.events import ApprovalAnswered, Event
from headwater.events.questions import Question
from tests.support.typing_person import at_terminal

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX's")


@tool(approval="It cannot be taken back.")
def send(to: str, copies: int = 1) -> str:
    """Send a letter."""
    return f"{copies} to {to}"


def writer(*calls: Call, **more: Any) -> Agent[Any, Any]:
    def answer(request: Any) -> Any:
        last = request.messages[-1]
        return list(calls) if last.role == "user" else " | ".join(str(part.content) for part in last.content)

    return Agent(name="writer", model=ScriptedModel(answer), tools=[send, book, hold], **more)


class Room(BaseModel):
    nights: int = Field(ge=1)
    kind: Literal["single", "double"] = "single"


async def book(ctx: ToolContext) -> str:
    """Book a room."""
    room = await ctx.ask("Which room?", Room)
    return f"{room.nights} {room.kind}"


def hold() -> str:
    """Hold the line."""
    return "held"


def ask(
    monkeypatch: pytest.MonkeyPatch, runnable: Any, *answers: tuple[str, str], asker: TerminalAsker | None = None
) -> tuple[str, str, list[Event]]:
    """What the run came to, what was seen at the terminal, and the log."""
    asker = asker or TerminalAsker()
    log: list[Event] = []
    with at_terminal(monkeypatch) as person:
        person.types(*answers)
        stream = runnable.run_stream("Go.", approver=asker, on_event=log.append)
        asker.attend(stream.claim().people, stream.park)
        text = stream.result_sync().text
    return text, person.seen, log


ALLOW = "Allow it?"
LETTER = Call("send", {"to": "ann"})


@pytest.mark.parametrize(
    ("typed", "result"),
    [
        ([(ALLOW, "y\n")], "1 to ann"),
        ([(ALLOW, "YES, gladly\n")], "1 to ann"),
        ([(ALLOW, "n\n"), ("Why not?", "\n")], "Denied by the user."),
        ([(ALLOW, "no\n"), ("Why not?", "not before Monday\n")], "Denied by the user: not before Monday"),
        ([(ALLOW, "n: not to Ann\n")], "Denied by the user: not to Ann"),
        ([(ALLOW, "\n"), (ALLOW, "perhaps\n"), ("sent to the model", ""), (ALLOW, "y\n")], "1 to ann"),
        ([(ALLOW, "\x04")], "Denied by the user: Nobody has decided."),
    ],
)
def test_a_call_is_allowed_or_refused(
    typed: list[tuple[str, str]], result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, seen, _ = ask(monkeypatch, writer(LETTER), *typed)
    assert text == result
    assert "? writer wants to run send: It cannot be taken back.\n  to: ann\n  Allow it? y(es), n(o), " in seen


def test_arguments_are_changed_until_they_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    call = Call("send", {"to": "ann", "copies": 2})
    typed = [(ALLOW, "c in her place\n"), ("to (Enter for ann)", "bob\n"), ("copies (Enter for 2)", "many\n")]
    text, _, log = ask(monkeypatch, writer(call), *typed, ("Expected a whole number.", ""), ("copies", "3\n"))
    assert text.endswith("3 to bob")
    (answered,) = [event for event in log if isinstance(event, ApprovalAnswered)]
    assert (answered.arguments, answered.note) == ({"to": "bob", "copies": 3}, "in her place")


def test_always_applies_to_the_rest_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = Agent(
        model=ScriptedModel([LETTER, Call("send", {"to": "bob"}), "Done."]), tools=[send], approver=lambda _: False
    )
    text, seen, _ = ask(monkeypatch, agent, (ALLOW, "a\n"))
    assert (text, seen.count(ALLOW)) == ("Done.", 1)


def test_a_tool_gets_what_it_asks_for_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = [("nights (a whole number)", "x\n"), ("Expected a whole number.", ""), ("nights", "0\n"), ("kind", "\n")]
    again = [("must be greater than or equal to 1", ""), ("nights", "2\n"), ("kind", "double\n")]
    text, seen, _ = ask(monkeypatch, writer(Call("book", {})), *typed, *again)
    assert text == "2 double"
    assert "? book asks: Which room?\n" in seen


def test_what_is_not_answered_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    text, _, _ = ask(monkeypatch, writer(Call("book", {})), ("nights", "\x04"))
    assert "was declined by the user" in text


@pytest.mark.parametrize(("typed", "action"), [("\n", "accept"), ("n\n", "decline"), ("\x04", "decline")])
def test_a_page_to_be_visited_is_shown(typed: str, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question(id="q", kind="input", tool="pay", message="Pay there.", url="https://bank.example/1")
    with at_terminal(monkeypatch) as person:
        person.types(("https://bank.example/1\n  Enter when that is done", typed))
        answer = asyncio.run(TerminalAsker()(question))
    assert answer.action == action


def test_two_questions_are_asked_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    crew = ConcurrentWorkflow([writer(LETTER), Agent(name="other", model=writer(LETTER).model, tools=[send])])
    text, seen, _ = ask(monkeypatch, crew, (ALLOW, "y\n"), (ALLOW, "n not twice\n"))
    assert "1 to ann" in text
    assert "not twice" in text
    first, second = seen.index("wants to run"), seen.rindex("wants to run")
    assert first < seen.index(ALLOW) < second < seen.rindex(ALLOW)


def test_deciding_later_leaves_the_run_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed in ("l\n", "\x04"):
        with pytest.raises(Parked) as parked:
            ask(monkeypatch, writer(LETTER), ("c(hange it), l(ater): ", typed), asker=TerminalAsker(parks=True))
        assert [question.tool for question in parked.value.pending] == ["send"]


def test_a_question_that_lapses_is_asked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    text, seen, _ = ask(monkeypatch, writer(LETTER, timeouts=Timeouts(answer=0.05)), (ALLOW, ""))
    assert (text, seen[-1]) == ("Denied by timeout.", "\n")


def test_output_waits_while_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asker = TerminalAsker()
    shown: list[str] = []
    whole: list[str] = []

    async def other() -> str:
        """Do something beside it."""
        await asyncio.sleep(0)
        return "meanwhile"

    agent = Agent(model=ScriptedModel([[LETTER, Call("other", {})], "Done."]), tools=[send, other])

    class Show:
        def __call__(self, event: Event) -> None:
            shown.append(event.type)

        def close(self) -> None:
            shown.append("paused")

    async def main() -> str:
        stream = agent.run_stream("Go.", approver=asker)
        run = stream.claim()
        asker.attend(run.people)
        run.watch(asker.beside(Show()))
        run.watch(asker.beside(lambda event: whole.append(event.type), whole=True))
        return (await stream.result()).text

    with at_terminal(monkeypatch) as person:
        person.types((ALLOW, "y\n"))
        assert asyncio.run(main()) == "Done."
    paused = shown.index("paused")
    assert "tool.finished" not in shown[:paused], "it had not been shown when the question came"
    assert shown[paused:].index("tool.finished") < shown[paused:].index("tool.started")
    here = ("approval.asked", "approval.answered", "run.waiting")
    assert not {*here} & {*shown}, "the question itself has shown that, and the answer stands behind it"
    assert {*here} <= {*whole}
    assert [one for one in shown if one != "paused"] == [one for one in whole if one not in here]


def test_an_answer_from_elsewhere_is_shown() -> None:
    shown: list[Event] = []
    show = TerminalAsker().beside(shown.append)
    typed = ApprovalAnswered(approval="a", allowed=True, by="the user")
    late = ApprovalAnswered(approval="b", allowed=False, by="timeout")
    for event in (typed, late):
        show(event)
    assert shown == [late]


def test_words_of_a_model_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    _, seen, _ = ask(monkeypatch, writer(Call("send", {"to": "\x1b[2Jann\nAllow it? y"})), ("a(lways", "y\n"))
    assert "\x1b" not in seen
    assert "  to: ␛[2Jann Allow it? y\n" in seen


def test_nobody_can_be_asked_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    assert not can_ask()
    with at_terminal(monkeypatch):
        assert can_ask()
        monkeypatch.setattr(sys, "stdout", io.StringIO())
        assert can_ask(), "the question goes to standard error"
        monkeypatch.setattr(sys, "stderr", io.StringIO())
        assert not can_ask()
