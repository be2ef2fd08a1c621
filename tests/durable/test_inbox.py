"""Letters reach a run once, in the right order within a kind, whenever they come."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headwater import Agent, Message, Question
from headwater.durable.inbox import Inbox, answer_body, asked_in, steer_body
from headwater.events import Event, InputAsked, MessageReceived, tree_response
from headwater.events.questions import Answer
from headwater.journal.run_log import Letter
from headwater.runtime.run import Run
from headwater.testing import Call, ScriptedModel
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import asks_two_things, heard_by_a_member, one_asked


def letter(number: int, kind: str, key: str, body: bytes) -> Letter:
    return Letter(number, kind, key, body)  # type: ignore[arg-type]


def allow(number: int, question: str, **more: object) -> Letter:
    body = answer_body(Answer(by="ann", **more), "approval")  # type: ignore[arg-type]
    return letter(number, "answer", question, msgspec.json.encode(body))


def say(number: int, text: str, **more: object) -> Letter:
    return letter(number, "steer", f"key-{number}", steer_body(Message.user(text), **more))  # type: ignore[arg-type]


async def read(run: Run, inbox: Inbox, letters: Sequence[tuple[str, list[Letter]]]) -> list[Event]:
    """Read the run; when an event of that type comes, the inbox holds these letters."""
    left, events = [*letters], list[Event]()
    while batch := await run.pull():
        for event in batch:
            run.append(event)
            events.append(event)
            if left and event.type == left[0][0]:
                inbox.hear(left.pop(0)[1])
        inbox.say()
    return events


def types(events: Sequence[Event]) -> list[str]:
    return [event.type for event in events]


def test_an_early_answer_belongs_to_its_question() -> None:
    async def main() -> None:
        run = one_asked().run_stream("go").claim()
        inbox = Inbox(run)
        question = None
        while batch := await run.pull():
            for event in batch:
                if event.type == "call.ready" and question is None and event.name == "charge":
                    question = f"{run.id}/{event.call}"
                    inbox.hear([allow(1, question)])
                run.append(event)
        assert run.response() == "It is done."
        assert inbox.heard == 1

    run_virtual(main())


def test_a_letter_is_delivered_once() -> None:
    async def main() -> None:
        model = ScriptedModel([Call("nobody", {}), "So."])
        run = Agent(model=model).run_stream("go").claim()
        events = await read(
            run, Inbox(run), [("step.started", [say(1, "one")]), ("attempt.started", [say(1, "one"), say(2, "two")])]
        )
        told = [event for event in events if isinstance(event, MessageReceived)]
        assert [(event.message.text, event.key) for event in told] == [("one", "key-1"), ("two", "key-2")]

    run_virtual(main())


def test_letters_in_the_log_are_not_delivered_again() -> None:
    async def main() -> None:
        run = Agent(model=ScriptedModel(["So."])).run_stream("go").claim()
        known = MessageReceived(key="key-1", message=Message.user("one"), seq=5, run=run.id)
        events = await read(run, Inbox(run, [known]), [("run.started", [say(1, "one")])])
        assert "message.received" not in types(events)

    run_virtual(main())


def test_a_message_to_a_member_waits_until_it_runs() -> None:
    async def main() -> None:
        run = heard_by_a_member().run_stream("go").claim()
        events = await read(run, Inbox(run), [("run.started", [say(1, "hurry", agent="hears")])])
        assert "with hurry" in str(tree_response(events).members["hears"])
        assert types(events).count("message.received") == 1

    run_virtual(main())


def test_a_cancel_ends_it_even_before_it_has_started() -> None:
    async def main() -> None:
        for when in ("run.started", "step.started"):
            run = Agent(model=ScriptedModel(["So."])).run_stream("go").claim()
            events = await read(run, Inbox(run), [(when, [letter(1, "cancel", "cancel", b"null")])])
            assert types(events)[-1] == "run.cancelled"
        run = Agent(model=ScriptedModel(["So."])).run_stream("go").claim()
        Inbox(run).hear([letter(1, "cancel", "cancel", b"null")])
        assert types(await read(run, Inbox(run), [])) == ["run.started", "run.cancelled"]

    run_virtual(main())


def test_an_invalid_answer_runs_nothing_and_the_model_reads_why() -> None:
    async def main() -> None:
        run = one_asked().run_stream("go").claim()
        inbox, events = Inbox(run), list[Event]()
        while batch := await run.pull():
            for event in batch:
                run.append(event)
                events.append(event)
                if event.type == "run.waiting":
                    (question,) = run.people.pending
                    inbox.hear([allow(1, question.id, arguments={"cents": "many"})])
        answered = next(event for event in events if event.type == "approval.answered")
        assert answered.allowed is False  # type: ignore[attr-defined]
        assert "did not fit" in answered.note  # type: ignore[attr-defined]
        assert "charge" not in [getattr(event, "name", "") for event in events if event.type == "tool.started"]

    run_virtual(main())


def test_an_input_that_does_not_fit_is_dismissed() -> None:
    async def main() -> None:
        run = asks_two_things().run_stream("go").claim()
        inbox, events = Inbox(run), list[Event]()
        while batch := await run.pull():
            for event in batch:
                run.append(event)
                events.append(event)
                if event.type == "run.waiting":
                    (question,) = run.people.pending
                    body = msgspec.json.encode(answer_body(Answer(content="three", by="ann"), "input"))
                    inbox.hear([letter(1, "answer", question.id, body)])
        assert "input.answered" in types(events)
        assert next(event.action for event in events if event.type == "input.answered") == "cancel"  # type: ignore[attr-defined]

    run_virtual(main())


def test_what_cannot_be_read_is_passed_over() -> None:
    async def main() -> None:
        run = Agent(model=ScriptedModel(["So."])).run_stream("go").claim()
        broken = [letter(1, "steer", "a", b"{"), letter(2, "answer", "b", b"[]"), letter(3, "note", "c", b"null")]
        assert types(await read(run, Inbox(run), [("run.started", broken)]))[-1] == "run.finished"

    run_virtual(main())


def test_the_open_questions_of_a_log() -> None:
    asked = InputAsked(input="r/c/1", call="c", name="t", message="How many?")
    assert [Question.of(event).message for event in asked_in([asked]).values()] == ["How many?"]
