"""What a run may be started with, and that a key names one run."""

from __future__ import annotations

import pytest

from headwater import Agent, SequentialWorkflow
from headwater.errors import ConfigurationError, ThreadBusy
from headwater.testing import ScriptedModel
from tests.support.journals import by_role, journal, payer, plain

__all__ = ("journal",)


def test_one_key_is_one_run(journal: str) -> None:
    first = plain(journal).start("Hi", key="monday")
    assert first.result_sync() == "Hello there."
    again = plain(journal).start("Hi", key="monday")
    assert (again.id, again.new) == (first.id, False)
    assert plain(journal).start("Hi", key="tuesday").id != first.id


def test_without_a_journal_there_is_nothing_to_start_it_in(monkeypatch: pytest.MonkeyPatch, journal: str) -> None:
    agent = Agent(name="plain", model=by_role(user="Hello there."))
    with pytest.raises(ConfigurationError, match="HEADWATER_JOURNAL"):
        agent.start("Hi")
    monkeypatch.setenv("HEADWATER_JOURNAL", journal)
    assert agent.start("Hi").result_sync() == "Hello there."


def test_what_cannot_be_stored_is_refused(journal: str) -> None:
    with pytest.raises(ConfigurationError, match="output_type="):
        plain(journal).start("Hi", output_type=int)
    with pytest.raises(ConfigurationError, match="context_from"):
        plain(journal).start("Hi", context=object())
    with pytest.raises(ConfigurationError, match="is no URL"):
        Agent(journal="runs.db")


def test_a_thread_takes_one_run_at_a_time(journal: str) -> None:
    agent = payer(journal)
    first = agent.start("Pay", thread="ann")
    for event in first.events():
        if event.type == "run.waiting":
            break
    with pytest.raises(ThreadBusy):
        agent.start("Pay again", thread="ann")
    queued = agent.start("Pay again", thread="ann", when_busy="queue")
    assert queued.info().state == "queued"
    for ref in (first, queued):
        for event in ref.events():
            if event.type == "approval.asked":
                ref.approve(event.approval)
    assert len(queued.result_sync().messages) == 8


def test_a_workflow_is_started_as_an_agent_is(journal: str) -> None:
    members = [Agent(name=name, model=ScriptedModel(lambda request: "So.")) for name in ("one", "two")]
    assert SequentialWorkflow(members, name="flow", journal=journal).start("Go").result_sync() == "So."


def test_its_labels_and_options_are_stored(journal: str) -> None:
    ref = plain(journal).start("Hi", labels={"team": "a"}, priority=3, temperature=0.5)
    request = ref.info().request
    assert (request.labels, request.priority) == ({"team": "a"}, 3)
    (started,) = [event for event in ref.events() if event.type == "run.started"]
    assert started.settings["temperature"] == 0.5
