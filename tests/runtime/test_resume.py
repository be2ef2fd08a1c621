"""The checks before a log is resumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Agent, SequentialWorkflow, Thread
from headwater.errors import AlreadyAnswered, ConfigurationError, DefinitionChanged, InvalidRecord, RunEnded
from headwater.events import Event, RunResumed, Warned, decode, encode
from headwater.events.questions import Answer
from headwater.runtime.resume import Resumption
from headwater.testing import check_log
from tests.support.streams import always, log_of
from tests.support.virtual import run_virtual
from tests.system.resume.scenarios import one_asked


def _agent(**more: Any) -> Agent[Any, Any]:
    return Agent(**{"name": "ann", "model": always("So."), **more})


def _log(agent: Agent[Any, Any], size: int | None = None) -> list[Event]:
    log, _ = run_virtual(log_of(agent.run_stream("Go.")))
    return [decode(encode(event)) for event in log[:size]]


def test_it_continues_in_the_same_log_and_says_by_whom() -> None:
    async def main() -> None:
        before = _before
        new = [event async for event in _agent().resume(before, by="worker 2").events()]
        assert isinstance(new[0], RunResumed)
        assert new[0].by == "worker 2"
        assert new[0].definition_hash == before[0].definition_hash  # type: ignore[attr-defined]
        check_log([*before, *new])

    _before = _log(_agent(), 4)
    run_virtual(main())


def test_it_takes_what_was_asked_from_the_log() -> None:
    past = Resumption.of(_log(_agent(), 2))
    assert [message.text for message in past.task] == ["Go."]


def test_another_agent_is_refused_and_another_declaration_too() -> None:
    log = _log(_agent(), 3)
    with pytest.raises(DefinitionChanged, match="is of 'ann'"):
        _agent(name="bob").resume(log)
    with pytest.raises(DefinitionChanged, match="differently"):
        _agent(instructions="Be short.").resume(log)
    with pytest.raises(ConfigurationError, match="on_changed"):
        _agent().resume(log, on_changed="maybe")  # type: ignore[call-overload]


def test_with_a_warning_what_is_declared_now_counts() -> None:
    async def main() -> None:
        new = [event async for event in _agent(instructions="Be short.").resume(log, on_changed="warn").events()]
        (warned,) = (event for event in new if isinstance(event, Warned))
        assert warned.code == "definition_changed"
        check_log([*log, *new])

    log = _log(_agent(), 3)
    run_virtual(main())


def test_a_complete_log_has_no_new_events() -> None:
    async def main() -> None:
        stream = _agent(instructions="Whatever.").resume(log)
        assert [event async for event in stream.events()] == []
        assert stream.response == "So."
        assert not stream.steer("too late")

    log = _log(_agent())
    run_virtual(main())


def test_a_failed_one_raises_what_it_failed_with() -> None:
    from headwater.backends.offline import Fail
    from headwater.errors import InvalidRequest

    async def main() -> None:
        log: list[Event] = []
        agent = _agent(model=always(Fail(400)))
        with pytest.raises(InvalidRequest) as first:
            await agent.run("Go.", on_event=log.append)
        with pytest.raises(InvalidRequest) as again:
            await agent.resume(log).result()
        assert again.value.message == first.value.message

    run_virtual(main())


def test_invalid_logs_are_refused() -> None:
    with pytest.raises(InvalidRecord):
        _agent().resume([])


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (None, "is of type NoneType"),
        (3, "is of type int"),
        ("run.jsonl", "contains an object of type str"),
        ([{"type": "run.started"}], "contains an object of type dict"),
    ],
)
def test_anything_but_events_is_refused(log: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"The log to resume {says}"):
        _agent().resume(log)


def test_who_resumes_it_is_text_as_the_log_could_not_be_read_otherwise() -> None:
    with pytest.raises(ConfigurationError, match="by is None"):
        Resumption.of(_log(_agent(), 2), by=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["approvals", "answers"])
def test_answers_are_given_by_id(given: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{given} is of type list"):
        Resumption.of(_log(_agent(), 2), **{given: [True]})  # type: ignore[arg-type]


def test_answers_are_true_false_or_an_answer() -> None:
    with pytest.raises(ConfigurationError, match="approvals"):
        Resumption.of(_log(_agent(), 2), approvals={"x": "yes"})  # type: ignore[dict-item]


def test_what_was_answered_before_stays_answered() -> None:
    async def main() -> None:
        log: list[Event] = []
        stream = one_asked().run_stream("Go.")
        async for event in stream.events():
            log.append(event)
            for question in stream.pending:
                stream.approve(question.id, by="ann")
            if event.type == "approval.answered":
                break
        again = one_asked().resume(log)
        with pytest.raises(AlreadyAnswered, match="approved by ann"):
            again.deny(log[-1].approval)  # type: ignore[attr-defined]
        assert await again.result() == "It is done."
        with pytest.raises(RunEnded):
            again.deny("any")
        assert Answer(allowed=True)

    run_virtual(main())


@pytest.mark.parametrize("given", ["history", "thread", "task", "message"])
def test_the_conversation_cannot_be_passed_again(given: str) -> None:
    log, more = _log(_agent(), 3), {given: Thread() if given == "thread" else "Go."}
    for runnable in (_agent(), SequentialWorkflow([_agent()], name="ann")):
        resume: Any = runnable.resume
        with pytest.raises(ConfigurationError, match=f"{given}= cannot be passed"):
            resume(log, **more)


@dataclass
class _Person:
    """Someone."""

    name: str
    age: int


def test_the_output_type_of_one_run_is_passed_again() -> None:
    agent = Agent(name="ann", model=always('{"name": "Ann", "age": 3}'))
    log: list[Event] = []
    agent.run("Go.", output_type=_Person, on_event=log.append)
    assert agent.resume(log[:6], output_type=_Person).result_sync().output == _Person("Ann", 3)
    with pytest.raises(DefinitionChanged):
        agent.resume(log[:6])
