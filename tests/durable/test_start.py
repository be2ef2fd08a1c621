"""What a run may be started with, and that a key names one run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headwater import Agent, SequentialWorkflow
from headwater.durable.home import home_of
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


def test_a_key_is_its_agents_own(journal: str) -> None:
    first = plain(journal).start("Hi", key="monday")
    other = Agent(name="other", model=by_role(user="I am another."), journal=journal).start("Hi", key="monday")
    assert (other.new, other.result_sync().text) == (True, "I am another.")
    assert first.result_sync() == "Hello there."


def test_a_second_start_under_a_key_changes_nothing(journal: str) -> None:
    agent = plain(journal)

    async def main() -> None:
        log = await home_of(journal).log()
        later = await log.now() + 3600.0
        first = await agent.start("Hi", key="monday", not_before=later, priority=1)
        changed: list[dict[str, Any]] = [{}, {"not_before": later - 3600.0}, {"priority": 9, "labels": {"a": "b"}}]
        for more in changed:
            again = await agent.start("Hi", key="monday", **more)
            assert (again.id, again.new) == (first.id, False)
        engine = home_of(journal).station.engine
        assert engine is not None
        for _ in range(50):
            await asyncio.sleep(0)
        assert not engine.driven
        info = await log.info(first.id)
        assert (info.state, info.end, info.request.priority, info.request.labels) == ("queued", 0, 1, {})

    asyncio.run(main())


def test_a_second_start_leaves_a_run_that_waits_alone(journal: str) -> None:
    agent = payer(journal)

    async def main() -> None:
        log = await home_of(journal).log()
        first = await agent.start("Pay", key="monday")
        async for event in first.events():
            if event.type == "run.waiting":
                break
        while (await log.info(first.id)).state != "waiting":  # noqa: ASYNC110  # no event of ours comes of it
            await asyncio.sleep(0.001)
        end = (await log.info(first.id)).end
        again = await agent.start("Pay", key="monday")
        engine = home_of(journal).station.engine
        assert again.id == first.id
        assert engine is not None
        for _ in range(50):
            await asyncio.sleep(0)
        assert not engine.driven
        assert (await log.info(first.id)).end == end

    asyncio.run(main())


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
    with pytest.raises(ConfigurationError, match=r"is not a URL. For a file write sqlite:///runs.db.$"):
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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"priority": "high"}, "priority"),
        ({"not_before": "tomorrow"}, "Unix seconds"),
        ({"when_busy": "wait"}, "when_busy"),
        ({"labels": "a"}, "labels"),
        ({"labels": {"a": 1}}, "label"),
        ({"key": 3}, "key"),
    ],
)
def test_wrong_options_are_refused_by_the_call_and_nothing_is_stored(
    journal: str, options: dict[str, Any], said: str
) -> None:
    agent = plain(journal)
    with pytest.raises(ConfigurationError, match=said):
        agent.start("Go.", **options)
    assert agent.start("Go.").result_sync()
